"""What is out of order with a gated study, or with what was measured in it.

What is asked, and each limit, is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from mpss_lib.gated.beat import STEPS
from mpss_lib.gated.lattice import Lattice
from mpss_lib.gated.matching import FARTHEST_BASE_MM, FARTHEST_MM, heights, misfit
from mpss_lib.gated.model import Look, Shape
from mpss_lib.volume import FloatArray, Volume

if TYPE_CHECKING:
    from mpss_lib.gated.ejection import Ejection

MISSING_SHARE = 0.2  # of the usual counts: a gate below it is taken as missing
DROP_SHARE = 0.85  # a gate with fewer counts: beats that were shorter than the gate's time
USUAL_GATES = 8
SMALL_ESV_ML = 20.0  # a small heart: Nakajima et al. 2013
SMALL_EDV_ML = 75.0  # one whose end-systolic volume may have been read too large
MOST_RESIDUAL_SHARE = 0.05  # of the end-diastolic volume: gates that depart from a smooth curve
MOST_MISFIT = 0.25
MOST_MOTION = 0.95  # of what a wall or a valve plane may move
LEAST_SEEN = 0.97
MOST_SD = 3.0
PERCENT_RANGE, EDV_RANGE_ML = (15.0, 85.0), (35.0, 350.0)
WALL_RANGE_MM, FWHM_RANGE_MM = (7.0, 14.5), (7.5, 18.0)
SYSTOLE_RANGE = (0.20, 0.60)  # of the beat: where it has its smallest volume
CONTRACTED_RANGE = (0.15, 0.65)  # of the beat: where it has not its largest (diastole may be flat)

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "too_few_gates": "fewer than four gates hold counts: nothing was measured",
        "ventricle_not_found": "nothing in the sum of the gates looks like a ventricle",
        "ventricle_doubtful": "the ventricle of the sum is doubtful: see doubts",
        "gates_missing": "a gate holds no counts, or hardly any",
        "few_gates": "fewer than eight gates: end-systole is blurred",
        "count_drop": "a gate has clearly fewer counts than the others: beats of other length",
        "uneven_curve": "the volumes of the gates depart from a smooth curve: arrhythmia, noise",
        "unusual_timing": "end-diastole or end-systole lie where no regular beat has them",
        "small_heart": "below 20 ml at end-systole or 75 at end-diastole: little is resolved",
        "poor_fit": "the model's picture differs from the gates: noise, defects, another structure",
        "motion_at_limit": "wall or valve plane moved as far as they may",
        "at_edge": "part of the ventricle lies outside the volume",
        "unusual_wall": "thickness of the wall or blur of the image out of the usual range",
        "wall_uncertain": "the volume of the wall is known too badly for the ejection fraction",
        "unusual_volume": "end-diastolic volume out of the usual range",
        "unusual_fraction": "ejection fraction out of the usual range",
    }
)  # fmt: skip
"""What each flag means."""


@dataclass(frozen=True)
class Values:
    """What flags are raised by and ``Ejection`` does not hold.

    ``end_diastole`` and ``end_systole`` are hundredths of the beat; ``motion`` is the largest
    displacement over the farthest allowed; the others are shares.
    """

    misfit: float
    motion: float
    residual_share: float
    seen_share: float
    end_diastole: int
    end_systole: int


def count_shares(gates: Sequence[Volume]) -> FloatArray:
    """Divide the counts of each gate by their median.

    Parameters
    ----------
    gates : sequence of Volume

    Returns
    -------
    (gates,) float64 array
        0 for a gate that is not finite.
    """
    totals = np.array([float(np.clip(one.array, 0.0, None).sum()) for one in gates])
    totals = np.where(np.isfinite(totals), totals, 0.0)
    usual = float(np.median(totals[totals > 0.0])) if (totals > 0.0).any() else 1.0
    shares: FloatArray = totals / usual
    return shares


def worst_misfit(
    lattice: Lattice, seen: Sequence[FloatArray], shapes: Sequence[Shape], look: Look
) -> float:
    """Upper quartile of the gates' misfits, over the counts of the wall.

    Parameters
    ----------
    lattice : Lattice
    seen : sequence of (rows, angles, radii) float64 arrays
    shapes : sequence of Shape
        Of the same gates.
    look : Look

    Returns
    -------
    float
        A share of the counts of the wall.
    """
    off = [misfit(lattice, one, shape, look) for one, shape in zip(seen, shapes, strict=True)]
    return float(np.percentile(off, 75))


def largest_motion(shapes: Sequence[Shape], summed: Shape) -> float:
    """Largest displacement of wall and valve plane from the sum, over the farthest allowed."""
    base = max(abs(shape.plane.at - summed.plane.at) for shape in shapes) / FARTHEST_BASE_MM
    wall = max(
        float(np.percentile(np.abs(shape.mid_mm - summed.mid_mm)[heights(shape) > 0.0], 95))
        for shape in shapes
    )
    return max(base, wall / FARTHEST_MM)


def flags_of(made: Ejection, values: Values) -> tuple[str, ...]:
    """Names of what is out of order, in the order of ``FLAGS``."""
    share = made.count_share
    diastole, systole = values.end_diastole / STEPS, values.end_systole / STEPS
    raised = {
        "ventricle_doubtful": bool(made.doubts),
        "gates_missing": bool((share < MISSING_SHARE).any()),
        "few_gates": len(share) < USUAL_GATES,
        "count_drop": bool((share < DROP_SHARE).any()),
        "uneven_curve": values.residual_share > MOST_RESIDUAL_SHARE,
        "unusual_timing": not _within(systole, SYSTOLE_RANGE)
        or _within(diastole, CONTRACTED_RANGE),
        "small_heart": made.esv_ml < SMALL_ESV_ML or made.edv_ml < SMALL_EDV_ML,
        "poor_fit": values.misfit > MOST_MISFIT,
        "motion_at_limit": values.motion > MOST_MOTION,
        "at_edge": values.seen_share < LEAST_SEEN,
        "unusual_wall": not _within(made.wall_mm, WALL_RANGE_MM)
        or not _within(made.fwhm_mm, FWHM_RANGE_MM),
        "wall_uncertain": made.percent_sd > MOST_SD,
        "unusual_volume": not _within(made.edv_ml, EDV_RANGE_ML),
        "unusual_fraction": not _within(made.percent, PERCENT_RANGE),
    }
    return tuple(name for name in FLAGS if raised.get(name, False))


def _within(value: float, limits: tuple[float, float]) -> bool:
    """Whether a value lies within limits; NaN does not."""
    return not math.isnan(value) and limits[0] <= value <= limits[1]
