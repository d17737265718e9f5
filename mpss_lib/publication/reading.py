"""The published snapshot, read-only, as this stage asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from mpss_lib.errors import PlatformFaultError


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a snapshot, read-only; it stays whole while later ones are published.

    Attached, not opened by its path: DuckDB would otherwise share an older snapshot with another
    connection of this process.

    Raises
    ------
    PlatformFaultError
        The file is no snapshot, or a query on it cannot be run.
    """
    literal = str(path).replace("'", "''")
    try:
        with closing(duckdb.connect(":memory:")) as connection:
            connection.execute(f"attach '{literal}' as mpss (read_only)")
            connection.execute("use mpss")
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
