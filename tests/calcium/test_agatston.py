"""Agatston's score: by the definition's independent scorer, and by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agatston

from mpss_lib.calcium import CalciumScore, calcium_score
from mpss_lib.calcium.scoring import FLAGS
from mpss_lib.calcium.voltage import TABLE, steps_of
from mpss_lib.errors import GeometryError, StudyFaultError, WrongArgumentError
from mpss_lib.volume import Mask, Volume, make_affine

TISSUE = 40.0


def volume(array: np.ndarray, spacing: Sequence[float] = (3.0, 0.5, 0.5)) -> Volume:
    dz, dy, dx = spacing
    affine = make_affine((-10.0, 20.0, 5.0), (1, 0, 0), (0, 1, 0), (dz, dy, dx))
    return Volume(np.asarray(array, dtype=np.float64), affine, "HU")


def plain(ct: Volume, **changes: object) -> CalciumScore:
    everywhere = Mask(np.ones(ct.array.shape, dtype=bool), ct.affine)
    given = {"kind": "calcium", "kvp": 120.0, "thickness_mm": ct.spacing_mm[0],
             "within": everywhere, **changes}  # fmt: skip
    return calcium_score(ct, **given)  # type: ignore[arg-type]


def tissue(*shape: int) -> np.ndarray:
    return np.full(shape, TISSUE)


@pytest.mark.parametrize(
    ("peak", "weight"), [(129, 0), (130, 1), (199, 1), (200, 2), (300, 3), (399, 3), (400, 4)]
)
def test_area_times_weight_of_the_peak(peak: float, weight: int) -> None:
    array = tissue(4, 12, 12)
    array[1, 3:5, 3:8] = min(peak, 130.0)
    array[1, 4, 5] = peak
    expected = 0.0 if peak < 130 else 10 * 0.25 * weight
    assert plain(volume(array)).score == pytest.approx(expected)


def test_a_lesion_is_told_whole() -> None:
    array = tissue(5, 16, 16)
    array[1, 3:6, 3:6] = 250.0
    array[2, 6:9, 6:9] = 410.0  # touches by a corner: one lesion of two components
    array[4, 12, 2:6] = 150.0
    found = plain(volume(array), mg_per_ml_hu=0.8)
    large, small = found.lesions
    assert (large.first_slice, large.last_slice, large.peak_hu) == (1, 2, 410.0)
    assert large.score == pytest.approx(9 * 0.25 * (2 + 4))
    assert large.area_mm2 == pytest.approx(2.25)
    assert large.volume_mm3 == pytest.approx(18 * 0.75)
    assert large.mass_mg == pytest.approx(330.0 * 18 * 0.75 * 1e-3 * 0.8)
    assert large.centre_mm == pytest.approx((-10 + 0.5 * 5.5, 20 + 0.5 * 5.5, 5 + 3 * 1.5))
    assert sorted(map(tuple, small.voxels.tolist())) == [(4, 12, k) for k in range(2, 6)]
    assert found.score == pytest.approx(large.score + small.score)
    assert found.mass_mg == pytest.approx(large.mass_mg + small.mass_mg)
    assert np.isnan(plain(volume(array)).mass_mg)


def test_less_than_a_square_millimetre_is_nothing_and_corners_do_not_join_in_a_slice() -> None:
    array = tissue(1, 12, 12)
    array[0, 2, 2:5] = 500.0  # 0.75 mm2
    array[0, 6:8, 6] = array[0, 8:10, 7] = 500.0  # 0.5 mm2 twice, by a corner
    assert plain(volume(array)).score == 0.0
    array[0, 2, 5] = 500.0
    assert plain(volume(array)).score == pytest.approx(4.0)


pictures = st.integers(0, 2**32 - 1)


@given(seed=pictures, dense=st.floats(0.02, 0.5), kvp=st.sampled_from(sorted(TABLE)),
       spacing=st.sampled_from([(3.0, 3.0), (1.5, 3.0), (5.0, 3.0), (0.5, 0.5), (1.0, 1.0),
                                (1.25, 1.25), (2.5, 2.5), (0.7, 1.4), (2.0, 1.5)]))  # fmt: skip
@settings(max_examples=60)
def test_any_picture_equals_the_definition(
    seed: int, dense: float, kvp: float, spacing: tuple[float, float]
) -> None:
    rng = np.random.default_rng(seed)
    array = np.where(rng.random((7, 9, 8)) < dense, rng.integers(80, 700, (7, 9, 8)), 40)
    distance, thickness = spacing
    ct = volume(array, (distance, 0.6, 0.7))
    found = plain(ct, kvp=kvp, thickness_mm=thickness)
    expected = agatston.score(array.tolist(), 0.6 * 0.7, distance, thickness, TABLE[kvp])
    assert found.score == pytest.approx(expected, rel=1e-9)
    assert sum(one.score for one in found.lesions) == pytest.approx(expected, rel=1e-9)


@given(seed=pictures)
@settings(max_examples=15)
def test_order_of_storage_does_not_matter(seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 600, (8, 6, 6)).astype(float)
    ct = volume(array, (1.0, 1.0, 1.0))
    affine = ct.affine.copy()
    affine[:3, 3] += 7 * affine[:3, 0]
    affine[:3, 0] *= -1.0
    turned = Volume(np.ascontiguousarray(array[::-1]), affine, "HU")
    one, other = plain(ct), plain(turned)
    assert one.score == pytest.approx(other.score)
    ends = {7 - lesion.first_slice for lesion in other.lesions}
    assert ends == {lesion.last_slice for lesion in one.lesions}


def test_a_long_lesion_has_one_score_whatever_the_slices() -> None:
    """A rod of 24 mm along the patient: 8 slices of 3 mm, contiguous, overlapping, thin, gapped."""
    rods = {(3.0, 3.0): 8, (1.5, 3.0): 16, (1.0, 1.0): 24, (0.5, 0.5): 48, (4.0, 3.0): 6}
    for (distance, thickness), n in rods.items():
        array = tissue(n, 10, 10)
        array[:, 3:7, 3:7] = 350.0
        found = plain(volume(array, (distance, 0.5, 0.5)), thickness_mm=thickness)
        assert found.score == pytest.approx(8 * 4.0 * 3), (distance, thickness)
        assert len(found.lesions) == 1
        assert len(found.lesions[0].voxels) == n * 16


def test_flags_tell_what_the_scan_is() -> None:
    ct = volume(tissue(6, 40, 40))
    assert plain(ct).flags == ()
    assert plain(ct, kind="attenuation").flags == ("not_gated",)
    assert plain(ct, kvp=100.0).flags == ("other_voltage",)
    assert plain(ct, kvp=140.0).flags == ("other_voltage", "voltage_between_rows")
    assert plain(ct, thickness_mm=5.0).flags == ("overlapping_slices", "thick_slices")
    assert plain(ct, thickness_mm=2.0).flags == ("gapped_slices",)
    assert plain(volume(tissue(6, 40, 40), (1, 1.2, 1.2))).flags == (
        "thin_slices_averaged",
        "coarse_pixels",
    )
    assert plain(volume(tissue(6, 40, 40) - 1000.0)).flags == ("noise_unknown",)
    loud = tissue(6, 80, 80) + np.random.default_rng(4).normal(0.0, 30.0, (6, 80, 80))
    found = plain(volume(loud))
    assert found.flags == ("high_noise",)
    assert found.noise_hu == pytest.approx(30.0, rel=0.1)
    assert set(found.flags) <= set(FLAGS)


def test_averaged_slices_are_as_quiet_as_thick_ones() -> None:
    rng = np.random.default_rng(5)
    thin = volume(tissue(30, 80, 80) + rng.normal(0.0, 60.0, (30, 80, 80)), (0.5, 0.6, 0.6))
    assert plain(thin).noise_hu == pytest.approx(60.0 / np.sqrt(6), rel=0.1)
    assert plain(thin).score == 0.0


def test_voltages_between_rows_lie_between_them() -> None:
    steps = [steps_of(kvp).begins_hu for kvp in (70, 75, 80, 90, 100, 110, 120, 130, 135, 140)]
    for lower, higher in zip(steps[1:], steps, strict=False):
        assert all(a < b for a, b in zip(lower, higher, strict=True))
    assert steps_of(120).begins_hu == (130, 200, 300, 400)


def test_within_a_region_only() -> None:
    array = tissue(3, 12, 12)
    array[1, 2:4, 2:4] = array[1, 8:10, 8:10] = 300.0
    ct = volume(array)
    region = np.zeros(array.shape, dtype=bool)
    region[:, :6, :6] = True
    assert plain(ct, within=Mask(region, ct.affine)).score == pytest.approx(3.0)
    with pytest.raises(GeometryError, match="shape"):
        plain(ct, within=Mask(region[:2], ct.affine))


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"kind": "chest"}, "chest"), ({"kvp": 0.0}, "kvp"), ({"thickness_mm": float("nan")}, "nan"),
     ({"mg_per_ml_hu": -1.0}, "-1"), ({"ask_below": 1.5}, "1.5"),
     ({"ask_below": float("nan")}, "nan"), ({"kvp": float("nan")}, "kvp")],
)  # fmt: skip
def test_arguments_that_no_scan_has(changes: dict[str, object], named: str) -> None:
    with pytest.raises(WrongArgumentError, match=named):
        plain(volume(tissue(2, 4, 4)), **changes)


def test_what_is_no_ct_is_refused() -> None:
    with pytest.raises(WrongArgumentError, match="counts"):
        plain(Volume(tissue(2, 4, 4), np.eye(4)[:, [2, 1, 0, 3]]))
    broken = tissue(2, 4, 4)
    broken[0, 0, 0] = np.nan
    with pytest.raises(StudyFaultError, match="not finite"):
        plain(volume(broken))
    lying = Volume(tissue(2, 4, 4), volume(tissue(2, 4, 4)).affine[:, [1, 0, 2, 3]], "HU")
    with pytest.raises(GeometryError, match="transaxial"):
        plain(lying)
    with pytest.raises(GeometryError, match="no voxels"):
        plain(volume(tissue(0, 4, 4)))
