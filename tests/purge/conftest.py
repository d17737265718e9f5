from __future__ import annotations

import pytest
from invented_home import copy_home, make_home


@pytest.fixture(scope="session")
def invented_once(tmp_path_factory):
    """The home, made once; tests work on copies."""
    return make_home(tmp_path_factory.mktemp("invented") / "home")


@pytest.fixture
def invented(invented_once, tmp_path):
    return copy_home(invented_once, tmp_path / "home")


@pytest.fixture
def home(invented):
    return invented.home
