"""A phantom's heart as segmentation leaves it, found once for all tests."""

from __future__ import annotations

import pytest
from imaging_objects import phantom

from mpss_lib.segmentation import segment
from mpss_lib.stability.heart import Heart


@pytest.fixture(scope="session")
def volume():
    return phantom(21).volume


@pytest.fixture(scope="session")
def found(volume):
    return segment(volume)


@pytest.fixture(scope="session")
def heart(found):
    return Heart.read(found.extras, found.wall_mm)
