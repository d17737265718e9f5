"""The audit log as files: append-only, each line chained to the one before it by its hash.

``audit/000001.jsonl`` and so on, beside the vault. A line is JSON: ``seq`` (1, 2, ...), ``before``
(hash of the line before, of the first one 64 zeros), ``message``, and ``hash``, the SHA-256 of the
line without it. The vault knows the last line (``anchor``). Whoever can write both the log and the
vault can forge both: what went out by syslog is out of reach.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss_lib.audit.anchor import Head, read_anchor, set_anchor
from mpss_lib.audit.message import Event, Message, message_of
from mpss_lib.audit.vocabulary import SERIOUS
from mpss_lib.errors import PlatformFaultError
from mpss_lib.secrecy import PRIVATE_FILE, PRIVATE_FOLDER

FIRST = Head(0, "0" * 64)
_TAIL = 1 << 16


@dataclass(frozen=True)
class Line:
    """A line that is whole."""

    seq: int
    before: str
    message: Message
    hash: str

    @property
    def head(self) -> Head:
        """What the next line is chained to."""
        return Head(self.seq, self.hash)


def written(before: Head, message: Message) -> tuple[bytes, Head]:
    """Make the line of a message, and what the next one is chained to."""
    body: dict[str, Any] = {"seq": before.seq + 1, "before": before.hash, "message": message}
    digest = hashlib.sha256(_plain(body)).hexdigest()
    return _plain(body | {"hash": digest}) + b"\n", Head(before.seq + 1, digest)


def read_line(raw: bytes) -> Line | None:
    """Read a line; None where a byte of it is other than it was written."""
    try:
        body = json.loads(raw)
        digest = body.pop("hash")
        is_sound = hashlib.sha256(_plain(body)).hexdigest() == digest
        if not is_sound or _plain(body | {"hash": digest}) != raw:
            return None
        return Line(body["seq"], body["before"], body["message"], digest)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _plain(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def files_of(folder: Path) -> list[Path]:
    """Files of a log, in order."""
    return sorted(folder.glob("[0-9]*.jsonl"))


@dataclass(frozen=True)
class Chain:
    """The log of a home.

    Parameters
    ----------
    folder : Path
        ``audit`` of the home.
    vault : Path
    most_bytes : int
        A file that is larger is followed by another one.
    site : str
        AuditEnterpriseSiteID.
    """

    folder: Path
    vault: Path
    most_bytes: int
    site: str = ""

    def append(self, event: Event) -> Head:
        """Write an event; when this returns, it is on the disk and the vault knows it.

        What a kill left of a line is set aside and told in a line of its own. Where lines are gone
        that the vault knows, the chain goes on from what it knows: ``verify`` shows the gap.

        Raises
        ------
        PlatformFaultError
            It could not be written: the caller must not go on.
        """
        try:
            with self.held():
                return self._append(event)
        except OSError as error:
            raise PlatformFaultError(
                f"the audit log cannot be written: {error.strerror or type(error).__name__}",
                way_out="free disk space or correct the rights of audit/ in the home: nothing that"
                " touches identities is done without a line in it",
            ) from error

    def check(self) -> None:
        """Raise now where ``append`` could not write: before the work, not after it."""
        try:
            with self.held():
                return
        except OSError as error:
            raise PlatformFaultError(
                f"the audit log cannot be opened: {error.strerror or type(error).__name__}",
                way_out="correct the rights of audit/ in the home",
            ) from error

    def _append(self, event: Event) -> Head:
        files = files_of(self.folder)
        path = files[-1] if files else self.folder / "000001.jsonl"
        last, torn = _end_of(path) if files else (FIRST, b"")
        if not files or (last == FIRST and len(files) > 1):  # the newest file has no line yet
            before = [line for file in files[:-1] for line in lines_of(file) if line]
            last = before[-1].head if before else FIRST
        known = read_anchor(self.vault) or FIRST
        head = known if known.seq > last.seq else last
        content = b""
        if torn:
            _set_aside(path, torn)
            told = {"bytes": str(len(torn)), "sha256": hashlib.sha256(torn).hexdigest()}
            mended = Event("audit_mended", SERIOUS, things=[path.name], details=told)
            content, head = written(head, message_of(mended, self.site))
        line, head = written(head, message_of(event, self.site))
        if path.exists() and path.stat().st_size >= self.most_bytes:
            path = self.folder / f"{int(path.stem) + 1:06d}.jsonl"
        _write(path, content + line)
        set_anchor(self.vault, head)
        return head

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody write within the block."""
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with locked(self.folder / "write.lock"):
            yield


@contextmanager
def locked(path: Path, *, waits: bool = True) -> Iterator[bool]:
    """Hold a lock file of the log within the block; gives whether it is held."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def _write(path: Path, content: bytes) -> None:
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _end_of(path: Path) -> tuple[Head, bytes]:
    """Last whole line of a file, and the bytes after it."""
    size = path.stat().st_size
    span = _TAIL
    while True:
        with path.open("rb") as handle:
            handle.seek(max(0, size - span))
            pieces = handle.read().split(b"\n")
        is_all = span >= size
        whole = pieces[:-1] if is_all else pieces[1:-1]  # the first piece may begin in the middle
        rest = pieces[-1]
        while whole:
            line = read_line(whole[-1])
            if line is not None:
                return line.head, rest
            rest = whole.pop() + b"\n" + rest
        if is_all:
            return FIRST, rest
        span *= 4


def _set_aside(path: Path, torn: bytes) -> None:
    """Move the bytes after the last whole line into a file of their own."""
    aside = path.with_name(f"torn-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.bin")
    _write(aside, torn)
    handle = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(handle, path.stat().st_size - len(torn))
        os.fsync(handle)
    finally:
        os.close(handle)


def lines_of(path: Path) -> Iterator[Line | None]:
    """Lines of a file, None for each that is not as it was written; a torn end is left out."""
    with path.open("rb") as handle:
        for raw in handle:
            if raw.endswith(b"\n"):
                yield read_line(raw[:-1])
