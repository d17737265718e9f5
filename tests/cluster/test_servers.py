"""PostgreSQL and Redis of a cluster, real ones: their doors, their ends, what they keep."""

import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import psutil
import pytest

from mpss_lib.cli import account
from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime import start
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.cluster import servers
from mpss_lib.runtime.cluster.shape import Shape, folder_of
from mpss_lib.runtime.cluster.supervisor import Supervisor, reap
from mpss_lib.runtime.services import Services
from mpss_lib.secrecy import seal

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture(scope="module")
def running(installed):
    """A home whose servers run; PostgreSQL's account must reach it, so it is no ``tmp_path``."""
    installed("redis-server")
    installed("initdb")
    root = Path(tempfile.mkdtemp(prefix="mpss-cluster-", dir="/tmp"))
    root.chmod(0o711)
    services = Services(root)
    try:
        shape = AirflowHome.open(root, Shape()).shape
        servers.start(root, shape, services)
        yield root, shape
    finally:
        services.end_all()
        reap()
        shutil.rmtree(root)


def test_accounts_of_a_stopped_cluster_are_asked_while_its_servers_run(running, monkeypatch):
    """What comes after the command finds nothing running: as before it."""
    root, shape = running
    Services(root).end_all()
    monkeypatch.setenv("MPSS_HOME", str(root))
    monkeypatch.setattr(start, "prepare_database", lambda airflow, config, overwrite: None)
    with account._opened() as (home, accounts):
        assert servers.postgres_answers(AirflowHome.load(root).shape)
        assert accounts.airflow.environment["MPSS_HOME"] == str(home.root)
    assert not servers.is_listening(AirflowHome.load(root).shape.postgres_port)
    assert Services(root).recorded() == {}
    servers.start(root, shape, Services(root))


def listeners(services):
    found = set()
    for entry in services.recorded().values():
        for one in psutil.Process(entry["pid"]).net_connections("inet"):
            if one.status == psutil.CONN_LISTEN:
                found.add(one.laddr.ip)
    return found


def test_they_listen_on_loopback_and_ask_for_the_password(running):
    import psycopg

    root, shape = running
    assert listeners(Services(root)) == {"127.0.0.1"}
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(shape.database_url.replace("+psycopg", "").replace(shape.password, "x"))
    with socket.create_connection(("127.0.0.1", shape.redis_port)) as line:
        line.sendall(b"PING\r\n")
        assert line.recv(100).startswith(b"-NOAUTH")


def test_no_password_stands_on_a_command_line_or_open_to_others(running):
    root, shape = running
    for entry in Services(root).recorded().values():
        assert shape.password not in " ".join(psutil.Process(entry["pid"]).cmdline())
    held = {path.name for path in folder_of(root).iterdir()}
    assert held - {"supervisor.json"} == {"postgres", "redis", "redis.conf"}
    for path in folder_of(root).iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_killed_servers_come_again_with_what_they_had(running):
    """Also after the home was closed: as root, PostgreSQL is another account's."""
    import psycopg

    root, shape = running
    with psycopg.connect(shape.database_url.replace("+psycopg", "")) as connection:
        connection.execute("create table if not exists kept as select 7 as n")
    _redis(shape, "SET kept 7\r\n")
    seal(root)
    services, now = Services(root), [0.0]
    supervisor = Supervisor(root, servers.programs(root, shape), lambda: now[0])
    for entry in services.recorded().values():
        os.kill(entry["pid"], signal.SIGKILL)
        psutil.wait_procs([psutil.Process(entry["pid"])], timeout=10)
    supervisor.look()
    assert not servers.postgres_answers(shape)
    now[0] = 1.0
    supervisor.look()
    for name, ask in (("postgres", servers.postgres_answers), ("redis", servers.redis_answers)):
        servers._wait(name, lambda ask=ask: ask(shape), services)
    with psycopg.connect(shape.database_url.replace("+psycopg", "")) as connection:
        assert connection.execute("select n from kept").fetchall() == [(7,)]
    assert b"7" in _redis(shape, "GET kept\r\n")


def _redis(shape, command):
    with socket.create_connection(("127.0.0.1", shape.redis_port), timeout=5) as line:
        line.sendall(f"AUTH {shape.password}\r\n{command}QUIT\r\n".encode())
        told = b""
        while part := line.recv(1000):
            told += part
    return told


def test_a_package_that_is_absent_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(servers.shutil, "which", lambda name: None)
    monkeypatch.setattr(servers, "POSTGRES_PROGRAMS", tmp_path)
    shape = Shape(redis_port=1, postgres_port=2)
    with pytest.raises(PlatformFaultError, match=r"postgresql is not installed .*apt-get install"):
        servers.programs(tmp_path, shape)
