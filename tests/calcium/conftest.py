"""Chests and the surface that segmentation finds in their SPECT."""

from __future__ import annotations

import pytest
from calcium_chests import Chest, make_chest, spect_of

from mpss_lib.calcium import HeartSurface
from mpss_lib.segmentation import segment

SMALL = {"pixel_mm": (1.0, 1.0), "lead": (0.0, 0.0)}
USUAL = (120.0, 3.0, 3.0)


@pytest.fixture(scope="session")
def chest() -> Chest:
    return make_chest(2, SMALL | {"plaques": (9.0, 9.0), "other": (1.0, 1.0)}, USUAL)


@pytest.fixture(scope="session")
def surface(chest: Chest) -> HeartSurface:
    spect = spect_of(chest)
    return HeartSurface.of(segment(spect).extras, spect.frame_of_reference)
