"""Calibration of probabilities: logistic regression of the event on their logit (Cox 1958)."""

from __future__ import annotations

import numpy as np

from mpss_lib.evaluation.design import Flags, Floats
from mpss_lib.prediction_quality import Z_95, Estimate

_NOTHING = Estimate(float("nan"), method="wald")
_STEPS = 50


def recalibration(probability: Floats, is_event: Flags) -> tuple[Estimate, Estimate]:
    """Slope and intercept with Wald intervals; 1 and 0 are ideal.

    NaN where the probabilities are constant or separate the events, so that no slope is finite.

    Parameters
    ----------
    probability : (n,) float64 array
    is_event : (n,) bool array

    Returns
    -------
    slope, intercept : Estimate
    """
    p = np.clip(probability, 1e-12, 1.0 - 1e-12)
    x = np.column_stack([np.ones(len(p)), np.log(p / (1.0 - p))])
    y = is_event.astype(np.float64)
    beta = np.zeros(2)
    if np.ptp(x[:, 1]) <= 1e-9 or y.min() == y.max():
        return _NOTHING, _NOTHING
    for _ in range(_STEPS):
        mean = 0.5 * (1.0 + np.tanh(0.5 * (x @ beta)))
        weight = mean * (1.0 - mean)
        information = (x * weight[:, None]).T @ x
        if np.linalg.cond(information) > 1e12:
            return _NOTHING, _NOTHING
        step = np.linalg.solve(information, x.T @ (y - mean))
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            spread = np.sqrt(np.diag(np.linalg.inv(information)))
            return _wald(beta[1], spread[1]), _wald(beta[0], spread[0])
    return _NOTHING, _NOTHING


def _wald(value: float, error: float) -> Estimate:
    low, high = float(value - Z_95 * error), float(value + Z_95 * error)
    return Estimate(float(value), low, high, float(error), method="wald")
