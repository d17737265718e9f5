"""A real PostgreSQL is dumped and brought back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mpss_lib.errors import PlatformFaultError
from mpss_lib.upkeep.database import dump_postgres, load_postgres

USER = "nobody"


@pytest.fixture
def postgres(installed, tmp_path_factory, monkeypatch):
    """A server in a folder of its own on a socket of its own; gives its URL."""
    programs = Path(installed("initdb")).parent
    folder = Path(tmp_path_factory.mktemp("pg"))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    is_root = os.getuid() == 0
    for path in (folder, folder.parent, folder.parent.parent):
        if is_root and path.stat().st_uid == 0:
            path.chmod(path.stat().st_mode | 0o055)
    folder.chmod(0o777)
    prefix = ["setpriv", f"--reuid={USER}", "--clear-groups"] if is_root else []

    def run(*command):
        subprocess.run([*prefix, *command], check=True, capture_output=True, cwd=folder)

    data = folder / "data"
    run("initdb", "-D", str(data), "-U", "mpss", "-A", "trust")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "-D", str(data), "-o", options, "-w", "-l", str(folder / "log"), "start")
    yield f"postgresql+psycopg://mpss@/postgres?host={folder}", folder
    run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


def test_a_postgres_database_comes_back_as_it_was(postgres, tmp_path):
    import psycopg

    url, folder = postgres
    with psycopg.connect(host=str(folder), user="mpss", dbname="postgres") as db:
        db.execute("create table t (a integer primary key, b text)")
        db.execute("insert into t values (1, 'x'), (2, 'y')")
    dump = tmp_path / "airflow.dump"
    dump_postgres(url, dump)
    assert dump.stat().st_mode & 0o777 == 0o600
    with psycopg.connect(host=str(folder), user="mpss", dbname="postgres") as db:
        db.execute("delete from t where a = 1")
        db.execute("insert into t values (3, 'later')")
    load_postgres(url, dump)
    with psycopg.connect(host=str(folder), user="mpss", dbname="postgres") as db:
        assert db.execute("select a, b from t order by a").fetchall() == [(1, "x"), (2, "y")]
    with pytest.raises(PlatformFaultError, match="pg_restore failed"):
        load_postgres(url, tmp_path / "none.dump")


def test_missing_programs_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PlatformFaultError, match="pg_dump is not installed"):
        dump_postgres("postgresql://u:secret@h/d", tmp_path / "d")
