"""Lake tables as SQL text: an explicit list of files, checked, or a typed select without rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow.parquet as pq

from mpss_lib.columns import check_columns, schema_digest, wanted_schema
from mpss_lib.schemas import TABLES, LakeTable
from mpss_lib.tables import Lake, read_parquet
from mpss_lib.warehouse import checks
from mpss_lib.warehouse.compaction import Reading
from mpss_lib.warehouse.joining import PATH, Source
from mpss_lib.warehouse.manifest import APPEND_ONLY

Features = Mapping[str, Sequence[str]]


def feature_names(lake: Lake, paths: Sequence[str]) -> dict[str, list[str]]:
    """Feature columns of each feature table, by the catalogue."""
    rows = [r for p in paths for r in read_parquet(lake.root / p, "feature_catalogue").to_pylist()]
    rows.sort(key=lambda row: row["position"])
    once = [row["sera_name"] for row in rows if not row["depends_on_bins"]]
    binned = [row["sera_name"] for row in rows if row["depends_on_bins"]]
    return {"feature_once": once, "feature_binned": binned}


def check_files(lake: Lake, readings: Mapping[str, Reading], features: Features) -> None:
    """Compare the columns of every file that will be read with its table's.

    Old files of append-only tables may lack a column: it is null in them.

    Raises
    ------
    LakeCorruptError
        Names the file, the column and the way out.
    """
    for name, reading in readings.items():
        if name in APPEND_ONLY:
            continue
        table, wanted = TABLES[name], features.get(name, ())
        digest = schema_digest(wanted_schema(table, wanted))
        # The footer of a batch is large: its record says with which columns it was written.
        batches = [s.path for s in reading.batches if reading.columns.get(s.path) != digest]
        for path in (*batches, *reading.alone):
            check_columns(table, pq.read_schema(lake.root / path), path, features=wanted)


def source_of(lake: Lake, table: LakeTable, reading: Reading, features: Features) -> str:
    """Text that stands for a lake table in SQL."""
    if table.name in APPEND_ONLY:
        return _every_file(lake, table, reading)
    if not reading.paths:
        return _empty(table, features.get(table.name, ()))
    whole = [*(s.path for s in reading.batches if not s.without), *reading.alone]
    parts = [_read(lake, whole)] if whole else []
    parts += [_read_without(lake, source) for source in reading.batches if source.without]
    return parts[0] if len(parts) == 1 else _union(parts)


def _every_file(lake: Lake, table: LakeTable, reading: Reading) -> str:
    """Rows of an append-only table with the landing file of each, whatever columns it has."""
    parts = [_empty(table, ())]
    if reading.batches:
        parts.append(_read(lake, [s.path for s in reading.batches], "union_by_name = true"))
    if reading.alone:
        named = _read(lake, reading.alone, "filename = true", "union_by_name = true")
        below = f"substr(filename, {len(str(lake.root.resolve())) + 2}) as {PATH}"
        parts.append(f"(select * exclude (filename), {below} from {named})")  # noqa: S608
    return _union(parts)


def _union(parts: Sequence[str]) -> str:
    return "(" + " union all by name ".join(f"select * from {part}" for part in parts) + ")"  # noqa: S608


def _read(lake: Lake, paths: Iterable[str], *options: str) -> str:
    files = ", ".join(quoted(str(lake.root.resolve() / path)) for path in paths)
    return f"read_parquet({', '.join([f'[{files}]', 'hive_partitioning = false', *options])})"


def _read_without(lake: Lake, source: Source) -> str:
    keys = ", ".join(quoted(key) for key in sorted(source.without))
    return f"(select * from {_read(lake, [source.path])} where study_key not in ({keys}))"  # noqa: S608


def _empty(table: LakeTable, features: Sequence[str]) -> str:
    columns = {name: checks.duckdb_type(kind) for name, kind in table.columns.items()}
    if table.has_features:
        # A view cannot unpivot nothing: before the first catalogue there is one empty column.
        columns |= dict.fromkeys(features or (f"no_{table.name}_yet",), "double")
    if table.name in APPEND_ONLY:
        columns[PATH] = "varchar"
    casts = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in columns.items())
    return f"(select {casts} where false)"


def quoted(text: str) -> str:
    """Give a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
