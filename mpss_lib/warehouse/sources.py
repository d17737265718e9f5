"""Lake tables as SQL text: an explicit list of files, checked, or a typed select without rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from mpss_lib.columns import check_columns, schema_digest, wanted_schema
from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.schemas import TABLES, LakeTable
from mpss_lib.tables import Lake, read_parquet
from mpss_lib.warehouse import checks
from mpss_lib.warehouse.compaction import Reading
from mpss_lib.warehouse.joining import PATH, Source, footer_of
from mpss_lib.warehouse.manifest import APPEND_ONLY
from mpss_lib.warehouse.meta import arrow_table

Features = Mapping[str, Sequence[str]]

_AS_CHECKED = ["table_name", "path", "checked_by", "n_bytes", "modified_ns"]
"""Columns of ``meta.lake_file`` that are the same of a file that need not be opened again."""

CHECKS = 3
"""Raised by hand when a file is checked or its rows are counted in another way."""


def feature_names(lake: Lake, paths: Sequence[str]) -> dict[str, list[str]]:
    """Feature columns of each feature table, by the catalogue."""
    rows = [r for p in paths for r in read_parquet(lake.root / p, "feature_catalogue").to_pylist()]
    rows.sort(key=lambda row: row["position"])
    once = [row["sera_name"] for row in rows if not row["depends_on_bins"]]
    binned = [row["sera_name"] for row in rows if row["depends_on_bins"]]
    return {"feature_once": once, "feature_binned": binned}


def check_files(
    lake: Lake,
    readings: Mapping[str, Reading],
    features: Features,
    n_rows: Mapping[str, int],
    known: pa.Table | None = None,
) -> tuple[pa.Table, frozenset[str]]:
    """Compare every file that will be read with its record (rows) and with its table (columns).

    A file that had the same size and time of change when the same columns were wanted of it is not
    opened again. Old files of append-only tables may lack a column: it is null in them.

    Parameters
    ----------
    lake, readings, features
    n_rows : mapping of path to int
        Rows of the landing files by their records.
    known : pyarrow.Table, optional
        ``meta.lake_file`` of the published snapshot.

    Returns
    -------
    pyarrow.Table
        Rows of ``meta.lake_file``.
    frozenset of str
        The files that are as they are in ``known``.

    Raises
    ------
    LakeCorruptError
        Names the file, the column and the way out.
    """
    rows: list[dict[str, object]] = []
    before = known.select(_AS_CHECKED).to_pylist() if known is not None else []
    as_before = {tuple(row.values()) for row in before}
    unchanged = []
    for name, reading in readings.items():
        if not reading.paths:
            continue
        table, wanted = TABLES[name], features.get(name, ())
        replaced = {source.path: sorted(source.without) for source in reading.batches}
        digest = "any" if name in APPEND_ONLY else schema_digest(wanted_schema(table, wanted))
        for path, rows_wanted in _files_of(reading, n_rows):
            stat = (lake.root / path).stat()
            row: dict[str, object] = {"table_name": name, "path": path}
            row["checked_by"] = f"{CHECKS}.{digest}"
            row |= {"n_bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}
            told = {"n_rows": rows_wanted, "replaced": replaced.get(path, [])}
            rows.append(row | told)
            if tuple(row.values()) in as_before:
                unchanged.append(path)
            # The footer of a batch is large: its record says with which columns it was written.
            elif reading.columns.get(path) != digest:
                footer = footer_of(lake, path, rows_wanted)
                if name not in APPEND_ONLY:
                    schema = footer.schema.to_arrow_schema()
                    check_columns(table, schema, path, features=wanted)
    return arrow_table("lake_file", rows), frozenset(unchanged)


def _files_of(reading: Reading, n_rows: Mapping[str, int]) -> Iterator[tuple[str, int | None]]:
    """Every file that is read, with its rows by its record."""
    yield from ((source.path, source.n_rows) for source in reading.batches)
    yield from ((path, n_rows.get(path)) for path in reading.alone)


def source_of(lake: Lake, table: LakeTable, reading: Reading, features: Features) -> str:
    """Text that stands for a lake table in SQL."""
    if table.name in APPEND_ONLY:
        return _every_file(lake, table, reading)
    if not reading.paths:
        return _empty(table, features.get(table.name, ()))
    whole = [*(s.path for s in reading.batches if not s.without), *reading.alone]
    by_name = ("union_by_name = true",) if table.later else ()
    parts = [_empty(table, ())] if table.later else []
    parts += [_read(lake, whole, *by_name)] if whole else []
    parts += [_read_without(lake, source) for source in reading.batches if source.without]
    return parts[0] if len(parts) == 1 else _union(parts)


def _every_file(lake: Lake, table: LakeTable, reading: Reading) -> str:
    """Rows of an append-only table with the landing file of each, whatever columns it has."""
    parts = [_empty(table, ())]
    whole = [source.path for source in reading.batches if not source.without]
    if whole:
        parts.append(_read(lake, whole, "union_by_name = true"))
    parts += [_read_without(lake, source) for source in reading.batches if source.without]
    if reading.alone:
        named = _read(lake, reading.alone, "filename = true", "union_by_name = true")
        below = f"substr(filename, {len(str(lake.root.resolve())) + 2}) as {PATH}"
        parts.append(f"(select * exclude (filename), {below} from {named})")  # noqa: S608
    return _union(parts)


def _union(parts: Sequence[str]) -> str:
    return "(" + " union all by name ".join(f"select * from {part}" for part in parts) + ")"  # noqa: S608


def listed(lake: Lake, paths: Iterable[str]) -> str:
    """Give files below the lake as an SQL list of absolute paths."""
    root = lake.root.resolve()
    return "[" + ", ".join(sql_text(f"{root}/{path}") for path in paths) + "]"


def _read(lake: Lake, paths: Iterable[str], *options: str) -> str:
    files = listed(lake, paths)
    return f"read_parquet({', '.join([files, 'hive_partitioning = false', *options])})"


def _read_without(lake: Lake, source: Source) -> str:
    keys = ", ".join(sql_text(key) for key in sorted(source.without))
    return f"(select * from {_read(lake, [source.path])} where study_key not in ({keys}))"  # noqa: S608


def _empty(table: LakeTable, features: Sequence[str]) -> str:
    columns = {name: checks.duckdb_type(kind) for name, kind in table.columns.items()}
    if table.has_features:
        # A view cannot unpivot nothing: before the first catalogue there is one empty column.
        columns |= dict.fromkeys(features or (f"no_{table.name}_yet",), "double")
    if table.name in APPEND_ONLY:
        columns[PATH] = "varchar"
    casts = ", ".join(f"cast(null as {kind}) as {sql_name(name)}" for name, kind in columns.items())
    return f"(select {casts} where false)"
