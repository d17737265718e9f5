"""PostgreSQL and Redis of a cluster, from Debian's packages, on loopback, with a password."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime.cluster.shape import (
    DATABASE_NAME,
    DATABASE_USER,
    LOOPBACK,
    Shape,
    folder_of,
)
from mpss_lib.runtime.services import Program, Services, as_account
from mpss_lib.secrecy import OPEN_HOME, PRIVATE_FILE, PRIVATE_FOLDER
from mpss_lib.whole_files import write_bytes

if TYPE_CHECKING:
    from psycopg import Connection

POSTGRES_PROGRAMS = Path("/usr/lib/postgresql")
READY_S = 60.0
INITDB_S = 120.0
CONNECTIONS = 200
"""Of PostgreSQL: each of Airflow's components keeps up to fifteen."""


def are_made(root: Path) -> bool:
    """Whether a home has its servers' files."""
    return (folder_of(root) / "postgres" / "PG_VERSION").is_file()


def make(root: Path, shape: Shape) -> None:
    """Make the files of both servers: PostgreSQL's data once, Redis' settings at each start.

    Raises
    ------
    PlatformFaultError
        A package is not installed, or ``initdb`` failed.
    """
    folder = folder_of(root)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    if _account():
        folder.chmod(OPEN_HOME)  # the account of PostgreSQL passes through
    (folder / "redis").mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    settings = (
        f"bind {LOOPBACK}",
        f"port {shape.redis_port}",
        f"requirepass {shape.password}",
        f"dir {folder / 'redis'}",
        "appendonly yes",  # what was handed out before a restart is not lost
        'save ""',
        "daemonize no",
    )
    text = "\n".join(settings) + "\n"
    write_bytes(folder / "redis.conf", text.encode(), mode=PRIVATE_FILE)
    if not are_made(root):
        _initdb(folder, shape)


def programs(root: Path, shape: Shape) -> dict[str, Program]:
    """Give what runs for both servers."""
    folder = folder_of(root)
    environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    data = str(folder / "postgres")
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(shape.postgres_port),
        "unix_socket_directories": "",
        "max_connections": str(CONNECTIONS),
        "shared_buffers": "64MB",
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return {
        "postgres": Program([_postgres("postgres"), "-D", data, *words], environ, _account()),
        "redis": Program([_redis(), str(folder / "redis.conf")], environ),
    }


def start(root: Path, shape: Shape, services: Services) -> None:
    """Start both servers, wait until they answer, and make Airflow's database.

    Raises
    ------
    PlatformFaultError
        One did not answer in time.
    """
    make(root, shape)
    for name, program in programs(root, shape).items():
        services.launch(name, program)
    _wait("redis", lambda: redis_answers(shape), services)
    _wait("postgres", lambda: postgres_answers(shape), services)
    _make_database(shape)


def is_listening(port: int) -> bool:
    """Whether somebody takes connections at a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(2.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def redis_answers(shape: Shape) -> bool:
    """Whether Redis has read its file and takes commands."""
    try:
        with socket.create_connection((LOOPBACK, shape.redis_port), timeout=2.0) as line:
            line.sendall(f"AUTH {shape.password}\r\nPING\r\n".encode())
            told = b""
            while told.count(b"\r\n") < 2 and (part := line.recv(200)):
                told += part
    except OSError:
        return False
    return told == b"+OK\r\n+PONG\r\n"


def postgres_answers(shape: Shape) -> bool:
    """Whether PostgreSQL takes questions."""
    import psycopg

    try:
        _connect(shape).close()
    except psycopg.OperationalError:
        return False
    return True


def _connect(shape: Shape) -> Connection:
    import psycopg

    return psycopg.connect(
        host=LOOPBACK,
        port=shape.postgres_port,
        user=DATABASE_USER,
        password=shape.password,
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    )


def _make_database(shape: Shape) -> None:
    with _connect(shape) as connection:
        known = connection.execute(
            "select 1 from pg_database where datname = %s", [DATABASE_NAME]
        ).fetchone()
        if known is None:
            connection.execute(f"create database {DATABASE_NAME}")


def _wait(name: str, answers: Callable[[], bool], services: Services) -> None:
    end = time.monotonic() + READY_S
    while not answers():
        if time.monotonic() > end or not services.is_alive(name):
            raise PlatformFaultError(
                f"{name} of the cluster does not answer",
                way_out=f"read logs/{name}.log in the home",
            )
        time.sleep(0.05)


def _initdb(folder: Path, shape: Shape) -> None:
    account, data = _account(), folder / "postgres"
    shutil.rmtree(data, ignore_errors=True)  # a first try that was broken off
    data.mkdir(mode=PRIVATE_FOLDER)
    secret = folder / "password"
    write_bytes(secret, f"{shape.password}\n".encode(), mode=PRIVATE_FILE)
    for path in (data, secret) if account else ():
        shutil.chown(path, account)
    command = [_postgres("initdb"), "-D", str(data), "-U", DATABASE_USER, "-E", "UTF8"]
    command += ["--locale=C", "-A", "scram-sha-256", f"--pwfile={secret}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=INITDB_S,
        **as_account(account),
    )
    secret.unlink()
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise PlatformFaultError(
            f"initdb failed: {last[:300]}",
            way_out=f"the account {account} must be able to pass through every folder above"
            " the home (mode 0711); or run as another account than root"
            if account
            else "make room, or set MPSS_HOME to a folder of a local disk",
        )


def _account() -> str:
    """Account of PostgreSQL: it refuses to run as root, and its package makes this one."""
    return "postgres" if os.geteuid() == 0 else ""


def _postgres(name: str) -> str:
    """Find a program of PostgreSQL's newest version."""
    found = sorted(
        POSTGRES_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    return _installed(str(found[0]) if found else shutil.which(name), "postgresql")


def _redis() -> str:
    return _installed(shutil.which("redis-server"), "redis-server")


def _installed(found: str | None, package: str) -> str:
    if found is None:
        raise PlatformFaultError(
            f"{package} is not installed",
            way_out=f"`apt-get install --no-install-recommends {package}` (Debian)",
        )
    return found
