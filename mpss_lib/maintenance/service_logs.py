"""Logs of the services: packed when they are large, while the service goes on writing.

A service holds its log open to append (O_APPEND), and nothing tells it to open another: the file
is copied and cut to nothing, as logrotate's ``copytruncate`` does. A kill leaves the lines twice,
never none; a line that is written in the moment between the last read and the cut is lost.
"""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.whole_files import replacing

MEGABYTE = 10**6


def pack(folder: Path, most_mb: float, now: float) -> int:
    """Pack each ``<service>.log`` that is larger than ``most_mb``.

    Parameters
    ----------
    folder : Path
        ``<home>/logs``.
    most_mb : float
        Megabytes; 0: never.
    now : float
        Seconds since 1970: the time in the name ``<service>-<time>.log.gz``.

    Returns
    -------
    int
        Logs that were packed.
    """
    if not most_mb:
        return 0
    large = [p for p in sorted(folder.glob("*.log")) if p.stat().st_size > most_mb * MEGABYTE]
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    for path in large:
        _pack(path, path.with_name(f"{path.stem}-{stamp}.log.gz"))
    return len(large)


def _pack(path: Path, packed: Path) -> None:
    with path.open("r+b") as log:
        with replacing(packed, mode=PRIVATE_FILE) as temporary, gzip.open(temporary, "wb") as copy:
            shutil.copyfileobj(log, copy)
        with gzip.open(packed, "ab") as copy:  # what was written meanwhile
            shutil.copyfileobj(log, copy)
        log.truncate(0)
        os.fsync(log.fileno())
