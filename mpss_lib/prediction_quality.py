"""How good predictions are: do they tell cases from others, rank, are they calibrated.

DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44:837), by the ranks of Sun & Xu 2014 (IEEE Signal
Process. Lett. 21:1389). Calibration of a continuous outcome as in Steyerberg, Clinical Prediction
Models (2nd ed. 2019), chapter 15: in the large, the mean of outcome less prediction (ideal 0); the
slope of the outcome on the prediction (ideal 1), after Cox 1958 (Biometrika 45:562).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atanh, erfc, nan, sqrt, tanh

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEVEL = 0.95
"""Level of the intervals."""

Z_95 = 1.959963984540054
"""Quantile of the normal distribution for that level."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, its standard error, and the p-value that it is nothing.

    Parameters
    ----------
    value, low, high, std_error, p_value : float
        NaN where it cannot be told.
    method : str
        Where the interval comes from, such as ``bootstrap``, ``delong`` or ``wald``.
    """

    value: float
    low: float = nan
    high: float = nan
    std_error: float = nan
    p_value: float = nan
    method: str = ""


@dataclass(frozen=True)
class Areas:
    """Areas under ROC curves of several markers of the same patients.

    Parameters
    ----------
    area : (markers,) float64
        NaN where there is no event, or nothing but events.
    covariance : (markers, markers) float64
        NaN where there are fewer than two events or fewer than two others.
    """

    area: Floats
    covariance: Floats

    def estimate(self, marker: int) -> Estimate:
        """Area of one marker with DeLong's interval, cut at 0 and 1."""
        value, error = float(self.area[marker]), _root(self.covariance[marker, marker])
        if not np.isfinite(error):
            return Estimate(value, method="delong")
        low, high = max(0.0, value - Z_95 * error), min(1.0, value + Z_95 * error)
        return Estimate(value, low, high, error, nan, "delong")

    def difference(self, marker: int, other: int) -> Estimate:
        """Area of one marker minus that of another of the same patients, with a two-sided p.

        Markers that order the events alike give 0 with p 1.
        """
        c = self.covariance
        value = float(self.area[marker] - self.area[other])
        error = _root(c[marker, marker] + c[other, other] - 2.0 * c[marker, other])
        if not np.isfinite(error):
            return Estimate(value, method="delong")
        if error <= 1e-12:
            return Estimate(value, value, value, 0.0, 1.0 if abs(value) <= 1e-12 else nan, "delong")
        p = erfc(abs(value / error) / sqrt(2.0))
        return Estimate(value, value - Z_95 * error, value + Z_95 * error, error, p, "delong")


def areas(markers: Floats, is_event: Flags) -> Areas:
    """Areas and their covariance.

    Parameters
    ----------
    markers : (markers, n) float64, finite
        A higher value stands for the event.
    is_event : (n,) bool

    Returns
    -------
    Areas
    """
    return Areas(*delong(markers, is_event))


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


def auc(guess: Floats, is_case: Flags) -> Estimate:
    """Area of one guess with DeLong's interval, cut at 0 and 1.

    Parameters
    ----------
    guess : (n,) float64 array
    is_case : (n,) bool array

    Returns
    -------
    Estimate
    """
    return areas(guess[None, :], is_case).estimate(0)


def spearman(guess: Floats, outcome: Floats) -> Estimate:
    """Rank correlation; interval by Fisher's z with the error of Bonett & Wright 2000.

    NaN where one of the two is constant; no interval below 5 patients.

    Parameters
    ----------
    guess, outcome : (n,) float64 arrays

    Returns
    -------
    Estimate
    """
    from scipy.stats import rankdata

    if len(guess) < 2 or np.ptp(guess) == 0.0 or np.ptp(outcome) == 0.0:
        return Estimate(nan)
    rho = float(np.corrcoef(rankdata(guess), rankdata(outcome))[0, 1])
    if len(guess) < 5 or abs(rho) >= 1.0:
        return Estimate(rho)
    reach = Z_95 * sqrt((1.0 + 0.5 * rho * rho) / (len(guess) - 3))
    low, high = tanh(atanh(rho) - reach), tanh(atanh(rho) + reach)
    return Estimate(rho, low, high, method="fisher_z")


def calibration(guess: Floats, outcome: Floats) -> dict[str, Estimate]:
    """In-the-large, slope and intercept with intervals (t); NaN if the predictions are constant.

    Parameters
    ----------
    guess, outcome : (n,) float64 arrays
        On one scale; at least two patients.

    Returns
    -------
    dict of measure to Estimate
    """
    from scipy.stats import t

    n = len(guess)
    gap = outcome - guess
    reach = float(t.ppf(0.5 + 0.5 * LEVEL, n - 1)) * float(gap.std(ddof=1)) / sqrt(n)
    mean = float(gap.mean())
    told = {"calibration_in_the_large": Estimate(mean, mean - reach, mean + reach, method="t")}
    centred = guess - guess.mean()
    spread = float(centred @ centred)
    if spread == 0.0 or n < 3:
        return told | dict.fromkeys(("calibration_slope", "calibration_intercept"), Estimate(nan))
    slope = float(centred @ outcome) / spread
    intercept = float(outcome.mean() - slope * guess.mean())
    rest = outcome - intercept - slope * guess
    error = sqrt(float(rest @ rest) / (n - 2))
    quantile = float(t.ppf(0.5 + 0.5 * LEVEL, n - 2))
    errors = {
        "calibration_slope": (slope, error / sqrt(spread)),
        "calibration_intercept": (intercept, error * sqrt(1.0 / n + guess.mean() ** 2 / spread)),
    }
    return told | {
        name: Estimate(value, value - quantile * se, value + quantile * se, se, method="t")
        for name, (value, se) in errors.items()
    }


def _root(variance: float) -> float:
    return sqrt(max(float(variance), 0.0)) if np.isfinite(variance) else nan
