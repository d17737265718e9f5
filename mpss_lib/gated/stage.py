"""Stage gated: the gated series of a study in, its ejection fraction and thickening out.

A study without gates is done like any other: its row says so. Only a fault of our own sets one
aside; the stage is the last of the chain, so that nothing waits for it.

The method is ours: a model ventricle in every gate (``model``, ``matching``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mpss_lib.batch import lake_only
from mpss_lib.config import Config
from mpss_lib.dicom import read_dataset, read_gates, read_volume
from mpss_lib.errors import DicomFileError, GeometryError
from mpss_lib.gated.ejection import Ejection, ejection_fraction
from mpss_lib.gated.quality import MISSING_SHARE
from mpss_lib.gated.series import find_gated
from mpss_lib.study_inputs import lake_file, volume_rows
from mpss_lib.tables import Lake, Outcome, digest_of, sha256_of
from mpss_lib.volume import Volume

MEASURED, NO_GATES, UNUSABLE = "measured", "no_gates", "unusable"
STATE_OF = {"too_few_gates": "too_few_gates", "ventricle_not_found": "no_ventricle"}
"""Flags of the engine with which nothing was measured, and the state of such a study."""
SEGMENTS = tuple(f"S{number:02d}" for number in range(1, 18))


@dataclass(frozen=True)
class _Found:
    """What became of a study's gates."""

    state: str
    object_key: str = ""
    reasons: tuple[str, ...] = ()
    problem: str = ""
    ejection: Ejection = field(default_factory=Ejection)


def run(study_key: str, lake: Lake, config: Config, *, force: bool = False) -> Outcome:
    """Measure the left ventricle in the gates of a study, where it has any.

    Reads ``volume``, ``instance`` and the gated DICOM object; writes ``ejection`` (one row,
    whether there are gates or not) and ``ejection_segment`` (a row for each of the 17 segments).

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
        ``no_volume_chosen``: intake accepted no series.
    LakeCorruptError
        The gated object is not on the lake any more.
    """
    rows = volume_rows(lake, config, study_key)
    instances = lake.rows("instance", config.address("pull"), study_key)
    order = {row["object_key"]: int(row["series_order"] or 0) for row in instances}
    series = find_gated(rows, order)
    path = None if series.row is None else lake_file(lake, str(series.row["path"]), "pull")
    address = config.address("gated")
    digest = digest_of(_inputs(series.row, path, series.reasons))
    there = lake.existing("gated", address, study_key, digest)
    if there and not force:
        return Outcome("skipped", there)
    if series.row is None or path is None:
        found = _Found(UNUSABLE if series.reasons else NO_GATES, reasons=series.reasons)
    else:
        found = _measure(series.row, path)
    segments = _segment_rows(study_key, found)
    written = (
        lake.write("ejection", address, study_key, digest, [_row(study_key, found)]),
        lake.write("ejection_segment", address, study_key, digest, segments),
    )
    return Outcome("done", written)


opened = lake_only(run)


def _inputs(
    row: Mapping[str, Any] | None, path: Path | None, reasons: Iterable[str]
) -> tuple[str, ...]:
    if row is None or path is None:
        return ("no gates", *reasons)
    return (sha256_of(path), str(row["object_key"]), str(row["orientation"]))


def _measure(row: Mapping[str, Any], path: Path) -> _Found:
    key = str(row["object_key"])
    try:
        gates = gates_of(path)
    except (DicomFileError, GeometryError) as error:
        return _Found(UNUSABLE, key, ("unreadable",), error.problem)
    ejection = ejection_fraction(gates, orientation=str(row["orientation"]))
    states = (state for flag, state in STATE_OF.items() if flag in ejection.flags)
    return _Found(next(states, MEASURED), key, ejection=ejection)


def gates_of(path: Path) -> list[Volume]:
    """Read the gates of a gated tomogram, in the order of its time slots.

    Parameters
    ----------
    path : Path
        One gated object (PS3.3 A.5).

    Returns
    -------
    list of Volume, counts

    Raises
    ------
    GeometryError, DicomFileError
        As ``dicom.read_volume``.
    """
    dataset = read_dataset(path)
    total = read_volume(dataset)
    return [replace(total, array=one) for one in read_gates(dataset)]


def _row(study_key: str, found: _Found) -> dict[str, Any]:
    made = found.ejection
    is_measured = found.state == MEASURED
    return {
        "study_key": study_key,
        "object_key": found.object_key,
        "state": found.state,
        "reasons": list(found.reasons),
        "problem": found.problem,
        "is_sure": is_measured and made.is_sure,
        "flags": list(made.flags) if is_measured else [],
        "doubts": list(made.doubts),
        "n_gates": len(made.count_share),
        "n_gates_used": int((made.count_share >= MISSING_SHARE).sum()),
        "lvef": _number(made.percent),
        "lvef_sd": _number(made.percent_sd),
        "lvef_gates": _number(made.gates_percent),
        "edv_ml": _number(made.edv_ml),
        "esv_ml": _number(made.esv_ml),
        "stroke_ml": _number(made.stroke_ml),
        "wall_ml": _number(made.wall_ml),
        "wall_mm": _number(made.wall_mm),
        "fwhm_mm": _number(made.fwhm_mm),
        "phase_mean_deg": _number(made.phase.mean_deg),
        "phase_sd_deg": _number(made.phase.sd_deg),
        "phase_bandwidth_deg": _number(made.phase.bandwidth_deg),
        "curve_ml": np.asarray(made.curve_ml, np.float64).tolist(),
        "count_share": np.asarray(made.count_share, np.float64).tolist(),
    }


def _segment_rows(study_key: str, found: _Found) -> list[dict[str, Any]]:
    """Thickening by segment; no row where nothing was measured."""
    if found.state != MEASURED:
        return []
    rises = found.ejection.thickening
    return [
        {"study_key": study_key, "segment": name, "thickening": _number(rises[name])}
        for name in SEGMENTS
    ]


def _number(value: float) -> float | None:
    """Value for the lake: nothing where there is none."""
    return float(value) if math.isfinite(value) else None
