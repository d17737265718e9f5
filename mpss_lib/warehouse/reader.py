"""Reading the published snapshot: connections, queries as text, feature matrices.

A connection holds the snapshot that was the newest when it was opened; it stays whole while later
ones are published. Open again to see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mpss_lib import config as settings
from mpss_lib.config import AS_PUBLISHED, PROFILES
from mpss_lib.errors import WrongArgumentError
from mpss_lib.quoting import sql_name
from mpss_lib.sections import BINS, SEGMENTS
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse.query_rows import render, rows_of, write_parquet
from mpss_lib.whole_files import replacing, write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


def open_warehouse(home: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the newest snapshot of a home, read-only.

    Parameters
    ----------
    home : Path or str, optional
        The home; ``$MPSS_HOME``, else ``.mpss``, by default.

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
    root = settings.home() if home is None else Path(home).resolve()
    return open_snapshot(Lake(root / "lake").snapshot)


def rows(lake: Lake, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
    """Run one SQL text on the newest snapshot and give the rows as dicts.

    Parameters
    ----------
    lake : Lake
    sql : str
        With ``?`` where a value of ``values`` goes.

    Raises
    ------
    PlatformFaultError
        Nothing has been published.
    QueryError
        The SQL cannot be run: DuckDB's message.
    """
    with closing(open_snapshot(lake.snapshot)) as connection:
        return rows_of(connection, sql, values)


def query(sql: str, form: str = "table", *, home: Path | str | None = None) -> str | bytes:
    """Run one SQL text on the newest snapshot and give the rows as text (Parquet: as bytes).

    ``form`` is ``table``, ``csv``, ``json`` or ``parquet``; see ``query_rows.render``.
    """
    with closing(open_warehouse(home)) as connection:
        return render(connection, sql, form)


def print_query(lake: Lake, sql: str, form: str, output: Path | None, console: Console) -> None:
    """Run one SQL text on the newest snapshot; print the answer or write it to a file.

    Raises
    ------
    WrongArgumentError
        An unknown form, or Parquet without a file to write to.
    """
    if form == "parquet" and output is None:
        raise WrongArgumentError(
            "Parquet is not for a terminal", way_out="name a file: --output answer.parquet"
        )
    with closing(open_snapshot(lake.snapshot)) as connection:
        if form == "parquet" and output is not None:
            with replacing(output) as temporary:
                write_parquet(connection, sql, temporary)
            return
        answer = render(connection, sql, form)
    text = answer if isinstance(answer, str) else answer.decode()
    if output is not None:
        write_bytes(output, text.encode())
    else:  # as it is: a text such as :x: is no emoji, [b] no markup
        console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True, end="")


def feature_matrix(
    *,
    segment: str,
    bins: int | None = None,
    selection: str | Sequence[str] | None = None,
    profile: str = AS_PUBLISHED,
    home: Path | str | None = None,
) -> pd.DataFrame:
    """Features of one segment, one row for each study.

    Parameters
    ----------
    segment : str
        One of the seven.
    bins : int, optional
        Number of grey levels; may be left out where ``selection`` names a cohort: then the one
        that was chosen for it.
    selection : str or sequence of str, optional
        ``"latest"`` or a cohort hash: the features chosen for that frozen cohort, and its studies
        only. A sequence: these features. By default all 487, all studies.
    profile : {"as_published", "corrected"}
        Whose choice ``selection`` means where it names a cohort.
    home : Path or str, optional
        See ``open_warehouse``.

    Returns
    -------
    pandas.DataFrame
        One row for each study, index ``study_key`` (sorted); float64 columns, one for each feature.

    Raises
    ------
    WrongArgumentError
        An unknown segment, number of grey levels, feature or cohort.
    """
    if segment not in SEGMENTS:
        raise WrongArgumentError(
            f"unknown segment {segment!r}", way_out=f"give one of {', '.join(SEGMENTS)}"
        )
    with closing(open_warehouse(home)) as connection:
        names, chosen_bins, cohort_hash = _chosen(connection, selection, profile)
        levels = chosen_bins if bins is None else bins
        if levels not in BINS:
            raise WrongArgumentError(
                f"bins is {levels!r}", way_out=f"give one of {', '.join(map(str, BINS))}"
            )
        columns = ", ".join(sql_name(name) for name in names)
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
    connection: duckdb.DuckDBPyConnection, selection: str | Sequence[str] | None, profile: str
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
        if not selection:
            raise WrongArgumentError(
                "selection is empty", way_out="name features, or leave selection out for all 487"
            )
        unknown = sorted(set(selection) - set(known))
        if unknown:
            raise WrongArgumentError(
                f"no feature is named {unknown[:3]}",
                way_out="core.feature_dictionary lists the names",
            )
        return list(selection), None, ""
    return _selected(connection, selection, profile)


def _selected(
    connection: duckdb.DuckDBPyConnection, cohort: str, profile: str
) -> tuple[list[str], int | None, str]:
    """Features that were selected for a cohort, or for the latest; see ``_chosen``."""
    if profile not in PROFILES:
        raise WrongArgumentError(
            f"unknown profile {profile!r}", way_out=f"give one of {', '.join(PROFILES)}"
        )
    rows = connection.execute(
        "select feature, bins, cohort_hash from selection.selected_feature"
        " where cohort_hash = case when ? = 'latest'"
        " then (select cohort_hash from core.cohort_frozen where is_latest) else ? end"
        " and profile = ? order by position",
        [cohort, cohort, profile],
    ).fetchall()
    if not rows:
        raise WrongArgumentError(
            f"no features were selected for the cohort {cohort!r}",
            way_out="core.cohort_frozen lists the cohorts, `mpss run selection` selects for the"
            " present one; single features are given as a list",
        )
    return [row[0] for row in rows], rows[0][1], rows[0][2]
