"""One publisher at a time: its lock, the file that it builds, and what a full disk leaves.

DuckDB writes files of its own beside the one that is built (``.wal``, ``.tmp/``); they go with it,
however the publish ends. What a killed publisher left goes with the next publish.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from mpss_lib.errors import PlatformFaultError
from mpss_lib.locks import working
from mpss_lib.tables import Lake
from mpss_lib.warehouse.published import published_sequence
from mpss_lib.whole_files import replacing

UNFINISHED = ".tmp-warehouse-"
"""Start of the names of what is being built: nobody but the publisher has such files."""

WAY_OUT = (
    "free disk space or correct the rights of the home, then publish again (`mpss warehouse"
    " rebuild`, or clear the task); the published snapshot stays as it is"
)


@contextmanager
def one_publisher(lake: Lake) -> Iterator[int]:
    """Hold the publisher's lock; gives the number of this snapshot, higher at every publish."""
    with working(lake.root), _lock_file(lake) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        text = os.pread(handle, 64, 0).decode("ascii", errors="replace").strip()
        # A lock file that was removed or emptied must not make the number go back.
        sequence = 1 + (int(text) if text.isdigit() else published_sequence(lake))
        _count(handle, sequence)
        yield sequence


def _count(handle: int, sequence: int) -> None:
    """Note a number, by one write of a fixed width: a kill leaves the old one or the new one."""
    try:
        os.pwrite(handle, f"{sequence:020d}\n".encode(), 0)
        os.fsync(handle)
    except OSError as error:
        raise PlatformFaultError(
            f"warehouse.lock cannot be written: {error.strerror or error}", way_out=WAY_OUT
        ) from error


@contextmanager
def _lock_file(lake: Lake) -> Iterator[int]:
    lake.root.mkdir(parents=True, exist_ok=True)
    handle = os.open(lake.root / "warehouse.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def being_built(lake: Lake) -> Iterator[Path]:
    """Give the path of the new snapshot; it takes the published one's place if all goes well.

    Raises
    ------
    PlatformFaultError
        The disk is full or refuses, in DuckDB's words; the published snapshot stays.
    """
    try:
        with replacing(lake.snapshot, prefix=UNFINISHED) as temporary:
            try:
                yield temporary
            finally:
                for path in lake.root.glob(f"{temporary.name}.*"):
                    _remove(path)
    except duckdb.Error as error:
        raise PlatformFaultError(
            f"the snapshot cannot be built: {str(error).partition(chr(10))[0][:300]}",
            way_out=WAY_OUT,
        ) from error


def remove_unfinished(lake: Lake) -> None:
    """Remove what a killed publisher left. Call it under the publisher's lock."""
    for path in lake.root.glob(f"{UNFINISHED}*"):
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
