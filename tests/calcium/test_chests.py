"""The phantoms are what they say."""

from __future__ import annotations

import calcium_chests
import numpy as np
import pytest
from calcium_chests import Chest, make_chest
from scipy.ndimage import gaussian_filter

from mpss_lib.calcium import calcium_score
from mpss_lib.volume import Mask, Volume

SMALL = {"pixel_mm": (1.0, 1.0), "fov_mm": (200.0, 200.0), "lead": (0.0, 0.0)}


def test_a_deposit_has_its_mass_whatever_the_slices() -> None:
    """HU over all voxels, over the HU of a mg/ml, is the mass that was laid."""
    rod = calcium_chests._fill(
        np.random.default_rng(1), np.linspace([0.0, 0.0, 20.0], [0.0, 0.0, 40.0], 41), 2.0
    )
    mass = len(rod) * calcium_chests.FINE_MM**3 * 500.0 * 1e-3
    for distance, thickness in ((3.0, 3.0), (1.5, 3.0), (0.5, 0.5), (4.0, 3.0)):
        affine = calcium_chests.make_affine(
            (-20.0, -20.0, 0.0), (1, 0, 0), (0, 1, 0), (distance, 1.0, 1.0)
        )
        picture = np.zeros((round(60 / distance), 40, 40), dtype=np.float32)
        calcium_chests._lay(picture, affine, thickness, rod, 500.0)
        found = picture.sum(dtype=np.float64) * distance * 1e-3
        gap = 0.05 if thickness >= distance else 0.15
        assert found == pytest.approx(mass, rel=gap), (distance, thickness)


@pytest.mark.parametrize("kvp", sorted(calcium_chests.HU_PER_MG_ML))
def test_the_engine_weighs_a_rod(kvp: float) -> None:
    """Above the threshold lies most of a dense rod; the edge holds some tissue too."""
    rod = calcium_chests._fill(
        np.random.default_rng(1), np.linspace([0.0, 0.0, 20.0], [0.0, 0.0, 40.0], 41), 3.0
    )
    mass = len(rod) * calcium_chests.FINE_MM**3 * 800.0 * 1e-3
    affine = calcium_chests.make_affine((-20.0, -20.0, 0.0), (1, 0, 0), (0, 1, 0), (3.0, 0.6, 0.6))
    picture = np.zeros((20, 68, 68), dtype=np.float32)
    contrast = calcium_chests.HU_PER_MG_ML[kvp]
    calcium_chests._lay(picture, affine, 3.0, rod, 800.0 * contrast)
    ct = Volume(gaussian_filter(picture, (0.0, 0.7, 0.7)).astype(float), affine, "HU")
    found = calcium_score(
        ct, kind="calcium", kvp=kvp, thickness_mm=3.0, mg_per_ml_hu=1.0 / contrast,
        within=Mask(np.ones(picture.shape, dtype=bool), affine),
    )  # fmt: skip
    assert found.mass_mg == pytest.approx(mass, rel=0.05)


def test_calcium_lies_where_its_artery_runs(chest: Chest) -> None:
    local = (chest.points - chest.base) @ chest.frame.T
    rho = np.hypot(local[:, 1], local[:, 2])
    edge = calcium_chests.epicardium(chest.values, local[:, 0])
    for artery in ("LAD", "LCX"):
        own = chest.owner == artery
        assert own.any()
        assert np.all(rho[own] > edge[own] - 3.0)
    right = chest.owner == "RCA"
    assert np.all(local[right, 2] < 0.0)
    assert chest.owner_of(chest.points[right][:20]) == "RCA"
    assert chest.owner_of(chest.points[right][:20] + 90.0) == ""
    assert set(chest.mass_mg) <= {*calcium_chests.CORONARY, *calcium_chests.OTHER}


def test_seeds_and_ranges() -> None:
    one, other = (make_chest(7, SMALL, (100.0, 4.0, 3.0)) for _ in range(2))
    np.testing.assert_array_equal(one.ct.array, other.ct.array)
    assert one.ct.array.min() >= -1024
    soft = one.ct.array[(one.ct.array > 0) & (one.ct.array < 80)]
    assert np.median(soft) == pytest.approx(calcium_chests.BLOOD, abs=8.0)
    with pytest.raises(KeyError, match="kidney"):
        make_chest(7, {"kidney": (0.0, 1.0)})
