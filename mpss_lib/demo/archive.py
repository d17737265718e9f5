"""Embedded archive (PACS) for the demo and the tests: real DICOM over real sockets.

Services: C-ECHO, C-STORE, C-FIND (study root: STUDY, SERIES, IMAGE), C-MOVE, C-GET. The index is
SQLite, objects are files named by their SHA-256. It is a demonstration archive on one machine:
an object is moved into place whole, but not forced to disk.
"""

from __future__ import annotations

import hashlib
import logging
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError

from mpss_lib.demo.archive_server import ArchiveServer
from mpss_lib.errors import DicomFileError
from mpss_lib.pull.archive.index import Index

log = logging.getLogger(__name__)

Source = Path | str | Dataset


@dataclass(frozen=True)
class Added:
    """How many objects an import stored, found identical, or refused."""

    stored: int = 0
    identical: int = 0
    refused: int = 0


class Archive:
    """A folder of DICOM objects that can be served.

    Parameters
    ----------
    folder : Path
        Made where absent: ``index.sqlite`` and ``objects/``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        (self.folder / "objects").mkdir(parents=True, exist_ok=True)
        self.index = Index(self.folder / "index.sqlite")

    def __len__(self) -> int:
        return self.index.count()

    def add(self, *sources: Source) -> Added:
        """Import objects directly, without a socket.

        Parameters
        ----------
        sources : path or Dataset
            DICOM files or datasets with file meta.

        Returns
        -------
        Added
            A UID that is there with the same content counts as identical, with other content as
            refused (the first stays).

        Raises
        ------
        DicomFileError
            If a source is not a DICOM object with the UIDs that name it.
        """
        counts = {"stored": 0, "identical": 0, "refused": 0}
        for source in sources:
            counts[self.add_bytes(_file_bytes(source))] += 1
        return Added(**counts)

    def add_bytes(self, content: bytes) -> str:
        """Import one object from the bytes of its file: ``stored``, ``identical``, ``refused``."""
        with pydicom.config.disable_value_validation():
            return self._add_bytes(content)

    def _add_bytes(self, content: bytes) -> str:
        header = _read(content, stop_before_pixels=True)
        for keyword in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"):
            if not header.get(keyword):
                raise DicomFileError(
                    f"an object has no {keyword}", way_out="send objects with all their UIDs"
                )
        digest = _content_digest(content, header)
        name = f"objects/{digest[:2]}/{digest}.dcm"
        path = self.folder / name
        is_new = _keep(path, content)
        there = self.index.insert(header, name, digest)
        if there is None:
            return "stored"
        if there.content_sha256 == digest:
            return "identical"
        if is_new:
            path.unlink()
        if _same_dataset(there.path, content):
            return "identical"
        log.warning("an object came again with other content under the same UID: refused")
        return "refused"

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        aet: str = "ARCHIVE",
        allowed_aets: Sequence[str] = (),
        destinations: Mapping[str, tuple[str, int]] | None = None,
    ) -> ArchiveServer:
        """Serve the archive in threads of this process; use it in a ``with`` statement.

        Parameters
        ----------
        host, port : str, int
            Port 0 takes a free one: see ``ArchiveServer.port``.
        aet : str
            AE title that callers must name.
        allowed_aets : sequence of str
            AE titles that may call; empty lets every one call.
        destinations : mapping of str to (host, port), optional
            Where C-MOVE may send to, by AE title.
        """
        return ArchiveServer(self, host, port, aet, tuple(allowed_aets), dict(destinations or {}))


def serve_forever(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 11112,
    aet: str = "ARCHIVE",
    allowed_aets: Sequence[str] = (),
    *,
    destinations: Mapping[str, tuple[str, int]] | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve a folder until SIGTERM or SIGINT; call it in the main thread of a process.

    Parameters
    ----------
    folder, host, port, aet, allowed_aets, destinations
        As in ``Archive`` and ``Archive.serve``.
    ready : callable, optional
        Called with the port as soon as the archive listens.
    """
    ended = threading.Event()
    archive = Archive(folder)
    with archive.serve(
        host, port, aet=aet, allowed_aets=allowed_aets, destinations=destinations
    ) as server:
        before = {
            number: signal.signal(number, lambda *_: ended.set())
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            log.info("archive %s listens on %s:%d", aet, host, server.port)
            if ready is not None:
                ready(server.port)
            ended.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _file_bytes(source: Source) -> bytes:
    if isinstance(source, Dataset):
        buffer = BytesIO()
        dcmwrite(buffer, source, enforce_file_format=True)
        return buffer.getvalue()
    return Path(source).read_bytes()


def _keep(path: Path, content: bytes) -> bool:
    """Write a file where none is, whole or not at all; say whether it was written."""
    if path.exists():
        return False
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as handle:
        handle.write(content)
    Path(handle.name).replace(path)
    return True


def _read(content: bytes, *, stop_before_pixels: bool = False) -> FileDataset:
    try:
        return dcmread(BytesIO(content), stop_before_pixels=stop_before_pixels)
    except (InvalidDicomError, EOFError, ValueError, OSError) as error:
        raise DicomFileError(
            f"an object is no readable DICOM file ({type(error).__name__})",
            way_out="send whole DICOM objects with file meta information",
        ) from error


def _content_digest(content: bytes, header: FileDataset) -> str:
    """SHA-256 of the dataset without its file meta, which each sender writes in its own way."""
    start = 132
    length = header.file_meta.get("FileMetaInformationGroupLength")
    body = content[start + 12 + int(length) :] if length is not None else content[start:]
    syntax = str(header.file_meta.get("TransferSyntaxUID", ""))
    return hashlib.sha256(syntax.encode() + b"\0" + body).hexdigest()


def _same_dataset(path: Path, content: bytes) -> bool:
    """Compare by value: the same object may come in another transfer syntax."""
    return bool(dcmread(path) == _read(content))
