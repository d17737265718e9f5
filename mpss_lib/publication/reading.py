"""The published snapshot, read-only, as this stage asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from mpss_lib.config import Address
from mpss_lib.errors import PlatformFaultError
from mpss_lib.snapshot_file import attach


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a snapshot, read-only; it stays whole while later ones are published.

    Raises
    ------
    PlatformFaultError
        The file is no snapshot, or a query on it cannot be run.
    MovedHomeError
        The home was copied or moved since it was published.
    """
    try:
        with closing(attach(path)) as connection:
            yield connection
    except duckdb.Error as error:
        raise PlatformFaultError(
            f"{path.name} cannot be asked: {str(error).partition(chr(10))[0]}",
            way_out="publish again: `mpss warehouse rebuild`",
        ) from error


def ask(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows of one query on a snapshot; see ``reading``."""
    with reading(path) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        return rows


def published_address(path: Path, stage: str) -> Address | None:
    """Version of a stage that a snapshot shows; None where it does not say."""
    with reading(path) as connection:
        named = connection.execute(
            "select 1 from duckdb_tables() where database_name = current_database()"
            " and schema_name = 'meta' and table_name = 'pointer'"
        ).fetchall()
        if not named:
            return None
        rows = connection.execute(
            "select engine, config from meta.pointer where stage = ?", [stage]
        ).fetchall()
    return Address(*map(str, rows[0])) if rows else None
