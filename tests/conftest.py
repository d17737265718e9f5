"""Settings that every test needs: no home of a person, one thread, quiet DICOM."""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from real_programs import program_of

settings.register_profile("unhurried", deadline=None)  # a busy disk is no fault of an example
settings.load_profile("unhurried")

PROJECT = Path(__file__).resolve().parents[1]
_HOME = Path(tempfile.mkdtemp(prefix="mpss-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["MPSS_HOME"] = str(_HOME / "home")
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Airflow in a throw-away home: set before anything imports it.
os.environ.update(
    {
        "AIRFLOW_HOME": str(_HOME / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__FERNET_KEY": "KUnuPNJlBEMMUvwOHzAHRrgYq3cmb3sEnZJ1wcMQsRo=",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Europe/Zurich",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME / 'airflow' / 'airflow.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }
)


gc.disable()  # until all is imported: what is loaded is no garbage


def pytest_collection_finish():
    gc.enable()
    keep_what_is_loaded()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or nextitem.path != item.path:
        keep_what_is_loaded()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    gc.unfreeze()


def keep_what_is_loaded():
    """Let the collector look no more at what lives now: modules, for the most part.

    It looks at everything each time it is called, and pynetdicom calls it after 60 associations of
    each server.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep together, under ``pytest -n``, what shares a costly fixture.

    The end-to-end tests share one hospital's nights, those of the pages one server; elsewhere a
    file is a unit.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.partition("::")[0]
            shared = [name for name in ("end_to_end", "pages") if f"/{name}/" in path]
            return shared[0] if shared else path

    return Units(config, log)


LONGEST = (
    "test_commands",
    "end_to_end",
    "pages",
    "test_concurrency",
    "test_seen",
    "test_unjudged",
    "test_fault_matrix",
    "test_touched",
    "test_book",
)
"""Files and folders of 15 seconds and more: one that began last would run alone to its end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with the longest units, in their order."""
    rank = {name: place for place, name in enumerate(LONGEST)}

    def place_of(item):
        names = (item.path.stem, item.path.parent.name)
        return min(rank.get(name, len(rank)) for name in names)

    items.sort(key=place_of)


@pytest.fixture
def lake(tmp_path):
    from mpss_lib.tables import Lake

    return Lake(tmp_path / "lake")


@pytest.fixture
def config(tmp_path):
    from mpss_lib.config import load

    return load(tmp_path, environ={})


@pytest.fixture
def airflow_tables(tmp_path):
    """Engine of a database with Airflow's tables, of one test alone: many share the other one."""
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from sqlalchemy import create_engine

    import_all_models()
    engine = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def invented_once(tmp_path_factory):
    """The home of invented people, made once; tests work on copies."""
    from invented_home import make_home

    return make_home(tmp_path_factory.mktemp("invented") / "home")


@pytest.fixture
def invented(invented_once, tmp_path):
    from invented_home import copy_home

    return copy_home(invented_once, tmp_path / "home")


@pytest.fixture
def home(invented):
    return invented.home


@pytest.fixture(scope="session")
def installed():
    """Path of a real peer's program (``tests/install_servers.sh``): absent, the test is skipped.

    With SERVERS_REQUIRED=1, as CI runs, an absent one is a failure.
    """

    def find(program):
        debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        found = program_of(program)
        if found or debian:
            return found or str(debian[-1])
        reason = f"{program} is not installed: run tests/install_servers.sh as root"
        if os.environ.get("SERVERS_REQUIRED") == "1":
            pytest.fail(reason)
        return pytest.skip(reason)

    return find


@pytest.fixture(scope="session")
def airflow_database():
    """The schema and pools, made as the bootstrap makes them."""
    from mpss_airflow.bootstrap import prepare

    prepare({})


@pytest.fixture(scope="session")
def dagbag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(PROJECT / "dags"))


@pytest.fixture(scope="session")
def postgres(installed):
    """Give a running PostgreSQL server of Debian's package."""
    from postgres_server import running

    with running(installed("initdb"), installed("pg_ctl")) as server:
        yield server


@pytest.fixture
def database(postgres):
    """Give the name of an empty database of that server."""
    with postgres.database() as name:
        yield name


@pytest.fixture
def mpss(monkeypatch, capsys):
    """Run the command in this process: (exit status, standard output, standard error)."""
    from mpss_lib import cli

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["mpss", *map(str, words)])
        monkeypatch.setattr(cli.console, "width", 200)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run
