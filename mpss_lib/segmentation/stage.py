"""Stage segmentation: the chosen volume of a study in, masks and one row out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError, StudyRejectedError
from mpss_lib.masks import write_masks
from mpss_lib.segmentation.ventricle import Segmentation, segment
from mpss_lib.tables import Lake, Outcome, check_key, digest_of, sha256_of


def run(study_key: str, lake: Lake, config: Config, *, force: bool = False) -> Outcome:
    """Segment the chosen volume of a study.

    Reads ``volume`` and the DICOM object that it names; writes the mask file and ``segmentation``.

    Parameters
    ----------
    study_key : str
    lake : Lake
    config : Config
    force : bool
        Work again although the same output is there.

    Raises
    ------
    StudyRejectedError
        ``no_volume_chosen``: intake accepted no series; ``left_ventricle_not_found``.
    """
    from mpss_lib.dicom import read_volume

    address = config.address("segmentation")
    chosen = chosen_volume(lake, config, check_key(study_key))
    path = lake.root / str(chosen["path"])
    digest = _input_digest(path, chosen)
    there = lake.existing("segmentation", address, study_key, digest)
    masks_at = lake.mask_path(address, study_key, digest)
    if there and masks_at.exists() and not force:
        return Outcome("skipped", there)
    orientation = str(chosen["orientation"])
    volume = read_volume(path, gated=config.intake.gated)
    found = segment(volume, config.segmentation, orientation=orientation)
    write_masks(masks_at, dict(found.masks) | dict(found.seven), found.extras)
    row = _row(study_key, chosen, found, lake.relative(masks_at))
    return Outcome("done", (lake.write("segmentation", address, study_key, digest, [row]),))


def chosen_volume(lake: Lake, config: Config, study_key: str) -> dict[str, Any]:
    """Row of table ``volume`` that intake chose for the study."""
    rows = lake.rows("volume", config.address("intake"), study_key)
    chosen = [row for row in rows if row["is_chosen"]]
    if not chosen:
        raise StudyRejectedError(
            f"study {study_key} has no chosen volume ({len(rows)} were looked at)",
            way_out="see the reasons in table volume; nothing is to be done for a rejected study",
            reasons=("no_volume_chosen",),
        )
    return chosen[0]


def _input_digest(path: Path, chosen: Mapping[str, Any]) -> str:
    if not path.is_file():
        raise LakeCorruptError(
            f"object {path.name} of the chosen volume is not on the lake",
            way_out="pull the study again",
        )
    return digest_of([sha256_of(path), str(chosen["orientation"]), str(chosen["object_key"])])


def _row(
    study_key: str, chosen: Mapping[str, Any], found: Segmentation, mask_path: str
) -> dict[str, Any]:
    voxels = {
        name: int(mask.array.sum())
        for name, mask in (dict(found.masks) | dict(found.seven)).items()
    }
    x, y, z = (float(value) for value in found.axis)
    return {
        "study_key": study_key,
        "object_key": chosen["object_key"],
        "is_sure": found.is_sure,
        "flags": list(found.flags),
        "wall_mode": found.wall_mode,
        "wall_mm": found.wall_mm,
        "axis_x": x,
        "axis_y": y,
        "axis_z": z,
        "myocardium_ml": found.masks["MYO"].volume_ml,
        "cavity_ml": found.masks["ENDO"].volume_ml,
        "length_mm": found.check["length_mm"],
        "check": _json(found.check),
        "voxels": _json(voxels),
        "mask_path": mask_path,
    }


def _json(values: Mapping[str, float]) -> str:
    plain = {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in values.items()
    }
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))
