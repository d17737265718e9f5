"""Lines of log files: overwritten in place, so that a process which writes the log goes on.

A log may be open in a running service. Its lines are therefore neither moved nor cut out: a line
with a trace is overwritten byte by byte with as many others. A packed log is written again.
"""

from __future__ import annotations

import gzip
import json
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from mpss_lib.purge.scrub import GONE
from mpss_lib.purge.traces import Matcher
from mpss_lib.whole_files import replacing


def log_files(folders: list[Path]) -> Iterator[Path]:
    """Every file below the folders of logs."""
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def clean_log(path: Path, matcher: Matcher) -> int:
    """Overwrite the lines of a log that hold a trace.

    Returns
    -------
    int
        Lines overwritten.
    """
    if path.suffix == ".gz":
        return _clean_packed(path, matcher)
    if not path.stat().st_size:
        return 0
    changed = 0
    with path.open("r+b") as handle, mmap.mmap(handle.fileno(), 0) as content:
        if not matcher.kinds(content[:]):
            return 0
        at = 0
        while at < len(content):
            end = content.find(b"\n", at)
            end = len(content) if end < 0 else end
            if matcher.kinds(content[at:end]):
                content[at:end] = filler(content[at:end])
                changed += 1
            at = end + 1
        content.flush()
        os.fsync(handle.fileno())
    return changed


def _clean_packed(path: Path, matcher: Matcher) -> int:
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    changed = [matcher.kinds(line) for line in lines]
    if not any(changed):
        return 0
    clean = [filler(a) if bad else a for a, bad in zip(lines, changed, strict=True)]
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(b"\n".join(clean), mtime=0))
    return sum(map(bool, changed))


def filler(line: bytes) -> bytes:
    """Make a line of the same length that says only that something stood here.

    A line that was JSON stays JSON with its time, because Airflow's UI reads it.
    """
    try:
        told = json.loads(line)
        time = str(told.get("timestamp", ""))
        parts = {"timestamp": time, "level": "info", "event": GONE} if time else {"event": GONE}
        text = json.dumps(parts).encode()
    except (ValueError, AttributeError):
        text = f"({GONE})".encode()
    return text.ljust(len(line)) if len(text) <= len(line) else b" " * len(line)
