"""Rows of ``calcium_source`` and ``calcium_lesion``: what each source says, and whether it counts.

A total counts as it is. An artery of a CT has a figure only where nothing that is its own or
another's was left open: calcium of the left main or the anterior artery that geometry does not tell
apart (``left_open``) leaves both without one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mpss_lib.calcium.lesion import Lesion
from mpss_lib.calcium.placing import LEFT
from mpss_lib.calcium.report_words import ARTERIES, TOTAL
from mpss_lib.calcium.scoring import CalciumScore
from mpss_lib.calcium.structured_report import ReportedCalcium
from mpss_lib.config import ENGINES
from mpss_lib.dicom import CtVolume
from mpss_lib.tables import digest_of

Row = dict[str, Any]

REPORT, CALCIUM_CT, ATTENUATION_CT = "report", "calcium_ct", "attenuation_ct"
SUPERSEDED, NO_TOTAL = "superseded", "no_total"
WAITS, NOT_A_CALCIUM_SCAN = "waits_for_person", "not_a_calcium_scan"
REASONS: Mapping[str, str] = {
    SUPERSEDED: "another report of the patient is final or newer",
    NO_TOTAL: "no total, and not all arteries",
    WAITS: "a person should look at a lesion before the score counts",
    NOT_A_CALCIUM_SCAN: "a CT for attenuation correction is never the outcome",
}
"""Why the figures of a source that was read do not count."""


def unusable_row(companion: Mapping[str, Any], reason: str) -> Row:
    """Make the row of a source that cannot be read or scored."""
    return _row(companion) | {"state": "unusable", "reason": reason}


def report_row(companion: Mapping[str, Any], found: ReportedCalcium, reason: str) -> Row:
    """Make the row of a report; ``reason``: why it does not count."""
    reason = reason or ("" if TOTAL in found.scores else NO_TOTAL)
    return _row(companion) | {
        "state": "read",
        "reason": reason,
        "is_counted": not reason,
        "total": found.scores.get(TOTAL),
        **{name.lower(): found.scores.get(name) for name in ARTERIES},
        "volume_mm3": found.volumes_mm3.get(TOTAL),
        "mass_mg": found.masses_mg.get(TOTAL),
        "method": found.method,
        "status": found.status,
        "is_verified": found.is_verified,
        "flags": list(companion["notes"]),
    }


def scan_row(
    companion: Mapping[str, Any], ct: CtVolume, score: CalciumScore, *, has_surface: bool
) -> Row:
    """Make the row of a CT."""
    reason = WAITS if score.waits else ""
    if score.kind == "attenuation":
        reason = NOT_A_CALCIUM_SCAN
    left_open = score.by_artery.get(LEFT, 0.0)
    return _row(companion) | {
        "state": "scored",
        "reason": reason,
        "is_counted": not reason,
        "total": score.score,
        **_by_artery(score, left_open, has_surface=has_surface),
        "left_open": left_open,
        "volume_mm3": score.volume_mm3,
        "mass_mg": _number(score.mass_mg),
        "method": "agatston",
        "has_surface": has_surface,
        "n_lesions": len(score.lesions),
        "n_waiting": sum(one.waits for one in score.lesions),
        "kvp": ct.kvp,
        "thickness_mm": ct.thickness_mm,
        "spacing_mm": ct.volume.spacing_mm[0],
        "noise_hu": _number(score.noise_hu),
        "flags": list(score.flags),
    }


def _by_artery(
    score: CalciumScore, left_open: float, *, has_surface: bool
) -> dict[str, float | None]:
    """Units by artery: none where the surface is not known and there is calcium at all."""
    is_told = has_surface or score.score == 0.0
    is_open = {"LM": left_open > 0.0, "LAD": left_open > 0.0}
    return {
        name.lower(): score.by_artery.get(name, 0.0)
        if is_told and not is_open.get(name, False)
        else None
        for name in ARTERIES
    }


def lesion_figures(one: Lesion) -> Row:
    """Give the figures of a lesion as columns of ``calcium_lesion``."""
    return {
        "score": one.score,
        "volume_mm3": one.volume_mm3,
        "mass_mg": _number(one.mass_mg),
        "area_mm2": one.area_mm2,
        "peak_hu": one.peak_hu,
        "first_slice": one.first_slice,
        "last_slice": one.last_slice,
        **dict(zip(("x_mm", "y_mm", "z_mm"), one.centre_mm, strict=True)),
    }


def lesion_rows(companion: Mapping[str, Any], score: CalciumScore) -> list[Row]:
    """Make the rows of the lesions of a CT."""
    return [
        {
            "study_key": companion["study_key"],
            "source_key": companion["source_key"],
            "lesion": number,
            "place": one.place,
            "probability": one.probability,
            "reason": one.reason,
            "waits": one.waits,
            **lesion_figures(one),
        }
        for number, one in enumerate(score.lesions, start=1)
    ]


def _row(companion: Mapping[str, Any]) -> Row:
    kept = {name: companion[name] for name in ("study_key", "source_key", "kind", "days")}
    figures = ("total", "lm", "lad", "lcx", "rca", "left_open", "volume_mm3", "mass_mg")
    scan = ("kvp", "thickness_mm", "spacing_mm", "noise_hu")
    return (
        kept
        | dict.fromkeys((*figures, *scan))
        | {
            "state": "",
            "reason": "",
            "is_counted": False,
            "method": "unstated",
            "status": "",
            "is_verified": False,
            "has_surface": False,
            "n_lesions": 0,
            "n_waiting": 0,
            "flags": [],
            "made_from": digest_of([ENGINES["calcium"], companion["content_sha256"]]),
        }
    )


def _number(value: float) -> float | None:
    """Value for the lake: nothing where there is none."""
    return float(value) if math.isfinite(value) else None
