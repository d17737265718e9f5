"""The keys of files that are read in place, counted once: a publish reads only what is new to it.

The checks of grain, completeness and pairing of these tables ask which rows each study has in each
file. A file never changes, so the answer is carried from the published snapshot for every file that
had the same size, time and checks then; any other is counted. What the checks then ask of all files
together (a study in two of them, a segment of one kind only) is asked anew at every publish.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb
import pyarrow as pa

from mpss_lib.errors import LakeCorruptError
from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.schemas import TABLES, TEXT
from mpss_lib.tables import Lake
from mpss_lib.warehouse.checks import duckdb_type
from mpss_lib.warehouse.compaction import Reading
from mpss_lib.warehouse.joining import PATH
from mpss_lib.warehouse.manifest import APPEND_ONLY
from mpss_lib.warehouse.meta import COUNTED, META
from mpss_lib.warehouse.sources import CHECKS, listed

_COUNT = """
insert into meta.study_rows by name
select
    '{table}' as table_name,
    substr(filename, {start}) as path,
    {landing} as landing_path,
    study_key,
    {segments} as segments,
    {levels} as levels,
    count(*) as n_rows,
    count(distinct ({keys})) filter (where {whole}) as n_keys,
    true as is_shown,
from read_parquet({files}, {options})
group by filename, landing_path, study_key
"""

_FORGET = """
delete from meta.study_rows as counted
where not exists (from arrow_kept as kept where counted.path = kept.path)
"""

_COUNTED_FILES = """
select path, n_bytes, modified_ns
from published.meta.lake_file
where path in (select path from arrow_wanted) and starts_with(checked_by, ?)
"""

# No suite asks for the segments, which are most of the bytes.
_COUNTED_ROWS = """
insert into meta.study_rows by name
select * replace (cast([] as varchar[]) as segments),
from published.meta.study_rows
where path in (select path from arrow_kept)
"""

_SHOW = """
update meta.study_rows as counted
set is_shown = not is_shown
where is_shown = exists (
    from arrow_replaced as replaced
    where counted.path = replaced.path and counted.study_key = replaced.study_key
)
"""


def create_study_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Make an empty ``meta.study_rows``."""
    table = META["study_rows"]
    columns = ", ".join(f"{name} {duckdb_type(kind)}" for name, kind in table.columns.items())
    connection.execute(f"create table meta.study_rows ({columns})")
    connection.execute(f"comment on table meta.study_rows is {sql_text(table.one_row)}")


def count_shown(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    readings: Mapping[str, Reading],
    *,
    is_fresh: bool,
) -> None:
    """Make ``meta.study_rows`` of some tables; what the published snapshot has counted is taken.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    lake : Lake
    readings : mapping of table to Reading
    is_fresh : bool
        Count every file.

    Raises
    ------
    LakeCorruptError
        A file cannot be read.
    """
    create_study_rows(connection)
    kept = frozenset() if is_fresh or not readings else _take(connection, lake, readings)
    count_rows(connection, lake, readings, kept)


def _take(
    connection: duckdb.DuckDBPyConnection, lake: Lake, readings: Mapping[str, Reading]
) -> frozenset[str]:
    """Copy what the snapshot has counted of files that are as they were; gives those files."""
    paths = [path for reading in readings.values() for path in reading.paths]
    if not lake.snapshot.is_file():
        return frozenset()
    connection.register("arrow_wanted", pa.table({"path": pa.array(paths, TEXT)}))
    try:
        connection.execute(f"attach {sql_text(lake.snapshot)} as published (read_only)")
        files = connection.execute(_COUNTED_FILES, [f"{CHECKS}."]).fetchall()
        kept = frozenset(path for path, *state in files if _state(lake, path) == tuple(state))
        connection.register("arrow_kept", pa.table({"path": pa.array(sorted(kept), TEXT)}))
        connection.execute(_COUNTED_ROWS)
        connection.execute("detach published")
    except duckdb.Error:  # of another layout, or damaged: then every file is counted
        return frozenset()
    return kept


def _state(lake: Lake, path: str) -> tuple[int, int]:
    stat = (lake.root / path).stat()
    return stat.st_size, stat.st_mtime_ns


def count_rows(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    readings: Mapping[str, Reading],
    unchanged: Iterable[str],
) -> int:
    """Bring ``meta.study_rows`` to the files that are shown; gives how many were counted for it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot.
    lake : Lake
    readings : mapping of table to Reading
        The files that the snapshot shows.
    unchanged : iterable of str
        Files that are as they were when the rows that are there were counted.

    Raises
    ------
    LakeCorruptError
        A file cannot be read.
    """
    shown = {name: readings[name] for name in COUNTED if name in readings}
    kept = {path for reading in shown.values() for path in reading.paths}.intersection(unchanged)
    connection.register("arrow_kept", pa.table({"path": pa.array(sorted(kept), TEXT)}))
    connection.execute(_FORGET)
    counted = {name: [p for p in one.paths if p not in kept] for name, one in shown.items()}
    for name, paths in counted.items():
        for part in _alike(name, paths):
            _add(connection, _count(lake, name, part))
    connection.register("arrow_replaced", _replaced(shown))
    connection.execute(_SHOW)
    for name in ("kept", "replaced"):
        connection.unregister(f"arrow_{name}")
    return sum(map(len, counted.values()))


def _add(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        connection.execute(sql)
    except duckdb.Error as error:
        raise LakeCorruptError(
            f"the rows of the files cannot be counted: {str(error).partition(chr(10))[0][:300]}",
            way_out="restore the file that is named from the backup, or run its stage again for it"
            " with force; a batch file may simply be removed",
        ) from error


def _alike(name: str, paths: list[str]) -> list[list[str]]:
    """Part files by the columns that are asked of them: only batches name landing files."""
    if name not in APPEND_ONLY:
        return [paths] * bool(paths)
    parts = ([p for p in paths if p.startswith(start)] for start in ("batch/", "landing/"))
    return [part for part in parts if part]


def _count(lake: Lake, name: str, paths: list[str]) -> str:
    """Give the SQL that counts the rows of each study in files of one table."""
    spec, start = TABLES[name], len(str(lake.root.resolve())) + 2
    keys = [sql_name(key) for key in spec.grain]
    landing, options = "''", ["hive_partitioning = false", "filename = true"]
    if name in APPEND_ONLY:
        landing = PATH if paths[0].startswith("batch/") else f"substr(filename, {start})"
        options.append("union_by_name = true")
    return _COUNT.format(
        table=name,
        start=start,
        landing=landing,
        segments=_values("segment", "varchar") if spec.has_features else "cast([] as varchar[])",
        levels=_values("bins", "bigint") if "bins" in spec.columns else "cast([] as bigint[])",
        keys=", ".join(keys),
        whole=" and ".join(f"{key} is not null" for key in keys),
        files=listed(lake, paths),
        options=", ".join(options),
    )


def _values(column: str, kind: str) -> str:
    found = f"list(distinct {column}) filter (where {column} is not null)"
    return f"list_sort(coalesce({found}, cast([] as {kind}[])))"


def _replaced(readings: Mapping[str, Reading]) -> pa.Table:
    """Studies of a batch file that another file has replaced: their rows are not shown."""
    pairs = [
        {"path": source.path, "study_key": key}
        for reading in readings.values()
        for source in reading.batches
        for key in sorted(source.without)
    ]
    return pa.Table.from_pylist(pairs, schema=pa.schema({"path": TEXT, "study_key": TEXT}))
