"""The same rows in CSV, SQLite and PostgreSQL: one wide table each, with the indexes it wants."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
from psycopg import connect

_INDEXES = (
    "create index by_level on radiomics (bins, segment)",
    "create index by_study on radiomics (study_key)",
)


class Csv:
    """One file, read by DuckDB (the fastest reader of CSV at hand); no index is possible."""

    times = 1

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder / "radiomics.csv"

    def __enter__(self) -> Csv:
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)

    def load(self, part: pa.Table) -> None:
        is_first = not self.path.exists()
        with self.path.open("ab") as handle:
            options = pyarrow.csv.WriteOptions(include_header=is_first)
            pyarrow.csv.write_csv(part, handle, options)

    def finish(self) -> None:
        """Nothing to do."""

    def size(self) -> int:
        return self.path.stat().st_size

    def ask(self, sql: str) -> int:
        with duckdb.connect(config={"threads": 2}) as connection:
            named = f"from read_csv('{self.path}', header = true) as radiomics"
            found = connection.execute(sql.replace("from radiomics", named))
            return len(next(iter(found.fetchnumpy().values())))


class Sqlite:
    """One file of the standard library's engine."""

    times = 3

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder / "radiomics.sqlite"
        self.connection = sqlite3.connect(self.path)
        self.connection.execute("pragma journal_mode = off")
        self.connection.execute("pragma synchronous = off")
        self.is_made = False

    def __enter__(self) -> Sqlite:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def load(self, part: pa.Table) -> None:
        if not self.is_made:
            columns = ", ".join(f'"{name}" {_kind(name)}' for name in part.column_names)
            self.connection.execute(f"create table radiomics ({columns})")
            self.is_made = True
        places = ", ".join("?" * part.num_columns)
        rows = zip(*(column.to_pylist() for column in part.columns), strict=True)
        self.connection.executemany(f"insert into radiomics values ({places})", rows)
        self.connection.commit()

    def finish(self) -> None:
        for sql in (*_INDEXES, "analyze"):
            self.connection.execute(sql)
        self.connection.commit()

    def size(self) -> int:
        return self.path.stat().st_size

    def ask(self, sql: str) -> int:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        if "stddev" in sql:  # SQLite has none: sums, as its users write it
            sql = sql.replace("stddev(", "total(")
        try:
            return _as_matrix(connection.execute(sql).fetchall())
        finally:
            connection.close()


class Postgresql:
    """A server of its own: ``initdb`` in the folder, loopback, a free port, ended at the end."""

    times = 3

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.is_made = False

    def __enter__(self) -> Postgresql:
        self.folder.mkdir(mode=0o755)
        if os.geteuid() == 0:  # the server refuses to run as root
            self.folder.parent.chmod(0o755)
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-D", self._data())
        settings = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
            " -c shared_buffers=1GB -c max_wal_size=4GB -c fsync=off -c jit=off"
        )
        log = str(self.folder / "log")
        self._run("pg_ctl", "-w", "-D", self._data(), "-o", settings, "-l", log, "start")
        return self

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "-D", self._data(), "stop")

    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
        subprocess.run(
            [str(self.programs / program), *arguments],
            user=user,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _connect(self):
        return connect(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres")

    def load(self, part: pa.Table) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            if not self.is_made:
                columns = ", ".join(f'"{name}" {_kind(name)}' for name in part.column_names)
                cursor.execute(f"create unlogged table radiomics ({columns})")
                self.is_made = True
            sink = pa.BufferOutputStream()
            pyarrow.csv.write_csv(part, sink, pyarrow.csv.WriteOptions(include_header=False))
            with cursor.copy("copy radiomics from stdin (format csv)") as copy:
                copy.write(sink.getvalue().to_pybytes())

    def finish(self) -> None:
        with self._connect() as connection:
            connection.autocommit = True
            for sql in (*_INDEXES, "vacuum analyze radiomics"):
                connection.execute(sql)

    def size(self) -> int:
        with self._connect() as connection:
            (size,) = connection.execute("select pg_total_relation_size('radiomics')").fetchone()
        return size

    def ask(self, sql: str) -> int:
        with self._connect() as connection, connection.cursor(binary=True) as cursor:
            return _as_matrix(cursor.execute(sql).fetchall())


def _kind(name: str) -> str:
    return {"study_key": "text", "segment": "text", "bins": "integer"}.get(name, "double precision")


def _as_matrix(rows: list[tuple]) -> int:
    """Give the number of rows, after the numbers of a wide answer were put into one array."""
    if rows and len(rows[0]) >= 487:
        np.array([row[-487:] for row in rows])
    return len(rows)


PEERS = {"csv": Csv, "sqlite": Sqlite, "postgresql": Postgresql}
