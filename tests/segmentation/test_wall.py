"""Which of several candidates is the ventricle: the wall decides, not the template's score."""

from __future__ import annotations

import itertools
from dataclasses import replace
from operator import attrgetter

import numpy as np
import pytest
from imaging_objects import dice, phantom
from lifelike_hearts import RANGES, make_lifelike
from scipy.ndimage import shift

from mpss_lib.sections import SegmentationSettings
from mpss_lib.segmentation import localise, segment, storage, wall
from mpss_lib.segmentation.search import priors_of

MERIT = attrgetter("merit")
BRIGHT_RIGHT = {"right_wall": (0.6, 1.1), "right_mm": (4.0, 9.0)}


def candidates(volume, orientation="transaxial"):
    priors = priors_of(volume, orientation)
    volume, _ = storage.canonical(volume)
    logs = localise.take_logarithm(volume)
    shells = localise.find_shells(logs, priors, SegmentationSettings().seed)
    return volume, shells, priors


@pytest.fixture(scope="module")
def beside_right():
    """A heart of the tuning set; the template prefers its right ventricle, which is as bright."""
    return make_lifelike(911033, "M", BRIGHT_RIGHT)


def test_the_better_wall_wins(beside_right):
    volume, shells, priors = candidates(beside_right.volume)
    choice = wall.choose(volume, shells, priors)
    assert choice.best.shell.score < shells[0].score
    assert choice.lead == pytest.approx(
        choice.best.merit - wall.follow_wall(volume, shells[0], priors[0]).merit
    )
    found = segment(beside_right.volume)
    assert dice(found.masks["MYO"].array, beside_right.truth["MYO"].array) > 0.8


def test_a_heart_without_a_rival_is_followed_once(monkeypatch):
    volume, shells, priors = candidates(phantom(21).volume)
    followed = []
    follow = wall.follow_wall
    monkeypatch.setattr(wall, "follow_wall", lambda *a: followed.append(a[1]) or follow(*a))
    choice = wall.choose(volume, shells, priors)
    assert followed == [shells[0]]
    others = [s.score for s in shells if np.linalg.norm(s.apex - shells[0].apex) > 60.0]
    assert choice.lead <= shells[0].score - max(others)


def test_one_candidate_leads_by_its_whole_score():
    volume, shells, priors = candidates(phantom(21).volume)
    choice = wall.choose(volume, shells[:1], priors)
    assert choice.lead == choice.higher_lead == choice.lateral_lead == shells[0].score


@pytest.mark.parametrize(
    ("seed", "changes"),
    [
        (903001, {"is_back_projected": (1.0, 1.0), "is_corrected": (0.0, 0.0)}),
        (905003, {"is_short_axis": (1.0, 1.0)}),
        (917001, {"voxel_mm": (5.5, 7.0)}),
    ],
)
def test_hearts_as_clinics_make_them_are_found_and_not_held(seed, changes):
    made = make_lifelike(seed, "F", changes)
    found = segment(made.volume, orientation=made.orientation)
    assert found.is_sure, found.flags
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) > 0.8


@pytest.fixture(scope="module")
def still():
    """A heart that is followed well, on its canonical grid, and its wall."""
    volume, shells, priors = candidates(phantom(21).volume)
    return volume, wall.follow_wall(volume, shells[0], priors[0])


def test_the_wall_of_one_heart_is_found_where_it_was(still):
    assert wall.smoothed_drift_mm(*still) < 2.0


def test_a_wall_that_was_followed_elsewhere_drifts(still):
    """Oracle: the ridge and its frame pushed 4 mm aside; followed again it goes back."""
    volume, traced = still
    aside = 4.0 * traced.frame.lateral
    moved = replace(traced, frame=replace(traced.frame, origin=traced.frame.origin + aside))
    assert 3.0 < wall.smoothed_drift_mm(volume, moved) < 6.0


def test_a_wall_that_no_ray_meets_is_lost(still):
    volume, traced = still
    nowhere = replace(traced, is_above=np.zeros_like(traced.is_above))
    assert wall.smoothed_drift_mm(volume, nowhere) == wall.LOST_MM


def test_two_walls_a_jump_apart_are_held():
    """A heart of the tuning seeds (1110011): a whole ring that lies where no part of it was."""
    made = make_lifelike(1110011, "M", {"jump_mm": (12.0, 24.0)})
    found = segment(made.volume)
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) < 0.7
    assert "incoherence" in found.flags


def test_a_rival_where_the_left_ventricle_would_lie_is_told(still):
    volume, traced = still
    shell = traced.shell
    beside = [
        replace(shell, centre=shell.centre + 60.0 * way, score=0.7 * shell.score)
        for way in (traced.frame.lateral, -traced.frame.lateral, traced.frame.anterior)
    ]
    left, right, up = (wall.choose(volume, [shell, one], [traced.prior]) for one in beside)
    followed = traced.merit - wall.follow_wall(volume, beside[0], traced.prior).merit
    assert left.lead == left.lateral_lead == pytest.approx(followed)
    for choice in (right, up):
        assert choice.lead == pytest.approx(0.3 * shell.score)
        assert choice.lateral_lead == shell.score


def test_of_two_rings_side_by_side_the_lateral_one_is_the_left_ventricle():
    """A heart whose right ventricle is brighter and the better wall (a seed of the rule)."""
    ranges = {"right_wall": (1.2, 2.0), "right_mm": (6.0, 10.0), "n_defects": (1.0, 3.0)}
    made = make_lifelike(1134000, "F", ranges)
    volume, shells, priors = candidates(made.volume)
    brightest = max((wall.follow_wall(volume, one, priors[0]) for one in shells[:3]), key=MERIT)
    choice = wall.choose(volume, shells, priors)
    assert choice.best.merit < brightest.merit
    assert choice.lead > 0.12  # the right ventricle is no rival
    found = segment(made.volume)
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) > 0.8
    assert found.is_sure, found.flags


def test_a_patient_who_moved_is_drawn_where_the_picture_shows_him():
    """Oracle: no noise, a jump across the plane; the picture against that of the heart at rest."""
    far = {"jump_mm": (16.0, 16.0), "creep_mm": (0.0, 0.0), "voxel_mm": (6.4, 6.4),
           "counts_millions": (4000.0, 4000.0)}  # fmt: skip
    moved = make_lifelike(2, "F", far)
    still = make_lifelike(2, "F", far | {"jump_mm": (0.0, 0.0)})
    masks = [made.truth["EPI"].array for made in (moved, still)]
    drawn = 6.4 * (np.argwhere(masks[0]).mean(axis=0) - np.argwhere(masks[1]).mean(axis=0))
    near = np.argwhere(masks[1])
    low, high = near.min(axis=0) - 4, near.max(axis=0) + 5
    box = tuple(slice(max(int(a), 0), int(b)) for a, b in zip(low, high, strict=True))
    steps = np.arange(-6.0, 6.1, 3.0)

    def alike(away):
        laid = shift(still.volume.array, np.array(away) / 6.4, order=1)[box]
        return np.corrcoef(laid.ravel(), moved.volume.array[box].ravel())[0, 1]

    shown = max(itertools.product((-3.0, 0.0, 3.0), steps, steps), key=alike)  # z, y, x
    assert np.linalg.norm(shown - drawn) < 3.0
    assert np.linalg.norm(shown - np.array([0.2, 3.2, -4.6])) > 5.0  # there for most of the time


def test_an_unknown_range_is_refused():
    assert "jump" not in RANGES
    with pytest.raises(KeyError, match="jump"):
        make_lifelike(1, "F", {"jump": (0.0, 1.0)})
