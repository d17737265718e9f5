"""One home for all tests here: made once, and put back after each."""

import shutil

import pytest
from shown_home import make_home


@pytest.fixture(scope="session")
def shown_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    made = make_home(folder / "home", n_waiting=6)
    shutil.copytree(made.root, folder / "kept")
    return made


@pytest.fixture
def shown(shown_once):
    """The home where it was made: a snapshot names its place."""
    yield shown_once
    shutil.rmtree(shown_once.root)
    shutil.copytree(shown_once.root.parent / "kept", shown_once.root)
