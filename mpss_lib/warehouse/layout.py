"""Where files lie on the lake: a home of before is brought to today's layout when first opened.

Version 1 had all landing files of one table, engine and config in one folder; today they lie on
shelves (``mpss_lib.shelves``). Nothing is copied: each file gets its second name on its shelf, then
the manifest is told the new names. The old names stay for readers that hold an older snapshot open,
until maintenance removes them. A migration that was killed goes on where it stood: each step is
done again only where it is not done.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from mpss_lib.errors import LakeCorruptError
from mpss_lib.locks import alone
from mpss_lib.shelves import FILE, key_of, mark_name, on_shelf, shelf_of
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import APPEND_ONLY
from mpss_lib.whole_files import read_json, sync, write_json

log = logging.getLogger(__name__)

VERSION = 2

Progress = Callable[[str], None]


def layout_path(lake: Lake) -> Path:
    """File that tells the version of the layout."""
    return lake.root / "layout.json"


def bring_up_to_date(lake: Lake, *, progress: Progress | None = None) -> dict[str, int]:
    """Bring a lake of before to today's layout; a new one is only marked.

    Whoever opens the home meanwhile waits.

    Parameters
    ----------
    lake : Lake
    progress : callable, optional
        Called with the name of each phase: ``shelves``, ``manifest``, ``marks``, ``done``.

    Returns
    -------
    dict
        ``files`` that got a name on a shelf, ``records`` rewritten; empty where nothing was due.

    Raises
    ------
    WritersAtWorkError
        A task of the version before is still writing.
    LakeCorruptError
        The lake was written by a later version.
    """
    if version_of(lake) == VERSION or not lake.root.is_dir():
        return {}
    with (lake.root / "layout.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if version_of(lake) == VERSION:
            return {}
        counts: dict[str, int] = {}
        if (lake.root / "landing").is_dir():
            with alone(lake.root, "bringing the lake to today's layout"):
                counts = _migrate(lake, progress or (lambda phase: None))
                log.warning("lake: brought to today's layout: %s", counts)
        write_json(layout_path(lake), {"version": VERSION})
    return counts


def version_of(lake: Lake) -> int:
    """Version of the layout that a lake has now.

    Raises
    ------
    LakeCorruptError
        It was written by a later version.
    """
    path = layout_path(lake)
    found = int(read_json(path)["version"]) if path.exists() else 1
    if found > VERSION:
        raise LakeCorruptError(
            f"the lake has layout {found}, this version knows {VERSION}",
            way_out="install the release that wrote it, or a later one",
        )
    return found


def _migrate(lake: Lake, tell: Progress) -> dict[str, int]:
    tell("shelves")
    n_files = sum(_put_on_shelves(folder) for folder in _folders(lake))
    tell("manifest")
    n_records = sum(_rename_in(path) for path in sorted((lake.root / "manifest").glob("*/*.json")))
    tell("marks")
    for folder in sorted((lake.root / "manifest").glob("*")):
        _mark(lake, folder.name)
    tell("done")
    return {"files": n_files, "records": n_records}


def _folders(lake: Lake) -> Iterator[Path]:
    yield from sorted((lake.root / "landing").glob("*/engine=*/config=*"))


def left_over(lake: Lake) -> Iterator[Path]:
    """Names of landing files beside the shelves: those that they had before."""
    for folder in _folders(lake):
        yield from (path for path in sorted(folder.glob(f"*{FILE}")) if path.is_file())


def is_left_over(path: Path) -> bool:
    """Whether a path of the lake is such a name."""
    *_, landing, _, _, config, _ = ("", "", "", "", *path.parts)
    return path.suffix == FILE and landing == "landing" and config.startswith("config=")


def _put_on_shelves(folder: Path) -> int:
    n_new = 0
    shelves: set[Path] = set()
    for path in sorted(folder.glob(f"*{FILE}")):
        place = folder / shelf_of(key_of(path)) / path.name
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            place.hardlink_to(path)
            shelves.add(place.parent)
            n_new += 1
    for shelf in (*sorted(shelves), folder):
        sync(shelf)
    return n_new


def shelved(path: str) -> str:
    """Path below the lake that a landing file has today; any other path as it is."""
    parts = path.split("/")
    if parts[0] != "landing" or len(parts) != 5:  # landing, table, engine, config, name
        return path
    return "/".join([*parts[:4], shelf_of(key_of(path)), parts[4]])


def _rename_in(path: Path) -> int:
    """Tell one record the new names; gives 1 where it had old ones.

    A batch of an append-only table keeps its members' old names, as its rows do: they are current
    no more, so that the next publish joins the files anew.
    """
    record = read_json(path)
    before = repr(record)
    for unit in record.get("units", ()):
        for file in unit["files"]:
            file["path"] = shelved(file["path"])
    if "members" in record and record["table"] not in APPEND_ONLY:
        record["members"] = sorted(map(shelved, record["members"]))
    if repr(record) == before:
        return 0
    write_json(path, record)
    return 1


def _mark(lake: Lake, stage: str) -> None:
    """Mark the current file of each unit of a stage that has several."""
    newest: dict[tuple[Path, str], tuple[Path, str]] = {}
    for record in lake.records(stage):
        for unit in record.get("units", ()):
            for file in unit["files"]:
                path = lake.root / file["path"]
                newest[path.parent, unit["key"]] = (path, record["record"])
    shelves: dict[Path, list[tuple[str, Path, str]]] = {}
    for (shelf, key), (path, record_name) in newest.items():
        shelves.setdefault(shelf, []).append((key, path, record_name))
    for shelf, units in shelves.items():
        there = on_shelf(shelf)
        for key, path, record_name in units:
            one = there.get(key)
            if one is not None and len(one.files) > 1:
                (shelf / mark_name(path, record_name)).touch()
        sync(shelf)
