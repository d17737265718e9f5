"""Manifest records: one for each unit and table once, and in an order that no clock decides.

Which file of a unit is current is told by the newest record. A wall clock goes back (a summer time
by hand, a dead battery, two hosts that differ), so every record carries a number that is higher
than that of every record before it in this lake: ``order``. It is kept in ``lake/order.lock`` and
counted on under a lock. Where that file is lost the names of the records tell the highest one.
Records of before have no number: they come first, by their time.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss_lib.config import Address
from mpss_lib.shelves import mark_name, on_shelf, order_of
from mpss_lib.tables import Lake, Written
from mpss_lib.whole_files import sync

_SETTLED = ("done", "skipped")


@dataclass(frozen=True)
class Unit:
    """What one task did for one key (a study, a cohort, a window), as its record tells it.

    Parameters
    ----------
    key, status : str
    files : tuple of Written
        The unit's current files in the tables of the stage; of one table the last is current.
    reasons : tuple of str
        Why it was rejected or quarantined.
    """

    key: str
    status: str
    files: tuple[Written, ...] = ()
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: str, files: Iterable[Written], *, is_new: bool) -> Unit:
        """Make the unit of files that were written now, or were there."""
        return cls(key, "done" if is_new else "skipped", tuple(files))

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Unit:
        """Take a unit as JSON has it."""
        files = tuple(Written(**file) for file in content["files"])
        return cls(content["key"], content["status"], files, tuple(content["reasons"]))


@dataclass(frozen=True)
class Record:
    """What one task did: its stage and settings, and what became of each unit.

    Parameters
    ----------
    stage : str
    address : Address
    settings : mapping
        The stage's settings section as JSON.
    run_digest, code_version : str
        Digest of the run's name, never the name: nothing may join a study key to its true date.
    units : tuple of Unit
        Each key once (``merged``).
    name, order, written_at
        Set when it is added to the manifest.
    """

    stage: str
    address: Address
    settings: Mapping[str, Any]
    run_digest: str
    code_version: str
    units: tuple[Unit, ...]
    name: str = ""
    order: int = 0
    written_at: str = ""

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Record:
        """Take a record as JSON has it; old ones have no ``order``, or a unit more than once."""
        return cls(
            content["stage"],
            Address(content["engine"], content["config"]),
            content["settings"],
            content["run_digest"],
            content["code_version"],
            merged(map(Unit.read, content["units"])),
            content["record"],
            int(content.get("order", 0)),
            content["written_at"],
        )

    def add_to(self, lake: Lake) -> Path:
        """Add it to the manifest of its stage."""
        content = {
            "stage": self.stage,
            **asdict(self.address),
            "settings": self.settings,
            "run_digest": self.run_digest,
            "code_version": self.code_version,
            "units": [asdict(unit) for unit in merged(self.units)],
        }
        told = _next_place(lake)
        marked = mark_current(lake, self.units, told["record"])
        path = lake.record(self.stage, told["record"], {**content, **told})
        for mark in marked:
            mark.unlink(missing_ok=True)
        return path


def add_record(lake: Lake, folder: str, content: Mapping[str, Any]) -> Path:
    """Add a record of another kind to a folder of the manifest, with its name, order and time."""
    told = _next_place(lake)
    return lake.record(folder, told["record"], {**content, **told})


def _next_place(lake: Lake) -> dict[str, Any]:
    now, order = datetime.now(UTC), _next_order(lake)
    name = f"{order:010d}-{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}"
    return {"record": name, "order": order, "written_at": now.isoformat()}


def mark_current(lake: Lake, units: Iterable[Unit], record: str) -> list[Path]:
    """Mark the files that a record is going to name, of units that have several.

    Returns
    -------
    list of Path
        Marks of records before it, to be removed when the record is there.
    """
    older: list[Path] = []
    for unit in units:
        for file in unit.files:
            path = lake.root / file.path
            one = on_shelf(path.parent, (unit.key,)).get(unit.key)
            if one is not None and len(one.files) > 1:
                mark = path.with_name(mark_name(path, record))
                mark.touch()
                sync(mark.parent)
                older += [
                    one.folder / name
                    for name, (_, by) in zip(reversed(one.marks), one.named(), strict=True)
                    if order_of(by) < order_of(record)
                ]
    return older


def merged(units: Iterable[Unit]) -> tuple[Unit, ...]:
    """Give each key one unit, where it first stood: a stage may do several steps for a key.

    Each file is named once, in the order of the steps: of one table the last one is current.
    ``done`` beside ``skipped`` is ``done``; any other status is the last one.
    """
    found: dict[str, Unit] = {}
    for unit in units:
        before = found.get(unit.key)
        found[unit.key] = unit if before is None else _joined(before, unit)
    return tuple(found.values())


def _joined(before: Unit, after: Unit) -> Unit:
    states = {before.status, after.status}
    status = "done" if states == set(_SETTLED) else after.status
    paths = {file.path for file in after.files}
    files = (*(file for file in before.files if file.path not in paths), *after.files)
    return Unit(before.key, status, files, tuple(dict.fromkeys(before.reasons + after.reasons)))


def raise_order(lake: Lake, at_least: int) -> None:
    """Let the next record come after one of number ``at_least``, whatever ``order.lock`` says.

    A publisher calls it, which knows every record: records may have been brought back.
    """
    with _counter(lake) as handle:
        number = max(_read(handle, lake), at_least)
        if _kept(handle) != number:
            _write(handle, number)


def _next_order(lake: Lake) -> int:
    with _counter(lake) as handle:
        number = _read(handle, lake) + 1
        _write(handle, number)
    return number


@contextmanager
def _counter(lake: Lake) -> Iterator[int]:
    lake.root.mkdir(parents=True, exist_ok=True)
    handle = os.open(lake.root / "order.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _kept(handle: int) -> int | None:
    text = os.pread(handle, 64, 0).decode("ascii", errors="replace").strip()
    return int(text) if text.isdigit() else None


def _read(handle: int, lake: Lake) -> int:
    kept = _kept(handle)
    if kept is not None:
        return kept
    names = (path.name for path in (lake.root / "manifest").glob("*/*.json"))
    return max(map(order_of, names), default=0)


def _write(handle: int, number: int) -> None:
    # One write of a fixed width: a kill leaves the old number or the new one.
    os.pwrite(handle, f"{number:020d}\n".encode(), 0)
    os.fsync(handle)
