"""The truth of a patient who moved, by which the self-check's bench judges."""

from __future__ import annotations

import numpy as np
import pytest
from imaging_objects import dice
from lifelike_hearts import make_lifelike
from lifelike_motion import VIEWS, Shown, along_normals, view_angles

from mpss_lib.segmentation import segment


def test_a_piece_of_wall_is_shown_where_the_views_along_it_saw_it():
    path = np.zeros((VIEWS, 3))
    path[VIEWS // 2 :] = [8.0, -5.0, 3.0]
    angles = view_angles()
    for view in (15, 45):  # far from the jump, and from the ends, which are seen alike
        normal = np.array([[-np.sin(angles[view]), np.cos(angles[view]), 0.0]])
        assert along_normals(normal, path) == pytest.approx(normal @ path[view], abs=0.5)
    upwards = np.array([[0.0, 0.0, 1.0]])  # all views see it alike
    assert along_normals(upwards, path) == pytest.approx([1.5])
    still = np.tile([4.0, 1.0, -2.0], (VIEWS, 1))
    some = np.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]])
    assert along_normals(some, still) == pytest.approx(some @ still[0])


def test_what_is_shown_elsewhere_is_found_again_at_rest():
    grid = np.zeros((3, 3, 3, 3))
    grid[..., 0] = 2.0
    shown = Shown(np.array([1.0, 0.0, 0.0]), 0.5, np.zeros(3), grid)
    place = np.array([[8.0, 8.0, 8.0]])
    assert shown.at_rest(place) == pytest.approx(place - [2.0, 0.0, 0.0])


def test_an_apex_without_uptake_keeps_its_place():
    """A heart of the tuning seeds whose apex took up nothing: the wall ended where the counts did.

    The wall had a Dice of 0.74 before the ellipsoid knew its usual form.
    """
    made = make_lifelike(1115006, "F", {"n_defects": (1.0, 3.0)})
    found = segment(made.volume)
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) > 0.85
