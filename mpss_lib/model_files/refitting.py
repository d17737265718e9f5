"""What a refit of a model's intercept (and slope) gives, judged on patients it has not seen.

Steyerberg, Clinical Prediction Models (2nd ed. 2019), chapter 20.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpss_lib.prediction_quality import calibration

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


def refit(guess: Floats, outcome: Floats, seed: int, *, with_slope: bool) -> Refit:
    """Refit on the cohort, and judge the refit on patients that it has not seen (10 folds).

    Parameters
    ----------
    guess, outcome : (n,) float64 arrays
        On the scale that the model fits.
    seed : int
        Deals the patients over the folds.
    with_slope : bool
        Refit the slope too, not the intercept alone.

    Returns
    -------
    Refit
    """
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
