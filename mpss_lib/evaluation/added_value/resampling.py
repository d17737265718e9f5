"""Bootstrap over patients: how often each is drawn, and measures of all resamples at once.

Every segment, profile and configuration shares the draws, so that differences are paired. The
out-of-sample predictions are taken as they are; the procedure that made them is not repeated in
each resample.

Percentile intervals: Efron and Tibshirani 1993, section 13.3.
"""

from __future__ import annotations

from math import nan

import numpy as np

from mpss_lib.evaluation.design import Floats
from mpss_lib.prediction_quality import Estimate

RESAMPLES = 1000
_STREAM = 1 << 22


def draw_counts(n: int, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Draw how often each patient stands in each resample.

    Parameters
    ----------
    n : int
        Patients.
    seed : int
        Equal seeds and n give equal draws.
    resamples : int

    Returns
    -------
    (resamples, n) float64 array
        Each row sums to n.
    """
    drawn = np.random.default_rng([seed, _STREAM, n]).multinomial(
        n, np.full(n, 1.0 / n), size=resamples
    )
    return drawn.astype(np.float64)


def estimate(value: float, again: Floats) -> Estimate:
    """Put the percentile interval (95 %) and the standard error of the resamples to a value.

    Parameters
    ----------
    value : float
        Of the patients as they are.
    again : (resamples,) float64 array
        NaN where a resample has no value: it is left out.

    Returns
    -------
    Estimate
        Without an interval where fewer than two resamples have a value.
    """
    usable = again[np.isfinite(again)]
    if len(usable) < 2:
        return Estimate(value, method="bootstrap")
    low, high = np.quantile(usable, [0.025, 0.975]).tolist()
    return Estimate(value, low, high, float(usable.std(ddof=1)), nan, "bootstrap")


def spearman(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Rank correlation in each resample; NaN where a side is constant.

    Mid-ranks of the resampled values, from the counts: nothing is sorted again.

    Parameters
    ----------
    counts : (resamples, n) float64 array
    x, y : (n,) float64 arrays

    Returns
    -------
    (resamples,) float64 array
    """
    return _correlation(counts, mid_ranks(counts, x), mid_ranks(counts, y))


def mid_ranks(counts: Floats, values: Floats) -> Floats:
    """Mid-rank of each value in each resample.

    Parameters
    ----------
    counts : (resamples, n) float64 array
    values : (n,) float64 array

    Returns
    -------
    (resamples, n) float64 array
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.searchsorted(ordered, ordered, side="left")
    last = np.searchsorted(ordered, ordered, side="right")
    total = np.zeros((len(counts), len(values) + 1))
    np.cumsum(counts[:, order], axis=1, out=total[:, 1:])
    ranks = np.empty_like(counts)
    ranks[:, order] = 0.5 * (total[:, first] + total[:, last] + 1.0)
    return ranks


def _correlation(counts: Floats, x: Floats, y: Floats) -> Floats:
    n = counts.sum(axis=1, keepdims=True)
    x = x - (counts * x).sum(axis=1, keepdims=True) / n
    y = y - (counts * y).sum(axis=1, keepdims=True) / n
    spread = np.sqrt((counts * x * x).sum(axis=1) * (counts * y * y).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        rho: Floats = np.where(spread > 0.0, (counts * x * y).sum(axis=1) / spread, nan)
    return rho


def explained(counts: Floats, guess: Floats, outcome: Floats) -> Floats:
    """Share of the outcome's variance that predictions explain (R2), in each resample.

    1 - squared errors / squares about the mean outcome: negative where the mean does better.

    Parameters
    ----------
    counts : (resamples, n) float64 array
    guess, outcome : (n,) float64 arrays
        On one scale.

    Returns
    -------
    (resamples,) float64 array
        NaN where the outcomes of a resample are all alike.
    """
    n, middle = counts.sum(axis=1), np.median(outcome)
    outcome, guess = outcome - middle, guess - middle
    mean = counts @ outcome / n
    squares = counts @ (outcome**2) - n * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        r2: Floats = np.where(squares > 0.0, 1.0 - counts @ ((outcome - guess) ** 2) / squares, nan)
    return r2


def calibration(counts: Floats, guess: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """Slope and intercept of the outcome on the prediction, in each resample; 1 and 0 are ideal.

    Parameters
    ----------
    counts : (resamples, n) float64 array
    guess, outcome : (n,) float64 arrays
        On one scale.

    Returns
    -------
    slope, intercept : (resamples,) float64 arrays
        NaN where the predictions of a resample are all alike.
    """
    n, middle = counts.sum(axis=1), float(np.median(guess))
    x = guess - middle  # exactly 0 where the prediction is constant
    mean_x, mean_y = counts @ x / n, counts @ outcome / n
    spread = counts @ (x**2) - n * mean_x**2
    shared = counts @ (x * outcome) - n * mean_x * mean_y
    with np.errstate(divide="ignore", invalid="ignore"):
        slope: Floats = np.where(spread > 0.0, shared / spread, nan)
    return slope, mean_y - slope * (mean_x + middle)
