"""Calibration curve: patients in groups of equal size by prediction, what was seen in each.

Wilson 1927 for shares, Student's t for means.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from mpss_lib.evaluation.design import Flags, Floats
from mpss_lib.prediction_quality import Z_95

GROUPS = 10
LEAST = 15
"""Patients in a group; a small cohort has fewer groups."""


@dataclass(frozen=True)
class Group:
    """One group: its number from 0, its size, what was predicted and seen, 95 % interval."""

    group: int
    n: int
    predicted: float
    observed: float
    low: float
    high: float


def of_outcome(guess: Floats, outcome: Floats) -> list[Group]:
    """Make groups by predicted outcome; the interval is that of a mean (t).

    Parameters
    ----------
    guess, outcome : (n,) float64 arrays
        On one scale.

    Returns
    -------
    list of Group
        With rising prediction.
    """
    from scipy.stats import t as t_dist

    found = []
    for k, rows in enumerate(_split(guess)):
        n, seen = len(rows), float(outcome[rows].mean())
        half = nan
        if n > 1:
            half = float(t_dist.isf(0.025, n - 1)) * float(outcome[rows].std(ddof=1)) / sqrt(n)
        found.append(Group(k, n, float(guess[rows].mean()), seen, seen - half, seen + half))
    return found


def of_event(probability: Floats, is_event: Flags) -> list[Group]:
    """Make groups by probability; the interval is Wilson's.

    Parameters
    ----------
    probability : (n,) float64 array
    is_event : (n,) bool array

    Returns
    -------
    list of Group
        With rising probability.
    """
    found = []
    for k, rows in enumerate(_split(probability)):
        n, seen = len(rows), float(is_event[rows].mean())
        found.append(Group(k, n, float(probability[rows].mean()), seen, *wilson(seen, n)))
    return found


def wilson(share: float, n: int) -> tuple[float, float]:
    """Interval of a share (Wilson 1927), 95 %."""
    z2 = Z_95 * Z_95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _split(values: Floats) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Rows by ascending value, in groups whose sizes differ by one at most."""
    order = np.argsort(values, kind="stable")
    n_groups = max(1, min(GROUPS, len(values) // LEAST))
    return [part for part in np.array_split(order, n_groups) if len(part)]
