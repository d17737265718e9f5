"""A cohort told by sums that name nobody: the rule for small cells stands here.

A count below ``SMALLEST_CELL`` is withheld, and so many more counts with it, from the least, that
at least two are withheld which sum to ``SMALLEST_CELL`` or more: else a total would give them away.
A quantile is told where at least so many patients lie on either side of it, with four digits; no
least or greatest value is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SMALLEST_CELL = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Moments:
    """Mean, standard deviation (n - 1) and quantiles of a number, None where too few have it."""

    mean: float | None
    sd: float | None
    quantiles: dict[str, float]


def moments(values: Floats) -> Moments:
    """Describe numbers.

    Parameters
    ----------
    values : (n,) float64 array

    Returns
    -------
    Moments
        Empty where n is below ``SMALLEST_CELL``.
    """
    n = len(values)
    if n < SMALLEST_CELL:
        return Moments(None, None, {})
    told = {
        f"{q:g}": float(f"{np.quantile(values, q):.4g}")
        for q in QUANTILES
        if n * min(q, 1.0 - q) >= SMALLEST_CELL
    }
    return Moments(float(values.mean()), float(values.std(ddof=1)), told)


def counts(values: Iterable[str], levels: Iterable[str] = ()) -> dict[str, int | None]:
    """Patients of each level, by level; None where it is withheld."""
    found = Counter(dict.fromkeys(levels, 0))
    found.update(values)
    withheld: list[str] = []
    total = 0
    for level, count in sorted(found.items(), key=lambda item: (item[1], item[0])):
        is_small = 0 < count < SMALLEST_CELL
        is_needed = bool(withheld) and (len(withheld) < 2 or total < SMALLEST_CELL)
        if is_small or (is_needed and count > 0):
            withheld.append(level)
            total += count
    return {level: None if level in withheld else found[level] for level in sorted(found)}
