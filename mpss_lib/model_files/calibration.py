"""How well predictions are calibrated, and what a refit of intercept and slope would give.

The framework is that of Cox 1958 (Biometrika 45:562) and Steyerberg, Clinical Prediction Models
(2nd ed. 2019), chapters 15 and 20, for a continuous outcome: calibration-in-the-large is the mean
of outcome less prediction (ideal 0), the slope that of the outcome on the prediction (ideal 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import numpy.typing as npt

from mpss_lib.discrimination import LEVEL, Estimate

Floats = npt.NDArray[np.float64]

FOLDS = 10
"""Parts of the cohort of which each is predicted by a refit on the others."""


@dataclass(frozen=True)
class Refit:
    """A new intercept (and slope) with the figures of patients that the refit has not seen.

    Parameters
    ----------
    intercept, slope : float
        Refitted on the whole cohort: prediction = intercept + slope x (prediction of the file).
    in_the_large, rmse : float
        Of cross-validated predictions.
    slope_after : float
        Calibration slope of cross-validated predictions.
    """

    intercept: float
    slope: float
    in_the_large: float
    slope_after: float
    rmse: float


def calibration(guess: Floats, outcome: Floats, level: float = LEVEL) -> dict[str, Estimate]:
    """In-the-large, slope and intercept with intervals (t), shape (n,) each; NaN if constant."""
    from scipy.stats import t

    n = len(guess)
    gap = outcome - guess
    reach = float(t.ppf(0.5 + 0.5 * level, n - 1)) * float(gap.std(ddof=1)) / sqrt(n)
    mean = float(gap.mean())
    told = {"calibration_in_the_large": Estimate(mean, mean - reach, mean + reach)}
    centred = guess - guess.mean()
    spread = float(centred @ centred)
    if spread == 0.0 or n < 3:
        return told | dict.fromkeys(("calibration_slope", "calibration_intercept"), Estimate(nan))
    slope = float(centred @ outcome) / spread
    intercept = float(outcome.mean() - slope * guess.mean())
    rest = outcome - intercept - slope * guess
    error = sqrt(float(rest @ rest) / (n - 2))
    quantile = float(t.ppf(0.5 + 0.5 * level, n - 2))
    errors = {
        "calibration_slope": (slope, error / sqrt(spread)),
        "calibration_intercept": (intercept, error * sqrt(1.0 / n + guess.mean() ** 2 / spread)),
    }
    return told | {
        name: Estimate(value, value - quantile * se, value + quantile * se)
        for name, (value, se) in errors.items()
    }


def refit(guess: Floats, outcome: Floats, seed: int, *, with_slope: bool) -> Refit:
    """Refit on the cohort, and judge the refit on patients that it has not seen (10 folds)."""
    fold = np.random.default_rng([seed, len(guess)]).permutation(np.arange(len(guess)) % FOLDS)
    after = np.empty(len(guess))
    for k in range(min(FOLDS, len(guess))):
        test = fold == k
        intercept, slope = _fit(guess[~test], outcome[~test], with_slope)
        after[test] = intercept + slope * guess[test]
    intercept, slope = _fit(guess, outcome, with_slope)
    found = calibration(after, outcome)
    return Refit(
        intercept,
        slope,
        found["calibration_in_the_large"].value,
        found["calibration_slope"].value,
        float(np.sqrt(((outcome - after) ** 2).mean())),
    )


def _fit(guess: Floats, outcome: Floats, with_slope: bool) -> tuple[float, float]:
    centred = guess - guess.mean()
    spread = float(centred @ centred)
    slope = float(centred @ outcome) / spread if with_slope and spread > 0.0 else 1.0
    return float(outcome.mean() - slope * guess.mean()), slope
