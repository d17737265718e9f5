"""A snapshot that is exchanged while it is attached is read whole: the old one or the new one."""

import shutil
import subprocess
import sys
from contextlib import closing

import duckdb
import pytest

from mpss_lib.snapshot_file import attach, attach_to

N_ATTACHED = 100
EXCHANGE = """
import os, shutil, sys, time
folder, ends = sys.argv[1], time.monotonic() + 60
n = 0
while time.monotonic() < ends:
    n += 1
    shutil.copyfile(f"{folder}/{n % 2}", f"{folder}/next")
    os.replace(f"{folder}/next", f"{folder}/warehouse.duckdb")
    time.sleep(0.005)
"""
TABLES = (3, 400)


@pytest.fixture
def exchanged(tmp_path):
    """The path of a snapshot; beside it two files that may take its place."""
    for name, n_tables in enumerate(TABLES):
        with closing(duckdb.connect(str(tmp_path / str(name)))) as connection:
            for n in range(n_tables):
                connection.execute(
                    f"create table t{n} as select range as x from range({n % 7 * 1000})"
                )
            connection.execute("checkpoint")
    path = tmp_path / "warehouse.duckdb"
    shutil.copyfile(tmp_path / "1", path)
    return path


def count_tables(connection):
    sql = "select count(*) from duckdb_tables() where database_name = 'mpss'"
    return connection.execute(sql).fetchall()[0][0]


def test_what_is_attached_is_one_file(exchanged):
    counted = set()
    process = subprocess.Popen([sys.executable, "-c", EXCHANGE, str(exchanged.parent)])
    try:
        for _ in range(N_ATTACHED):
            with closing(attach(exchanged, of_any_place=True)) as connection:
                counted.add(count_tables(connection))
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    assert counted <= set(TABLES)


class Meanwhile:
    """A connection to which a file is attached three times while another one takes its place."""

    def __init__(self, path, *, is_error):
        self.connection, self.n = duckdb.connect(), 0
        self._path, self._is_error = path, is_error

    def execute(self, sql):
        is_first = sql.startswith("attach") and self.n < 3
        if is_first and self._is_error:
            self._exchange()
            raise duckdb.IOException("no more data remaining")
        done = self.connection.execute(sql)
        if is_first:
            self._exchange()
        return done

    def _exchange(self):
        shutil.copyfile(self._path.with_name(str(self.n % 2)), self._path.with_name("next"))
        self._path.with_name("next").replace(self._path)
        self.n += 1


@pytest.mark.parametrize("is_error", [True, False])
def test_what_was_exchanged_meanwhile_is_attached_again(is_error, exchanged):
    """DuckDB may fail on parts of two files, or not see that they are of two."""
    meanwhile = Meanwhile(exchanged, is_error=is_error)
    attach_to(meanwhile, exchanged, "mpss")
    assert meanwhile.n == 3
    assert count_tables(meanwhile.connection) == TABLES[0]  # the last one that came


def test_a_damaged_file_that_nobody_exchanges_is_an_error(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(duckdb.Error):
        attach(path, of_any_place=True)
