"""Ledger of what has arrived by C-MOVE: one file an object, in the folder of its study.

The files are the ledger. A task announces a study by a folder that is named by its Study Instance
UID; the receiver takes objects of announced studies only. An object gets its name, its SOP Instance
UID, when its bytes are on the disk (fsync, rename, fsync of the folder), and only then the archive
is told "success". So a kill at any moment leaves objects whole or without a name, any number of
processes read the ledger without a lock, and no second record can differ from the files.

It lies beside the vault, in the trusted zone: names and bytes are identifiers.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mpss_lib.config import Sites
from mpss_lib.pull.archive.answers import is_uid
from mpss_lib.secrecy import PRIVATE_FOLDER
from mpss_lib.whole_files import sync

FOLDER = "received"
REUSE_S = 1800.0
"""What a killed task left is used by its next try; what is older may have been corrected since."""
_GONE, _PART, _TWIN = ".gone-", ".part-", ".twin"
_ALIVE = "receiver.lock"


class Seen(StrEnum):
    """What the receiver saw of its callers; a task tells by it what kept its objects away.

    The value names the file of the ledger that was touched when it happened last.
    """

    BYTE = "last-byte"
    """A byte came from anybody."""
    HEARD = "last-heard"
    """A caller was heard to the end: he ended the association, or was refused for who he is."""
    FULL = "last-full"
    """A caller was turned away: ``receiver.max_associations`` others were there."""
    NO_ROOM = "last-no-room"
    """An object was not taken: the disk is full, or refused it."""
    CUT = "last-cut"
    """The receiver ended an association: traffic is stopped, or no byte came any more."""
    LOST = "last-lost"
    """A line that had begun to speak broke off."""


class UnaskedError(Exception):
    """An object of a study that nobody announced, or that names none."""


@dataclass(frozen=True)
class Arrival:
    """One object in the ledger: a DICOM file, and whether it came again with other bytes."""

    path: Path
    has_twin: bool


class Arrivals:
    """The ledger in a folder; for the receiver, which writes, and for tasks, which read.

    Parameters
    ----------
    folder : Path
        Made at the first use, for its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # ------------------------------------------------------------ the tasks

    @contextmanager
    def announced(self, *study_uids: str) -> Iterator[None]:
        """Announce studies within the block; what is there at its end is removed.

        A second task that moves one of them waits for the first one; in one order, so that no two
        wait for each other.
        """
        with ExitStack() as stack:
            for study_uid in sorted(study_uids):
                stack.enter_context(self._held(self.folder / study_uid))
            sync(self.folder)
            yield

    @contextmanager
    def _held(self, folder: Path) -> Iterator[None]:
        handle = self._locked(folder)
        try:
            _drop_stale(folder)
            yield
        finally:
            gone = self.folder / f"{_GONE}{uuid.uuid4().hex}"
            with suppress(FileNotFoundError):
                folder.rename(gone)  # from here on the receiver finds no announcement
            shutil.rmtree(gone, ignore_errors=True)
            os.close(handle)

    def _locked(self, folder: Path) -> int:
        while True:
            self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            try:
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue
            fcntl.flock(handle, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if folder.stat().st_ino == os.fstat(handle).st_ino:
                    return handle
            os.close(handle)  # its owner has just removed it: announce it anew

    def of_study(self, study_uid: str) -> dict[str, Arrival]:
        """Objects of a study that have arrived, by SOP Instance UID."""
        names = {path.name for path in (self.folder / study_uid).iterdir()}
        return {
            name: Arrival(self.folder / study_uid / name, f"{name}{_TWIN}" in names)
            for name in names
            if is_uid(name)
        }

    def n_of(self, study_uids: Sequence[str]) -> int:
        """Count the objects of studies that have arrived."""
        return sum(len(self.of_study(uid)) for uid in study_uids)

    def is_served(self) -> bool:
        """Whether a receiver runs that writes this ledger."""
        try:
            handle = os.open(self.folder / _ALIVE, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def when(self, seen: Seen) -> float:
        """When the receiver saw something last, seconds since 1970; 0 before it."""
        return _touched(self.folder / seen)

    def quiet_s(self) -> float:
        """Seconds since the receiver got its last byte."""
        return max(0.0, time.time() - self.when(Seen.BYTE))

    def free_bytes(self) -> int:
        """Room on the disk of the ledger."""
        return shutil.disk_usage(self.folder).free

    def studies(self) -> list[Path]:
        """Folders of studies: announced, or left by a killed task."""
        return [path for path in self.folder.glob("*") if path.is_dir()]

    def sweep(self, older_than_s: float) -> int:
        """Remove what killed tasks left; returns the number of studies."""
        limit, n_removed = time.time() - older_than_s, 0
        for path in self.studies():
            if _changed(path) < limit:
                shutil.rmtree(path, ignore_errors=True)  # another run may be removing it as well
                n_removed += 1
        return n_removed

    # --------------------------------------------------------- the receiver

    @contextmanager
    def served(self) -> Iterator[None]:
        """Be the one receiver that writes this ledger, within the block.

        Raises
        ------
        BlockingIOError
            Another one is.
        """
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        handle = os.open(self.folder / _ALIVE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(handle)

    def note(self, seen: Seen) -> None:
        """Note what was seen just now."""
        (self.folder / seen).touch(mode=0o600)

    def keep(self, study_uid: str, sop_uid: str, content: bytes) -> None:
        """Keep an object; when this returns it survives a power cut.

        An object that is there already stays; other bytes under its UID are kept beside it.

        Raises
        ------
        UnaskedError
            If no task has announced the study.
        OSError
            If the disk refuses it.
        """
        if not (is_uid(study_uid) and is_uid(sop_uid)):
            raise UnaskedError
        folder = self.folder / study_uid
        path = folder / sop_uid
        part = folder / f"{_PART}{uuid.uuid4().hex}"
        try:
            if path.exists():
                if path.read_bytes() == content:
                    return
                path = folder / f"{sop_uid}{_TWIN}"
            with open(part, "xb", opener=_private) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
            sync(folder)
        except FileNotFoundError:
            raise UnaskedError from None
        except OSError:
            part.unlink(missing_ok=True)
            raise


def arrivals_of(sites: Sites) -> Arrivals:
    """Ledger of a site: beside its vault."""
    return Arrivals(sites.vault.with_name(FOLDER))


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _drop_stale(folder: Path) -> None:
    """Empty the folder of a task that was killed too long ago."""
    if _changed(folder) < time.time() - REUSE_S:
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
