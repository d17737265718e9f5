"""From a prediction to a probability: a logistic map of one predictor, with Platt's targets.

Platt (1999), in the Newton form of Lin, Lin and Weng (2007): the targets are
(events + 1) / (events + 2) and 1 / (others + 2), so that the map is finite where a prediction
separates the events. A run's map is fitted on the rows that its model was made of and applied to
its test rows: no patient has a part in the map that gives his own probability.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.evaluation.design import Flags, Floats

_STEPS = 100
_TOLERANCE = 1e-10


def logistic_maps(predictions: Floats, is_event: Flags, is_used: Flags) -> Floats:
    """Intercept and slope of each run's map on its own scale of prediction.

    Parameters
    ----------
    predictions : (runs, n) float64, finite
    is_event : (n,) bool
    is_used : (runs, n) bool
        Rows that a run may learn from; at least one in each.

    Returns
    -------
    (runs, 2) float64
    """
    use = is_used.astype(np.float64)
    count = use.sum(axis=1, keepdims=True)
    centre = (predictions * use).sum(axis=1, keepdims=True) / count
    spread = np.sqrt(((predictions - centre) ** 2 * use).sum(axis=1, keepdims=True) / count)
    is_flat = spread <= 1e-12 * (np.abs(centre) + 1e-300)
    spread = np.where(is_flat, 1.0, spread)
    x = np.where(is_flat, 0.0, (predictions - centre) / spread)
    events = (use * is_event).sum(axis=1, keepdims=True)
    target = np.where(is_event, (events + 1.0) / (events + 2.0), 1.0 / (count - events + 2.0))
    a, b = _newton(x, target, use)
    slope = b / spread[:, 0]
    return np.column_stack([a - slope * centre[:, 0], slope])


def probability(maps: Floats, predictions: Floats) -> Floats:
    """Apply maps.

    Parameters
    ----------
    maps : (..., 2) float64 array
        Intercept and slope.
    predictions : (..., n) float64 array
        Or any shape that goes with the maps' (NumPy's broadcasting).

    Returns
    -------
    (..., n) float64 array
        0 to 1.
    """
    form = maps[..., 0] + maps[..., 1] * predictions
    answer: Floats = 0.5 * (1.0 + np.tanh(0.5 * form))
    return answer


def _newton(x: Floats, target: Floats, use: Floats) -> tuple[Floats, Floats]:
    """Least log-loss of each row of ``x``, shape (runs, n), by Newton steps that are halved."""
    base = (target * use).sum(axis=1) / use.sum(axis=1)
    a, b = np.log(base / (1.0 - base)), np.zeros(len(x))
    loss = _loss(a, b, x, target, use)
    for _ in range(_STEPS):
        step_a, step_b = _step(a, b, x, target, use)
        size = np.ones(len(x))
        for _ in range(30):
            tried = _loss(a + size * step_a, b + size * step_b, x, target, use)
            is_worse = tried > loss + 1e-12 * np.abs(loss)
            if not is_worse.any():
                break
            size = np.where(is_worse, size / 2.0, size)
        a, b = a + size * step_a, b + size * step_b
        loss = _loss(a, b, x, target, use)
        if np.max(np.abs(size * step_a) + np.abs(size * step_b)) < _TOLERANCE:
            break
    return a, b


def _step(a: Floats, b: Floats, x: Floats, target: Floats, use: Floats) -> tuple[Floats, Floats]:
    p = 0.5 * (1.0 + np.tanh(0.5 * (a[:, None] + b[:, None] * x)))
    weight = p * (1.0 - p) * use
    error = (target - p) * use
    h_aa, h_ab, h_bb = weight.sum(1), (weight * x).sum(1), (weight * x * x).sum(1)
    g_a, g_b = error.sum(1), (error * x).sum(1)
    h_bb = np.where(h_bb > 0.0, h_bb, 1.0)  # a flat predictor has no slope
    h_aa = np.maximum(h_aa, 1e-300)
    determinant = np.maximum(h_aa * h_bb - h_ab * h_ab, 1e-300)
    return (h_bb * g_a - h_ab * g_b) / determinant, (h_aa * g_b - h_ab * g_a) / determinant


def _loss(a: Floats, b: Floats, x: Floats, target: Floats, use: Floats) -> Floats:
    form = a[:, None] + b[:, None] * x
    answer: Floats = ((np.logaddexp(0.0, form) - target * form) * use).sum(axis=1)
    return answer
