"""A heart that moved is held; a noisy one that is found is not."""

from __future__ import annotations

import numpy as np
import pytest
from imaging_objects import dice, phantom

from mpss_lib.segmentation import segment
from mpss_lib.segmentation.doubt import background_noise, incoherence
from mpss_lib.volume import Mask, Volume

USUAL = {"misfit_mm": 0.75, "base_residual_mm": 0.9, "rival_gap": 0.7, "noise": 0.11}


def test_each_value_moves_the_doubt_its_way():
    before = incoherence(**USUAL)
    assert before < -0.5
    for name, sign in (
        ("misfit_mm", 1), ("base_residual_mm", 1), ("rival_gap", -1), ("noise", -1),
    ):  # fmt: skip
        assert sign * (incoherence(**(USUAL | {name: 2.0 * USUAL[name]})) - before) > 0, name
    quiet = incoherence(**(USUAL | {"noise": 0.0}))
    assert quiet == before  # little noise is no reason for doubt


def test_noise_is_the_relative_spread_of_white_noise():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(1)
    shape = (30, 40, 40)
    away = np.linalg.norm(np.indices(shape).transpose(1, 2, 3, 0) - [15, 20, 20], axis=-1)
    spread = rng.normal(0.0, 5.0, shape)
    counts = 50.0 + spread
    counts[away < 7] = 400.0
    affine = np.diag([4.8, 4.8, 4.8, 1.0])
    epi, wall = away < 7, (away < 7) & (away > 5)
    got = background_noise(Volume(counts, affine), Mask(epi, affine), Mask(wall, affine))
    rest = spread - gaussian_filter(spread, 5.8 / 4.8)
    assert got == pytest.approx(rest.std() / 50.0, rel=0.05)


def test_no_background_is_no_noise():
    shape, affine = (12, 12, 12), np.diag([4.8, 4.8, 4.8, 1.0])
    epi = np.zeros(shape, dtype=bool)
    epi[4:8, 4:8, 4:8] = True
    volume = Volume(np.where(epi, 100.0, 0.0), affine)
    assert background_noise(volume, Mask(epi, affine), Mask(epi, affine)) == 0.0


@pytest.mark.parametrize("seed", [72012, 72031, 72041, 72050])
def test_severe_motion_is_held(seed):
    """Studies of the tuning set whose masks are wrong and that no single value tells."""
    made = phantom(seed, sex="FM"[seed % 2], artefact="motion")
    found = segment(made.volume)
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) < 0.7
    assert "incoherence" in found.flags


@pytest.mark.parametrize("seed", [21, 22])
def test_low_counts_that_are_followed_are_not_held(seed):
    found = segment(phantom(seed, artefact="low_counts").volume)
    assert found.check["noise"] > 0.15
    assert found.is_sure, found.flags
