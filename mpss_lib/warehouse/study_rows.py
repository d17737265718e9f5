"""The keys of files that are read in place, counted once: a publish reads only what is new to it.

The checks of grain, completeness and pairing of these tables ask which rows each study has in each
file. A file never changes, so the answer is carried from the published snapshot for every file that
had the same size, time and checks then; any other is counted. What the checks then ask of all files
together (a study in two of them, a segment of one kind only) is asked anew at every publish.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mpss_lib.errors import LakeCorruptError
from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.schemas import TABLES, TEXT
from mpss_lib.snapshot_file import attach_to
from mpss_lib.tables import Lake
from mpss_lib.warehouse.checks import duckdb_type
from mpss_lib.warehouse.compaction import Reading
from mpss_lib.warehouse.joining import PATH
from mpss_lib.warehouse.manifest import APPEND_ONLY
from mpss_lib.warehouse.meta import COUNTED, META
from mpss_lib.warehouse.sources import CHECKS, listed
from mpss_lib.warehouse.touched import narrowed

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
delete from meta.study_rows
where path in (select path from arrow_pairs)
"""

_COUNTED_FILES = """
select path, replaced, n_bytes, modified_ns
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

_OF_STUDIES = " and study_key in (select key from arrow_studies)"

# A study is shown once in each of these tables, or it would not have been published.
_OTHERS = """
create table meta.study_total as
select
    table_name,
    count(*) as n_studies,
    sum(n_rows) as n_rows,
