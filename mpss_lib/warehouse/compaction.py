"""Batch files: many landing files of one table joined into one, sorted for reading.

A batch file repeats rows of landing files, which stay (a stage that is run again looks for them).
The snapshot reads a batch instead of its members, but for the few that another file has replaced
since; where that is more than ``STALE_SHARE`` it reads the members. So a batch may be lost or
removed at any time: nothing but speed goes with it.

Two sizes: every publish joins what stands alone into batches of a night or more (``compact``), the
weekly maintenance joins those into large ones (``merge``). How a batch is laid out: ``joining``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mpss_lib.columns import schema_digest
from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.records import add_record
from mpss_lib.schemas import TABLES, LakeTable
from mpss_lib.shelves import key_of
from mpss_lib.tables import Lake, digest_of, sha256_of
from mpss_lib.warehouse.joining import Source, join
from mpss_lib.warehouse.manifest import APPEND_ONLY
from mpss_lib.whole_files import replacing

log = logging.getLogger(__name__)

RECORDS = "compaction"
"""Folder of the manifest that says which landing files a batch file repeats."""

BATCHES = "batch/"
"""Start of the paths of batch files, below the lake."""

STALE_SHARE = 0.1
"""Share of a batch's members that other files may have replaced while it is still read."""

_SEQUENCE = re.compile(r"seq=(\d+)\.parquet$")


@dataclass(frozen=True)
class Batch:
    """One batch file and the landing files whose rows it repeats (paths below the lake)."""

    table: str
    path: str
    members: Sequence[str]
    written_at: datetime
    columns: str = ""
    n_rows: int | None = None


@dataclass(frozen=True)
class Reading:
    """The files that give the current rows of one table.

    Parameters
    ----------
    batches : tuple of Source
        Batch files, each without the studies that another file replaces.
    alone : tuple of str
        Landing files, below the lake.
    columns : mapping of str to str
        Batch path -> digest of the columns with which it was written.
    """

    batches: tuple[Source, ...]
    alone: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file."""
        return (*(source.path for source in self.batches), *self.alone)


def can_compact(table: LakeTable) -> bool:
    """Whether files of this table may be joined: those with a file for each study."""
    return table.unit == "study"


def read_batches(lake: Lake) -> list[Batch]:
    """Batch files that a record names and that are there whole, oldest first.

    One that lost bytes is told and not read: its members are there.
    """
    return [
        Batch(
            record["table"],
            record["path"],
            record["members"],
            datetime.fromisoformat(record["written_at"]),
            record.get("columns", ""),
            record["n_rows"],
        )
        for record in lake.records(RECORDS)
        if record["kind"] == "batch" and _is_whole(lake.root / record["path"], record)
    ]


def batch_records(lake: Lake) -> str:
    """Digest of the names of the records that tell of batches: it changes with every new one."""
    return digest_of(sorted(path.name for path in (lake.root / "manifest" / RECORDS).glob("*")))


def _is_whole(path: Path, record: Mapping[str, Any]) -> bool:
    if not path.is_file():
        return False
    n_bytes, wanted = path.stat().st_size, record.get("n_bytes")
    if wanted in (None, n_bytes):  # records of before do not tell it
        return True
    log.warning(
        "warehouse: batch %s has %d bytes, its record says %d: its members are read instead",
        record["path"],
        n_bytes,
        wanted,
    )
    return False


def in_use(
    table: str, current: Iterable[str], batches: Sequence[Batch]
) -> tuple[list[tuple[Batch, Sequence[str]]], set[str]]:
    """Choose the batches of a table to read instead of their members: the newest first.

    A batch is chosen when all but a few of its members are current and in no batch chosen before.

    Returns
    -------
    list of (Batch, sequence of str)
        With the members that it is read for.
    set of str
        The current files that no batch is read for.
    """
    left = set(current)
    chosen = []
    for batch in reversed(batches):
        live = _live(batch, left) if batch.table == table else ()
        n_stale = len(batch.members) - len(live)
        allowed = 0 if table in APPEND_ONLY else STALE_SHARE * len(batch.members)
        if live and n_stale <= allowed:
            chosen.append((batch, live))
            left.difference_update(live)
    return chosen, left


def _live(batch: Batch, left: set[str]) -> Sequence[str]:
    """Members that are left: most often all, which is found without building anything."""
    members = batch.members
    return members if left.issuperset(members) else [path for path in members if path in left]


def prefer_batches(
    current: Mapping[str, Sequence[str]], batches: Sequence[Batch]
) -> dict[str, Reading]:
    """Put batch files in the place of their members, for each table."""
    return {table: _reading(table, paths, batches) for table, paths in current.items()}


def _reading(table: str, paths: Sequence[str], batches: Sequence[Batch]) -> Reading:
    chosen, alone = in_use(table, paths, batches)
    sources = sorted((_source(batch, live) for batch, live in chosen), key=lambda s: s.path)
    return Reading(
        tuple(sources),
        tuple(sorted(alone)),
        {batch.path: batch.columns for batch, _ in chosen},
    )


def _source(batch: Batch, live: Sequence[str]) -> Source:
    stale = set(batch.members).difference(live) if len(live) < len(batch.members) else ()
    return Source(batch.path, frozenset(map(key_of, stale)), batch.n_rows)


def has_enough_alone(readings: Mapping[str, Reading], config: Config) -> bool:
    """Whether any table has enough files that stand alone for ``compact`` to join."""
    return any(
        len(reading.alone) >= config.warehouse.compact_from
        for table, reading in readings.items()
        if can_compact(TABLES[table])
    )


def compact(
    lake: Lake,
    config: Config,
    current: Mapping[str, Sequence[str]],
    n_rows: Mapping[str, int],
) -> dict[str, int]:
    """Join landing files that stand alone into batch files, where there are enough of them.

    Call it under the publisher's lock.

    Parameters
    ----------
    lake : Lake
    config : Config
        ``warehouse.compact_from`` files at least; ``warehouse.compact_studies`` in a batch at most.
    current : mapping of table to paths
        The landing files that the snapshot shows (``manifest.current_paths``).
    n_rows : mapping of path to int
        Rows of each by its record.

    Returns
    -------
    dict
        ``batches`` and ``members`` written.

    Raises
    ------
    LakeCorruptError
        A member is gone, has other columns or other than its rows; the number of rows is not the
        sum of its members'.
    """
    batches = read_batches(lake)
    n_batches = n_members = 0
    for table, paths in _by_address(current):
        for group in _groups(table, paths, batches, config):
            sources = [Source(path, n_rows=n_rows.get(path)) for path in group]
            write_batch(lake, table, sources, group)
            n_batches, n_members = n_batches + 1, n_members + len(group)
    return {"batches": n_batches, "members": n_members}


def merge(lake: Lake, config: Config, current: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Join batch files into large ones: ``warehouse.merge_studies`` studies in each at most.

    Call it under the publisher's lock. Batches that are more than half full stay as they are.

    Parameters
    ----------
    lake, config
    current : mapping of table to paths
        As in ``compact``.

    Returns
    -------
    dict
        ``batches`` written and ``joined``: how many they replace.
    """
    batches = read_batches(lake)
    most = config.warehouse.merge_studies
    n_batches = n_joined = 0
    for table, paths in _by_address(current):
        chosen, _ = in_use(table, paths, batches)
        small = sorted(
            (pair for pair in chosen if 2 * len(pair[1]) <= most), key=lambda pair: pair[0].path
        )
        for group in _filled(small, most):
            members = sorted(path for _, live in group for path in live)
            write_batch(lake, table, [_source(*pair) for pair in group], members)
            n_batches, n_joined = n_batches + 1, n_joined + len(group)
    return {"batches": n_batches, "joined": n_joined}


