"""Slow twins of added value, written from the definitions."""

from __future__ import annotations

import numpy as np


def psi(event: float, other: float) -> float:
    return 1.0 if event > other else 0.5 if event == other else 0.0


def delong(markers: np.ndarray, is_event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong, DeLong and Clarke-Pearson (1988), equations 4 to 6, over all pairs."""
    events, others = np.flatnonzero(is_event), np.flatnonzero(~is_event)
    v10 = np.array([[np.mean([psi(m[i], m[j]) for j in others]) for i in events] for m in markers])
    v01 = np.array([[np.mean([psi(m[i], m[j]) for i in events]) for j in others] for m in markers])
    area = v10.mean(axis=1)

    def s(v: np.ndarray) -> np.ndarray:
        return np.array(
            [
                [
                    sum((a - p) * (b - q) for a, b in zip(v[r], v[t], strict=True))
                    / (v.shape[1] - 1)
                    for t, q in enumerate(area)
                ]
                for r, p in enumerate(area)
            ]
        )

    return area, s(v10) / len(events) + s(v01) / len(others)


def net_benefit(probability: np.ndarray, is_event: np.ndarray, threshold: float) -> float:
    """Vickers and Elkin (2006): true and false positives counted, one patient at a time."""
    n = true_positives = false_positives = 0
    for p, happened in zip(probability, is_event, strict=True):
        n += 1
        if p >= threshold:
            true_positives += bool(happened)
            false_positives += not happened
    return true_positives / n - false_positives / n * threshold / (1 - threshold)


def pooled(runs: list[dict[int, float]], n: int) -> list[float]:
    """Mean over the runs that tested a patient; NaN where none did."""
    seen = [[run[k] for run in runs if k in run] for k in range(n)]
    return [sum(values) / len(values) if values else float("nan") for values in seen]
