"""Volumes of a model ventricle and its pictures, against geometry and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mpss_lib.gated import lattice as lattices
from mpss_lib.gated.lattice import RADIUS_MM, STEP_MM, Lattice
from mpss_lib.gated.model import Look, Shape, enclosed_ml, picture
from mpss_lib.segmentation.surface import ANGLES, ROWS, Frame, directions
from mpss_lib.segmentation.valve import BasalPlane

RADIUS = 24.0
BALL = np.full((ROWS, ANGLES), RADIUS)


def plane(at: float, slope_a: float = 0.0, slope_s: float = 0.0) -> BasalPlane:
    return BasalPlane(at, slope_a, slope_s, 0.0, 1.0)


class Round:
    """As much of an ellipsoid as a lattice asks for."""

    short = 29.0


class Sum:
    """What a lattice is laid about: the three things that it asks of a followed ventricle."""

    frame = Frame(np.zeros(3), *np.eye(3))
    plane = plane(-30.0)
    ellipsoid = Round


@pytest.fixture(scope="module")
def lattice() -> Lattice:
    return lattices.build(Sum())  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [-20.0, -37.3])
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_half_ball_on_a_cylinder(at: float, slope: float) -> None:
    # a plane that leans about the axis cuts off as much as it leaves
    exact = np.pi * RADIUS**2 * (2.0 / 3.0 * RADIUS - at) / 1e3
    found = enclosed_ml(BALL, plane(at, slope, -slope))
    assert found == pytest.approx(exact, rel=2e-3)


def test_cone_below_the_half_ball() -> None:
    rows = BALL.copy()
    rows[9:] = RADIUS * (1.0 - 0.02 * np.arange(ROWS - 9)[:, None])
    low, high = RADIUS * (1.0 - 0.02 * 8), RADIUS
    cone = np.pi * 32.0 / 3.0 * (low**2 + low * high + high**2)
    exact = (2.0 / 3.0 * np.pi * RADIUS**3 + cone) / 1e3
    assert enclosed_ml(rows, plane(-32.0)) == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize("wall_ml", [60.0, 110.0, 180.0])
def test_thickness_gives_the_wall_its_volume(wall_ml: float) -> None:
    shape = Shape(BALL + 5.0, plane(-30.0))
    thickness = shape.thickness_mm(wall_ml)
    assert shape.wall_ml(thickness) == pytest.approx(wall_ml, rel=1e-3)
    inside = enclosed_ml(shape.wall(thickness).epi_mm, shape.plane) - wall_ml
    assert shape.cavity_ml(wall_ml) == pytest.approx(inside, rel=1e-3)


def test_wall_thickens_as_the_cavity_shrinks() -> None:
    wide, small = (Shape(BALL + more, plane(-30.0)) for more in (6.0, 0.0))
    assert small.thickness_mm(110.0) > wide.thickness_mm(110.0) + 2.0


def test_blur_is_scipys(lattice: Lattice) -> None:
    picture = np.random.default_rng(1).random((1, *lattice.shape))
    expected = gaussian_filter(picture[0], 5.0 / STEP_MM, mode="reflect", truncate=8.0)
    found = lattice.blur(picture.reshape(1, -1), 5.0).reshape(lattice.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_profiles_read_a_linear_field(lattice: Lattice) -> None:
    start, way = directions()
    place = start[:, :, None] + way[:, :, None] * RADIUS_MM[:, None]
    found = lattice.profiles(lattice.t + 2.0 * lattice.a - 3.0 * lattice.s + 500.0)
    inside = found > 0.0
    assert inside[..., :20].mean() > 0.7
    expected = place[..., 0] + 2.0 * place[..., 1] - 3.0 * place[..., 2] + 500.0
    np.testing.assert_allclose(found[inside], expected[inside])


def test_picture_holds_the_wall_and_nothing_else(lattice: Lattice) -> None:
    shape = Shape(BALL, plane(-24.0))
    look = Look(90.0, 4.0, np.ones_like(BALL), np.zeros_like(BALL), 0.0)
    found = picture(lattice, shape, look)
    assert found.sum() * STEP_MM**3 / 1e3 == pytest.approx(90.0, rel=0.03)
