"""The published snapshot as a file: attached read-only, and only where it was built.

Its views name absolute paths. A copy of a home would go on reading the files of the first one
without a word, so whoever asks a snapshot compares the place that it names with its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb

from mpss_lib.errors import MovedHomeError, PlatformFaultError
from mpss_lib.quoting import sql_text

_TRIES = 20
"""Publishes in a row that may come between: each takes longer than to attach its file."""


def open_snapshot(path: Path, *, of_any_place: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a snapshot, read-only; it stays whole while later ones are published.

    Parameters
    ----------
    path : Path
        ``warehouse.duckdb`` of a lake.
    of_any_place : bool
        Open that of a copied or moved home too: for what it says of itself, never for its views.

    Returns
    -------
    duckdb.DuckDBPyConnection
        Its default catalog is the snapshot; temporary tables are possible beside it.

    Raises
    ------
    PlatformFaultError
        Nothing has been published there, or the file cannot be read.
    MovedHomeError
        The home was copied or moved since: the snapshot would show the files of the other place.
    """
    try:
        if not path.is_file():
            raise PlatformFaultError(
                f"no warehouse has been published at {path}",
                way_out="set MPSS_HOME to a home with data, or publish: `mpss warehouse rebuild`",
            )
        return attach(path, of_any_place=of_any_place)
    except PermissionError as error:
        raise PlatformFaultError(
            f"{path.parent} is closed to this account",
            way_out="ask the operator to let you pass (docs/how-to/who-may-read-what.md)",
        ) from error
    except duckdb.Error as error:
        raise _fault(path, "opened", error) from error


@contextmanager
def asking(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a snapshot for questions of our own; see ``open_snapshot``.

    Raises
    ------
    PlatformFaultError
        A question cannot be run either: the snapshot is of another layout, or damaged.
    """
    try:
        with closing(open_snapshot(path)) as connection:
            yield connection
    except duckdb.Error as error:
        raise _fault(path, "asked", error) from error


def _fault(path: Path, what: str, error: duckdb.Error) -> PlatformFaultError:
    return PlatformFaultError(
        f"{path.name} cannot be {what}: {str(error).partition(chr(10))[0]}",
        way_out="publish again: `mpss warehouse rebuild`",
    )


def attach(path: Path, *, of_any_place: bool = False) -> duckdb.DuckDBPyConnection:
    """Attach a DuckDB file as ``mpss``, read-only, with DuckDB's own errors.

    Attached, not opened by its path: within one process DuckDB shares a file between connections
    by its path, so that plain ``connect`` would go on with an older snapshot for as long as one
    connection holds it.

    Raises
    ------
    MovedHomeError
        It was built for a lake in another place.
    duckdb.Error
        It is no database, or DuckDB cannot open it.
    """
    connection = duckdb.connect()
    try:
        attach_to(connection, path, "mpss")
        connection.execute("use mpss")
        if not of_any_place:
            check_place(connection, path)
    except (duckdb.Error, MovedHomeError):
        connection.close()
        raise
    return connection


def attach_to(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Attach a DuckDB file to a connection, read-only.

    DuckDB opens the file more than once to do it: where a publish put another one in its place
    meanwhile, it has read a part of each, and is asked again.

    Raises
    ------
    duckdb.Error
        It is no database, or DuckDB cannot open it.
    """
    for _ in range(_TRIES):
        before = _which(path)
        try:
            connection.execute(f"attach {sql_text(path)} as {name} (read_only)")
        except duckdb.Error:
            if _which(path) == before:
                raise
            continue
        if _which(path) == before:
            return
        connection.execute(f"detach {name}")
    connection.execute(f"attach {sql_text(path)} as {name} (read_only)")


def _which(path: Path) -> tuple[int, ...]:
    """Tell one published file from the next one; nothing where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def check_place(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a snapshot whose views name the files of another lake.

    Raises
    ------
    MovedHomeError
    """
    built_for = place_of(connection)
    if built_for is not None and not _is_same(built_for, path.parent):
        raise MovedHomeError(
            f"{path.name} was built for the lake {built_for} and lies in {path.parent.resolve()}:"
            " it would show the files of the other place",
            way_out="this home was copied or moved: `mpss warehouse rebuild` in it, then ask again",
        )


def moved_away(path: Path) -> str:
    """Give the words of ``MovedHomeError`` where a snapshot is of another place; else "".

    A snapshot that is not there or cannot be opened is of no place.
    """
    try:
        if path.is_file():
            attach(path).close()
    except MovedHomeError as error:
        return str(error)
    except duckdb.Error:
        return ""
    return ""


def place_of(connection: duckdb.DuckDBPyConnection) -> Path | None:
    """Give the lake that a snapshot was built for; None where it does not say."""
    try:  # asking for the list of tables would read every one of them
        rows = connection.execute("select lake_root from meta.snapshot").fetchall()
    except duckdb.CatalogException:
        return None
    return Path(str(rows[0][0])) if rows else None


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether a snapshot has a table: an older layout may lack it."""
    # Every row is fetched: DuckDB 2.0 admits no other work beside an unfinished result.
    return bool(
        connection.execute(
            "select 1 from duckdb_tables() where database_name = current_database()"
            " and schema_name = ? and table_name = ?",
            [schema, table],
        ).fetchall()
    )


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one folder, reached by links or mounts perhaps."""
    if one == other.resolve():
        return True
    try:
        return one.samefile(other)
    except OSError:  # the first place is gone, or not ours to see
        return False
