"""What the runs of a home left, and in what two homes differ (``bench/cluster_kills.py``).

Of the lake every file is compared by its bytes, of the snapshot every relation by the values of
its rows, of the results database every table by its rows. Three are compared by their meaning:
``meta.run``, ``meta.unit`` and ``meta.manifest`` are the log of what tasks have done. A task that
is killed after its record was written and before Airflow was told does its work again, finds it
done, and writes one record more. So, of these three:

1. each unit (study, cohort, window) stands last with the same status, reasons and tables; ``done``
   and ``skipped`` are one: the second try of a task skips what its first had done;
2. exactly one file of a unit in a table is current, and it is the same file, rows and content;
3. no record names a file that no record of the undisturbed runs names, none lacks one;
4. each record of the undisturbed runs is there; one more has units of one of these (same DAG, stage
   and address), and of each DAG there are no more of them than Airflow made tries beside the first.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse.reader import rows as snapshot_rows

TIMED = (
    *("expectation_", "manifest/", "reports/", "layout", "warehouse", "active.json", "order."),
    "version.json",
)
"""Beginnings of files of the lake that state when something was done, or by which code
(``test_bytes.py``)."""
LOG = ("meta.run", "meta.unit", "meta.manifest")
OF_RUNS = ("record", "record_order", "sequence", "valid_sequence", "run_digest")
"""Columns that name the record or the run; a task that was tried again has another one."""
COUNTED = ("meta.batch", "meta.lake_file", "meta.lineage", "raw.expectation_seen")
"""Relations of which only the number of rows is compared: the sums over ``meta.run``; when a file
was written; which files stand, also those that a check names after times (compared as
``meta.manifest``); what a check had seen of them."""

UNFINISHED = ".tmp-"
"""Start of the name of a file that is being written (``whole_files.replacing``)."""

_UNITS = """
select
    stage,
    engine,
    config,
    unit_key,
    tables,
    case when max_by(status, sequence) in ('done', 'skipped') then 'there'
        else max_by(status, sequence) end as status,
    max_by(reasons, sequence) as reasons,
from meta.unit
group by stage, engine, config, unit_key, tables
"""
_FILE = "stage, engine, config, unit_key, table_name" + "".join(
    f", case when not starts_with(table_name, 'expectation_') then {name} end as {name}"
    for name in ("path", "input_digest", "n_rows", "content_sha256")
)
"""A file that a record names. What a check found is named after the times of the files that it was
held against: of such a file only its place is told (its rows are those of ``quality``)."""
_COLUMNS = """
select
    schema_name || '.' || table_name as name,
    coalesce(
        list(column_name order by column_index) filter (
            not starts_with(data_type, 'TIMESTAMP') and not list_contains(?, column_name)
        ),
        []
    ) as columns,
from duckdb_columns()
where database_name = current_database() and not internal
group by all
order by all
"""
_RECORDS = """
select
    run_digest,
    stage,
    engine,
    config,
    list_sort(list(unit_key) filter (unit_key is not null)) as units,
