"""A cluster comes back beside the one that it is a copy of, which goes on."""

import shutil
import tempfile
from pathlib import Path

import pytest
from invented_home import copy_home
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.runtime.airflow_database import DATABASE, connected
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.cluster import servers
from mpss_lib.runtime.cluster.shape import Shape
from mpss_lib.runtime.cluster.supervisor import reap
from mpss_lib.runtime.services import Services
from mpss_lib.runtime.start import database_running

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def folder(installed):
    """PostgreSQL's account must reach it, so it is no ``tmp_path``."""
    installed("redis-server")
    installed("pg_dump")
    found = Path(tempfile.mkdtemp(prefix="mpss-cluster-", dir="/tmp"))
    found.chmod(0o711)
    yield found
    shutil.rmtree(found)


def told(url, sql):
    with connected(url) as database:
        return [tuple(row) for row in database.exec_driver_sql(sql)]


def write(url, *statements):
    with connected(url) as database:
        for statement in statements:
            database.exec_driver_sql(statement)
        database.commit()


def asked(*words):
    found = CliRunner().invoke(cli.app, ["backup", *map(str, words)])
    assert found.exit_code == 0, (found.output, found.exception)


@pytest.mark.airflow
def test_a_cluster_comes_back_beside_the_one_that_runs(folder, invented_once, monkeypatch):
    monkeypatch.delenv(DATABASE, raising=False)
    root = copy_home(invented_once, folder / "home").root
    root.chmod(0o711)
    monkeypatch.setenv("MPSS_HOME", str(root))
    shape = AirflowHome.open(root, Shape()).shape
    with database_running(root):
        assert AirflowHome.load(root).shape == shape
        write(shape.database_url, "create table t (a text)", "insert into t values ('then')")
    assert not servers.is_listening(shape.postgres_port)
    asked("create", folder / "copies")  # starts and ends the servers for it
    assert Services(root).recorded() == {}
    try:
        with database_running(root):
            write(shape.database_url, "update t set a = 'later'")
            asked("restore", folder / "copies", "--home", folder / "new")
            new = AirflowHome.load(folder / "new").shape
            assert new.postgres_port != shape.postgres_port
            assert told(shape.database_url, "select a from t") == [("later",)]
            with database_running(folder / "new"):
                url = AirflowHome.load(folder / "new").shape.database_url
                assert told(url, "select a from t") == [("then",)]
    finally:
        reap()
    assert Services(folder / "new").recorded() == {}
