"""Stage segmentation: the chosen volume of a study in, masks and one row out.

``[segmentation] masks_from`` says whose masks count. Contours of the study are looked at whatever
it says: they are listed, and compared with the automatic masks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpss_lib.batch import lake_only
from mpss_lib.config import Config
from mpss_lib.dicom.faults import object_fault
from mpss_lib.errors import DicomFileError, GeometryError, StudyRejectedError
from mpss_lib.masks import write_masks
from mpss_lib.segmentation import agreement
from mpss_lib.segmentation.contour_objects import KINDS, ContourFile, Offer, choose, examine
from mpss_lib.segmentation.contour_segmentation import segment_contours
from mpss_lib.segmentation.ventricle import Segmentation, segment
from mpss_lib.study_inputs import chosen_volume, lake_file
from mpss_lib.tables import Lake, Outcome, Written, check_key, digest_of, sha256_of
from mpss_lib.volume import Volume

CONTOURS_ABSENT = "contours_absent"
CONTOURS_UNUSABLE = "contours_unusable"
BESIDE = ("contour_object", "segmentation_agreement")
"""Tables that have a file only where the study has contours."""


@dataclass(frozen=True)
class _Study:
    """One study on its way: where its outputs go and what its contours offer."""

    key: str
    lake: Lake
    config: Config
    chosen: Mapping[str, Any]
    files: tuple[ContourFile, ...]
    digest: str
    has_tables_beside: bool

    @property
    def tables(self) -> tuple[str, ...]:
        return ("segmentation", *(BESIDE if self.has_tables_beside else ()))

    def write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> Written:
        address = self.config.address("segmentation")
        return self.lake.write(table, address, self.key, self.digest, rows)


def run(study_key: str, lake: Lake, config: Config, *, force: bool = False) -> Outcome:
    """Segment the chosen volume of a study.

    Reads ``volume``, the DICOM object that it names and the study's RTSTRUCT and SEG objects;
    writes the mask file and ``segmentation``, and where there are contours ``contour_object`` and
    ``segmentation_agreement``.

    Parameters
    ----------
    study_key : str
    lake : Lake
    config : Config
    force : bool
        Work again although the same output is there.

    Returns
    -------
    Outcome
        ``rejected`` with ``contours_absent``, or ``contours_unusable`` and the reasons of each
        object, where ``masks_from = "contours"`` finds none that can be used.

    Raises
    ------
    StudyRejectedError
        ``no_volume_chosen``: intake accepted no series; ``left_ventricle_not_found``.
    """
    chosen = chosen_volume(lake, config, study_key)
    path = lake_file(lake, str(chosen["path"]), "pull")
    study = _study(study_key, lake, config, chosen, path)
    address = config.address("segmentation")
    there = lake.existing("segmentation", address, study_key, study.digest, tables=study.tables)
    masks_at = lake.mask_path(address, study_key, study.digest)
    if there and masks_at.exists() and not force:
        return Outcome("skipped", there)
    return _work(study, path, masks_at)


opened = lake_only(run)


def _work(study: _Study, path: Path, masks_at: Path) -> Outcome:
    """Look at the contours, take the masks that the settings ask for, write."""
    from mpss_lib.dicom import read_header, read_volume

    volume = read_volume(path, gated=study.config.intake.gated)
    uid = read_header(path).sop_instance if study.files else ""
    offers = [examine(file, volume, uid) for file in study.files]
    used, given, offers = _best_contours(offers, volume, str(study.chosen["orientation"]))
    wanted = study.config.segmentation.masks_from
    if given is None and wanted == "contours":
        return _refused(study, offers)
    found: Segmentation
    automatic: Segmentation | None
    if used is None or given is None or wanted == "automatic":
        found = automatic = _automatic(volume, study)
        used_key = ""
    else:
        found, automatic = given, _automatic_if_found(volume, study)
        used_key = used.file.object_key
    write_masks(masks_at, dict(found.masks) | dict(found.seven), found.extras)
    row = _row(study, found, used_key, study.lake.relative(masks_at))
    written = [study.write("segmentation", [row])]
    if study.has_tables_beside:
        rows = [] if given is None else agreement.compare(study.key, volume, given, automatic)
        written.append(study.write("contour_object", _offer_rows(study, offers, used_key)))
        written.append(study.write("segmentation_agreement", rows))
    return Outcome("done", tuple(written))


def contour_files(lake: Lake, config: Config, study_key: str) -> tuple[ContourFile, ...]:
    """RTSTRUCT and SEG objects of a study on the lake: of the archive, and imported files."""
    rows = lake.rows("instance", config.address("pull"), check_key(study_key))
    found = [
        ContourFile(row["object_key"], lake_file(lake, row["path"], "pull"), "archive")
        for row in rows
        if row["is_stored"] and row["sop_class"] in KINDS
    ]
    imported = sorted((lake.dicom_folder(study_key) / "contours").glob("*.dcm"))
    found += [ContourFile(path.stem, path, "import") for path in imported]
    return tuple(sorted(found, key=lambda file: (file.origin, file.object_key)))


def _study(
    study_key: str, lake: Lake, config: Config, chosen: Mapping[str, Any], path: Path
) -> _Study:
    files = contour_files(lake, config, study_key)
    parts = [sha256_of(path), str(chosen["orientation"]), str(chosen["object_key"])]
    for file in files:
        parts += [file.origin, file.object_key, sha256_of(file.path)]
    address = config.address("segmentation")
    before = lake.current_path("contour_object", address, study_key)
    beside = bool(files) or before is not None
    return _Study(study_key, lake, config, chosen, files, digest_of(parts), beside)


def _best_contours(
    offers: list[Offer], volume: Volume, orientation: str
) -> tuple[Offer | None, Segmentation | None, list[Offer]]:
    """Best offer whose masks make a ventricle, its segmentation, and what became of the others."""
    while (best := choose(offers)) is not None:
        try:
            with object_fault("the contours make no ventricle"):
                return best, segment_contours(volume, best.masks, orientation=orientation), offers
        except (GeometryError, DicomFileError) as error:
            refused = replace(best, reasons=("geometry",), problem=error.problem)
            offers = [refused if offer is best else offer for offer in offers]
    return None, None, offers


def _automatic(volume: Volume, study: _Study) -> Segmentation:
    settings = study.config.segmentation
    return segment(volume, settings, orientation=str(study.chosen["orientation"]))


def _automatic_if_found(volume: Volume, study: _Study) -> Segmentation | None:
    """Our own masks to compare with; None where the ventricle was not found."""
    try:
        return _automatic(volume, study)
    except StudyRejectedError:
        return None


def _refused(study: _Study, offers: Sequence[Offer]) -> Outcome:
    """Reject a study whose contours were asked for: the reason, and those of its objects."""
    if not offers:
        return Outcome("rejected", (), (CONTOURS_ABSENT,))
    reasons = sorted({reason for offer in offers for reason in offer.reasons})
    written = study.write("contour_object", _offer_rows(study, offers, ""))
    return Outcome("rejected", (written,), (CONTOURS_UNUSABLE, *reasons))


def _offer_rows(study: _Study, offers: Sequence[Offer], used_key: str) -> list[dict[str, Any]]:
    return [
        {
            "study_key": study.key,
            "object_key": offer.file.object_key,
            "kind": offer.kind,
            "origin": offer.file.origin,
            "is_usable": not offer.reasons,
            "is_used": offer.file.object_key == used_key,
            "reasons": list(_why_not(offer, used_key)),
            "problem": offer.problem,
            "regions": list(offer.regions),
            "n_unknown": offer.n_unknown,
            "path": study.lake.relative(offer.file.path),
        }
        for offer in offers
    ]


def _why_not(offer: Offer, used_key: str) -> tuple[str, ...]:
    if offer.reasons or offer.file.object_key == used_key:
        return offer.reasons
    return ("not_the_newest",) if used_key else ("automatic_masks_asked_for",)


def _row(study: _Study, found: Segmentation, used_key: str, mask_path: str) -> dict[str, Any]:
    voxels = {
        name: int(mask.array.sum())
        for name, mask in (dict(found.masks) | dict(found.seven)).items()
    }
    x, y, z = (float(value) for value in found.axis)
    return {
        "study_key": study.key,
        "object_key": study.chosen["object_key"],
        "is_sure": found.is_sure,
        "flags": list(found.flags),
        "masks_from": "contours" if used_key else "automatic",
        "contours_key": used_key,
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
