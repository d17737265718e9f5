"""Calcium of the coronary arteries from what the archive holds: scored from a CT."""

from mpss_lib.calcium.heart import HeartSurface
from mpss_lib.calcium.lesion import Lesion
from mpss_lib.calcium.scoring import CalciumScore, calcium_score

__all__ = ["CalciumScore", "HeartSurface", "Lesion", "calcium_score"]
