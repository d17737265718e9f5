"""Reading the published snapshot: connections, queries as text, feature matrices.

A connection holds the snapshot that was the newest when it was opened; it stays whole while later
ones are published. Open again to see them.
"""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mpss_lib.config import BINS, SEGMENTS, home
from mpss_lib.errors import MpssError, PlatformFaultError, WrongArgumentError
from mpss_lib.tables import Lake

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("table", "csv", "json", "parquet")


class QueryError(MpssError):
    """The SQL text cannot be run; DuckDB's own words say why."""


def open_warehouse(home_folder: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the newest snapshot of a home, read-only.

    Parameters
    ----------
    home_folder : Path or str, optional
        The home; ``$MPSS_HOME``, else ``.mpss``, by default.

    Returns
    -------
    duckdb.DuckDBPyConnection
        Its default catalog is the snapshot; temporary tables are possible beside it.

    Raises
    ------
    PlatformFaultError
        Nothing has been published there, or the file cannot be read.
    """
    root = home() if home_folder is None else Path(home_folder).resolve()
    return open_snapshot(Lake(root / "lake"))


def open_snapshot(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Open the newest snapshot of a lake, read-only; see ``open_warehouse``."""
    if not lake.snapshot.is_file():
        raise PlatformFaultError(
            f"no warehouse has been published at {lake.snapshot}",
            way_out="set MPSS_HOME to a home with data, or publish: `mpss warehouse rebuild`",
        )
    # Within one process DuckDB shares a file between connections by its path, so that plain
    # connect() would go on with an older snapshot for as long as one connection holds it.
    connection = duckdb.connect()
    try:
        path = str(lake.snapshot).replace("'", "''")
        connection.execute(f"attach '{path}' as mpss (read_only)")
        connection.execute("use mpss")
    except duckdb.Error as error:
        connection.close()
        raise PlatformFaultError(
            f"{lake.snapshot.name} cannot be opened: {_first_line(error)}",
            way_out="publish again: `mpss warehouse rebuild`",
        ) from error
    return connection


def query(sql: str, fmt: str = "table", *, home_folder: Path | str | None = None) -> str | bytes:
    """Run one SQL text on the newest snapshot and give the rows as text.

    Parameters
    ----------
    sql : str
    fmt : str
        ``table`` (aligned columns), ``csv``, ``json`` (a list of objects; NaN becomes null) or
        ``parquet``.
    home_folder : Path or str, optional
        See ``open_warehouse``.

    Returns
    -------
    str, or bytes for ``parquet``

    Raises
    ------
    QueryError
        The SQL is wrong: DuckDB's message.
    WrongArgumentError
        An unknown format.
    """
    if fmt not in FORMATS:
        raise WrongArgumentError(
            f"unknown format {fmt!r}", way_out=f"give one of {', '.join(FORMATS)}"
        )
    with closing(open_warehouse(home_folder)) as connection:
        try:
            if fmt == "parquet":
                return _as_parquet(connection, sql)
            result = connection.execute(sql)
            names = [column[0] for column in result.description or ()]
            rows = result.fetchall()
        except duckdb.Error as error:
            raise QueryError(
                str(error).strip(),
                way_out="`select * from meta.relation` lists the relations with their grain",
            ) from error
    render = {"table": _as_table, "csv": _as_csv, "json": _as_json}[fmt]
    return render(names, rows)


def feature_matrix(
    *,
    segment: str,
    bins: int | None = None,
    selection: str | Sequence[str] | None = None,
    home_folder: Path | str | None = None,
) -> pd.DataFrame:
    """Features of one segment, one row for each study.

    Parameters
    ----------
    segment : str
        One of the seven.
    bins : int, optional
        Number of grey levels; by default the one that the selection chose.
    selection : str or sequence of str, optional
        ``"latest"`` or a cohort hash: the features chosen for that frozen cohort, and its studies
        only. A sequence: these features. By default all 487, all studies.
    home_folder : Path or str, optional
        See ``open_warehouse``.

    Returns
    -------
    pandas.DataFrame
        Index ``study_key`` (sorted), one float64 column for each feature.

    Raises
    ------
    WrongArgumentError
        An unknown segment, number of grey levels, feature or cohort.
    """
    if segment not in SEGMENTS:
        raise WrongArgumentError(
            f"unknown segment {segment!r}", way_out=f"give one of {', '.join(SEGMENTS)}"
        )
    with closing(open_warehouse(home_folder)) as connection:
        names, chosen_bins, cohort_hash = _chosen(connection, selection)
        levels = chosen_bins if bins is None else bins
        if levels not in BINS:
            raise WrongArgumentError(
                f"bins is {levels!r}", way_out=f"give one of {', '.join(map(str, BINS))}"
            )
        columns = ", ".join(f'"{name}"' for name in names)
        where = (
            "study_key in (select study_key from raw.cohort_member where cohort_hash = ?)"
            if cohort_hash
            else "true"
        )
        sql = (
            f"select study_key, {columns} from feature.radiomics"  # noqa: S608
            f" where segment = ? and bins = ? and {where} order by study_key"
        )
        values = [segment, levels, *([cohort_hash] if cohort_hash else [])]
        frame: pd.DataFrame = connection.execute(sql, values).df()
    return frame.set_index("study_key")


def _chosen(
    connection: duckdb.DuckDBPyConnection, selection: str | Sequence[str] | None
) -> tuple[list[str], int | None, str]:
    """Feature names, bins of the selection and hash of its cohort."""
    known = [
        name
        for (name,) in connection.execute(
            "select feature from core.feature_dictionary order by position"
        ).fetchall()
    ]
    if selection is None:
        return known, None, ""
    if not isinstance(selection, str):
        unknown = sorted(set(selection) - set(known))
        if unknown or not selection:
            raise WrongArgumentError(
                f"no feature is named {unknown[:3]}",
                way_out="core.feature_dictionary lists the names",
            )
        return list(selection), None, ""
    rows = connection.execute(
        "select feature, bins, cohort_hash from selection.selected_feature"
        " where cohort_hash = case when ? = 'latest'"
        " then (select cohort_hash from core.cohort_frozen where is_latest) else ? end"
        " order by position",
        [selection, selection],
    ).fetchall()
    if not rows:
        raise WrongArgumentError(
            f"no features were selected for the cohort {selection!r}",
            way_out="core.cohort_frozen lists the cohorts; run the selection first",
        )
    return [row[0] for row in rows], rows[0][1], rows[0][2]


def _as_parquet(connection: duckdb.DuckDBPyConnection, sql: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="mpss-") as folder:
        path = Path(folder) / "answer.parquet"
        connection.sql(sql).write_parquet(str(path), compression="zstd")
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


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
