"""Slow twins of added value, written from the definitions."""

from __future__ import annotations

import numpy as np


def net_benefit(probability: np.ndarray, is_event: np.ndarray, threshold: float) -> float:
    """Vickers and Elkin (2006): true and false positives counted, one patient at a time."""
    n = true_positives = false_positives = 0
    for p, happened in zip(probability, is_event, strict=True):
        n += 1
        if p >= threshold:
            true_positives += bool(happened)
            false_positives += not happened
    return true_positives / n - false_positives / n * threshold / (1 - threshold)
