"""Decision curves: net benefit over thresholds of probability (Vickers and Elkin 2006).

Net benefit = true positives / n - false positives / n x threshold / (1 - threshold): benefit of a
right treatment is 1, and the threshold says what a wrong one costs.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.evaluation.design import Flags, Floats

THRESHOLDS: tuple[float, ...] = tuple(round(0.02 * k, 2) for k in range(1, 31))


def contributions(probability: Floats, is_event: Flags) -> Floats:
    """Give what each patient adds to the net benefit at each threshold, before division by n.

    Parameters
    ----------
    probability : (n,) float64
        Who reaches the threshold is treated.
    is_event : (n,) bool

    Returns
    -------
    (n, thresholds) float64
    """
    limit = np.array(THRESHOLDS)
    gain = np.where(is_event[:, None], 1.0, -limit / (1.0 - limit))
    answer: Floats = np.where(probability[:, None] >= limit, gain, 0.0)
    return answer


def of_all(is_event: Flags) -> Floats:
    """Contributions where everybody is treated.

    Parameters
    ----------
    is_event : (n,) bool array

    Returns
    -------
    (n, thresholds) float64 array
    """
    return contributions(np.ones(len(is_event)), is_event)
