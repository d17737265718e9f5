"""What goes on the lake: rows out of shared files first, then the files of the studies.

Everything can be done again: a file that holds no trace is not touched, so that an interrupted
purge goes on where it stood.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mpss_lib.config import Sites
from mpss_lib.pull.receiver.arrivals import arrivals_of
from mpss_lib.purge.file_texts import UnreadableError, texts_of
from mpss_lib.purge.scrub import GONE, Has, rewrite_parquet, scrub
from mpss_lib.purge.subject import Subject
from mpss_lib.purge.traces import Matcher
from mpss_lib.tables import Lake, sha256_of
from mpss_lib.whole_files import read_json, write_bytes, write_json

MEMBERS = "cohort_member"
"""Here a tombstone takes the place of the keys: a model tells that it had used somebody."""

SNAPSHOT_SUFFIXES = (".duckdb", ".wal", ".lock")


@dataclass(frozen=True)
class Found:
    """What a purge will take: whole files and folders, and files that are rewritten."""

    whole: tuple[Path, ...]
    shared: tuple[Path, ...]


def look(lake: Lake, matcher: Matcher) -> Found:
    """Find what holds traces: by name (goes whole) or inside (is rewritten)."""
    whole = tuple(_named(lake.root, matcher))
    inside = [
        path
        for path in _files(lake)
        if not any(path.is_relative_to(one) for one in whole) and _holds(path, matcher)
    ]
    return Found(whole, tuple(inside))


def _named(root: Path, matcher: Matcher) -> Iterator[Path]:
    """Files and folders whose own name holds a trace; what lies in such a folder goes with it."""
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if matcher.has(path.name):
            yield path
        elif path.is_dir():
            yield from _named(path, matcher)


def _files(lake: Lake) -> Iterator[Path]:
    for path in sorted(lake.root.rglob("*")):
        is_ours = path.suffix not in SNAPSHOT_SUFFIXES and not path.name.startswith(".tmp-")
        if path.is_file() and is_ours:
            yield path


def _holds(path: Path, matcher: Matcher) -> bool:
    if path.suffix == ".parquet":
        if path.name.startswith("study="):
            return False  # of another study: the search reads it, no row of it is shared
        return _parquet_holds(path, matcher.has)
    if path.suffix in (".json", ".html", ".csv", ".txt", ".md", ".svg", ".xml"):
        return bool(matcher.kinds(path.read_bytes()))
    return False


def _parquet_holds(path: Path, has: Has) -> bool:
    try:
        return any(has(line) for text in texts_of(path, 0) for line in text.decode().split("\n"))
    except UnreadableError:
        return False  # the search tells it: nobody can rewrite what nobody can read


def rewrite(found: Found, subject: Subject, lake: Lake, matcher: Matcher) -> dict[str, int]:
    """Take the rows out of shared files, and the units out of the manifest.

    Returns
    -------
    dict
        ``files`` rewritten and ``rows`` taken out.
    """
    counts = {"files": 0, "rows": 0}
    for path in found.shared:
        if path.suffix == ".parquet":
            replaced = subject.replaced if MEMBERS in path.parts else {}
            counts["rows"] += rewrite_parquet(path, matcher.has, replaced)
        elif path.suffix == ".json":
            counts["rows"] += _rewrite_json(path, matcher.has)
        else:
            _rewrite_text(path, matcher)
        counts["files"] += 1
    _amend_manifest(lake)
    return counts


def _rewrite_json(path: Path, has: Has) -> int:
    try:
        content = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError):
        path.unlink()
        return 1
    before = len(content.get("units", ()))
    clean = scrub(content, has)
    if before and not clean["units"]:
        path.unlink()  # a record of nobody else
    else:
        write_json(path, clean)
    return before - len(clean.get("units", ()))


def _rewrite_text(path: Path, matcher: Matcher) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    write_bytes(path, "\n".join(GONE if matcher.has(line) else line for line in lines).encode())


def _amend_manifest(lake: Lake) -> None:
    """Let the records tell the digest and the rows of the files as they are now."""
    known: dict[str, dict[str, Any]] = {}
    for path in sorted((lake.root / "manifest").rglob("*.json")):
        record = read_json(path)
        before = json.dumps(record, sort_keys=True)
        for entry in _entries(record):
            _amend(entry, lake, known)
        if json.dumps(record, sort_keys=True) != before:
            write_json(path, record)


def _entries(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(record, dict) and "path" in record and "content_sha256" in record:
        yield record
    for unit in record.get("units", ()):
        yield from unit["files"]


def _amend(entry: dict[str, Any], lake: Lake, known: dict[str, dict[str, Any]]) -> None:
    name = str(entry["path"])
    path = lake.root / name
    if Path(name).name.startswith("study=") or not path.is_file():
        return
    if name not in known:
        known[name] = {
            "n_rows": pq.read_metadata(path).num_rows,
            "content_sha256": sha256_of(path),
            "n_bytes": path.stat().st_size,
        }
    entry.update({told: value for told, value in known[name].items() if told in entry})


def remove(found: Found) -> dict[str, int]:
    """Remove the files and folders of the studies.

    Returns
    -------
    dict
        ``files`` removed, ``bytes`` of them.
    """
    counts = {"files": 0, "bytes": 0}
    for path in found.whole:
        inside = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        counts["files"] += len(inside)
        counts["bytes"] += sum(p.stat().st_size for p in inside)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return counts


def remove_rubbish(lake: Lake, sites: Sites) -> int:
    """Remove temporary files and what fetches left behind: nobody writes meanwhile."""
    staging = sites.staging
    rubbish = [*lake.root.rglob(".tmp-*"), *(staging.iterdir() if staging.is_dir() else ())]
    rubbish += arrivals_of(sites).studies()
    for path in rubbish:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return len(rubbish)
