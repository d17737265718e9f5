"""The studies of which the features are judged anew: what the last check found of others stands.

A rule about features asks for rows of one study each, whatever other studies have; where a query
does not, its head lacks ``-- by: study_key``. So it is asked of the studies with a file that the
last check has not seen, or had seen and that is read no more, and of those that broke a rule then.
That is enough where new records only added files since the published snapshot. In every other case
(batches were written or lost, records changed or went, a table was at fault, other rules are held
against the files) all studies are judged: what is found is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import FEATURE_TABLES
from mpss_lib.shelves import key_of
from mpss_lib.tables import digest_of
from mpss_lib.warehouse.checks import Check
from mpss_lib.warehouse.compaction import BATCHES
from mpss_lib.warehouse.expectations.rules import VERSION
from mpss_lib.warehouse.expectations.suites import FEATURES, FILE_RULES, TWIN
from mpss_lib.warehouse.expectations.views import Current
from mpss_lib.warehouse.touched import MOST_TOUCHED

Row = dict[str, Any]

SUITE, STUDY = "features", "study"

NARROWED = (*FEATURE_TABLES, STUDY)
"""Lake tables of which the suite reads the rows of each study by itself."""


def unjudged(
    current: Current, before: Mapping[str, Row], queries: Sequence[Check]
) -> frozenset[str] | None:
    """Find the studies that are judged anew; None for all.

    Parameters
    ----------
    current : Current
    before : mapping of path to row
        What the last check has seen (``read_seen``).
    queries : sequence of Check
        Those of the suite.
    """
    broken = _broken(current)
    if broken is None or not current.is_of_snapshot or not _are_of_studies(current, queries):
        return None
    if not _same_rules(before, rules_of_studies(queries)):
        return None
    read = {path for table in NARROWED for path in current.reading(table).paths}
    changed = {path for path in read if before.get(path, {}).get("state") != current.state_of(path)}
    changed |= before.keys() - read
    if any(path.startswith(BATCHES) for path in changed):
        return None
    found = broken.union(map(key_of, changed))
    return found if len(found) <= MOST_TOUCHED else None


def sound_files(before: Mapping[str, Row], studies: Collection[str] | None) -> frozenset[str]:
    """Name the files that were found sound and are as they were then; none where all are judged."""
    if studies is None:
        return frozenset()
    return frozenset(p for p in before if p.startswith(BATCHES) or key_of(p) not in studies)


def rules_of_studies(queries: Sequence[Check]) -> str:
    """Digest of what is asked of the rows of each study together."""
    return digest_of([VERSION, repr(FEATURES), repr(FILE_RULES), repr(TWIN), repr(queries)])


def seen_studies(current: Current, queries: Sequence[Check]) -> list[Row]:
    """Rows of ``expectation_seen``: the files of the table of studies."""
    label = {"suite": SUITE, "table_name": STUDY, "rules_digest": rules_of_studies(queries)}
    return [
        label | {"path": path, "state": current.state_of(path), "broken": "[]"}
        for path in current.reading(STUDY).paths
    ]


def _same_rules(before: Mapping[str, Row], digest: str) -> bool:
    told = {row["rules_digest"] for row in before.values() if row["table_name"] == STUDY}
    return told == {digest}


def _are_of_studies(current: Current, queries: Sequence[Check]) -> bool:
    """Whether every query that reads rows of studies asks of one study at a time."""
    few = {"meta.study_rows", *(f"raw.{table}" for table in NARROWED)}
    return all(query.by or current.reached(query.needs).isdisjoint(few) for query in queries)


def _broken(current: Current) -> frozenset[str] | None:
    """Studies that broke a rule at the last check; None where it found a table at fault."""
    address = current.config.address("warehouse")
    try:
        results, failures = (
            current.lake.rows(f"expectation_{name}", address, SUITE)
            for name in ("result", "failure")
        )
    except LakeCorruptError:  # told where the report is read
        return None
    if not results or any(r["consequence"] == "stop" and not r["is_met"] for r in results):
        return None
    return frozenset(row["study_key"] for row in failures if row["study_key"])
