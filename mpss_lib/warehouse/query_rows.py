"""Rows of a query on the snapshot: as dicts, or as an aligned table, CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from mpss_lib.errors import MpssError, WrongArgumentError

FORMS = ("table", "csv", "json", "parquet")

MAX_ROWS = 1_000_000
"""Rows of an answer that is held in memory; Parquet is written as it comes."""

_QUESTIONS = frozenset({"SELECT", "EXPLAIN", "RELATION", "PRAGMA", "CALL"})


class QueryError(MpssError):
    """The SQL text cannot be run; DuckDB's own words say why."""


def rows_of(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()
) -> list[dict[str, Any]]:
    """Run one SQL text and give its rows as dicts, in the order of the columns."""
    names, found = _run(connection, sql, values)
    return [dict(zip(names, row, strict=True)) for row in found]


def render(connection: duckdb.DuckDBPyConnection, sql: str, form: str) -> str | bytes:
    """Run one SQL text and give its rows in a form that can be printed or kept.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    sql : str
        One statement that asks for rows.
    form : str
        ``table`` (aligned columns), ``csv``, ``json`` (a list of objects; what is not finite
        becomes null) or ``parquet``.

    Returns
    -------
    str, or bytes for ``parquet``

    Raises
    ------
    QueryError
        The SQL cannot be run: DuckDB's message. It is no question, or more than one. Its answer has
        more than ``MAX_ROWS`` rows (Parquet may have any number).
    WrongArgumentError
        An unknown form.
    """
    if form not in FORMS:
        raise WrongArgumentError(
            f"unknown format {form!r}", way_out=f"give one of {', '.join(FORMS)}"
        )
    if form == "parquet":
        with tempfile.TemporaryDirectory(prefix="mpss-") as folder:
            path = Path(folder) / "answer.parquet"
            write_parquet(connection, sql, path)
            return path.read_bytes()
    _check_question(connection, sql)
    names, found = _run(connection, sql, (), most=MAX_ROWS)
    if form == "json" and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise QueryError(
            f"two columns are named {twice!r}", way_out="name them apart: select a.x as x, b.x as y"
        )
    return {"table": _as_table, "csv": _as_csv, "json": _as_json}[form](names, found)


def write_parquet(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> None:
    """Write the rows of one SQL text to a Parquet file, however many they are; see ``render``."""
    _check_question(connection, sql)
    try:
        relation = connection.sql(sql)
        if relation is None:  # nothing, or a statement that answers nothing
            raise _no_rows()
        relation.write_parquet(str(path), compression="zstd")
    except duckdb.Error as error:
        raise _query_error(error) from error


def _check_question(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what is no question: a snapshot is for reading, and files are made by --output."""
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise _query_error(error) from error
    if not statements:
        raise _no_rows()
    kinds = [statement.type.name for statement in statements]
    if "MULTI" in kinds:  # DuckDB looks the values up first, and makes a type of them
        raise QueryError(
            "a PIVOT without its values is several statements",
            way_out="name them: PIVOT ... ON bins IN (8, 16, 32)",
        )
    refused = [kind for kind in kinds if kind not in _QUESTIONS]
    if refused:
        raise QueryError(
            f"the snapshot is read-only: {refused[0]} is refused",
            way_out="give a SELECT; a file is written by --output; mpss_lib.open_warehouse() gives"
            " a connection with temporary tables",
        )
    if len(kinds) > 1:
        raise QueryError(f"{len(kinds)} statements were given", way_out="give them one by one")


def _run(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    values: Sequence[object],
    *,
    most: int | None = None,
) -> tuple[list[str], list[tuple[Any, ...]]]:
    try:
        result = connection.execute(sql, list(values))
        if result is None:
            raise _no_rows()
        names = [column[0] for column in result.description or ()]
        found = result.fetchall() if most is None else result.fetchmany(most + 1)
    except duckdb.Error as error:
        raise _query_error(error) from error
    if most is not None and len(found) > most:
        raise QueryError(
            f"the answer has more than {most:,} rows",
            way_out="add a condition or a limit, or take it as a file of any size:"
            " --format parquet --output answer.parquet",
        )
    return names, found


def _no_rows() -> QueryError:
    return QueryError("the SQL asks for no rows", way_out="give a SELECT")


def _query_error(error: duckdb.Error) -> QueryError:
    if isinstance(error, duckdb.IOException):
        way_out = "if the home was moved or restored: `mpss warehouse rebuild`"
    else:
        way_out = "`select * from meta.relation` lists the relations with their grain"
    return QueryError(str(error).strip(), way_out=way_out)


def _as_table(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in cells), 0) for i, name in enumerate(names)]
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(names))]
    lines = [_line(names, widths, numeric), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths, numeric) for row in cells]
    count = f"({len(rows)} row{'' if len(rows) == 1 else 's'})"
    return "\n".join([*lines, count]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = [
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(cells, widths, numeric, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _as_csv(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([csv_value(value) for value in row] for row in rows)
    return text.getvalue()


def _as_json(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    found = [{n: _json_value(v) for n, v in zip(names, row, strict=True)} for row in rows]
    return json.dumps(found, indent=1, default=str, allow_nan=False) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_cell(part) for part in value)
    return str(value)


def csv_value(value: object) -> object:
    """Give a value as a cell of CSV: lists and objects as JSON."""
    return json.dumps(value, default=str) if isinstance(value, list | dict) else value


def _json_value(value: object) -> object:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_json_value(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _json_value(part) for name, part in value.items()}
    return value.hex() if isinstance(value, bytes) else value


def _is_number(value: object) -> bool:
    return value is None or (
        isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    )
