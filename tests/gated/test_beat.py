"""Harmonics of the beat: what averaging over a gate takes is given back."""

from __future__ import annotations

import numpy as np
import pytest

from mpss_lib.gated.beat import STEPS, fit_beat


def curve(time: np.ndarray) -> np.ndarray:
    waves = ((30.0, 0.35), (9.0, 0.1), (4.0, 0.6))
    total = np.full_like(time, 80.0)
    for k, (size, turn) in enumerate(waves, start=1):
        total += size * np.cos(2.0 * np.pi * (k * time - turn))
    return total


def averaged(gates: int) -> np.ndarray:
    """Mean of the curve over each gate, by 1000 points a gate."""
    time = (np.arange(1000 * gates) + 0.5) / (1000 * gates)
    return curve(time).reshape(gates, -1).mean(axis=1)


@pytest.mark.parametrize("gates", [8, 16, 24])
def test_curve_between_gates_is_that_before_the_average(gates: int) -> None:
    found = fit_beat(averaged(gates), np.ones(gates), np.ones(gates, dtype=bool))
    expected = curve(np.arange(STEPS) / STEPS)
    np.testing.assert_allclose(found.values, expected, atol=2e-4)
    assert found.end_diastole == int(np.argmax(expected))
    assert found.end_systole == int(np.argmin(expected))
    assert found.residual == pytest.approx(0.0, abs=2e-4)


def test_missing_gates_leave_the_curve_and_count_nothing() -> None:
    values, used = averaged(16), np.ones(16, dtype=bool)
    used[[3, 11]] = False
    values[[3, 11]] = np.nan
    found = fit_beat(values, np.ones(16), used)
    np.testing.assert_allclose(found.values, curve(np.arange(STEPS) / STEPS), atol=2e-4)


def test_gates_that_depart_from_a_smooth_curve_are_told() -> None:
    values = averaged(16) + 5.0 * (-1.0) ** np.arange(16)
    # 9 free gates of 16: the alternation is orthogonal to three harmonics
    found = fit_beat(values, np.ones(16), np.ones(16, dtype=bool))
    assert found.residual == pytest.approx(5.0 * np.sqrt(16 / 9), rel=1e-3)


def test_fewer_gates_have_fewer_harmonics() -> None:
    constant = fit_beat(np.full(4, 7.0), np.ones(4), np.ones(4, dtype=bool))
    np.testing.assert_allclose(constant.values, 7.0)
