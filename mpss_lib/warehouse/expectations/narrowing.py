"""The few studies and records that a check shows to its rules, and the files that hold them.

A rule that spans rows of several studies (a registry record that names two, two records of one
study) must see both sides. So a study that is judged anew brings with it what the publish would
touch with it: all that it is tied to by patient, accession or record, found in the published
snapshot and in the files that are new to it (``touched.find_touched``).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from mpss_lib.config import Config
from mpss_lib.quoting import sql_text
from mpss_lib.schemas import TABLES, TEXT
from mpss_lib.shelves import key_of
from mpss_lib.snapshot_file import attach_to
from mpss_lib.tables import Lake
from mpss_lib.warehouse.compaction import Reading
from mpss_lib.warehouse.meta import COUNTED
from mpss_lib.warehouse.sources import source_of
from mpss_lib.warehouse.study_rows import files_shown
from mpss_lib.warehouse.touched import RECORD, RECORDS, find_touched, narrowed

log = logging.getLogger(__name__)

_OLD = "select study_key from published.raw.study where study_key in (select unnest(?))"

Failures = Iterable[Mapping[str, object]]


@dataclass(frozen=True)
class Few:
    """Keys of the rows that are shown.

    Parameters
    ----------
    studies, records : frozenset of str
    old : frozenset of str
        Studies that the published snapshot has: a batch may hold their rows.
    """

    studies: frozenset[str]
    records: frozenset[str]
    old: frozenset[str]


def find_few(
    lake: Lake,
    config: Config,
    readings: Mapping[str, Reading],
    seeds: Collection[str],
    failures: Failures,
) -> Few | None:
    """Find what hangs together with some studies; None where it cannot be found.

    Parameters
    ----------
    lake, config
    readings : mapping of table to Reading
        Of the studies and the registry's records.
    seeds : collection of str
        Studies that are judged anew, and all that the snapshot does not know.
    failures : iterable of dict
        Rows of ``expectation_failure``: they are judged anew, too.
    """
    told = list(failures)
    names = ("study_key", "record_key", "unit_key")
    rows = pa.table({name: pa.array([row[name] for row in told], TEXT) for name in names})
    own = narrowed({"study": readings["study"]}, seeds)["study"]
    sources = {
        "study": source_of(lake, TABLES["study"], own, {}),
        RECORDS: source_of(lake, TABLES[RECORDS], readings[RECORDS], {}),
        "expectation_failure": "arrow_failures",
    }
    try:
        with duckdb.connect(config={"threads": config.warehouse.threads}) as connection:
            connection.register("arrow_failures", rows)
            attach_to(connection, lake.snapshot, "published")
            connection.execute("create schema raw")
            connection.execute("create view raw.study as from published.raw.study")
            touched = find_touched(connection, sources, seeds)
            old = connection.execute(_OLD, [list(touched.studies)]).fetchall()
    except duckdb.Error as error:  # a table at fault: it is told where it is judged
        log.info("every study is judged: %s", error)
        return None
    return Few(
        frozenset(touched.studies), frozenset(touched.records), frozenset(key for (key,) in old)
    )


def sources_of_few(
    few: Few,
    lake: Lake,
    readings: Mapping[str, Reading],
    features: Mapping[str, list[str]],
    connection: duckdb.DuckDBPyConnection,
    counted: Collection[str],
) -> dict[str, str]:
    """Give the texts that stand for lake tables of which only a few rows are shown.

    Parameters
    ----------
    few : Few
    lake : Lake
    readings : mapping of table to Reading
        Of the tables that are read.
    features : mapping of table to columns
    connection : duckdb.DuckDBPyConnection
        With ``meta.study_rows`` of the few.
    counted : collection of str
        Tables whose rows it has.
    """
    found = {}
    own = narrowed(readings, few.studies, readings)
    for name in readings:
        if name == RECORDS:
            text = source_of(lake, TABLES[name], readings[name], features)
            found[name] = _only(text, RECORD, few.records)
        elif name in own:
            batches = own[name].batches
            if few.old <= set(map(key_of, own[name].alone)):
                batches = ()
            elif name in COUNTED and name in counted:
                holding = files_shown(connection, name)
                batches = tuple(one for one in batches if one.path in holding)
            text = source_of(lake, TABLES[name], Reading(batches, own[name].alone), features)
            found[name] = _only(text, "study_key", few.studies)
    return found


def _only(text: str, column: str, keys: Collection[str]) -> str:
    listed = ", ".join(map(sql_text, sorted(keys)))
    return f"(from {text} where {column} in (select unnest(cast([{listed}] as varchar[]))))"
