"""What the CT itself says of a lesion: rays of metal, and specks of noise."""

from __future__ import annotations

import numpy as np
import pytest

from mpss_lib.calcium import candidates, thorax
from mpss_lib.calcium.candidates import Candidates
from mpss_lib.calcium.slabs import Slabs, make_slabs
from mpss_lib.calcium.voltage import steps_of
from mpss_lib.volume import Volume

METAL = (1, 40, 40, 2, 3000.0)


def made(*cubes: tuple[int, int, int, int, float]) -> tuple[Slabs, Candidates]:
    """Squares (slice, row, column, side, HU) in soft tissue, pixels of 1 mm."""
    array = np.full((3, 80, 80), 40.0)
    for slab, row, column, side, hu in cubes:
        array[slab, row : row + side, column : column + side] = hu
    affine = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1.0]])
    slabs = make_slabs(Volume(array, affine, "HU"), 3.0)
    return slabs, candidates.find(slabs, steps_of(120.0), 1.0, None)


@pytest.mark.parametrize(
    ("far_mm", "hu", "is_ray"),
    [(5, 160.0, True), (5, 600.0, True), (20, 160.0, True), (20, 600.0, False),
     (38, 160.0, False), (38, 600.0, False)],
)  # fmt: skip
def test_rays_reach_less_far_where_they_are_bright(far_mm: int, hu: float, is_ray: bool) -> None:
    slabs, found = made(METAL, (1, 40, 41 + far_mm, 1, hu), (2, 10, 10, 3, hu))
    beam = thorax.is_in_beam(slabs, found, (1.0, 1.0), thorax.metal_from(130.0))
    place = {int(found.index[found.lesion == k][0, 2]): bool(beam[k]) for k in range(len(found))}
    assert place == {40: True, 41 + far_mm: is_ray, 10: False}


@pytest.mark.parametrize(
    ("side", "hu", "noise_hu", "is_speck"),
    [(1, 150.0, 20.0, True), (1, 170.0, 20.0, False), (2, 150.0, 20.0, False),
     (2, 135.0, 22.0, True), (1, 150.0, 12.0, False), (1, 150.0, float("nan"), False)],
)  # fmt: skip
def test_a_small_speck_has_to_stand_out_more(
    side: int, hu: float, noise_hu: float, is_speck: bool
) -> None:
    _, found = made((1, 40, 40, side, hu))
    assert thorax.is_speck(found, noise_hu).tolist() == [is_speck]
