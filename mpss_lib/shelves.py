"""How a landing file is called, and on which shelf it lies: looking one up lists one small folder.

The files of one table, engine and config lie in folders named by the last two characters of their
unit's key: 256 shelves for keys that end in hex digits, some 800 names on each at 200,000 studies::

    <last two of key>/<unit>=<key>.<input digest>.parquet
    <last two of key>/<unit>=<key>.<input digest>.<record>.current

Beside the files of a unit that has several lies an empty one whose name says which is current: it
counts if its manifest record is there, and the newest record's counts. It is written before the
record, so that a kill leaves it without one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

FILE, CURRENT = ".parquet", ".current"

_NUMBERED = re.compile(r"(\d{10})-")


def newest(paths: Iterable[Path]) -> Path:
    """Give the file that was written last, where nothing else says which is current."""
    return max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


def shelf_of(key: str) -> str:
    """Name of the folder that holds the files of a unit."""
    return key[-2:]


def file_name(unit: str, key: str, digest: str) -> str:
    """Name of the file of a unit for one input."""
    return f"{unit}={key}.{digest}{FILE}"


def mark_name(path: Path, record: str) -> str:
    """Name of the empty file which says that a record names a landing file."""
    return f"{path.name.removesuffix(FILE)}.{record}{CURRENT}"


def key_of(path: str | Path) -> str:
    """Key of the unit of a landing file or its mark, by its name."""
    return os.path.basename(path).split("=", 1)[1].split(".", 1)[0]  # noqa: PTH119 (thousands)


def digest_of_input(path: str | Path) -> str:
    """Digest of the input of a landing file, by its name."""
    return os.path.basename(path).split(".")[1]  # noqa: PTH119 (thousands)


def order_of(record: str) -> int:
    """Give the number in a manifest record's name; 0 for those of before, which come first."""
    numbered = _NUMBERED.match(record)
    return int(numbered.group(1)) if numbered else 0


@dataclass
class Shelved:
    """What lies on a shelf of one unit.

    Parameters
    ----------
    folder : Path
        The shelf.
    files : list of str
        Names of its files, sorted.
    marks : list of str
        Names of its marks, the newest record's last.
    """

    folder: Path
    files: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[Path]:
        """Its files."""
        return [self.folder / name for name in self.files]

    def named(self) -> Iterator[tuple[Path, str]]:
        """Give the file that each mark names, with its record; the newest record's first."""
        for name in reversed(self.marks):
            unit, digest, record = name.removesuffix(CURRENT).split(".")
            yield self.folder / f"{unit}.{digest}{FILE}", record


def on_shelf(folder: Path, keys: Collection[str] | None = None) -> dict[str, Shelved]:
    """Read one shelf: what lies there of each unit, or of some; nothing where it is not there."""
    found: dict[str, Shelved] = {}
    try:
        names = os.listdir(folder)  # noqa: PTH208 (a Path for each of hundreds of names)
    except (FileNotFoundError, NotADirectoryError):
        return found
    if keys is not None and len(keys) == 1:  # what a stage asks: the others are not taken apart
        (key,) = keys
        names = [name for name in names if f"={key}." in name]
    for name in sorted(names):
        is_file = name.endswith(FILE)
        if name[0] == "." or not (is_file or name.endswith(CURRENT)):
            continue
        key = key_of(name)
        if keys is None or key in keys:
            one = found.setdefault(key, Shelved(folder))
            (one.files if is_file else one.marks).append(name)
    for one in found.values():
        if len(one.marks) > 1:
            one.marks.sort(key=_place)
    return found


def shelves_of(folder: Path, keys: Collection[str] | None = None) -> list[Path]:
    """Shelves of one table, engine and config: all that are there, or those of some keys."""
    if keys is not None:
        return [folder / name for name in sorted({shelf_of(key) for key in keys})]
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _place(mark: str) -> tuple[int, str]:
    record = mark.removesuffix(CURRENT).rsplit(".", 1)[-1]
    return (order_of(record), record)
