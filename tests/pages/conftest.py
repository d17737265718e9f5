"""One home, one API server and one browser for the tests of the pages; one server of persons."""

import shutil

import pytest
from browser import chromium
from pages_server import running
from shown_home import make_home


@pytest.fixture(scope="session")
def shown(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("pages") / "home", n_waiting=8)


@pytest.fixture(scope="session")
def server(shown, tmp_path_factory):
    with running(tmp_path_factory.mktemp("airflow"), shown.root) as made:
        yield made


@pytest.fixture(scope="module")
def persons(shown, tmp_path_factory):
    """A server on which each person has an account, on the same home."""
    with running(tmp_path_factory.mktemp("persons"), shown.root, persons=True) as made:
        yield made


@pytest.fixture(scope="session")
def _browser(installed, tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser"), installed("chromium")) as page:
        yield page


@pytest.fixture
def page(_browser):
    """The browser's tab; a test that leaves an error in it fails."""
    _browser.open("about:blank")  # what the page before was still asking ends
    _browser.said.clear()
    _browser.requests.clear()
    _browser.look(1280)
    yield _browser
    assert _browser.said == []


@pytest.fixture
def two_readers(shown):
    """Two must agree, and read blind."""
    settings = shown.root / "mpss.toml"
    before = settings.read_text()
    settings.write_text(before + "[review]\nreaders = 2\nassigned = ['reader', 'second']\n")
    yield
    settings.write_text(before)


@pytest.fixture
def untouched(shown, tmp_path):
    """Decisions of the test are taken back."""
    folder = shown.lake.root / "landing" / "review"
    shutil.copytree(folder, tmp_path / "review")
    yield
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "review", folder)
