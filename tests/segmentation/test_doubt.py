"""A heart that moved is held; a noisy one that is found is not."""

from __future__ import annotations

import numpy as np
import pytest
from imaging_objects import dice, phantom

from mpss_lib.segmentation import segment
from mpss_lib.segmentation.doubt import background_noise, incoherence, stretch_mm2
from mpss_lib.segmentation.surface import ANGLES, RADIUS_MM, ROWS, Rays, directions
from mpss_lib.volume import Mask, Volume

USUAL = {
    "misfit_mm": 0.75, "base_residual_mm": 0.9, "stretch": 15.0, "rival_gap": 0.7, "noise": 0.11,
}  # fmt: skip


def test_each_value_moves_the_doubt_its_way():
    before = incoherence(**USUAL)
    assert before < -0.5
    for name, sign in (
        ("misfit_mm", 1), ("base_residual_mm", 1), ("stretch", 1), ("rival_gap", -1), ("noise", -1),
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


def rays_of(variance):
    """Rays that see a wall at 28 mm of the given variance (rows, angles), mm2."""
    off = RADIUS_MM - 28.0
    profile = np.exp(-0.5 * off**2 / variance[..., None])
    ones = np.ones((ROWS, ANGLES))
    return Rays(28.0 * ones, ones, ones, ones > 0, profile)


def stretch_of(variance):
    return stretch_mm2(rays_of(variance), np.full((ROWS, ANGLES), 28.0), WALL)


WALL = np.ones((ROWS, ANGLES), dtype=bool)


def jumped(jump_mm):
    """Variance of a wall blurred along a jump."""
    return 40.0 + (directions()[1] @ np.array(jump_mm)) ** 2 / 4.0


def test_a_jump_stretches_the_wall_whichever_way_it_went():
    found = [stretch_of(jumped(way)) for way in ((12, 0, 0), (0, 12, 0), (0, 0, 12), (4, 8, 8))]
    assert min(found) > 0.8 * max(found)
    assert stretch_of(jumped((18, 0, 0))) > 1.8 * found[0]


def test_a_wall_that_is_wide_everywhere_is_not_stretched():
    usual, wide = (stretch_of(np.full((ROWS, ANGLES), v)) for v in (40.0, 70.0))
    assert max(usual, wide) < 0.1 * stretch_of(jumped((12, 0, 0)))


def test_too_few_rays_tell_nothing():
    few = np.zeros_like(WALL)
    few[3, :10] = True
    assert stretch_mm2(rays_of(jumped((12, 0, 0))), np.full((ROWS, ANGLES), 28.0), few) == 0.0
