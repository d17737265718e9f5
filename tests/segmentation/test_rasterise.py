"""Contours to masks: exact in the volume's slices, close between them and across them."""

from __future__ import annotations

import numpy as np
import pytest
from contour_objects import ball_contours, contours_of, half_way, pixel_edges
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from imaging_objects import dice

from mpss_lib.errors import GeometryError
from mpss_lib.segmentation.rasterise import fill, is_inside, stack_contours
from mpss_lib.volume import Mask, Volume, make_affine

OBLIQUE = ((0.6, 0.8, 0.0), (0.48, -0.36, 0.8))
GRIDS = {
    "transaxial": make_affine((-60.0, -70.0, 30.0), (1, 0, 0), (0, 1, 0), (4.8, 4.8, 4.8)),
    "negative": make_affine((-60.0, -70.0, 30.0), (1, 0, 0), (0, 1, 0), (-4.8, 4.8, 4.8)),
    "oblique": make_affine((-60.0, -70.0, 30.0), *OBLIQUE, (-4.8, 4.8, 4.8)),
    "oblong": make_affine((-60.0, -70.0, 30.0), *OBLIQUE, (6.2, 3.1, 2.4)),
}


def grid(name: str, shape=(20, 26, 24)) -> Volume:
    return Volume(np.zeros(shape), GRIDS[name])


def through(contours, volume):
    return fill(stack_contours(contours, volume), volume)


def ball(volume: Volume, centre, radius: float) -> np.ndarray:
    index = np.argwhere(np.ones(volume.array.shape, bool)).astype(float)
    far = np.linalg.norm(volume.to_patient(index) - centre, axis=1)
    return (far <= radius).reshape(volume.array.shape)


def middle(volume: Volume) -> np.ndarray:
    return volume.to_patient(np.array([[n / 2 for n in volume.array.shape]]))[0]


@pytest.mark.parametrize("outline", [pixel_edges, half_way])
@pytest.mark.parametrize("name", GRIDS)
@settings(max_examples=15)
@given(pixels=arrays(np.bool_, (4, 6, 7), elements=st.booleans()))
def test_contours_in_the_slices_give_the_mask_back(name, outline, pixels):
    """Any mask, with holes and pieces that touch at corners."""
    volume = grid(name, pixels.shape)
    mask = Mask(pixels, volume.affine)
    if not pixels.any():
        return
    # half-way outlines join what touches at a corner in either way: no rule is right there
    if outline is half_way:
        pixels = np.repeat(np.repeat(pixels, 2, axis=1), 2, axis=2)
        pixels &= ~_touches_at_a_corner(pixels)
        volume = grid(name, pixels.shape)
        mask = Mask(pixels, volume.affine)
        if not pixels.any():
            return
    contours = contours_of(mask, outline)
    assert np.array_equal(through(contours, volume).array, pixels)


def _touches_at_a_corner(pixels):
    a, b = pixels[:, :-1, :-1], pixels[:, 1:, 1:]
    c, d = pixels[:, :-1, 1:], pixels[:, 1:, :-1]
    cross = (a & b & ~c & ~d) | (~a & ~b & c & d)
    bad = np.zeros_like(pixels)
    bad[:, :-1, :-1] |= cross
    bad[:, 1:, 1:] |= cross
    bad[:, :-1, 1:] |= cross
    bad[:, 1:, :-1] |= cross
    return bad


def test_a_contour_inside_another_is_a_hole_and_one_inside_that_is_not():
    volume = grid("oblique")
    axes = np.stack([*OBLIQUE, np.cross(*OBLIQUE)])
    rings = [ball_contours(middle(volume), r, axes, [0.0]) for r in (40.0, 28.0, 14.0)]
    index = volume.to_index(np.concatenate([ring[0] for ring in rings]))
    assert np.ptp(index[:, 0]) < 1e-6
    found = through([ring[0] for ring in rings], volume).array
    far = np.linalg.norm(
        volume.to_patient(np.argwhere(found).astype(float)) - middle(volume), axis=1
    )
    assert found.any()
    assert (((far < 14.1) | (far > 27.9)) & (far < 40.1)).all()
    assert (far < 13.0).any()


def test_a_keyhole_contour_is_a_ring():
    outer = [(0, 0), (10, 0), (10, 10), (0, 10)]
    inner = [(3, 3), (3, 7), (7, 7), (7, 3)]
    keyhole = np.array([*outer, outer[0], inner[0], *inner[1:], inner[0]], dtype=float)
    points = np.array([[5.0, 5.0], [1.5, 1.2], [8.5, 5.0], [11.0, 5.0], [2.0, 5.0]])
    assert is_inside([keyhole], points).tolist() == [False, True, True, False, True]


