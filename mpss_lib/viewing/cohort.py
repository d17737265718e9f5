"""Tables of the cohort and its evaluation, each with the question that gives exactly its rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb

from mpss_lib.tables import Lake
from mpss_lib.viewing.published import Published
from mpss_lib.viewing.questions import worked_queries
from mpss_lib.warehouse.query_rows import rows_of

QUALITY_PAGE = "data_quality.html"
MOST = 200
"""Rows of a table that the page shows; its files have all."""


@dataclass(frozen=True)
class Table:
    """One table of the page."""

    name: str
    title: str
    sql: str


def _worked(name: str, title: str) -> Table:
    return Table(name, title, worked_queries()[name])


TABLES = (
    Table(
        "cohort_flow",
        "How the studies that the archive named became the cohort",
        "select position, stage, reason, description, n_studies, n_left"
        " from core.cohort_flow_summary order by position",
    ),
    _worked("table_one", "Who is in the cohort (Table 1)"),
    _worked("selection_ledger", "How the features became those of the latest cohort"),
    _worked("fisher_table", "Which segments and configurations beat chance (Table 3)"),
    Table(
        "model_overview",
        "Did it predict? Each segment and configuration of the latest cohort",
        "select * from result.model_overview where cohort_hash ="
        " (select cohort_hash from core.cohort_frozen where is_latest)"
        " order by profile, segment, configuration",
    ),
    _worked("rank_correlation", "One feature of each region against the calcium of its artery"),
)
"""What the page shows, in its order."""


def tables(snapshot: Published) -> list[dict[str, Any]]:
    """Give every table of the page with its rows; worked out once a snapshot.

    Returns
    -------
    list of dict
        ``name``, ``title``, ``sql``, ``columns``, ``rows`` (at most ``MOST``), ``n_rows``.
    """
    return [snapshot.once(f"cohort {one.name}", partial(_filled, one)) for one in TABLES]


def _filled(table: Table, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    found = rows_of(connection, table.sql)
    return {
        "name": table.name,
        "title": table.title,
        "sql": table.sql,
        "rows": found[:MOST],
        "columns": {name: name for name in found[0]} if found else {},
        "n_rows": len(found),
    }


def reports(lake: Lake) -> list[dict[str, Any]]:
    """Give the lake's reports, the newest first: name, what it is, whether it is looked at."""
    folder = lake.root / "reports"
    paths = sorted(folder.glob("*"), key=lambda path: -path.stat().st_mtime_ns)
    return [
        {
            "name": path.name,
            "says": _says(path.name),
            "is_page": path.suffix in (".html", ".png"),
        }
        for path in paths
        if path.suffix in (".html", ".png", ".json", ".csv")
    ]


def _says(name: str) -> str:
    kinds = {
        QUALITY_PAGE: "Data quality",
        ".checklists.html": "Reporting checklists",
        ".stability.png": "Stability of the features",
        ".html": "Report of the evaluation",
        ".json": "All numbers of the report",
        ".csv": "Table",
        ".png": "Picture",
    }
    return next(says for end, says in kinds.items() if name.endswith(end))
