"""What a phantom promises: its seed, its truth, its artefacts, its frame."""

from __future__ import annotations

import numpy as np
import pytest
from imaging_objects import dice, phantom

from mpss_lib.demo.anatomy import (
    DEFAULTS,
    VESSELS,
    draw_heart,
    draw_parameters,
    fractions,
    perfusion,
    territory,
)
from mpss_lib.demo.phantom import ARTEFACTS, PhantomSpec, grid_affine, make_phantom
from mpss_lib.errors import WrongArgumentError


def test_same_seed_same_bytes_other_seed_other_study():
    first, again = make_phantom(PhantomSpec(7)), make_phantom(PhantomSpec(7))
    assert first.volume.array.tobytes() == again.volume.array.tobytes()
    assert dict(first.labels) == dict(again.labels)
    assert not np.array_equal(first.volume.array, phantom(8).volume.array)


def test_volume_is_what_was_promised():
    made = phantom(1)
    assert made.volume.array.shape == (40, 64, 64)
    assert made.volume.array.dtype == np.float64
    assert made.volume.array.min() >= 0
    np.testing.assert_allclose(made.volume.spacing_mm, 4.8)
    np.testing.assert_allclose(np.diag(made.volume.affine[[2, 1, 0]][:, :3]), 4.8)
    myo, endo, epi = (made.truth[name].array for name in ("MYO", "ENDO", "EPI"))
    assert not (myo & endo).any()
    assert np.array_equal(myo | endo, epi)
    assert 50.0 < made.labels["myocardium_ml"] < 230.0


def test_wall_is_bright_and_cavity_is_not():
    made = phantom(1)
    wall = made.volume.array[made.truth["MYO"].array].mean()
    cavity = made.volume.array[made.truth["ENDO"].array].mean()
    assert wall > 1.5 * cavity


def test_matrix_changes_the_frame_only():
    small, wide = phantom(1), phantom(1, matrix=128, slices=44)
    assert wide.volume.array.shape == (44, 128, 128)
    at = np.argwhere(small.truth["MYO"].array)[:1].astype(float)
    moved = np.rint(wide.volume.to_index(small.volume.to_patient(at)))[0].astype(int)
    there = np.rint(at[0]).astype(int)
    assert wide.volume.array[tuple(moved)] == small.volume.array[tuple(there)]


def test_short_axis_volume_shows_the_same_patient():
    flat, turned = phantom(1), phantom(1, orientation="short_axis")
    axis = np.array([flat.labels[f"axis_{letter}"] for letter in "xyz"])
    normal = turned.volume.affine[:3, 0] / 4.8
    np.testing.assert_allclose(normal, -axis, atol=1e-9)  # first slice at the apex
    assert turned.truth["MYO"].volume_ml == pytest.approx(flat.truth["MYO"].volume_ml, rel=0.05)
    centre = flat.volume.to_patient(np.argwhere(flat.truth["EPI"].array).mean(axis=0)[None])
    again = turned.volume.to_patient(np.argwhere(turned.truth["EPI"].array).mean(axis=0)[None])
    np.testing.assert_allclose(again, centre, atol=1.5)


@pytest.mark.parametrize("artefact", [name for name in ARTEFACTS if name])
def test_artefact_changes_the_counts(artefact):
    made = phantom(3, artefact=artefact)
    assert made.labels["artefact"] == artefact
    assert np.isfinite(made.volume.array).all()
    assert not np.array_equal(made.volume.array, phantom(3).volume.array)


def test_beating_heart_is_the_sum_of_its_slots():
    made = phantom(5, gates=4)
    assert made.slots.shape == (4, 40, 64, 64)
    np.testing.assert_allclose(made.slots.sum(axis=0), made.volume.array)
    still = phantom(5)
    np.testing.assert_array_equal(still.slots[0], still.volume.array)
    assert made.volume.array.sum() == pytest.approx(still.volume.array.sum(), rel=0.02)
    assert made.truth["MYO"].volume_ml == pytest.approx(still.truth["MYO"].volume_ml, rel=0.15)
    cavity = still.truth["ENDO"].array  # at end-systole (slot 2) the wall has moved into it
    assert made.slots[2][cavity].mean() > 1.2 * made.slots[0][cavity].mean()


def test_ejection_fraction_is_that_of_a_healthy_heart():
    values = draw_parameters(np.random.default_rng(1), {}, "F")
    heart = draw_heart(np.random.default_rng(2), values)
    affine = grid_affine()
    wide, narrow = (
        fractions(heart.beat(share), affine, (44, 80, 80))[:2].sum(axis=(1, 2, 3))
        for share in (0.0, 1.0)
    )
    assert 0.5 < 1.0 - narrow[1] / wide[1] < 0.75
    assert narrow[0] == pytest.approx(wide[0], rel=0.2)  # the muscle stays what it is


def test_uncorrected_series_loses_the_deep_wall():
    corrected, plain = phantom(4), phantom(4, correction="NAC")
    mask = corrected.truth["MYO"].array
    assert plain.volume.array[mask].mean() < 0.6 * corrected.volume.array[mask].mean()
    assert dice(mask, plain.truth["MYO"].array) == 1.0


def test_amplitude_is_the_relative_spread_of_its_territory():
    values = draw_parameters(np.random.default_rng(1), {}, "F")
    heart = draw_heart(np.random.default_rng(2), values)
    grid = np.stack(np.meshgrid(*[np.arange(-50.0, 51.0, 5.0)] * 3), axis=-1).reshape(-1, 3)
    position = heart.centre + grid
    index = np.rint(grid / 5.0).astype(np.int64)
    uptakes = {}
    for wanted in (0.05, 0.15):
        amplitude = {"LAD": wanted, "LCX": 0.05, "RCA": 0.05}
        rng = np.random.default_rng(3)
        uptakes[wanted] = perfusion(rng, heart, values, amplitude, position, index)
    t, a, s = heart.coordinates(position).T
    f = (t - heart.base) / (heart.long_endo - heart.base)
    owner = territory(np.degrees(np.arctan2(a, s)) % 360.0, f)
    for vessel, ratio in (("LAD", 3.0), ("LCX", 1.0), ("RCA", 1.0)):
        own = owner == VESSELS.index(vessel)
        spreads = [uptakes[wanted][own].std() for wanted in (0.05, 0.15)]
        assert spreads[1] / spreads[0] == pytest.approx(ratio, rel=0.15)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sex": "X"},
        {"artefact": "ghost"},
        {"correction": "ac"},
        {"orientation": "coronal"},
        {"amplitude": {"LM": 0.1}},
        {"gates": 0},
    ],
)
def test_unknown_choice_is_refused(wrong):
    with pytest.raises(WrongArgumentError):
        PhantomSpec(1, **wrong)


def test_unknown_anatomy_is_refused():
    with pytest.raises(WrongArgumentError, match="spleen"):
        make_phantom(PhantomSpec(1, anatomy={"spleen": 1.0}))
    assert "liver" in DEFAULTS
