"""A real PostgreSQL is dumped and brought back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mpss_lib.errors import PlatformFaultError
from mpss_lib.maintenance.database import dump_postgres, load_postgres


def test_a_postgres_database_comes_back_as_it_was(
    postgres, database, installed, monkeypatch, tmp_path
):
    programs = Path(installed("pg_dump")).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    url = postgres.url(database).replace("postgresql://", "postgresql+psycopg://")
    with postgres.connect(database) as db:
        db.execute("create table t (a integer primary key, b text)")
        db.execute("insert into t values (1, 'x'), (2, 'y')")
    dump = tmp_path / "airflow.dump"
    dump_postgres(url, dump)
    assert dump.stat().st_mode & 0o777 == 0o600
    with postgres.connect(database) as db:
        db.execute("delete from t where a = 1")
        db.execute("insert into t values (3, 'later')")
        db.execute("create table later (a integer)")  # a migration after the dump
    load_postgres(url, dump)
    with postgres.connect(database) as db:
        assert db.execute("select a, b from t order by a").fetchall() == [(1, "x"), (2, "y")]
        assert db.execute("select to_regclass('later')").fetchone() == (None,)
    with pytest.raises(PlatformFaultError, match=r"pg_restore failed"):
        load_postgres(url, tmp_path / "none.dump")
    with postgres.connect(database) as db:
        assert db.execute("select count(*) from t").fetchone() == (2,)  # nothing was dropped


def test_missing_programs_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PlatformFaultError, match="pg_dump is not installed"):
        dump_postgres("postgresql://u:secret@h/d", tmp_path / "d")
