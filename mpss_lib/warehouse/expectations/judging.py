"""What one suite finds in rows: about one row, across rows, by query, over views of the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from mpss_lib.schemas import FEATURE_TABLES
from mpss_lib.schemas import TABLES as SCHEMAS
from mpss_lib.warehouse.checks import Check, read_checks
from mpss_lib.warehouse.expectations import suites
from mpss_lib.warehouse.expectations.judged_files import TableTold, judge_table
from mpss_lib.warehouse.expectations.rules import Finding, Frame
from mpss_lib.warehouse.expectations.seen import judge_values
from mpss_lib.warehouse.expectations.unjudged import rules_of, seen_studies
from mpss_lib.warehouse.expectations.views import Current, relations_of
from mpss_lib.warehouse.meta import COUNTED
from mpss_lib.warehouse.study_rows import n_rows_of, n_studies_of

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """One suite over the lake.

    Parameters
    ----------
    suite : str
    current : Current
    connection : duckdb.DuckDBPyConnection
        With views of what the suite reads.
    before : mapping of path to row
        What the last check has seen; empty to read every file.
    at_fault : frozenset of str
        Tables that are not read.
    """

    suite: str
    current: Current
    connection: duckdb.DuckDBPyConnection
    before: Mapping[str, Row]
    at_fault: frozenset[str]

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Frames of the tables that can be read."""
        frames = suites.frames_of(self.suite, self.current.config.warehouse)
        return tuple(frame for frame in frames if frame.table not in self.at_fault)

    @property
    def queries(self) -> list[Check]:
        """Queries whose relations are there."""
        there = relations_of(self.connection)
        return [one for one in queries_of(self.suite, self.current) if one.needs <= there]


def queries_of(suite: str, current: Current) -> list[Check]:
    """Give the queries of ``sql/checks`` that a suite runs."""
    found = read_checks(bins=current.bins, cohort=current.config.cohort)
    return [check for check in found if check.suite == suite]


def judge_rows(look: Look) -> tuple[list[Finding], list[Row]]:
    """Give the findings of a suite other than that of the features, and the files seen."""
    suite, current, frames = look.suite, look.current, look.frames
    every = queries_of(suite, current)
    rules = rules_of(suite, current, every)
    tables = dict.fromkeys(frame.table for frame in frames)
    told: dict[str, TableTold] = {}
    for table in tables:
        own = [frame for frame in frames if frame.table == table]
        told[table] = judge_table(suite, table, current, own, look.before, rules)
    found = []
    for frame in frames:
        own_rows = told[frame.table]
        found += _across_rows(frame, look.connection, own_rows.n_rows[frame.where])
        found += [own_rows.findings[rule.name] for rule in frame.of_a_row]
    for check, keys, one in _by_query(look):
        one.n_rows = told[check.table].n_keys(keys)
        found.append(one)
    seen = [row for table in told.values() for row in table.seen]
    return found, seen + seen_studies(suite, current, every)


def judge_features(look: Look) -> tuple[list[Finding], list[Row]]:
    """Give the findings of the suite of the features, and the files seen."""
    connection, found = look.connection, list[Finding]()
    for frame in look.frames:
        found += _across_rows(frame, connection, n_rows_of(connection, frame.table))
    counted: dict[tuple[str, ...], int] = {}
    for check, keys, one in _by_query(look):
        if (check.table, *keys) not in counted:
            counted[check.table, *keys] = _n_keys(check.table, keys, connection)
        one.n_rows = counted[check.table, *keys]
        found.append(one)
    seen: list[Row] = []
    for table in FEATURE_TABLES:
        if look.at_fault.isdisjoint({table, "feature_catalogue"}):
            judged, files = judge_values(table, look.current, connection, look.before)
            found += judged
            seen += files
    every = queries_of(look.suite, look.current)
    found.sort(key=_place_of_rule)
    return found, seen + seen_studies(look.suite, look.current, every)


def _place_of_rule(one: Finding) -> int:
    """Place of a finding among those of the features: of keys, queries, feature columns."""
    for place, frame in enumerate(suites.FEATURES):
        if one.table == frame.table and one.rule in frame.rules:
            return place
    return len(suites.FEATURES) + (one.rule in (*suites.VALUES, suites.TWIN))


def _across_rows(frame: Frame, connection: duckdb.DuckDBPyConnection, n_rows: int) -> list[Finding]:
    """Hold the rows of one frame against the rules that compare rows."""
    from mpss_lib.warehouse.expectations.engine import judge

    found = []
    for rule in frame.across_rows:
        # In one order whatever the threads did: the examples are the first rows.
        rows: pd.DataFrame = connection.execute(f"from ({frame.alike(rule)}) order by all").df()
        [one] = judge(rows, frame.table, frame.keys, (rule,))
        one.n_rows = n_rows
        found.append(one)
    return found


def _by_query(look: Look) -> list[tuple[Check, list[str], Finding]]:
    """Hold the lake against queries, all of a suite at once; each finding is of its own table.

    Returns
    -------
    list of (Check, list of str, Finding)
        With the keys of its table that the query gives; ``n_rows`` is not yet told.
    """
    import pandas as pd

    from mpss_lib.warehouse.expectations.engine import judge

    def run(sql: str) -> list[Row]:
        result = look.connection.execute(f"from ({sql}) order by all")
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    queries: Sequence[Check] = look.queries
    names = pd.DataFrame({"query": [check.name for check in queries]})
    found = judge(names, look.suite, (), [check.as_rule() for check in queries], run=run)
    told = []
    for check, one in zip(queries, found, strict=True):
        columns = look.connection.sql(check.sql).columns
        one.table = check.table
        told.append((check, [k for k in SCHEMAS[check.table].grain if k in columns], one))
    return told


def _n_keys(table: str, keys: Sequence[str], connection: duckdb.DuckDBPyConnection) -> int:
    """Count the keys of a table; of studies it is known by file."""
    if table in COUNTED and list(keys) == ["study_key"]:
        return n_studies_of(connection, table)
    sql = f"select count(*) from (select distinct {', '.join(keys)} from raw.{table})"  # noqa: S608
    [(number,)] = connection.execute(sql).fetchall()
    return int(number)
