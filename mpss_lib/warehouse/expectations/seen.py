"""Rules about rows of features, file by file: what the last check saw in a file is taken over.

Nothing of a file is read again while its size, its time of change and the rules about it are the
same (lake table ``expectation_seen``, which each check of the features writes anew). Where the
table is lost, or a check is forced, every file is read; the findings are the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from mpss_lib.quoting import sql_name
from mpss_lib.schemas import TABLES
from mpss_lib.tables import digest_of
from mpss_lib.warehouse.expectations.features import Dictionary, read_dictionary
from mpss_lib.warehouse.expectations.result_rows import MOST_KEPT
from mpss_lib.warehouse.expectations.rules import VERSION, Finding, Rule
from mpss_lib.warehouse.expectations.suites import FEATURES, TWIN, VALUES
from mpss_lib.warehouse.expectations.views import Current
from mpss_lib.warehouse.joining import PATH
from mpss_lib.warehouse.study_rows import n_rows_of

log = logging.getLogger(__name__)

Row = dict[str, Any]

SUITE = "features"

N_PROBES = 3
"""Feature columns by which studies are sought that may have the same features."""


def judge_values(
    table: str,
    current: Current,
    connection: duckdb.DuckDBPyConnection,
    before: Mapping[str, Row],
) -> tuple[list[Finding], list[Row]]:
    """Hold every row of a table against the rules about one row; only files not seen are read.

    Parameters
    ----------
    table : str
        ``feature_once`` or ``feature_binned``.
    current, connection
    before : mapping of path to row
        What the last check has seen; empty to read every file.

    Returns
    -------
    list of Finding
        One for each rule, rows sorted by their keys.
    list of dict
        Rows of ``expectation_seen``: the files of this table (``unjudged`` adds those of studies).
    """
    dictionary = read_dictionary(connection, current.features[table])
    rules = _rules(table)
    digest = digest_of([VERSION, repr(rules), *map(repr, dictionary.told())])
    labels = {
        path: {"suite": SUITE, "table_name": table, "path": path}
        | {"state": current.state_of(path), "rules_digest": digest}
        for path in current.reading(table).paths
    }
    broken = {
        path: json.loads(before[path]["broken"])
        for path, label in labels.items()
        if label.items() <= before.get(path, {}).items()
    }
    broken |= _read([path for path in labels if path not in broken], table, current, dictionary)
    seen = [
        label | {"broken": json.dumps(broken[path]), "counts": ""}
        for path, label in labels.items()
        if len(broken[path]) <= MOST_KEPT
    ]
    found = _sum(table, current, broken)
    if table == "feature_once":
        found.append(_twins(connection, dictionary))
    n_rows = n_rows_of(connection, table)
    for one in found:
        one.n_rows = n_rows
    return found, seen


def _read(
    paths: Sequence[str], table: str, current: Current, dictionary: Dictionary
) -> dict[str, list[tuple[str, Row]]]:
    """Map files to (rule, row) of what breaks a rule in them, whoever else has its studies."""
    from mpss_lib.warehouse.expectations.engine import judge

    log.info("%s: %d files are read", table, len(paths))
    broken: dict[str, list[tuple[str, Row]]] = {path: [] for path in paths}
    keys, rules = (PATH, *TABLES[table].grain), _rules(table)
    for frame in current.chunks(table, paths):
        for one in judge(frame, table, keys, rules, dictionary):
            for row in one.rows:
                told = {n: _plain(value) for n, value in row.items() if n != PATH}
                broken[row[PATH]].append((one.rule.name, told))
    return broken


def _rules(table: str) -> tuple[Rule, ...]:
    """Rules about one row at a time: its keys, then its features."""
    keys = (rule for frame in FEATURES if frame.table == table for rule in frame.of_a_row)
    return (*keys, *VALUES)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _sum(
    table: str, current: Current, broken: Mapping[str, Sequence[tuple[str, Row]]]
) -> list[Finding]:
    """Sum up what breaks each rule in all files, without studies that another file replaces."""
    without = {source.path: source.without for source in current.reading(table).batches}
    rules = _rules(table)
    told: dict[str, list[Row]] = {rule.name: [] for rule in rules}
    for path, rows in broken.items():
        for name, row in rows:
            if row["study_key"] not in without.get(path, ()):
                told[name].append(row)
    found = []
    for rule in rules:
        bad = sorted(told[rule.name], key=_keys)
        found.append(Finding(rule, table, n_unexpected=len(bad), rows=bad, is_met=not bad))
    return found


def _keys(row: Row) -> tuple[str, str, int]:
    segment = row.get("segment", row["value"])  # which is the value itself where it broke the rule
    return str(row["study_key"]), str(segment), row.get("bins", 0)


def _twins(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> Finding:
    """Find studies with the same features: of those that share a few, all are compared.

    Those that are shown (``Current.open``) are sought among all.
    """
    import pandas as pd

    from mpss_lib.warehouse.expectations.engine import judge

    table, names = "feature_once", [sql_name(name) for name in dictionary.names]
    columns = ", ".join([*TABLES[table].columns, *names])
    alike = f"hash({', '.join(['segment', *names[:N_PROBES]])})"
    walls = f"{table} where segment = 'MYO'"
    shared = (
        f"select study_key from every.{walls} and {alike} in (select {alike} from raw.{walls})"  # noqa: S608
        f" qualify count(*) over (partition by {alike}) > 1"
    )
    keys = [key for (key,) in connection.execute(shared).fetchall()]
    wanted = "study_key in (select unnest(?)) order by study_key"
    sql = f"select {columns} from every.{walls} and {wanted}"  # noqa: S608
    frame = connection.execute(sql, [keys]).df() if keys else pd.DataFrame()
    [found] = judge(frame, table, ("study_key",), (TWIN,), dictionary)
    found.rows.sort(key=lambda row: str(row["study_key"]))
    return found
