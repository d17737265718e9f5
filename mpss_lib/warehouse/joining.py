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
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mpss_lib.columns import check_columns
from mpss_lib.errors import LakeCorruptError
from mpss_lib.parquet import WAY_OUT, named_damage, read_footer, read_whole, writer
from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.schemas import REAL, TABLES, TEXT, LakeTable
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import APPEND_ONLY

MIN_ROWS = 2000
"""Rows of a row group of features at least, unless its grey level has no more."""

PAGE_ROWS = 1024
"""Rows of a page: a reader of one study skips the pages of the others unread."""

PATH = "lake_path"
"""Column of the batches of append-only tables: the landing file that a row came from."""


ROWS_AT_ONCE = 32_000
"""Rows that are held in memory, unless one grey level of all sources has more."""


@dataclass(frozen=True)
class Source:
    """A file to read rows from, without those of some studies.

    Parameters
    ----------
    path : str
        Below the lake; a landing file or a batch file.
    without : frozenset of str
        Study keys whose rows are left out: other files have newer ones.
    n_rows : int, optional
        Rows that it has by its record.
    """

    path: str
    without: frozenset[str] = frozenset()
    n_rows: int | None = None


def join(lake: Lake, table: str, sources: Sequence[Source], path: Path) -> int:
    """Write the rows of the sources into one sorted file; gives how many they have.

    Parameters
    ----------
    lake : Lake
    table : str
    sources : sequence of Source
        Files of one table, engine and config. A file of 431 columns costs far more to open than
        its rows do: each is read once, or once for as many grey levels as ``ROWS_AT_ONCE`` allows
        (3.5 kB a row, held twice while they are sorted).
    path : Path

    Raises
    ------
    LakeCorruptError
        A source is gone or cannot be read, differs in a column, or has other than its rows; it is
        named.
    """
    spec = TABLES[table]
    names, n_all = _columns(lake, spec, sources)
    n_rows = 0
    file: pq.ParquetWriter | None = None
    try:
        for levels in _passes(lake, spec, sources, n_all):
            if spec.has_features:
                data = _read_wide(lake, spec, sources, names, levels)
            else:
                parts = [_read(lake, spec, source).select(names) for source in sources]
                data = pa.concat_tables(parts)
            n_rows += data.num_rows
            data = data.sort_by([(name, "ascending") for name in _order(spec)])
            file = file or writer(
                path,
                data.schema,
                spec,
                write_statistics=_order(spec) if spec.has_features else True,
                max_rows_per_page=PAGE_ROWS,
            )
            for part in _row_groups(data, spec):
                file.write_table(part, row_group_size=max(part.num_rows, 1))
    finally:
        if file is not None:
            file.close()
    return n_rows


def _columns(lake: Lake, spec: LakeTable, sources: Sequence[Source]) -> tuple[list[str], int]:
    """Columns of the batch and rows of all sources.

    The columns are those of the first source, and every other one must have them.
    """
    names: list[str] = []
    n_rows = 0
    checked: pq.ParquetSchema | None = None
    for source in sources:
        footer = footer_of(lake, source.path, source.n_rows)
        n_rows += footer.num_rows
        if spec.name in APPEND_ONLY:
            names = [*spec.columns, PATH]
        if spec.name in APPEND_ONLY or (checked is not None and footer.schema.equals(checked)):
            continue
        checked = footer.schema
        schema = checked.to_arrow_schema()
        features = [name for name in names if name not in spec.columns]
        check_columns(spec, schema, source.path, features=features)
        names = names or list(spec.columns if spec.later else schema.names)
    return names, n_rows


def footer_of(lake: Lake, path: str, n_rows: int | None = None) -> pq.FileMetaData:
    """Read the footer of a Parquet file below the lake.

    Parameters
    ----------
    lake : Lake
    path : str
        Below the lake.
    n_rows : int, optional
        Rows that it has by its record.

    Raises
    ------
    LakeCorruptError
        It is gone, cannot be read, or has other than its rows.
    """
    if not (lake.root / path).is_file():
        raise LakeCorruptError(f"{path} that the manifest names is gone", way_out=WAY_OUT)
    return read_footer(lake.root / path, n_rows, name=path)


