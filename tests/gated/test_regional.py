"""Phase and thickening of regions whose counts are known."""

from __future__ import annotations

import numpy as np
import pytest

from mpss_lib.gated.model import Shape
from mpss_lib.gated.regional import LEVELS, measure_phase, measure_thickening
from mpss_lib.segmentation.surface import ANGLES, ROWS
from mpss_lib.segmentation.valve import BasalPlane

AREA = np.ones((len(LEVELS), ANGLES))


def counts_of(onset_deg: np.ndarray, gates: int = 16) -> np.ndarray:
    """Counts (gates, levels, angles) that rise through their mean at these phases."""
    turn = 360.0 * (np.arange(gates) + 0.5) / gates
    return 100.0 + 20.0 * np.sin(np.radians(turn[:, None, None] - onset_deg))


def test_a_wall_that_contracts_at_once_has_no_width() -> None:
    found = measure_phase(counts_of(np.full(AREA.shape, 350.0)), AREA, np.ones(16, dtype=bool))
    assert found.mean_deg == pytest.approx(350.0)
    assert found.sd_deg == pytest.approx(0.0, abs=1e-6)
    assert found.bandwidth_deg == pytest.approx(0.0, abs=1e-6)


def test_two_halves_around_the_r_wave() -> None:
    onset = np.full(AREA.shape, 340.0)
    onset[:, ANGLES // 2 :] = 20.0
    found = measure_phase(counts_of(onset), AREA, np.ones(16, dtype=bool))
    assert min(found.mean_deg, 360.0 - found.mean_deg) == pytest.approx(0.0, abs=1e-6)
    assert found.sd_deg == pytest.approx(20.0)
    assert found.bandwidth_deg == pytest.approx(40.0)


def test_bandwidth_leaves_five_percent_out() -> None:
    onset = np.full(AREA.shape, 60.0)
    onset[0, :20] = 240.0  # 20 of 576: 3.5 %
    onset[1] = np.linspace(50.0, 70.0, ANGLES)  # 6 %, of which 1.5 % may stay out
    found = measure_phase(counts_of(onset), AREA, np.ones(16, dtype=bool))
    assert 10.0 < found.bandwidth_deg < 20.0


def test_missing_gates_leave_the_phase() -> None:
    counts, used = counts_of(np.full(AREA.shape, 75.0)), np.ones(16, dtype=bool)
    used[[2, 3, 9]] = False
    counts[~used] = np.nan
    assert measure_phase(counts, AREA, used).mean_deg == pytest.approx(75.0)


def test_thickening_by_segment() -> None:
    shape = Shape(np.full((ROWS, ANGLES), 29.0), BasalPlane(-45.0, 0.0, 0.0, 0.0, 1.0))
    time = (np.arange(16) + 0.5) / 16
    wave = 0.5 * (1.0 - np.cos(2.0 * np.pi * time)) / np.sinc(1 / 16)
    wave += 0.5 * (1.0 - 1.0 / np.sinc(1 / 16))  # mean over a gate of a cosine from 0 to 1
    counts = np.broadcast_to(100.0, (16, *AREA.shape)) * np.ones((16, 1, 1))
    counts = counts * (1.0 + 0.3 * wave[:, None, None] * (np.arange(ANGLES) < 18))
    used = np.ones(16, dtype=bool)
    found = measure_thickening(counts, shape, 10.0, (0, 50), np.ones(16), used)
    assert sorted(found) == [f"S{n:02d}" for n in range(1, 18)]
    assert found["S07"] == pytest.approx(100.0 * 0.3 / np.sinc(1 / 16) ** 2, rel=0.02)
    assert found["S10"] == pytest.approx(0.0, abs=1e-6)
