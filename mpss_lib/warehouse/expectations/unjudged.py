"""The studies that are judged anew: what the last check found of others stands.

Most rules ask for rows of one study each, or of a registry record and the studies that it may
belong to, whatever other studies have; where a query does not, its head lacks ``-- by:``. So they
are asked of the studies with a file that the last check has not seen, or had seen and that is read
no more, of those that broke a rule then, and of all that these are tied to (``narrowing``). That is
enough where new records only added files since the published snapshot. In every other case (batches
were written or lost, records changed or went, the registry was read anew, a table was at fault,
other rules are held against the files) all studies are judged: what is found is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import FEATURE_TABLES, TABLES
from mpss_lib.shelves import key_of
from mpss_lib.tables import digest_of
from mpss_lib.warehouse.checks import Check
from mpss_lib.warehouse.compaction import BATCHES
from mpss_lib.warehouse.expectations.judged_files import labels
from mpss_lib.warehouse.expectations.last_check import RESULT, LastCheck
from mpss_lib.warehouse.expectations.rules import VERSION
from mpss_lib.warehouse.expectations.suites import (
    BESIDE,
    FILE_RULES,
    TABLES_OF,
    TWIN,
    frames_of,
)
from mpss_lib.warehouse.expectations.views import Current
from mpss_lib.warehouse.touched import MOST_TOUCHED, RECORDS

Row = dict[str, Any]

STUDY = "study"


def unjudged(
    suite: str,
    current: Current,
    last: LastCheck,
    before: Mapping[str, Row],
    queries: Sequence[Check],
) -> frozenset[str] | None:
    """Find the studies that a suite judges anew; None for all.

    Parameters
    ----------
    suite : str
    current : Current
    last : LastCheck
    before : mapping of path to row
        What the last check has seen.
    queries : sequence of Check
        Those of the suite.
    """
    broken = _broken(suite, last) if before else None
    if broken is None or not current.is_of_snapshot or not _are_of_studies(current, queries):
        return None
    if not _same_rules(suite, current, before, queries):
        return None
    read = {path for table in narrowed_tables(suite) for path in current.reading(table).paths}
    changed = {path for path in read if before.get(path, {}).get("state") != current.state_of(path)}
    changed |= before.keys() - read
    if any(path.startswith(BATCHES) or _is_whole(path) for path in changed):
        return None
    found = broken.union(map(key_of, changed))
    return found if len(found) <= MOST_TOUCHED else None


def narrowed_tables(suite: str) -> tuple[str, ...]:
    """Lake tables of a suite of which the rows of each study, or record, are judged by themselves.

    Of features the dictionary and what the scanners explain are read whole.
    """
    few = FEATURE_TABLES if suite == "features" else TABLES_OF[suite]
    return tuple(dict.fromkeys((*few, *looked_up(suite))))


def looked_up(suite: str) -> tuple[str, ...]:
    """Lake tables of other suites whose rows of each study a suite's queries read."""
    beside = (*BESIDE.get(suite, ()), STUDY)
    return tuple(table for table in beside if table not in TABLES_OF[suite])


def _is_whole(path: str) -> bool:
    """Whether a landing file has the rows of more than one study."""
    return TABLES[path.split("/")[1]].unit != "study"


def sound_files(before: Mapping[str, Row], studies: Collection[str] | None) -> frozenset[str]:
    """Name the files that were found sound and are as they were then; none where all are judged."""
    if studies is None:
        return frozenset()
    return frozenset(
        path
        for path in before
        if path.startswith(BATCHES) or _is_whole(path) or key_of(path) not in studies
    )


def rules_of(suite: str, current: Current, queries: Sequence[Check]) -> str:
    """Digest of what a suite asks, but of the values of features."""
    told = [VERSION, repr(frames_of(suite, current.config.warehouse)), repr(FILE_RULES)]
    return digest_of([*told, repr(TWIN) if suite == "features" else "", repr(queries)])


def seen_studies(suite: str, current: Current, queries: Sequence[Check]) -> list[Row]:
    """Rows of ``expectation_seen``: the files of the tables that a suite looks up."""
    rules = rules_of(suite, current, queries)
    return [
        label | {"broken": "[]", "counts": ""}
        for table in looked_up(suite)
        for label in labels(suite, table, current, rules).values()
    ]


def _same_rules(
    suite: str, current: Current, before: Mapping[str, Row], queries: Sequence[Check]
) -> bool:
    """Whether the files of studies that are read as they were had been held against these rules."""
    named = labels(suite, STUDY, current, rules_of(suite, current, queries))
    told = [(before[p]["rules_digest"], named[p]["rules_digest"]) for p in named if p in before]
    return bool(told) and all(was == now for was, now in told)


def _are_of_studies(current: Current, queries: Sequence[Check]) -> bool:
    """Whether every query that reads rows of studies or records says by what its rows are."""
    few = {f"raw.{name}" for name, table in TABLES.items() if table.unit == "study"}
    few |= {"meta.study_rows", f"raw.{RECORDS}"}
    return all(query.by or current.reached(query.needs).isdisjoint(few) for query in queries)


def _broken(suite: str, last: LastCheck) -> frozenset[str] | None:
    """Studies that broke a rule at the last check; None where it found a table at fault."""
    try:
        results, failures = last.rows(RESULT, suite), last.broken(suite)
    except LakeCorruptError:  # told where the report is read
        return None
    if not results or any(r["consequence"] == "stop" and not r["is_met"] for r in results):
        return None
    return frozenset(row["study_key"] for row in failures if row["study_key"])