from meta.run
left join meta.unit using (record, stage, engine, config)
group by record, run_digest, stage, engine, config
"""


def digests(lake: Lake) -> dict[str, str]:
    """Give the digest of every file of the lake but those that state times, or are no files yet."""
    found = {}
    for path in sorted(lake.root.rglob("*")):
        name = path.relative_to(lake.root).as_posix()
        is_timed = name.removeprefix("landing/").startswith(TIMED)
        if path.is_file() and not is_timed and not path.name.startswith(UNFINISHED):
            content = _without_times(path) if path.suffix == ".json" else path.read_bytes()
            found[name] = hashlib.sha256(content).hexdigest()
    return found


def unfinished(lake: Lake) -> list[str]:
    """Give the temporary files that killed writers left: unread, until maintenance removes them."""
    return [lake.relative(path) for path in sorted(lake.root.rglob(f"{UNFINISHED}*"))]


def _without_times(path: Path) -> bytes:
    """Give a JSON object without what says when something was done (``asked_at``)."""
    told = json.loads(path.read_text())
    return json.dumps({key: told[key] for key in sorted(told) if not key.endswith("_at")}).encode()


def relations(lake: Lake, left_out: Sequence[str] = ()) -> dict[str, list[str]]:
    """Give the rows of every relation of the snapshot but those of ``LOG``: their number, digest.

    The digest is a sum over the rows, whatever their order, of all columns but instants,
    ``OF_RUNS`` and those that are left out; of ``COUNTED`` there is none. Of states ``done`` and
    ``skipped`` are one.
    """
    found = {}
    with closing(open_snapshot(lake.snapshot)) as connection:
        for name, columns in connection.execute(_COLUMNS, [[*OF_RUNS, *left_out]]).fetchall():
            if name in LOG:
                continue
            row = ", ".join(map(_value, columns if name not in COUNTED else ())) or "null"
            sql = f"select count(*)::varchar, sum(hash({row})::hugeint)::varchar from {name}"
            found[name] = list(connection.execute(sql).fetchall()[0])
    return found


def _value(column: str) -> str:
    """SQL of what counts of a column."""
    is_status = column == "status" or column.endswith("_status")
    return f"""replace("{column}", 'skipped', 'done')""" if is_status else f'"{column}"'


def log_of(lake: Lake, runs: Mapping[str, str]) -> dict[str, Any]:
    """Give the meaning of the log that the snapshot shows.

    Parameters
    ----------
    lake : Lake
    runs : mapping
        DAG by the run's name; records of other runs count as of no DAG.

    Returns
    -------
    dict
        ``units``, ``current``, ``named``: each a sorted list of texts; ``records``: DAG, stage,
        engine, config and units of each.
    """
    dags = {hashlib.sha256(name.encode()).hexdigest()[:16]: dag for name, dag in runs.items()}
    maker = ("stage", "engine", "config")
    records = [
        [dags.get(row["run_digest"], ""), *(row[name] for name in maker), row["units"] or []]
        for row in snapshot_rows(lake, _RECORDS)
    ]
    return {
        "units": _texts(lake, _UNITS),
        "current": _texts(lake, f"select {_FILE} from meta.manifest where is_current"),
        "named": _texts(lake, f"select distinct {_FILE} from meta.manifest"),
        "records": sorted(records),
    }


def _texts(lake: Lake, sql: str) -> list[str]:
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in snapshot_rows(lake, sql))


def differences(
    now: Mapping[str, Any], undisturbed: Mapping[str, Any], tries: Mapping[str, int]
) -> list[str]:
    """Name what is otherwise than after the undisturbed runs.

    Parameters
    ----------
    now, undisturbed : mapping
        ``files``, ``rows``, ``results``: value by name; ``twice``: tables with a row twice;
        ``log``: see ``log_of``.
    tries : mapping
        By DAG the tries of its tasks beside each one's first.
    """
    found = []
    for part in ("files", "rows", "results"):
        ours, theirs = now[part], undisturbed[part]
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                counts = f" ({theirs.get(name)}, now {ours.get(name)})" if part == "rows" else ""
                found.append(f"{part}: {name}{counts}")
    found += [f"twice: {name}" for name in now["twice"]]
    return found + log_differences(now["log"], undisturbed["log"], tries)


def log_differences(
    now: Mapping[str, Any], undisturbed: Mapping[str, Any], tries: Mapping[str, int]
) -> list[str]:
    """Name in what two logs have another meaning (the four rules above)."""
    found = []
    for part in ("units", "current", "named"):
        ours, theirs = Counter(now[part]), Counter(undisturbed[part])
        found += [f"{part}: more: {text}" for text in sorted((ours - theirs).elements())]
        found += [f"{part}: absent: {text}" for text in sorted((theirs - ours).elements())]
    places = [
        tuple(json.loads(text)[name] for name in ("table_name", "engine", "config", "unit_key"))
        for text in now["current"]
    ]
    found += [f"current: {n} files of {place}" for place, n in Counter(places).items() if n > 1]
    return found + _record_differences(now["records"], undisturbed["records"], tries)


def _record_differences(
    now: Sequence[Sequence[Any]], undisturbed: Sequence[Sequence[Any]], tries: Mapping[str, int]
) -> list[str]:
    ours, theirs = Counter(map(json.dumps, now)), Counter(map(json.dumps, undisturbed))
    found = [f"record: absent: {text}" for text in sorted((theirs - ours).elements())]
    more = [json.loads(text) for text in (ours - theirs).elements()]
    for *maker, units in more:
        known = [set(record[-1]) for record in undisturbed if record[:-1] == maker]
        if not any(set(units) <= one for one in known):
            found.append(f"record: of no such task: {json.dumps([*maker, units])}")
    for dag, n in Counter(record[0] for record in more).items():
        if n > tries.get(dag, 0):
            found.append(f"record: {n} more of {dag}, {tries.get(dag, 0)} tries beside the first")
    return found
