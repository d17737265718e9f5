"""How well a number tells cases from others, and ranks: AUC, its DeLong covariance, Spearman's rho.

DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44:837), by the ranks of Sun & Xu 2014 (IEEE Signal
Process. Lett. 21:1389).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atanh, nan, sqrt, tanh

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEVEL = 0.95
"""Level of the intervals, unless another one is asked for."""


@dataclass(frozen=True)
class Estimate:
    """A figure with the ends of its interval; NaN where it is not defined."""

    value: float
    low: float = nan
    high: float = nan


def delong(guesses: Floats, is_case: Flags) -> tuple[Floats, Floats]:
    """Areas under the ROC curves of several guesses about the same patients.

    Parameters
    ----------
    guesses : (k, n) float64
    is_case : (n,) bool

    Returns
    -------
    areas : (k,) float64
        NaN where cases or others are missing.
    covariance : (k, k) float64
        Of the areas; NaN where there are not two cases and two others.
    """
    from scipy.stats import rankdata

    count = len(guesses)
    cases, others = guesses[:, is_case], guesses[:, ~is_case]
    m, n = cases.shape[1], others.shape[1]
    if m == 0 or n == 0:
        return np.full(count, nan), np.full((count, count), nan)
    every = rankdata(np.hstack([cases, others]), axis=1)
    above = (every[:, :m] - rankdata(cases, axis=1)) / n
    below = 1.0 - (every[:, m:] - rankdata(others, axis=1)) / m
    areas: Floats = above.mean(axis=1)
    if m < 2 or n < 2:
        return areas, np.full((count, count), nan)
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return areas, covariance


def auc(guess: Floats, is_case: Flags, level: float = LEVEL) -> Estimate:
    """Area under the ROC curve with DeLong's interval, cut to 0..1."""
    areas, covariance = delong(guess[None, :], is_case)
    reach = _quantile(level) * float(np.sqrt(covariance[0, 0]))
    area = float(areas[0])
    if np.isnan(reach):
        return Estimate(area)
    return Estimate(area, max(area - reach, 0.0), min(area + reach, 1.0))


def spearman(guess: Floats, outcome: Floats, level: float = LEVEL) -> Estimate:
    """Rank correlation; interval by Fisher's z with the error of Bonett & Wright 2000.

    NaN where one of the two is constant; no interval below 5 patients.
    """
    from scipy.stats import rankdata

    if len(guess) < 2 or np.ptp(guess) == 0.0 or np.ptp(outcome) == 0.0:
        return Estimate(nan)
    rho = float(np.corrcoef(rankdata(guess), rankdata(outcome))[0, 1])
    if len(guess) < 5 or abs(rho) >= 1.0:
        return Estimate(rho)
    reach = _quantile(level) * sqrt((1.0 + 0.5 * rho * rho) / (len(guess) - 3))
    return Estimate(rho, tanh(atanh(rho) - reach), tanh(atanh(rho) + reach))


def _quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + 0.5 * level))
