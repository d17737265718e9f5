"""One sorted Parquet file out of many: how batch files are laid out.

Feature tables are sorted (bins, segment, study). A row group never holds two grey levels, and holds
one segment where that gives at least ``MIN_ROWS`` rows: then one feature at one grey level, or the
matrix of one segment, reads little. Smaller row groups cost more than they save, because their
description in the file's footer grows with the 431 columns and is read at every query. For the same
reason only the keys carry statistics. The other tables are sorted by their grain, in one row group.

The same rows give the same bytes, whatever files they came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mpss_lib.columns import check_columns
from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import REAL, TABLES, TEXT, LakeTable
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import APPEND_ONLY

MIN_ROWS = 2000
"""Rows of a row group of features at least, unless its grey level has no more."""

PAGE_ROWS = 1024
"""Rows of a page: a reader of one study skips the pages of the others unread."""

PATH = "lake_path"
"""Column of the batches of append-only tables: the landing file that a row came from."""


@dataclass(frozen=True)
class Source:
    """A file to read rows from, without those of some studies.

    Parameters
    ----------
    path : str
        Below the lake; a landing file or a batch file.
    without : frozenset of str
        Study keys whose rows are left out: other files have newer ones.
    """

    path: str
    without: frozenset[str] = frozenset()


def join(lake: Lake, table: str, sources: Sequence[Source], path: Path) -> int:
    """Write the rows of the sources into one sorted file; gives how many they have.

    Parameters
    ----------
    lake : Lake
    table : str
    sources : sequence of Source
        Files of one table, engine and config. One grey level of all of them is held in memory at
        a time: 30 kB for a study.
    path : Path

    Raises
    ------
    LakeCorruptError
        A source is gone, or differs in a column; it is named.
    """
    spec = TABLES[table]
    first = _columns(lake, spec, sources)
    writer: pq.ParquetWriter | None = None
    try:
        for level in _levels(lake, spec, sources):
            data = pa.concat_tables(
                [_read(lake, spec, source, level).select(first) for source in sources]
            )
            data = data.sort_by([(name, "ascending") for name in _order(spec)])
            writer = writer or _writer(path, data.schema, spec)
            for part in _row_groups(data, spec):
                writer.write_table(part, row_group_size=max(part.num_rows, 1))
    finally:
        if writer is not None:
            writer.close()
    return sum(_n_rows(lake, source) for source in sources)


def _columns(lake: Lake, spec: LakeTable, sources: Sequence[Source]) -> list[str]:
    """Columns of the batch: those of the first source, which every other one must have."""
    names: list[str] = []
    for source in sources:
        schema = _schema(lake, source.path)
        if spec.name in APPEND_ONLY:
            names = [*spec.columns, PATH]
            continue
        features = [name for name in names if name not in spec.columns]
        check_columns(spec, schema, source.path, features=features)
        names = names or list(schema.names)
    return names


def _schema(lake: Lake, path: str) -> pa.Schema:
    if not (lake.root / path).is_file():
        raise LakeCorruptError(
            f"{path} that the manifest names is gone",
            way_out="restore it from the backup, or run its stage again with force",
        )
    return pq.read_schema(lake.root / path)


def _levels(lake: Lake, spec: LakeTable, sources: Sequence[Source]) -> list[int | None]:
    """Grey levels to be joined one after the other; only ``None`` where there are none."""
    if "bins" not in spec.columns:
        return [None]
    found: set[int] = set()
    for source in sources:
        found |= set(pq.read_table(lake.root / source.path, columns=["bins"])["bins"].to_pylist())
    return [*sorted(found)] or [None]


def _n_rows(lake: Lake, source: Source) -> int:
    """Rows of a source, counted from its keys alone."""
    keys = pq.read_table(lake.root / source.path, columns=["study_key"], partitioning=None)
    return sum(key not in source.without for key in keys["study_key"].to_pylist())


def _read(lake: Lake, spec: LakeTable, source: Source, level: int | None) -> pa.Table:
    data = pq.read_table(
        lake.root / source.path,
        partitioning=None,
        filters=None if level is None else [("bins", "=", level)],
    )
    if spec.name in APPEND_ONLY:
        data = _with_path(data, spec, source.path)
    if source.without:
        stale = pc.is_in(data["study_key"], value_set=pa.array(sorted(source.without)))
        data = data.filter(pc.invert(stale))
    return data


def _with_path(data: pa.Table, spec: LakeTable, path: str) -> pa.Table:
    """Add the landing file of each row, and nulls for a column that came after the file."""
    for name, kind in spec.columns.items():
        if name not in data.column_names:
            data = data.append_column(name, pa.nulls(data.num_rows, kind))
    if PATH not in data.column_names:
        data = data.append_column(PATH, pa.array([path] * data.num_rows, TEXT))
    return data


def _order(spec: LakeTable) -> list[str]:
    if spec.has_features:
        return [name for name in ("bins", "segment", "study_key") if name in spec.columns]
    return [*spec.grain, *([PATH] if spec.name in APPEND_ONLY else [])]


def _writer(path: Path, schema: pa.Schema, spec: LakeTable) -> pq.ParquetWriter:
    doubles = [field.name for field in schema if field.type == REAL]
    texts = [name for name, kind in spec.columns.items() if kind == TEXT]
    keys = _order(spec) if spec.has_features else True
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=texts,
        column_encoding=dict.fromkeys(doubles, "BYTE_STREAM_SPLIT"),
        write_statistics=keys,
        max_rows_per_page=PAGE_ROWS,
        store_schema=False,
    )


def _row_groups(data: pa.Table, spec: LakeTable) -> Iterator[pa.Table]:
    """Cut the sorted features of one grey level where the segment changes."""
    if not spec.has_features or not data.num_rows:
        yield data
        return
    segments = data["segment"].to_pylist()
    changes = [i for i in range(1, len(segments)) if segments[i] != segments[i - 1]]
    starts = [0]
    for place in changes:
        if place - starts[-1] >= MIN_ROWS:
            starts.append(place)
    for start, end in pairwise([*starts, len(segments)]):
        yield data.slice(start, end - start)
