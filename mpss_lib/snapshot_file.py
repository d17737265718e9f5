"""The published snapshot as a file: attached read-only, and only where it was built.

Its views name absolute paths. A copy of a home would go on reading the files of the first one
without a word, so whoever asks a snapshot compares the place that it names with its own.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from mpss_lib.errors import MovedHomeError


def attach(path: Path, *, of_any_place: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a snapshot, read-only; it stays whole while later ones are published.

    Attached, not opened by its path: within one process DuckDB shares a file between connections
    by its path, so that plain ``connect`` would go on with an older snapshot for as long as one
    connection holds it.

    Parameters
    ----------
    path : Path
        ``warehouse.duckdb`` of a lake.
    of_any_place : bool
        Do not compare the place: for what the snapshot says of itself, never for its views.

    Raises
    ------
    MovedHomeError
        It was built for a lake in another place.
    duckdb.Error
        It is no database, or DuckDB cannot open it.
    """
    connection = duckdb.connect()
    try:
        literal = str(path).replace("'", "''")
        connection.execute(f"attach '{literal}' as mpss (read_only)")
        connection.execute("use mpss")
        if not of_any_place:
            check_place(connection, path)
    except (duckdb.Error, MovedHomeError):
        connection.close()
        raise
    return connection


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
    # Every row is fetched: DuckDB 2.0 admits no other work beside an unfinished result.
    named = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'meta' and table_name = 'snapshot'"
    ).fetchall()
    if not named:
        return None
    rows = connection.execute("select lake_root from meta.snapshot").fetchall()
    return Path(str(rows[0][0])) if rows else None


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one folder, reached by links or mounts perhaps."""
    if one == other.resolve():
        return True
    try:
        return one.samefile(other)
    except OSError:  # the first place is gone, or not ours to see
        return False
