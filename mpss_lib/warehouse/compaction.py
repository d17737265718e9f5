"""Batch files: many landing files of one table joined into one, sorted for reading.

A batch file repeats rows of landing files, which stay (a stage that is run again looks for them).
The snapshot reads a batch instead of its members while every member is current; else it reads the
members. So a batch may be lost or removed at any time: nothing but speed goes with it.

Feature tables are sorted (bins, segment, study) with one row group for each (bins, segment), so
that one feature at one grey level or the matrix of one segment reads little; the other tables are
sorted by their grain. The same members give the same bytes.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import REAL, TABLES, TEXT, LakeTable
from mpss_lib.tables import Lake, read_parquet, replacing, sha256_of
from mpss_lib.warehouse.manifest import APPEND_ONLY

log = logging.getLogger(__name__)

RECORDS = "compaction"
"""Folder of the manifest that says which landing files a batch file repeats."""

_SEQUENCE = re.compile(r"seq=(\d+)\.parquet$")


@dataclass(frozen=True)
class Batch:
    """One batch file and the landing files whose rows it repeats (paths below the lake)."""

    table: str
    path: str
    members: frozenset[str]
    written_at: datetime


def can_compact(table: LakeTable) -> bool:
    """Whether files of this table may be joined: one for each study, replaced as a whole."""
    return table.unit == "study" and table.name not in APPEND_ONLY


def read_batches(lake: Lake) -> list[Batch]:
    """Batch files that a record names and that are there, oldest first."""
    return [
        Batch(
            record["table"],
            record["path"],
            frozenset(record["members"]),
            datetime.fromisoformat(record["written_at"]),
        )
        for record in lake.records(RECORDS)
        if record["kind"] == "batch" and (lake.root / record["path"]).is_file()
    ]


def in_use(table: str, current: Sequence[str], batches: Sequence[Batch]) -> list[Batch]:
    """Choose the batches of a table to read instead of their members: the newest first.

    A batch is chosen when all its members are current and none is in a batch chosen before.
    """
    left = set(current)
    chosen = []
    for batch in reversed(batches):
        if batch.table == table and batch.members <= left:
            chosen.append(batch)
            left -= batch.members
    return chosen


def prefer_batches(
    current: Mapping[str, Sequence[str]], batches: Sequence[Batch]
) -> dict[str, tuple[str, ...]]:
    """Put batch files in the place of their members, for each table."""
    found = {}
    for table, paths in current.items():
        chosen = in_use(table, paths, batches)
        covered = frozenset().union(*(batch.members for batch in chosen))
        kept = [path for path in paths if path not in covered]
        found[table] = (*sorted(batch.path for batch in chosen), *kept)
    return found


def compact(lake: Lake, config: Config, current: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Join landing files that stand alone into batch files, where there are enough of them.

    Call it under the publisher's lock.

    Parameters
    ----------
    lake : Lake
    config : Config
        ``warehouse.compact_from`` files at least; ``warehouse.compact_studies`` in a batch at most.
    current : mapping of table to paths
        The landing files that the snapshot shows (``manifest.current_paths``).

    Returns
    -------
    dict
        ``batches`` and ``members`` written.

    Raises
    ------
    LakeCorruptError
        A member is gone or has other columns; the number of rows is not the sum of its members'.
    """
    batches = read_batches(lake)
    n_batches = n_members = 0
    for table, paths in current.items():
        if not can_compact(TABLES[table]):
            continue
        for group in _groups(table, paths, batches, config):
            _write(lake, table, group)
            n_batches, n_members = n_batches + 1, n_members + len(group)
    return {"batches": n_batches, "members": n_members}


def _groups(
    table: str, paths: Sequence[str], batches: Sequence[Batch], config: Config
) -> Iterator[list[str]]:
    """Members of each new batch: what stands alone, with the batches that are less than half full.

    Without that, every call would leave a small batch behind.
    """
    most = config.warehouse.compact_studies
    chosen = in_use(table, paths, batches)
    covered = frozenset().union(*(batch.members for batch in chosen))
    alone = set(paths) - covered
    if len(alone) < config.warehouse.compact_from:
        return
    for batch in chosen:
        if 2 * len(batch.members) < most:
            alone |= batch.members
    ordered = sorted(alone)
    for start in range(0, len(ordered), most):
        group = ordered[start : start + most]
        if len(group) >= config.warehouse.compact_from:
            yield group


