"""Which of several candidates is the ventricle: the wall decides, not the template's score."""

from __future__ import annotations

import numpy as np
import pytest
from imaging_objects import dice, phantom
from lifelike_hearts import RANGES, make_lifelike

from mpss_lib.sections import SegmentationSettings
from mpss_lib.segmentation import localise, segment, storage, wall
from mpss_lib.segmentation.ventricle import priors_of

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
    assert choice.lead == choice.higher_lead == shells[0].score


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


def test_a_patient_who_moved_is_drawn_where_he_lay_longest():
    far = {"jump_mm": (20.0, 20.0), "creep_mm": (0.0, 0.0), "voxel_mm": (6.4, 6.4)}
    moved = make_lifelike(5, "F", far)
    still = make_lifelike(5, "F", far | {"jump_mm": (0.0, 0.0)})
    shift = [np.argwhere(made.truth["EPI"].array).mean(axis=0) * 6.4 for made in (moved, still)]
    assert 0.5 < np.linalg.norm(shift[0] - shift[1]) < 10.1  # at most half of the jump


def test_an_unknown_range_is_refused():
    assert "jump" not in RANGES
    with pytest.raises(KeyError, match="jump"):
        make_lifelike(1, "F", {"jump": (0.0, 1.0)})
