"""Which lesion is coronary, and whose: on chests whose calcium is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calcium_chests import CORONARY, Chest, make_chest, spect_of

import mpss_lib
from mpss_lib.calcium import CalciumScore, HeartSurface
from mpss_lib.calcium.courses import lay
from mpss_lib.errors import FrameOfReferenceError
from mpss_lib.segmentation import segment
from mpss_lib.volume import Mask, Volume

SMALL = {"pixel_mm": (1.0, 1.0), "lead": (0.0, 0.0)}


def score(chest: Chest, **more: object) -> CalciumScore:
    return mpss_lib.calcium_score(
        chest.ct, kind="calcium", kvp=chest.kvp, thickness_mm=chest.thickness_mm, **more
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found(chest: Chest, surface: HeartSurface) -> CalciumScore:
    return score(chest, heart=surface, mg_per_ml_hu=1 / 1.3)


def test_every_lesion_is_whose_it_is(chest: Chest, found: CalciumScore) -> None:
    owners = {}
    for lesion in found.lesions:
        owner = chest.owner_of(chest.ct.to_patient(lesion.voxels.astype(float)))
        owners.setdefault(owner, set()).add(lesion.place)
        assert "valve plane" in lesion.reason
        assert 0.0 <= lesion.probability <= 1.0
    assert {owner for owner in owners if owner in CORONARY} >= {"LAD", "RCA"}
    for owner, places in owners.items():
        if owner in CORONARY:
            assert places <= {owner} | ({"left"} if owner in ("LM", "LAD") else set()), owner
        else:
            assert not places & {*CORONARY, "left"}, owner


def test_figures_add_up(found: CalciumScore) -> None:
    coronary = [one for one in found.lesions if one.place in (*CORONARY, "left")]
    assert found.score == pytest.approx(sum(one.score for one in coronary))
    assert found.score == pytest.approx(sum(found.by_artery.values()))
    assert found.volume_mm3 == pytest.approx(sum(one.volume_mm3 for one in coronary))
    assert found.mass_mg == pytest.approx(sum(one.mass_mg for one in coronary))
    assert found.excluded["bone"] > 1e4
    assert found.waits == any(one.waits for one in found.lesions)


def test_the_setting_says_below_which_probability_a_person_is_asked(
    chest: Chest, surface: HeartSurface, found: CalciumScore
) -> None:
    never, always = (score(chest, heart=surface, ask_below=below) for below in (0.0, 1.0))
    assert not never.waits
    assert dict(never.by_artery) == dict(found.by_artery) == dict(always.by_artery)
    assert {one.waits for one in always.lesions if one.place in CORONARY} == {True}
    usual = sum(one.waits for one in found.lesions)
    assert usual < sum(one.waits for one in always.lesions)


def test_without_a_surface_a_total_waits(chest: Chest, found: CalciumScore) -> None:
    plain = score(chest)
    assert "no_surface" in plain.flags
    assert "no_surface" not in found.flags
    assert plain.waits
    assert set(plain.by_artery) == {"mediastinum"}
    assert plain.score >= found.score


def test_a_region_of_a_person_is_what_counts(chest: Chest, found: CalciumScore) -> None:
    region = np.zeros(chest.ct.array.shape, dtype=bool)
    largest = next(one for one in found.lesions if one.place in CORONARY)
    region[tuple(largest.voxels.T)] = True
    given = score(chest, within=Mask(region, chest.ct.affine))
    assert given.score == pytest.approx(largest.score)
    assert dict(given.by_artery) == {"marked": given.score}
    assert not given.waits


def test_the_surface_must_share_the_frame(chest: Chest, surface: HeartSurface) -> None:
    with pytest.raises(FrameOfReferenceError):
        score(chest, heart=replace(surface, frame_of_reference="1.2.3"))
    bare = replace(chest, ct=replace(chest.ct, frame_of_reference=""))
    with pytest.raises(FrameOfReferenceError):
        score(bare, heart=replace(surface, frame_of_reference=""))


def test_the_surface_is_the_ventricle_that_was_drawn(chest: Chest, surface: HeartSurface) -> None:
    assert surface.radius_mm == pytest.approx(chest.values["radius_mm"], abs=5.0)
    assert surface.length_mm == pytest.approx(chest.values["length_mm"], abs=9.0)
    there = np.array([[30.0, 12.0, -9.0], [-20.0, -5.0, 40.0]])
    np.testing.assert_allclose(surface.to_heart(surface.to_patient(there)), there, atol=1e-9)
    courses = {course.name for course in lay(surface)}
    assert courses == {*CORONARY, "aorta", "mitral ring"}


def test_nothing_dense_is_a_score_of_zero(chest: Chest, surface: HeartSurface) -> None:
    soft = replace(chest, ct=replace(chest.ct, array=np.minimum(chest.ct.array, 100.0)))
    for more in ({"heart": surface}, {}):
        found = score(soft, **more)
        assert (found.score, found.lesions, dict(found.by_artery)) == (0.0, (), {})
        assert not found.waits


def test_metal_and_its_rays_are_no_plaque() -> None:
    bare = {"plaques": (0.0, 0.0), "other": (0.0, 0.0), "lead": (1.0, 1.0)}
    chest = make_chest(3000, SMALL | bare, (120.0, 3.0, 3.0))
    spect = spect_of(chest)
    found = score(chest, heart=HeartSurface.of(segment(spect).extras, spect.frame_of_reference))
    assert "metal" in found.flags
    assert found.excluded["metal"] > 100.0
    assert found.score == 0.0


def test_stored_the_other_way_it_is_the_same(chest: Chest, surface: HeartSurface,
                                             found: CalciumScore) -> None:  # fmt: skip
    affine = chest.ct.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (chest.ct.array.shape[0] - 1)
    affine[:3, 0] *= -1.0
    turned = Volume(np.ascontiguousarray(chest.ct.array[::-1]), affine, "HU",
                    chest.ct.frame_of_reference)  # fmt: skip
    other = score(replace(chest, ct=turned), heart=surface)
    assert dict(other.by_artery) == pytest.approx(dict(found.by_artery))