def retire(
    lake: Lake, current: Mapping[str, Sequence[str]], oldest: datetime
) -> tuple[list[Path], list[Path]]:
    """Find batch files that can go: (no longer in use since ``oldest``, named by no record).

    A batch goes out of use when a member is superseded or a newer batch repeats all of it. When
    that is seen first, a record says so; the file can go once that record is older than
    ``oldest``, because a reader may still hold a snapshot that names it.

    Parameters
    ----------
    lake : Lake
    current : mapping of table to paths
        The current landing files of every engine and config.
    oldest : datetime
        UTC, with time zone.
    """
    batches = read_batches(lake)
    used = {b.path for table, paths in current.items() for b in in_use(table, paths, batches)}
    last = {record["path"]: record for record in lake.records(RECORDS)}
    gone = []
    for batch in batches:
        record = last[batch.path]
        is_retired = record["kind"] == "retired"
        if (batch.path in used) == is_retired:
            kind = "back" if is_retired else "retired"
            add_record(lake, {"kind": kind, "table": batch.table, "path": batch.path})
        elif is_retired and datetime.fromisoformat(record["written_at"]) < oldest:
            gone.append(lake.root / batch.path)
    unknown = [
        path
        for path in sorted((lake.root / "batch").rglob("seq=*.parquet"))
        if lake.relative(path) not in last
    ]
    return gone, unknown


def _write(lake: Lake, table: str, members: Sequence[str]) -> None:
    spec = TABLES[table]
    parts = [_read(lake, table, member) for member in members]
    columns = parts[0].column_names
    data = pa.concat_tables([part.select(columns) for part in parts])
    order = _order(spec)
    data = data.sort_by([(name, "ascending") for name in order])
    path = _next_path(lake, members[0])
    with replacing(path) as temporary:
        _write_sorted(data, spec, temporary)
        n_rows = pq.read_metadata(temporary).num_rows
        if n_rows != sum(part.num_rows for part in parts):
            raise LakeCorruptError(
                f"batch of {table} has {n_rows} rows, its members have others",
                way_out="run the maintenance again; the landing files are as they were",
            )
    record = {"kind": "batch", "table": table, "path": lake.relative(path), "n_rows": n_rows}
    add_record(lake, record | {"members": sorted(members), "content_sha256": sha256_of(path)})
    log.info("warehouse: %s: %d files joined into %s", table, len(members), path.name)


def add_record(lake: Lake, record: Mapping[str, Any]) -> None:
    """Add one record to the manifest of batch files."""
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}"
    lake.record(RECORDS, name, {**record, "record": name, "written_at": now.isoformat()})


def _read(lake: Lake, table: str, member: str) -> pa.Table:
    path = lake.root / member
    if not path.is_file():
        raise LakeCorruptError(
            f"{member} that the manifest names is gone",
            way_out="restore it from the backup, or run its stage again with force",
        )
    return read_parquet(path, table)


def _order(spec: LakeTable) -> list[str]:
    if spec.has_features:
        return [name for name in ("bins", "segment", "study_key") if name in spec.columns]
    return list(spec.grain)


def _next_path(lake: Lake, member: str) -> Path:
    """First free number beside the batches of the same table, engine and config."""
    landing, *below, _ = Path(member).parts
    folder = lake.root.joinpath("batch" if landing == "landing" else landing, *below)
    numbers = [int(m.group(1)) for p in folder.glob("seq=*.parquet") if (m := _match(p))]
    return folder / f"seq={max(numbers, default=0) + 1}.parquet"


def _match(path: Path) -> re.Match[str] | None:
    return _SEQUENCE.search(path.name)


def _write_sorted(data: pa.Table, spec: LakeTable, path: Path) -> None:
    doubles = [field.name for field in data.schema if field.type == REAL]
    texts = [name for name, kind in spec.columns.items() if kind == TEXT]
    writer = pq.ParquetWriter(
        path,
        data.schema,
        compression="zstd",
        use_dictionary=texts,
        column_encoding=dict.fromkeys(doubles, "BYTE_STREAM_SPLIT"),
        store_schema=False,
    )
    with writer:
        for part in _row_groups(data, spec):
            writer.write_table(part, row_group_size=max(part.num_rows, 1))


def _row_groups(data: pa.Table, spec: LakeTable) -> Iterator[pa.Table]:
    """Cut sorted features where the grey level or the segment changes."""
    names = [name for name in _order(spec) if name != "study_key"] if spec.has_features else []
    if not names or not data.num_rows:
        yield data
        return
    keys = pc.binary_join_element_wise(
        *(pc.cast(data[name], pa.string()) for name in names), "/"
    ).to_pylist()
    starts = [0, *(i for i in range(1, len(keys)) if keys[i] != keys[i - 1]), len(keys)]
    for start, end in pairwise(starts):
        yield data.slice(start, end - start)
