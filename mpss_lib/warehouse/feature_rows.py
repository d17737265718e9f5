"""The keys of the feature files, counted once: a publish reads only files that are new to it.

The checks of grain, completeness and pairing of the two feature tables ask which rows each study
has in each file. A file never changes, so the answer is taken over from the published snapshot for
every file that had the same size, time and checks then; any other is counted. What the checks then
ask of all files together (a study in two of them, a segment of one kind only) is asked anew at
every publish.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mpss_lib.quoting import sql_text
from mpss_lib.schemas import FEATURE_TABLES, TABLES, TEXT
from mpss_lib.tables import Lake
from mpss_lib.warehouse.compaction import Reading
from mpss_lib.warehouse.meta import META
from mpss_lib.warehouse.sources import listed

_COUNT = """
select
    '{table}' as table_name,
    substr(filename, {start}) as path,
    study_key,
    list_sort(list(distinct segment) filter (where segment is not null)) as segments,
    {levels} as levels,
    count(*) as n_rows,
    count(distinct ({keys})) filter (where {whole}) as n_keys,
from read_parquet({files}, hive_partitioning = false, filename = true)
group by filename, study_key
"""

_LEVELS = "list_sort(list(distinct bins) filter (where bins is not null))"

_MAKE = """
create table meta.feature_rows as
select
    counted.table_name,
    counted.path,
    counted.study_key,
    replaced.path is null as is_shown,
    counted.segments,
    counted.levels,
    counted.n_rows,
    counted.n_keys,
from ({counted}) as counted
left join arrow_replaced as replaced
    on counted.path = replaced.path and counted.study_key = replaced.study_key
"""


def create_feature_rows(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    readings: Mapping[str, Reading],
    known: pa.Table | None,
    unchanged: Iterable[str],
) -> int:
    """Make ``meta.feature_rows``; gives how many files were counted for it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot.
    lake : Lake
    readings : mapping of table to Reading
        The files that the snapshot shows.
    known : pyarrow.Table or None
        ``meta.feature_rows`` of the published snapshot.
    unchanged : iterable of str
        Files that are as they were when ``known`` was made.
    """
    shown = {path for name in FEATURE_TABLES for path in readings[name].paths}
    kept = sorted(shown & set(unchanged)) if known is not None else []
    columns = META["feature_rows"].columns
    if known is None:
        known = pa.schema(list(columns.items())).empty_table()
    known = known.filter(pc.is_in(known["path"], value_set=pa.array(kept, TEXT)))
    counted = {name: [p for p in readings[name].paths if p not in kept] for name in FEATURE_TABLES}
    names = ", ".join(name for name in columns if name != "is_shown")
    parts = [f"select {names} from arrow_known"]  # noqa: S608
    parts += [_count(lake, name, paths) for name, paths in counted.items() if paths]
    connection.register("arrow_known", known)
    connection.register("arrow_replaced", _replaced(readings))
    connection.execute(_MAKE.format(counted=" union all by name ".join(parts)))
    connection.unregister("arrow_known")
    connection.unregister("arrow_replaced")
    comment = sql_text(META["feature_rows"].one_row)
    connection.execute(f"comment on table meta.feature_rows is {comment}")
    return sum(map(len, counted.values()))


def _count(lake: Lake, name: str, paths: list[str]) -> str:
    """Give the SQL that counts the rows of each study in files of one table."""
    has_bins = "bins" in TABLES[name].columns
    keys = ("study_key", "segment", *(("bins",) if has_bins else ()))
    return _COUNT.format(
        table=name,
        start=len(str(lake.root.resolve())) + 2,
        levels=_LEVELS if has_bins else "cast([] as bigint[])",
        keys=", ".join(keys),
        whole=" and ".join(f"{key} is not null" for key in keys),
        files=listed(lake, paths),
    )


def _replaced(readings: Mapping[str, Reading]) -> pa.Table:
    """Studies of a batch file that another file has replaced: their rows are not shown."""
    pairs = [
        {"path": source.path, "study_key": key}
        for name in FEATURE_TABLES
        for source in readings[name].batches
        for key in sorted(source.without)
    ]
    return pa.Table.from_pylist(pairs, schema=pa.schema({"path": TEXT, "study_key": TEXT}))