from published.meta.study_rows as counted
anti join arrow_studies as studies on counted.study_key = studies.key
where is_shown and table_name in (select unnest(?))
group by table_name
"""

_NO_OTHERS = "create table meta.study_total (table_name varchar, n_studies bigint, n_rows bigint)"

_SHOW = """
update meta.study_rows as counted
set is_shown = not is_shown
from arrow_pairs as turned
where counted.path = turned.path and counted.study_key = turned.study_key
"""


Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Counted:
    """What the rows of ``meta.study_rows`` were counted of, when a publish or a check begins.

    Parameters
    ----------
    replaced : mapping of path to study keys
        Of each file the studies that another file had replaced.
    unchanged : frozenset of str
        Files that are as they were then.
    """

    replaced: Mapping[str, Collection[str]] = field(default_factory=dict)
    unchanged: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lake_files: pa.Table, unchanged: frozenset[str]) -> Counted:
        """Take it from ``meta.lake_file`` of the snapshot that has the rows."""
        files = lake_files.filter(pc.is_in(lake_files["table_name"], value_set=pa.array(COUNTED)))
        columns = files.select(["path", "replaced"]).to_pydict().values()
        return cls(dict(zip(*columns, strict=True)), unchanged)


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
    studies: Collection[str] | None = None,
) -> None:
    """Make ``meta.study_rows`` of some tables; what the published snapshot has counted is taken.

    ``meta.study_total`` tells how many studies and rows of each table are not in it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    lake : Lake
    readings : mapping of table to Reading
    is_fresh : bool
        Count every file.
    studies : collection of str, optional
        Make rows of these only; all others are as in the snapshot.

    Raises
    ------
    LakeCorruptError
        A file cannot be read.
    """
    create_study_rows(connection)
    few = readings if studies is None else narrowed(readings, studies, readings)
    taken = Counted() if is_fresh or not readings else _take(connection, lake, few, studies)
    if studies is None:
        connection.execute(_NO_OTHERS)
    count_rows(connection, lake, few, taken)


def _take(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    readings: Mapping[str, Reading],
    studies: Collection[str] | None,
) -> Counted:
    """Copy what the snapshot has counted of files that are as they were; tells of which."""
    paths = [path for reading in readings.values() for path in reading.paths]
    if not lake.snapshot.is_file():
        return Counted()
    connection.register("arrow_wanted", pa.table({"path": pa.array(paths, TEXT)}))
    connection.register("arrow_studies", pa.table({"key": pa.array(sorted(studies or ()), TEXT)}))
    try:
        attach_to(connection, lake.snapshot, "published")
        files = connection.execute(_COUNTED_FILES, [f"{CHECKS}."]).fetchall()
        replaced = {
            path: replaced for path, replaced, *state in files if _state(lake, path) == tuple(state)
        }
        connection.register("arrow_kept", pa.table({"path": pa.array(sorted(replaced), TEXT)}))
        connection.execute(_COUNTED_ROWS + (_OF_STUDIES if studies is not None else ""))
        if studies is not None:
            connection.execute(_OTHERS, [list(readings)])
        connection.execute("detach published")
    except duckdb.Error:  # of another layout, or damaged: then every file is counted
        if studies is not None:
            raise  # it was read a moment ago, to find these studies
        return Counted()
    return Counted(replaced, frozenset(replaced))


def _state(lake: Lake, path: str) -> tuple[int, int]:
    stat = (lake.root / path).stat()
    return stat.st_size, stat.st_mtime_ns


def count_rows(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    readings: Mapping[str, Reading],
    counted: Counted,
) -> int:
    """Bring ``meta.study_rows`` to the files that are shown; gives how many were counted for it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot.
    lake : Lake
    readings : mapping of table to Reading
        The files that the snapshot shows.
    counted : Counted
        What the rows that are there were counted of.

    Raises
    ------
    LakeCorruptError
        A file cannot be read.
    """
    shown = {name: readings[name] for name in COUNTED if name in readings}
    kept = {path for reading in shown.values() for path in reading.paths} & counted.unchanged
    _apply(connection, _FORGET, [(path, "") for path in sorted(counted.replaced.keys() - kept)])
    new = {name: [p for p in one.paths if p not in kept] for name, one in shown.items()}
    for name, paths in new.items():
        for part in _alike(name, paths):
            _add(connection, _count(lake, name, part))
    _apply(connection, _SHOW, _turned(shown, {path: counted.replaced[path] for path in kept}))
    return sum(map(len, new.values()))


def _apply(connection: duckdb.DuckDBPyConnection, sql: str, pairs: Pairs) -> None:
    """Run a change of the rows of some (file, study); nothing is looked for where there is none."""
    if not pairs:
        return
    columns = zip(*pairs, strict=True)
    named = zip(("path", "study_key"), columns, strict=True)
    connection.register("arrow_pairs", pa.table({n: pa.array(c, TEXT) for n, c in named}))
    connection.execute(sql)
    connection.unregister("arrow_pairs")


def _turned(readings: Mapping[str, Reading], before: Mapping[str, Collection[str]]) -> Pairs:
    """Find the rows of batch files that are shown no more, or again.

    Parameters
    ----------
    readings : mapping of table to Reading
    before : mapping of path to study keys
        Studies of the counted files that another file had replaced then.
    """
    now = {source.path: source.without for one in readings.values() for source in one.batches}
    return [
        (path, key)
        for path, without in sorted(now.items())
        for key in sorted(without.symmetric_difference(before.get(path, ())))
    ]


def n_studies_of(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Count the studies of a table in all (``count_shown``)."""
    return _total(connection, table, "count(distinct study_key)", "n_studies")


def n_rows_of(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Count the rows of a table in all (``count_shown``)."""
    return _total(connection, table, "sum(n_rows)", "n_rows")


def _total(connection: duckdb.DuckDBPyConnection, table: str, here: str, others: str) -> int:
    sql = (
        f"select (select coalesce({here}, 0) from meta.study_rows"  # noqa: S608
        f" where is_shown and table_name = {sql_text(table)})"
        f" + (select coalesce(sum({others}), 0) from meta.study_total"
        f" where table_name = {sql_text(table)})"
    )
    [(number,)] = connection.execute(sql).fetchall()
    return int(number)


def files_shown(connection: duckdb.DuckDBPyConnection, table: str) -> frozenset[str]:
    """Name the files of a table that hold rows of its counted studies (``count_shown``)."""
    sql = "select distinct path from meta.study_rows where is_shown and table_name = ?"
    return frozenset(path for (path,) in connection.execute(sql, [table]).fetchall())


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
