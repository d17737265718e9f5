"""A folder or medium as an archive: an export disk, a CD with its DICOMDIR, plain files.

Every file is looked at, whatever it is called; the directory of a medium (DICOMDIR) says nothing
that the files do not say themselves and is passed over. Lists come from an index beside the vault,
which is brought up to date at each session: new files are added, and where one changed or went it
is made anew.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import MediaStorageDirectoryStorage

from mpss_lib.errors import ArchiveDownError, PlatformFaultError
from mpss_lib.pull.archive.answers import is_uid
from mpss_lib.pull.archive.index import KEYS, Index
from mpss_lib.pull.archive.web import as_received

log = logging.getLogger(__name__)

Seen = dict[str, tuple[int, int]]
"""Path -> size and time of change."""
_TABLES = (
    "create table if not exists file (path text primary key, size int, changed int)",
    "create table if not exists twin (sop_uid text not null, path text not null)",
)
_NAMES = ("study", "series", "image", "file", "twin")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


class FolderArchive:
    """Lists and gives the objects of a folder.

    Parameters
    ----------
    folder : Path
    index : Path or None
        Where the index is kept, in the trusted zone; None where nothing is asked but whether the
        folder is there.
    """

    def __init__(self, folder: Path, index: Path | None) -> None:
        self.folder, self._path = folder, index
        self._index: Index | None = None

    def close(self) -> None:
        """Forget the index: the next session looks at the folder again."""
        self._index = None

    def echo(self) -> None:
        """Verify that the folder is there.

        Raises
        ------
        ArchiveDownError
        """
        if not self.folder.is_dir():
            raise ArchiveDownError(
                f"the folder {self.folder.name} (archive.folder) is not there",
                way_out="mount it, or correct archive.folder",
            )

    def find(self, query: Dataset) -> Iterator[Dataset | None]:
        """Yield the answers to an identifier."""
        with config.disable_value_validation():
            yield from self._opened().find(query)

    def fetch(self, query: Dataset) -> Iterator[tuple[str, bytes]]:
        """Yield the objects of an identifier, and what else carries their UIDs: SOP UID, file.

        Raises
        ------
        QueryFailedError
            A file is no DICOM object any more.
        """
        index = self._opened()
        for stored in index.paths(query):
            twins = self._ask("select path from twin where sop_uid = ?", stored.sop_uid)
            for path in (stored.path, *(Path(str(name)) for (name,) in twins)):
                yield as_received(path.read_bytes())

    # ---------------------------------------------------------------- index

    def _opened(self) -> Index:
        if self._index is None:
            self.echo()
            self._index = self._up_to_date()
        return self._index

    def _up_to_date(self) -> Index:
        if self._path is None:
            raise PlatformFaultError(
                "a folder is listed without a place for its index",
                way_out="open it by the home's sites",
            )
        with _alone(self._path):
            index = Index(self._path)
            self._path.chmod(0o600)
            for statement in _TABLES:
                self._ask(statement)
            rows = self._ask("select path, size, changed from file")
            now, before = self._files(), {str(name): (size, at) for name, size, at in rows}
            if any(now.get(name) != state for name, state in before.items()):
                for table in _NAMES:  # something changed or went: what it said may be gone too
                    self._ask(f"delete from {table}")  # noqa: S608
                before = {}
            self._add(index, {name: now[name] for name in now if name not in before})
        return index

    def _ask(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self._path or "", timeout=60)) as db, db:
            return db.execute(statement, values).fetchall()

    def _files(self) -> Seen:
        found: Seen = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                told = path.stat()
                found[str(path.resolve())] = (told.st_size, told.st_mtime_ns)
        return found

    def _add(self, index: Index, files: Seen) -> None:
        counts: Counter[str] = Counter()
        for name, (size, changed) in files.items():
            counts[self._add_one(index, Path(name))] += 1
            self._ask("insert or replace into file values (?, ?, ?)", name, size, changed)
        if counts:
            log.info("folder %s: %s", self.folder.name, dict(counts))
        if counts["unreadable"]:
            log.warning(
                "%d files of the folder %s cannot be read: the list lacks them",
                *(counts["unreadable"], self.folder.name),
            )

    def _add_one(self, index: Index, path: Path) -> str:
        try:
            with config.disable_value_validation():
                header = dcmread(path, specific_tags=list(KEYS), stop_before_pixels=True)
                if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
                    return "directory"
                if not all(is_uid(str(header.get(name, ""))) for name in _UIDS):
                    return "unreadable"
                there = index.insert(header, str(path), "")
        except InvalidDicomError:
            return "no DICOM"
        except Exception as error:  # whatever lies on a medium must not end the others
            log.debug("a file cannot be read: %s", type(error).__name__)
            return "unreadable"
        if there is None:
            return "objects"
        if there.path == path or there.path.read_bytes() == path.read_bytes():
            return "copies"
        self._ask("insert into twin values (?, ?)", there.sop_uid, str(path))
        return "twins"


@contextmanager
def _alone(index: Path) -> Iterator[None]:
    """Bring the index up to date alone: tasks side by side open the same folder."""
    handle = os.open(index.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
