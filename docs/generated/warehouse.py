"""Relations of the snapshot, tables of the lake, and what is expected of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from mpss_lib.config import Config
from mpss_lib.papers.tables import markdown
from mpss_lib.radiomics.catalogue import NAMES
from mpss_lib.schemas import TABLES
from mpss_lib.snapshot_file import asking
from mpss_lib.sql_files import first_line_of, header_of, sql_folder
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.expectations.rules import Rule
from mpss_lib.warehouse.expectations.suites import FILE_RULES, SUITES, TWIN, VALUES, frames_of

HIDDEN = ("raw",)
"""Schemas that hold the lake's own files: the lake's tables say what is in them."""
_COLUMNS = """
    select schema_name || '.' || table_name, column_name, data_type, comment
    from duckdb_columns()
    where not internal and not list_contains(?, schema_name)
    order by schema_name, table_name, column_index
"""
_RELATIONS = """
    select schema_name || '.' || name, comment
    from (
        select schema_name, view_name as name, comment from duckdb_views() where not internal
        union all
        select schema_name, table_name, comment from duckdb_tables() where not internal
    )
"""


def relations() -> str:
    """Give a section for each relation of the snapshot: what one row is, and its columns."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "lake")
        stage.rebuild(lake, Config())
        with asking(lake.snapshot) as snapshot:
            columns = snapshot.execute(_COLUMNS, [list(HIDDEN)]).fetchall()
            said = dict(snapshot.execute(_RELATIONS).fetchall())
    return "\n".join(
        f"## `{name}`\n\n{said[name] or ''}\n\n"
        + markdown(("column", "type", "meaning"), [(f"`{r[1]}`", r[2], r[3]) for r in rows])
        for name, rows in _few_features(columns)
    )


def _few_features(
    found: Sequence[tuple[str, str, str, str]],
) -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
    """Group columns by relation; of the 487 features, which have their own page, one stands."""
    features = set(NAMES)
    for name, rows in groupby(found, key=lambda row: row[0]):
        kept = list(rows)
        plain = [row for row in kept if row[1] not in features]
        n_features = len(kept) - len(plain)
        if n_features > 1:
            plain.append((name, f"{n_features} features", "DOUBLE", "see the list of features"))
        yield name, plain


def _suite(title: str, rules: Sequence[tuple[str, Rule]]) -> str:
    rows = [(of, rule.says, rule.consequence) for of, rule in rules]
    return f"## {title[0].upper()}{title[1:]}\n\n{markdown(('of', 'must be so', 'else'), rows)}"


def lake_tables() -> str:
    """Give a section for each table of the lake: who writes it, its key and columns."""
    parts = []
    for table in TABLES.values():
        rows = [(f"`{name}`", str(kind)) for name, kind in table.columns.items()]
        if table.has_features:
            rows.append(("features", "double"))
        key = ", ".join(f"`{name}`" for name in table.grain)
        told = f"Written by `{table.stage}`, a file for each {table.unit}. One row for each {key}."
        parts.append(f"## `{table.name}`\n\n{told}\n\n{markdown(('column', 'type'), rows)}")
    return "\n".join(parts)


def expectations() -> str:
    """Give a table for each suite of expectations, and the checks in SQL."""
    parts = [_suite("files of every table of a suite", [("", rule) for rule in FILE_RULES])]
    for suite in SUITES:
        rules = [
            (f"`{frame.table}`", rule)
            for frame in frames_of(suite, Config().warehouse)
            for rule in frame.rules
        ]
        if suite == "features":
            rules += [("feature columns", rule) for rule in (*VALUES, TWIN)]
        parts.append(_suite(f"suite `{suite}`", rules))
    rows = []
    for path in sorted((sql_folder() / "checks").glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        head = header_of(text)
        rows.append(
            (f"`{path.stem}`", first_line_of(path, text), head["suite"], head["consequence"])
        )
    checks = markdown(("check", "must be so", "suite", "else"), rows)
    return "\n".join([*parts, f"## Checks in SQL\n\n{checks}"])
