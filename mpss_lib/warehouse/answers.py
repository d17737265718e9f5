"""Answers of the snapshot as text: an aligned table, CSV, JSON or Parquet."""

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
    form : str
        ``table`` (aligned columns), ``csv``, ``json`` (a list of objects; what is not finite
        becomes null) or ``parquet``.

    Returns
    -------
    str, or bytes for ``parquet``

    Raises
    ------
    QueryError
        The SQL cannot be run: DuckDB's message.
    WrongArgumentError
        An unknown form.
    """
    if form not in FORMS:
        raise WrongArgumentError(
            f"unknown format {form!r}", way_out=f"give one of {', '.join(FORMS)}"
        )
    if form == "parquet":
        return _as_parquet(connection, sql)
    names, found = _run(connection, sql, ())
    return {"table": _as_table, "csv": _as_csv, "json": _as_json}[form](names, found)


def _run(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    try:
        result = connection.execute(sql, list(values))
        if result is None:
            raise _no_rows()
        return [column[0] for column in result.description or ()], result.fetchall()
    except duckdb.Error as error:
        raise _query_error(error) from error


def _no_rows() -> QueryError:
    return QueryError("the SQL asks for no rows", way_out="give a SELECT")


def _query_error(error: duckdb.Error) -> QueryError:
    if isinstance(error, duckdb.IOException):
        way_out = "if the home was moved or restored: `mpss warehouse rebuild`"
    else:
        way_out = "`select * from meta.relation` lists the relations with their grain"
    return QueryError(str(error).strip(), way_out=way_out)


def _as_parquet(connection: duckdb.DuckDBPyConnection, sql: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="mpss-") as folder:
        path = Path(folder) / "answer.parquet"
        try:
            relation = connection.sql(sql)
            if relation is None:  # nothing, or a statement that answers nothing
                raise _no_rows()
            relation.write_parquet(str(path), compression="zstd")
        except duckdb.Error as error:
            raise _query_error(error) from error
        return path.read_bytes()


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
    writer.writerows([_csv_value(value) for value in row] for row in rows)
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


def _csv_value(value: object) -> object:
    return json.dumps(value, default=str) if isinstance(value, list | dict) else value


def _json_value(value: object) -> object:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_json_value(part) for part in value]
    return value


def _is_number(value: object) -> bool:
    return value is None or (
        isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    )
