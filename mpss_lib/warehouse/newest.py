"""Predictions that are the newest of their study, and the files to read for them.

Every file of predictions stays and is shown in their history; a check judges the newest of each
study. A batch may hold older ones beside them: it is read without the studies of these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa

from mpss_lib.config import Address
from mpss_lib.schemas import TEXT
from mpss_lib.shelves import key_of
from mpss_lib.warehouse.compaction import Reading

PREDICTION = "prediction"

_OLD = """
select count(*) > 0
from meta.manifest
where table_name = 'prediction' and (not is_current or engine != ? or config != ?)
"""

_NEWEST = """
create temporary table newest as
select distinct path
from meta.manifest
where
    table_name = 'prediction'
    and is_current
    and engine = ?
    and config = ?
    and unit_key not in (select unit_key from arrow_replaced)
"""

_MEMBERS = """
with members as (
    select
        counted.path,
        counted.landing_path,
        newest.path is not null as is_newest,
    from meta.study_rows as counted
    left join newest
        on counted.landing_path = newest.path
    where counted.table_name = 'prediction' and counted.path != counted.landing_path
),

counted as (
    select
        path,
        bool_or(is_newest) as has_newest,
        bool_and(is_newest) as is_all_newest,
    from members
    group by path
)

select
    counted.path,
    members.landing_path,
    members.is_newest,
from counted
-- Most often a batch has newest ones only, or none: their members are not listed.
left join members
    on counted.path = members.path and counted.has_newest
where not counted.is_all_newest
"""


def newest_only(
    reading: Reading, newest: Collection[str], members: Mapping[str, Iterable[str]]
) -> Reading:
    """Give the files to read for the newest of each study.

    Parameters
    ----------
    reading : Reading
        Of every file.
    newest : collection of str
        Landing files: of those that stand alone, and of those that ``members`` names.
    members : mapping of str to iterable of str
        Batch -> landing files that it repeats. One that is not named has newest ones only.
    """
    batches = []
    alone = [path for path in reading.alone if path in newest]
    for source in reading.batches:
        if source.path not in members:
            batches.append(source)
            continue
        mine = list(members[source.path])
        stale = frozenset(key_of(path) for path in mine if path not in newest)
        live = [path for path in mine if path in newest]
        if any(key_of(path) not in stale for path in live):
            batches.append(replace(source, without=stale))
            alone += [path for path in live if key_of(path) in stale]
        else:
            alone += live
    return Reading(tuple(batches), tuple(sorted(alone)), reading.columns)


def newest_of_snapshot(
    connection: duckdb.DuckDBPyConnection,
    reading: Reading,
    new: Sequence[Mapping[str, Any]],
    address: Address,
) -> Reading:
    """Give the same, of the published snapshot and the files of new records.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the snapshot.
    reading : Reading
        Of every file, those of new records among them.
    new : sequence of dict
        Files of new records.
    address : Address
        At which predictions are shown.
    """
    made_by = [address.engine, address.config]
    came = {
        file["unit_key"]: file["path"]
        for file in new
        if (file["table_name"], file["is_current"]) == (PREDICTION, True)
        and [file["engine"], file["config"]] == made_by
    }
    [(has_old,)] = connection.execute(_OLD, made_by).fetchall()
    is_new = frozenset(came.values())
    connection.register("arrow_replaced", pa.table({"unit_key": pa.array(sorted(came), TEXT)}))
    if not has_old and not _has_known(connection) and not _is_elsewhere(new, made_by):
        return reading
    connection.execute(_NEWEST, made_by)
    alone = connection.execute(
        "select path from newest where path in (select unnest(?))", [list(reading.alone)]
    ).fetchall()
    members: dict[str, list[str]] = {}
    newest = {*is_new, *(path for (path,) in alone)}
    for batch, path, is_newest in connection.execute(_MEMBERS).fetchall():
        members.setdefault(batch, [])
        if path is not None:
            members[batch].append(path)
            newest.update([path] if is_newest else [])
    return newest_only(reading, newest, members)


def _has_known(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the snapshot has a prediction of a study that has another one now."""
    sql = (
        "select count(*) > 0 from meta.manifest where table_name = 'prediction'"
        " and unit_key in (select unit_key from arrow_replaced)"
    )
    [(found,)] = connection.execute(sql).fetchall()
    return bool(found)


def _is_elsewhere(new: Sequence[Mapping[str, Any]], made_by: list[str]) -> bool:
    """Whether new predictions were made at another address, or one replaces another."""
    files = [file for file in new if file["table_name"] == PREDICTION]
    return any(
        not file["is_current"] or [file["engine"], file["config"]] != made_by for file in files
    )
