"""Files that are written whole or not at all, and are on the disk when the writer goes on."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mpss_lib.errors import LakeCorruptError, PlatformFaultError


@contextmanager
def replacing(
    path: Path, *, prefix: str = ".tmp-", mode: int = 0o644, content: bytes = b""
) -> Iterator[Path]:
    """Give a temporary path; on leaving without an error, fsync it and move it to ``path``.

    A kill at any point leaves either nothing or the whole file, and a ``.tmp-`` file that
    maintenance removes. That has no suffix: who lists JSON or Parquet never meets a file that is
    not whole. Its name begins with ``prefix``; it has its ``mode`` from the first byte on.
    """
    with _temporary(path, content, prefix=prefix, mode=mode) as temporary:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file, whole or not at all."""
    with replacing(path, mode=mode, content=content):
        pass


def write_all(files: Collection[tuple[Path, bytes]]) -> None:
    """Write files, each whole or not at all; all are on the disk when this ends.

    They begin in the one folder that holds the folders of them all: to make a file in one folder
    after the other takes a disk three times as long.

    Raises
    ------
    PlatformFaultError
        The disk refuses; some may be there.
    """
    start = Path(os.path.commonpath([path.parent for path, _ in files])) if files else None
    with ExitStack() as stack:
        made = [
            (path, stack.enter_context(_temporary(path, content, start))) for path, content in files
        ]
        for path, temporary in made:
            with _refusal_named(path):
                sync(temporary)
        for path, temporary in made:
            with _refusal_named(path):
                temporary.replace(path)
        sync_folders(path.parent for path, _ in files)


def write_json(path: Path, content: object, *, mode: int = 0o644) -> None:
    """Write JSON with sorted keys, whole or not at all."""
    write_bytes(path, json_bytes(content), mode=mode)


def json_bytes(content: object) -> bytes:
    """JSON as this package writes it: sorted keys, one value a line."""
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that this package wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise LakeCorruptError(f"{path.name} holds no JSON object", way_out="remove the file")
    return content


def read_json_there(path: Path) -> dict[str, Any] | None:
    """Read a JSON object, or None where the file is not there: perhaps taken away meanwhile."""
    try:
        return read_json(path)
    except FileNotFoundError:
        return None


@contextmanager
def _temporary(
    path: Path,
    content: bytes,
    folder: Path | None = None,
    *,
    prefix: str = ".tmp-",
    mode: int = 0o644,
) -> Iterator[Path]:
    """Give a temporary file beside ``path``, or in a folder; it is removed on an error."""
    with _refusal_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=prefix, dir=folder or path.parent)
        temporary = Path(name)
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 (a descriptor)
                os.fchmod(handle, mode)
                file.write(content)
            yield temporary
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _refusal_named(path: Path) -> Iterator[None]:
    """Name the file that the disk refuses."""
    try:
        yield
    except OSError as error:
        raise PlatformFaultError(
            f"cannot write {path.name}: {error.strerror or error}",
            way_out="free disk space or correct the rights of the home, then run again",
        ) from error


def sync_folders(folders: Iterable[Path]) -> None:
    """Wait until the names in folders are on the disk; each once."""
    for folder in dict.fromkeys(folders):
        sync(folder)


def sync(path: Path) -> None:
    """Wait until a file or the names in a folder are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
