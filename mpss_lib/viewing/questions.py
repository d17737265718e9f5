"""Questions of researchers to the published snapshot: read-only, with an end, and nothing else.

A connection of its own for each question, that reads the snapshot and the table files behind its
views, cannot write, attach, load or change a setting, and is interrupted when its time is over.
"""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from mpss_lib.project import project_folder
from mpss_lib.quoting import sql_text
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse.query_rows import MAX_ROWS, QueryError, csv_value

MOST_SHOWN = 1000
"""Rows of an answer on the page; a download has as many as ``query_rows.MAX_ROWS``."""
ROWS_AT_ONCE = 5_000
SECONDS = 20.0
MEMORY = "1GB"
AT_ONCE = 2
"""Questions that are worked on side by side: the server has other things to do."""
LONGEST = 20_000
"""Characters of a question."""

TABLE_FUNCTIONS = frozenset(
    {"unnest", "range", "generate_series", "duckdb_columns", "duckdb_tables"}
)
"""Functions that may stand after ``from``; any other could read a file."""


@dataclass(frozen=True)
class Answer:
    """Rows of a question.

    Parameters
    ----------
    names : list of str
    rows : list of tuple
        At most ``MOST_SHOWN``.
    is_cut : bool
        There are more.
    seconds : float
        That it took.
    """

    names: list[str]
    rows: list[tuple[Any, ...]]
    is_cut: bool
    seconds: float


def ask(lake: Lake, sql: str, *, seconds: float = SECONDS, most: int = MOST_SHOWN) -> Answer:
    """Ask the newest snapshot.

    Raises
    ------
    QueryError
        It cannot be run, is no question, reads something other than the snapshot, or its time is
        over.
    PlatformFaultError
        Nothing has been published.
    """
    begun = time.monotonic()
    with _locked(lake, sql) as connection, _ended(connection, seconds):
        found = connection.execute(sql)
        names = [column[0] for column in found.description or ()]
        rows = found.fetchmany(most + 1)
    return Answer(names, rows[:most], len(rows) > most, time.monotonic() - begun)


def download(lake: Lake, sql: str, form: str, *, seconds: float = 3 * SECONDS) -> bytes:
    """Ask the newest snapshot for a file: ``csv`` or ``parquet``, all rows; see ``ask``."""
    with _locked(lake, sql) as connection, _ended(connection, seconds):
        if form == "parquet":
            return _parquet(connection, sql)
        return _csv(connection, sql)


def _csv(connection: duckdb.DuckDBPyConnection, sql: str) -> bytes:
    """Write the answer part by part: never all of its rows are held as objects."""
    found = connection.execute(sql)
    text, n_rows = io.StringIO(), 0
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column[0] for column in found.description or ()])
    while rows := found.fetchmany(ROWS_AT_ONCE):
        n_rows += len(rows)
        _check_size(n_rows)
        writer.writerows([csv_value(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _parquet(connection: duckdb.DuckDBPyConnection, sql: str) -> bytes:
    """Write the answer by Arrow: DuckDB itself may write no file here."""
    answer = connection.sql(sql).to_arrow_reader(ROWS_AT_ONCE)
    content, n_rows = io.BytesIO(), 0
    with pq.ParquetWriter(content, answer.schema, compression="zstd") as writer:
        for batch in answer:
            n_rows += batch.num_rows
            _check_size(n_rows)
            writer.write_batch(batch)
    return content.getvalue()


def _check_size(n_rows: int) -> None:
    if n_rows > MAX_ROWS:
        raise QueryError(
            f"the answer has more than {MAX_ROWS:,} rows",
            way_out="add a condition or a limit, or ask on a machine of your own: `mpss sql`",
        )


def worked_queries() -> dict[str, str]:
    """Give the worked examples of ``sql/queries`` by name, each a question with its comment."""
    folder = project_folder() / "sql" / "queries"
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}


_WAY_OUT = "`select * from meta.relation` lists the relations with their grain"


@contextmanager
def _locked(lake: Lake, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the snapshot for one question that was looked at."""
    if len(sql) > LONGEST:
        raise QueryError(
            f"the question has {len(sql)} characters", way_out=f"ask it in at most {LONGEST}"
        )
    if not _SLOTS.acquire(timeout=SECONDS):
        raise QueryError(
            f"{AT_ONCE} other questions are being worked on", way_out="ask again in a minute"
        )
    try:
        yield from _opened(lake, sql)
    finally:
        _SLOTS.release()


_SLOTS = threading.BoundedSemaphore(AT_ONCE)


def _opened(lake: Lake, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_snapshot(lake.snapshot)
    try:
        _check(connection, sql)
        for setting in _settings(lake):
            connection.execute(setting)
        yield connection
    finally:
        connection.close()


def _settings(lake: Lake) -> Sequence[str]:
    folders = ", ".join(sql_text(folder) for folder in _table_folders(lake))
    return (
        "set threads = 1",
        f"set memory_limit = '{MEMORY}'",
        "set temp_directory = ''",
        "set python_enable_replacements = false",
        "set autoinstall_known_extensions = false",
        "set autoload_known_extensions = false",
        f"set allowed_directories = [{folders}]",
        "set enable_external_access = false",
        "set lock_configuration = true",
    )


def _table_folders(lake: Lake) -> list[Path]:
    """Folders of the table files that views of the snapshot read."""
    return [lake.root / "landing", lake.root / "reporting"]


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what is no single question of the snapshot's relations.

    The files of the tables must stay readable for the views; so no function that reads files, and
    no file in the place of a table, may stand in the question itself.
    """
    told = connection.execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()[0][0]
    tree = json.loads(told)
    if tree["error"]:
        raise QueryError(
            str(tree.get("error_message", "it is no question")).strip(),
            way_out="give one SELECT; nothing can be written, attached or set here",
        )
    if len(tree["statements"]) != 1:
        raise QueryError(
            f"{len(tree['statements'])} statements were given", way_out="give them one by one"
        )
    for node in _nodes(tree):
        kind = node.get("type")
        if kind == "TABLE_FUNCTION":
            name = str(node["function"]["function_name"]).lower()
            if name not in TABLE_FUNCTIONS:
                raise QueryError(f"{name}() is not for questions here", way_out=_WAY_OUT)
        if kind == "BASE_TABLE" and not _is_name(str(node["table_name"])):
            raise QueryError(f"{node['table_name']!r} is no relation", way_out=_WAY_OUT)


def _is_name(name: str) -> bool:
    return all(sign.isalnum() or sign in "_ " for sign in name)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from _nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)


@contextmanager
def _ended(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what the connection does when its time is over; tell DuckDB's errors as ours."""
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        connection.interrupt()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except (duckdb.Error, QueryError) as error:
        if is_over.is_set():
            raise QueryError(
                f"it took longer than {seconds:.0f} s",
                way_out="ask for less, or on a machine of your own: `mpss sql`",
            ) from error
        if isinstance(error, QueryError):
            raise
        raise QueryError(str(error).strip(), way_out=_WAY_OUT) from error
    finally:
        timer.cancel()
        timer.join()