def _passes(
    lake: Lake, spec: LakeTable, sources: Sequence[Source], n_rows: int
) -> list[frozenset[int] | None]:
    """Grey levels to be held at a time, in their order; only ``None`` where all are held."""
    if "bins" not in spec.columns or n_rows <= ROWS_AT_ONCE:
        return [None]
    found: set[int] = set()
    for source in sources:
        found |= set(pq.read_table(lake.root / source.path, columns=["bins"])["bins"].to_pylist())
    levels = sorted(found)
    each = max(1, ROWS_AT_ONCE * len(levels) // n_rows)
    return [frozenset(levels[start : start + each]) for start in range(0, len(levels), each)]


def _read_wide(
    lake: Lake,
    spec: LakeTable,
    sources: Sequence[Source],
    names: Sequence[str],
    levels: frozenset[int] | None,
) -> pa.Table:
    """Rows of feature files: DuckDB decodes hundreds of columns at a quarter of Arrow's cost."""
    kinds = dict(spec.columns)
    schema = pa.schema([(name, kinds.get(name, REAL)) for name in names])
    by_stale: dict[frozenset[str], list[str]] = {}
    for source in sources:
        by_stale.setdefault(source.without, []).append(source.path)
    columns = ", ".join(sql_name(name) for name in names)
    selects = []
    for without, paths in by_stale.items():
        files = ", ".join(sql_text(lake.root.resolve() / path) for path in paths)
        rules = [f"study_key not in ({', '.join(map(sql_text, sorted(without)))})"] * bool(without)
        if levels is not None:
            rules.append(f"bins in ({', '.join(map(str, sorted(levels)))})")
        where = f" where {' and '.join(rules)}" if rules else ""
        selects.append(
            f"select {columns} from read_parquet([{files}], hive_partitioning = false){where}"  # noqa: S608
        )
    try:
        with closing(duckdb.connect(config={"threads": 1})) as connection:
            return connection.sql(" union all ".join(selects)).to_arrow_table().cast(schema)
    except duckdb.Error as error:
        for source in sources:  # which one, and in the words of every damaged file
            with named_damage(source.path):
                read_whole(lake.root / source.path)
        raise LakeCorruptError(
            f"files of {spec.name} cannot be joined: {str(error).partition(chr(10))[0][:200]}",
            way_out=WAY_OUT,
        ) from error


def _read(lake: Lake, spec: LakeTable, source: Source) -> pa.Table:
    with named_damage(source.path):
        data = _with_nulls(read_whole(lake.root / source.path), spec)
    if spec.name in APPEND_ONLY and PATH not in data.column_names:
        data = data.append_column(PATH, pa.array([source.path] * data.num_rows, TEXT))
    if source.without:
        stale = pc.is_in(data["study_key"], value_set=pa.array(sorted(source.without)))
        data = data.filter(pc.invert(stale))
    return data


def _with_nulls(data: pa.Table, spec: LakeTable) -> pa.Table:
    """Add nulls for columns that came after the file, where the table may lack them."""
    may_lack = spec.columns if spec.name in APPEND_ONLY else spec.later
    for name in (name for name in spec.columns if name in may_lack):
        if name not in data.column_names:
            data = data.append_column(name, pa.nulls(data.num_rows, spec.columns[name]))
    return data


def _order(spec: LakeTable) -> list[str]:
    if spec.has_features:
        return [name for name in ("bins", "segment", "study_key") if name in spec.columns]
    return [*spec.grain, *([PATH] if spec.name in APPEND_ONLY else [])]


def _row_groups(data: pa.Table, spec: LakeTable) -> Iterator[pa.Table]:
    """Cut the sorted features where the grey level or, with enough rows, the segment changes."""
    if not spec.has_features or not data.num_rows:
        yield data
        return
    segments = data["segment"].to_pylist()
    levels = data["bins"].to_pylist() if "bins" in spec.columns else [0] * len(segments)
    starts = [0]
    for place in range(1, len(segments)):
        is_next = levels[place] != levels[place - 1]
        has_enough = place - starts[-1] >= MIN_ROWS
        if is_next or (has_enough and segments[place] != segments[place - 1]):
            starts.append(place)
    for start, end in pairwise([*starts, len(segments)]):
        yield data.slice(start, end - start)
