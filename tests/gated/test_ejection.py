"""The door: ejection fraction of phantoms with a known volume curve, and what goes wrong told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mpss_lib
from mpss_lib.demo import beating
from mpss_lib.demo.beating import GatedHeart, make_gated
from mpss_lib.errors import GeometryError, WrongArgumentError
from mpss_lib.gated import Ejection, ejection_fraction
from mpss_lib.gated.quality import FLAGS
from mpss_lib.volume import Volume

STILL = {"is_short_axis": (0.0, 0.0), "voxel_mm": (6.0, 6.0), "edv_ml": (110.0, 110.0)}
CLEAR = {**STILL, "ejection": (60.0, 60.0), "noise": (0.05, 0.05), "fwhm_mm": (12.0, 12.0)}


@pytest.fixture(scope="module")
def heart() -> GatedHeart:
    return make_gated(77, CLEAR)


@pytest.fixture(scope="module")
def found(heart: GatedHeart) -> Ejection:
    return mpss_lib.ejection_fraction(heart.gates)


def test_phantom_is_what_it_says() -> None:
    """Its voxels are counted: the cavity has the curve's volume, the wall one volume."""
    form, values = np.random.default_rng(5), {k: float(np.mean(v)) for k, v in CLEAR.items()}
    values = {k: float(np.mean(v)) for k, v in beating.RANGES.items()} | values
    values |= {"hypokinesis": 0.5, "voxel_mm": 4.0}
    contraction = beating.contraction_curve(values["systole"])
    curve = values["edv_ml"] * (1.0 - 0.01 * values["ejection"] * contraction)
    moments = list(beating._moments(form, values, contraction, curve))
    frame = beating.heart_frame(form, 8.0)
    affine, size = beating._grid(form, values, frame)
    walls = []
    for number in (0, int(np.argmin(curve))):
        wall, cavity = beating.shares_of(moments[number], affine, size, frame, 0.1)
        assert cavity.sum() * 0.064 == pytest.approx(curve[number], rel=0.01)
        walls.append(wall.sum() * 0.064)
    assert walls[1] == pytest.approx(walls[0], rel=0.01)


def test_sixteen_gates(heart: GatedHeart, found: Ejection) -> None:
    assert found.percent == pytest.approx(heart.percent, abs=5.0)
    assert found.edv_ml == pytest.approx(heart.edv_ml, rel=0.15)
    assert found.stroke_ml == pytest.approx(found.edv_ml - found.esv_ml)
    assert found.percent == pytest.approx(100.0 * found.stroke_ml / found.edv_ml)
    assert found.flags == ()
    assert found.curve_ml.shape == (16,)
    assert found.gates_percent < found.percent + 1.5
    assert sorted(found.thickening) == [f"S{n:02d}" for n in range(1, 18)]
    assert min(found.thickening.values()) > 0.0
    assert found.phase.sd_deg < 30.0


def test_eight_gates_read_what_sixteen_do() -> None:
    heart = make_gated(77, {**CLEAR, "gates": (8.0, 8.0)})
    found = ejection_fraction(heart.gates)
    assert found.percent == pytest.approx(heart.percent, abs=5.0)
    assert found.percent > found.gates_percent + 1.0


def test_short_axis_with_beats_that_were_short() -> None:
    made = make_gated(78, {**CLEAR, "is_short_axis": (1.0, 1.0), "gates": (8.0, 8.0)})
    share = np.ones(8)
    share[-2:] = 0.8, 0.5
    gates = [replace(g, array=g.array * k) for g, k in zip(made.gates, share, strict=True)]
    found = ejection_fraction(gates)
    assert "count_drop" in found.flags
    assert found.percent == pytest.approx(made.percent, abs=5.0)
    np.testing.assert_allclose(found.count_share, share, rtol=0.03)


def test_a_gate_is_missing(heart: GatedHeart, found: Ejection) -> None:
    gates = list(heart.gates)
    gates[9] = replace(gates[9], array=np.full_like(gates[9].array, np.nan))
    without = ejection_fraction(gates)
    assert "gates_missing" in without.flags
    assert np.flatnonzero(np.isnan(without.curve_ml)).tolist() == [9]
    assert without.percent == pytest.approx(found.percent, abs=3.0)


def test_gates_out_of_order_are_told(heart: GatedHeart) -> None:
    started_late = ejection_fraction([*heart.gates[6:], *heart.gates[:6]])
    assert "unusual_timing" in started_late.flags


def test_other_storage_order_is_the_same_heart(heart: GatedHeart, found: Ejection) -> None:
    turned = []
    for one in heart.gates:
        affine = one.affine.copy()
        affine[:3, 3] += affine[:3, 0] * (one.array.shape[0] - 1)
        affine[:3, 0] *= -1.0
        turned.append(Volume(np.ascontiguousarray(one.array[::-1]) * 7.0, affine))
    assert ejection_fraction(turned).percent == pytest.approx(found.percent, abs=1e-6)


def test_what_is_no_ventricle_is_told(heart: GatedHeart) -> None:
    empty = [replace(one, array=np.zeros_like(one.array)) for one in heart.gates]
    nothing = ejection_fraction(empty)
    assert nothing.flags == ("too_few_gates",)
    assert np.isnan(nothing.percent)
    assert not nothing.is_sure
    rng = np.random.default_rng(3)
    flat = [replace(one, array=rng.poisson(50.0, one.array.shape) * 1.0) for one in empty[:4]]
    flags = ejection_fraction(flat, orientation="transaxial").flags
    assert flags
    assert set(flags) <= set(FLAGS)


def test_gates_that_do_not_belong_together(heart: GatedHeart) -> None:
    with pytest.raises(WrongArgumentError, match="no gates"):
        ejection_fraction([])
    with pytest.raises(WrongArgumentError, match="sideways"):
        ejection_fraction(heart.gates, orientation="sideways")
    moved = replace(heart.gates[1], affine=heart.gates[1].affine + np.eye(4, k=3) * 5.0)
    with pytest.raises(GeometryError, match="gate 2"):
        ejection_fraction([heart.gates[0], moved])
