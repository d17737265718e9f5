"""A ring that lies as the right ventricle does, and a picture that the wall does not explain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from imaging_objects import dice
from lifelike_hearts import make_lifelike
from scipy.ndimage import gaussian_filter

from mpss_lib.segmentation import segment, sides, surface
from mpss_lib.segmentation.picture import unexplained
from mpss_lib.segmentation.surface import ANGLES, Frame, Rays
from mpss_lib.segmentation.valve import BasalPlane
from mpss_lib.volume import Mask, Volume

BRIGHT_RIGHT = {"right_wall": (1.2, 2.0), "right_mm": (6.0, 10.0), "n_defects": (1.0, 3.0)}


@pytest.mark.parametrize("seed", [1326012, 1326038])
def test_a_right_ventricle_brighter_than_the_left_one_is_held_as_such(seed):
    """Hearts of the seeds of the rule: of the left ventricle hardly a wall is seen."""
    made = make_lifelike(seed, "FM"[seed % 2], BRIGHT_RIGHT)
    found = segment(made.volume)
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) < 0.2
    assert "right_likeness" in found.flags


def test_a_left_ventricle_beside_a_brighter_right_one_is_not():
    found = segment(make_lifelike(1326001, "M", BRIGHT_RIGHT).volume)
    assert found.is_sure, found.flags
    assert found.check["right_likeness"] < 0.0


CENTRE = np.array([0.0, 0.0, 0.0])
FRAME = Frame(CENTRE, np.array([0.0, 0, -1]), np.array([0.0, -1, 0]), np.array([1.0, 0, 0]))
PLANE = BasalPlane(-30.0, 0.0, 0.0, 1.0, 1.0)


def painted(left=0.1, right=0.1, behind=0.1, left_mm2=40.0):
    """A tube of 25 mm along z: what lies beside it, behind it, and how wide its left wall is."""
    index = np.indices((60, 60, 60)).transpose(1, 2, 3, 0)
    z, y, x = (index - 29.5).transpose(3, 0, 1, 2) * 3.0
    counts = np.full(x.shape, 0.1)
    counts[x > 33.0], counts[x < -33.0] = left, right
    counts[(np.hypot(x, y) < 20.0) & (z > 45.0) & (z < 60.0)] = behind
    affine = np.array([[0.0, 0, 3, -88.5], [0, 3, 0, -88.5], [3, 0, 0, -88.5], [0, 0, 0, 1]])
    ridge = np.full((surface.ROWS, ANGLES), 25.0)
    variance = np.full((surface.ROWS, ANGLES), 40.0)
    variance[:, list(range(-9, 10))] = left_mm2
    off = surface.RADIUS_MM - 25.0
    profile = np.exp(-0.5 * off**2 / variance[..., None])
    ones = np.ones(ridge.shape)
    rays = Rays(ridge, ones, ones, ones > 0, profile)
    return Volume(counts, affine), FRAME, rays, ridge, PLANE


def test_each_side_tells_its_way():
    """Oracle: counts that were painted on one side alone."""
    even = sides.right_likeness(*painted())
    assert even == pytest.approx(0.0, abs=0.05)
    both = 5.0 * np.log(0.7 / 0.3)
    assert sides.right_likeness(*painted(left=0.5)) == pytest.approx(both, abs=0.1)
    assert sides.right_likeness(*painted(right=0.5)) == pytest.approx(-both, abs=0.1)
    assert sides.right_likeness(*painted(behind=0.6)) == pytest.approx(6.0 * 0.3, abs=0.2)
    assert sides.right_likeness(*painted(behind=2.0)) == pytest.approx(6.0 * 0.4, abs=0.05)
    assert sides.right_likeness(*painted(left_mm2=60.0)) > 1.0


def test_an_empty_volume_tells_nothing():
    volume, frame, rays, ridge, plane = painted()
    none = replace(volume, array=np.zeros_like(volume.array))
    assert np.isfinite(sides.right_likeness(none, frame, rays, ridge, plane))


def masks_of(shift_mm=0.0):
    """Shell of 30 mm with a wall of 10 mm about a cavity, in voxels of 3 mm."""
    index = np.indices((40, 40, 40)).transpose(1, 2, 3, 0)
    away = 3.0 * np.linalg.norm(index - np.array([19.5, 19.5, 19.5 + shift_mm / 3.0]), axis=-1)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    parts = {"MYO": (away >= 25) & (away < 35), "ENDO": away < 25, "EPI": away < 35}
    return {name: Mask(array, affine) for name, array in parts.items()}


def test_a_picture_made_of_the_masks_is_explained_by_them():
    """Oracle: the masks blurred by a Gaussian of the blur that is told."""
    masks = masks_of()
    counts = 100.0 * masks["MYO"].array + 10.0 * masks["ENDO"].array + 4.0 * ~masks["EPI"].array
    volume = Volume(gaussian_filter(counts, 7.0 / 3.0), masks["MYO"].affine)
    wall_counts = 60.0
    exact = unexplained(volume, masks, 49.0, wall_counts)
    assert exact < 0.04
    aside = [unexplained(volume, masks_of(mm), 49.0, wall_counts) for mm in (3.0, 6.0, 9.0)]
    assert exact < aside[0] < aside[1] < aside[2]
    assert aside[1] > 2.0 * exact
    brighter = replace(volume, array=7.0 * volume.array)
    assert unexplained(brighter, masks, 49.0, 420.0) == pytest.approx(exact)


def test_without_counts_or_masks_nothing_is_explained():
    masks = masks_of()
    volume = Volume(np.zeros((40, 40, 40)), masks["MYO"].affine)
    assert unexplained(volume, masks, 49.0, 0.0) == 1.0
    none = masks | {"ENDO": replace(masks["ENDO"], array=np.zeros((40, 40, 40), dtype=bool))}
    assert unexplained(volume, none, 49.0, 1.0) == 1.0
