"""Stage quality: metrics of a segmented study against the limits, and the verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpss_lib.batch import lake_only
from mpss_lib.config import Config
from mpss_lib.errors import GeometryError
from mpss_lib.masks import read_masks
from mpss_lib.quality.metrics import Seen, compare, measure
from mpss_lib.quality.verdict import Finding, decide, findings_of, limits_of
from mpss_lib.study_inputs import lake_file, segmentation_row, volume_rows
from mpss_lib.tables import Lake, Outcome, digest_of, sha256_of
from mpss_lib.volume import Volume

TABLES = ("quality_metric", "quality_verdict")
SCALE_NOTES = ("rescale_slope", "real_world_value")
"""Notes of a volume whose object says how stored values become counts."""


def run(study_key: str, lake: Lake, config: Config, *, force: bool = False) -> Outcome:
    """Measure the artefacts of a segmented study.

    Reads ``volume``, ``segmentation``, the mask file and the DICOM objects; writes
    ``quality_metric`` and ``quality_verdict``. (Table ``review`` has its own writer.)

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
        ``done`` or ``skipped``, and the files.

    Raises
    ------
    StudyRejectedError
        ``no_volume_chosen`` or ``not_segmented``: an earlier stage rejected the study.
    """
    address = config.address("quality")
    limits = limits_of(config.quality)
    chosen, uncorrected = volumes_of(lake, config, study_key)
    row = segmentation_row(lake, config, study_key)
    masks_at = lake_file(lake, str(row["mask_path"]), "segmentation")
    image_at = lake_file(lake, str(chosen["path"]), "pull")
    other_at = None if uncorrected is None else lake_file(lake, str(uncorrected["path"]), "pull")
    parts = [sha256_of(path) for path in (image_at, masks_at, other_at) if path is not None]
    digest = digest_of([*parts, str(row["check"]), *row["flags"], *chosen["flags"]])
    there = lake.existing("quality", address, study_key, digest, tables=TABLES)
    if there and not force:
        return Outcome("skipped", there)
    masks, extras = read_masks(masks_at)
    seen = Seen(_read(image_at, config), masks, extras, json.loads(row["check"]))
    values = measure(seen)
    if other_at is not None:
        values |= _beside(seen, _read(other_at, config))
    findings = findings_of(values, limits)
    verdict = decide(findings, row["flags"], chosen["flags"])
    version = config.quality.limits_version
    metric_rows = [_metric_row(study_key, finding, version) for finding in findings]
    verdict_row = {
        "study_key": study_key,
        "verdict": verdict.verdict,
        "flags": list(verdict.flags),
        "not_assessable": list(verdict.not_assessable),
    }
    written = (
        lake.write("quality_metric", address, study_key, digest, metric_rows),
        lake.write("quality_verdict", address, study_key, digest, [verdict_row]),
    )
    return Outcome("done", written)


opened = lake_only(run)


def volumes_of(
    lake: Lake, config: Config, study_key: str
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Row of the chosen volume, and of the stress series without correction beside it, if any."""
    chosen, *others = volume_rows(lake, config, study_key)
    grid = ("orientation", "nz", "ny", "nx")
    beside = [
        row
        for row in others
        if row["attenuation"] == "NAC" and row["stress"] == chosen["stress"] and row["path"]
        and all(row[name] == chosen[name] for name in grid)
    ]  # fmt: skip
    return chosen, min(beside, key=lambda row: str(row["object_key"]), default=None)


def _beside(seen: Seen, uncorrected: Volume) -> dict[str, float]:
    """Metrics beside the uncorrected series; none where it lies on another grid.

    Many stations scale each volume to the full range of its bits and do not say by how much: then
    the gain by the correction is lost, and over-correction stays not assessable.
    """
    try:
        values = compare(seen, uncorrected)
    except GeometryError:
        return {}
    if not (_has_scale(seen.volume) and _has_scale(uncorrected)):
        values.pop("correction_gain", None)
    return values


def _has_scale(volume: Volume) -> bool:
    return any(note in SCALE_NOTES for note in volume.notes)


def _read(path: Path, config: Config) -> Volume:
    from mpss_lib.dicom import read_volume

    return read_volume(path, gated=config.intake.gated)


def _metric_row(study_key: str, finding: Finding, version: str) -> Mapping[str, Any]:
    limit = finding.limit
    return {
        "study_key": study_key,
        "metric": finding.metric,
        "value": _number(finding.value),
        "review_low": _number(limit.review_low),
        "review_high": _number(limit.review_high),
        "hold_low": _number(limit.hold_low),
        "hold_high": _number(limit.hold_high),
        "flag": finding.flag,
        "limits_version": version,
    }


def _number(value: float) -> float | None:
    """Value for the lake: nothing where there is none or no limit."""
    return value if math.isfinite(value) else None
