"""Calcium of the coronary arteries from what the archive holds: a CT, or a structured report."""

from mpss_lib.calcium.heart import HeartSurface
from mpss_lib.calcium.lesion import Lesion
from mpss_lib.calcium.scoring import CalciumScore, calcium_score
from mpss_lib.calcium.structured_report import (
    ReportedCalcium,
    newest,
    parse_report,
    read_report,
)

__all__ = [
    "CalciumScore",
    "HeartSurface",
    "Lesion",
    "ReportedCalcium",
    "calcium_score",
    "newest",
    "parse_report",
    "read_report",
]