def _filled(
    small: Sequence[tuple[Batch, Sequence[str]]], most: int
) -> Iterator[list[tuple[Batch, Sequence[str]]]]:
    """Fill groups of at least two batches up to ``most`` members."""
    group: list[tuple[Batch, Sequence[str]]] = []
    for pair in small:
        if group and sum(len(live) for _, live in group) + len(pair[1]) > most:
            if len(group) > 1:
                yield group
            group = []
        group.append(pair)
    if len(group) > 1:
        yield group


def _by_address(current: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    """Tables that can be compacted, with the files of one engine and config at a time."""
    for table, paths in current.items():
        if can_compact(TABLES[table]):
            folders: dict[str, list[str]] = {}
            for path in paths:
                folders.setdefault(path.rsplit("/", 2)[0], []).append(path)
            yield from ((table, found) for _, found in sorted(folders.items()))


def _groups(
    table: str, paths: Sequence[str], batches: Sequence[Batch], config: Config
) -> Iterator[list[str]]:
    """Members of each new batch: what stands alone, with the batches that are less than half full.

    Without that, every call would leave a small batch behind.
    """
    most = config.warehouse.compact_studies
    chosen, alone = in_use(table, paths, batches)
    if len(alone) < config.warehouse.compact_from:
        return
    for _, live in chosen:
        if 2 * len(live) < most:
            alone.update(live)
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
    used = {
        batch.path
        for table, paths in current.items()
        for batch, _ in in_use(table, paths, batches)[0]
    }
    last = {record["path"]: record for record in lake.records(RECORDS)}
    gone = []
    for batch in batches:
        record = last[batch.path]
        is_retired = record["kind"] == "retired"
        if (batch.path in used) == is_retired:
            kind = "back" if is_retired else "retired"
            add_record(lake, RECORDS, {"kind": kind, "table": batch.table, "path": batch.path})
        elif is_retired and datetime.fromisoformat(record["written_at"]) < oldest:
            gone.append(lake.root / batch.path)
    unknown = [
        path
        for path in sorted((lake.root / "batch").rglob("seq=*.parquet"))
        if lake.relative(path) not in last
    ]
    return gone, unknown


def write_batch(lake: Lake, table: str, sources: Sequence[Source], members: Sequence[str]) -> None:
    """Write one batch file from the sources, and the record that says whose rows it repeats."""
    path = _next_path(lake, members[0])
    with replacing(path) as temporary:
        wanted = join(lake, table, sources, temporary)
        n_rows = pq.read_metadata(temporary).num_rows
        if n_rows != wanted:
            raise LakeCorruptError(
                f"batch of {table} has {n_rows} rows, its {len(members)} members have {wanted}",
                way_out="run the maintenance again; the landing files are as they were",
            )
        columns = schema_digest(pq.read_schema(temporary))
    record = {"kind": "batch", "table": table, "path": lake.relative(path), "n_rows": n_rows}
    record |= {"columns": columns, "content_sha256": sha256_of(path)}
    record["n_bytes"] = path.stat().st_size
    add_record(lake, RECORDS, record | {"members": sorted(members)})
    log.info("warehouse: %s: %d files joined into %s", table, len(sources), path.name)


def _next_path(lake: Lake, member: str) -> Path:
    """First free number beside the batches of the same table, engine and config."""
    folder = lake.root.joinpath("batch", *Path(member).parts[1:-2])
    numbers = [int(m.group(1)) for p in folder.glob("seq=*.parquet") if (m := _match(p))]
    return folder / f"seq={max(numbers, default=0) + 1}.parquet"


def _match(path: Path) -> re.Match[str] | None:
    return _SEQUENCE.search(path.name)
