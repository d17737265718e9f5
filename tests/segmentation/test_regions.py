"""The polar segments and the vessel regions, by their published definitions."""

from __future__ import annotations

import numpy as np
import pytest

from mpss_lib.segmentation.mid_wall import unbend
from mpss_lib.segmentation.regions import (
    NAMES,
    SECTORS,
    TERRITORY,
    build_wall,
    is_in_vessel,
    segment_number,
)
from mpss_lib.segmentation.surface import ANGLES, ROWS, Ellipsoid
from mpss_lib.segmentation.valve import fit_plane


@pytest.mark.parametrize(
    ("theta", "f", "wanted"),
    [
        (90, 0.1, 1), (150, 0.1, 2), (210, 0.1, 3), (270, 0.1, 4), (330, 0.1, 5), (30, 0.1, 6),
        (90, 0.5, 7), (150, 0.5, 8), (210, 0.5, 9), (270, 0.5, 10), (330, 0.5, 11), (30, 0.5, 12),
        (90, 0.8, 13), (180, 0.8, 14), (270, 0.8, 15), (0, 0.8, 16), (350, 0.8, 16), (45, 1.2, 17),
        (90, -0.2, 1),
    ],
)  # fmt: skip
def test_segment_by_angle_and_height(theta, f, wanted):
    got = segment_number(np.array([float(theta)]), np.array([float(f)]))
    assert got[0] == wanted


def test_territories_hold_every_segment_once():
    numbers = sorted(n for part in TERRITORY.values() for n in part)
    assert numbers == list(range(1, 18))
    assert len(NAMES) == 22


def test_vessel_regions_keep_a_gap():
    theta = np.arange(0.0, 360.0, 0.25)
    rho = np.full(theta.shape, 30.0)
    middle = np.full(theta.shape, 0.5)
    inside = {name: is_in_vessel(name, theta, middle, rho) for name in SECTORS}
    margin = np.degrees(5.0 / 30.0)
    for name, part in inside.items():
        assert part.sum() * 0.25 == pytest.approx(120.0 - 2 * margin, abs=0.6), name
    assert np.sum(list(inside.values()), axis=0).max() == 1
    apex = np.full(theta.shape, 0.95)
    assert is_in_vessel("LAD3", theta, apex, rho).all()
    assert not is_in_vessel("RCA3", theta, apex, rho).any()
    base = np.full(theta.shape, 0.03)
    assert not is_in_vessel("LAD3", theta, base, rho).any()


def test_wall_has_the_thickness_of_the_convention():
    mid = np.full((ROWS, ANGLES), 30.0)
    wall = build_wall(mid, 12.0, "thick")
    np.testing.assert_allclose(wall.epi_mm - wall.endo_mm, 12.0)
    wall = build_wall(mid, 12.0, "anatomical")
    thickness = (wall.epi_mm - wall.endo_mm)[:, 0]
    assert thickness[0] == pytest.approx(12.0 * 0.88)
    np.testing.assert_allclose(thickness[9:], 12.0)


def test_blurred_circle_is_moved_back_to_its_radius():
    """A thin cylinder of radius R, blurred with variance v, has its ridge v / (2 R) inside."""
    from scipy.ndimage import gaussian_filter

    radius, sigma = 32.0, 4.0
    place = np.arange(-60.0, 60.5, 0.5)
    image = np.abs(np.hypot(*np.meshgrid(place, place)) - radius) < 0.5
    line = gaussian_filter(image.astype(float), sigma / 0.5)[len(place) // 2]
    ridge = abs(place[np.argmax(line)])
    ellipsoid = Ellipsoid(0.0, 1e4, ridge)
    moved = unbend(np.full((ROWS, ANGLES), ridge), ellipsoid, sigma**2)[12, 0]
    assert moved == pytest.approx(radius, abs=0.3)


def test_basal_plane_resists_outliers():
    theta = np.arange(36) * np.pi / 18
    a, s = 28.0 * np.sin(theta), 28.0 * np.cos(theta)
    ends = -30.0 + 0.05 * a - 0.15 * s
    ends[5:10] -= 25.0
    plane = fit_plane(a, s, ends, np.ones(36, dtype=bool))
    assert plane.at == pytest.approx(-30.0, abs=1.5)
    assert plane.slope_s == pytest.approx(-0.15, abs=0.06)