def test_a_contour_that_stands_twice_counts_once():
    volume = grid("transaxial")
    rings = contours_of(Mask(ball(volume, middle(volume), 30.0), volume.affine))
    turned = [np.roll(ring[::-1], 3, axis=0) for ring in rings]
    assert np.array_equal(through(rings, volume).array, through([*rings, *turned], volume).array)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("planes", ["between", "thin", "oblique", "sagittal"])
def test_planes_need_not_be_the_slices(name, planes):
    volume = grid(name, (30, 34, 40) if name == "oblong" else (20, 26, 24))
    centre, radius = middle(volume), 33.0
    own = np.stack([volume.affine[:3, k] / np.linalg.norm(volume.affine[:3, k]) for k in (2, 1, 0)])
    axes = {
        "between": own,
        "thin": own,
        "oblique": np.stack([(0.36, 0.48, -0.8), (0.8, -0.6, 0.0), (0.48, 0.64, 0.6)]),
        "sagittal": own[[1, 2, 0]],
    }[planes]
    step = {"between": 4.8, "thin": 2.0}.get(planes, 4.0)
    places = np.arange(-40.0, 40.1, step) + 0.43 * step
    found = through(ball_contours(centre, radius, axes, places), volume)
    truth = ball(volume, centre, radius)
    assert dice(found.array, truth) > 0.985
    inner = radius - 10.5
    cavity = through(ball_contours(centre, inner, axes, places), volume).array
    wall = truth & ~ball(volume, centre, inner)
    assert dice(found.array & ~cavity, wall) > 0.97
    stack = stack_contours(ball_contours(centre, radius, axes, places), volume)
    assert stack.volume_ml == pytest.approx(4.19e-3 * radius**3, rel=0.03)


def test_an_end_narrows_on_and_a_flat_one_stays():
    """Voxels a quarter of a plane distance beyond the last plane."""
    volume = grid("transaxial", (40, 26, 24))
    centre, axes = middle(volume), np.eye(3)
    sizes = {"ball": (30.0, 26.0, 18.0), "rod": (18.0, 18.0, 18.0)}
    beyond = {}
    for name, radii in sizes.items():
        rings = [
            ball_contours(centre, np.hypot(r, at), axes, [at])[0]
            for r, at in zip(radii, (-1.2, 3.6, 8.4), strict=True)
        ]
        found = through(rings, volume).array
        rows = np.flatnonzero(found.any(axis=(1, 2)))
        beyond[name] = found[rows[-1]].sum() * 4.8**2
    assert beyond["rod"] == pytest.approx(np.pi * 18.0**2, rel=0.06)
    assert beyond["ball"] < 0.9 * beyond["rod"]


def test_two_pieces_along_the_normal_are_not_joined():
    volume = grid("transaxial", (30, 26, 24))
    centre = middle(volume)
    places = [centre + np.array([0, 0, sign * 36.0]) for sign in (-1, 1)]
    truth = ball(volume, places[0], 14.0) | ball(volume, places[1], 14.0)
    found = through(contours_of(Mask(truth, volume.affine)), volume)
    assert np.array_equal(found.array, truth)


def test_one_contour_fills_its_slice():
    volume = grid("oblique")
    array = np.zeros(volume.array.shape, bool)
    array[7, 4:9, 5:11] = True
    assert np.array_equal(through(contours_of(Mask(array, volume.affine)), volume).array, array)


def test_what_lies_outside_the_volume_is_cut_off():
    volume = grid("transaxial")
    axes = np.eye(3)
    places = np.arange(-40.0, 40.1, 4.8)
    corner = volume.to_patient(np.zeros((1, 3)))[0]
    found = through(ball_contours(corner, 30.0, axes, places), volume)
    assert 0 < found.array.sum() < 0.3 * 4.19 * 30.0**3 / 4.8**3
    away = corner - 500.0
    assert not through(ball_contours(away, 30.0, axes, places), volume).array.any()


@pytest.mark.parametrize(
    ("contours", "problem"),
    [
        ([], "no closed contour"),
        ([np.array([[0.0, 0, 0], [5, 0, 0], [9, 0, 0]])], "encloses no area"),
        ([np.array([[0.0, 0, 0], [9, 0, 0], [9, 9, 4], [0, 9, 0]])], "leaves its plane"),
        (
            [
                np.array([[0.0, 0, 0], [9, 0, 0], [9, 9, 0]]),
                np.array([[0.0, 0, 0], [9, 0, 0], [9, 0, 9]]),
            ],
            "not parallel",
        ),
    ],
)
def test_contours_that_make_no_stack_are_refused(contours, problem):
    with pytest.raises(GeometryError, match=problem):
        stack_contours(contours, grid("transaxial"))
