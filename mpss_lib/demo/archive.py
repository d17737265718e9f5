"""Embedded archive (PACS) for the demo and the tests: real DICOM over real sockets.

Services: C-ECHO, C-STORE, C-FIND (study root: STUDY, SERIES, IMAGE), C-MOVE, C-GET. The index is
SQLite, objects are files named by their SHA-256. It is a demonstration archive on one machine:
an object is moved into place whole, but not forced to disk.
"""

from __future__ import annotations

import hashlib
import logging
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType

import pydicom
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    JPEG2000,
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.sop_class import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from mpss_lib.demo.archive_index import Index, Stored, UnknownLevelError, level_of
from mpss_lib.errors import DicomFileError

log = logging.getLogger(__name__)

STORAGE_CLASSES: tuple[UID, ...] = (
    NuclearMedicineImageStorage,
    CTImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SegmentationStorage,
    RTStructureSetStorage,
    BasicTextSRStorage,
    EnhancedSRStorage,
    ComprehensiveSRStorage,
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
)
TRANSFER_SYNTAXES: tuple[UID, ...] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEG2000Lossless,
    JPEG2000,
)
MAXIMUM_PDU = 131072

SUCCESS = 0x0000
PENDING = 0xFF00
CANCELLED = 0xFE00
OUT_OF_RESOURCES = 0xA700
BAD_IDENTIFIER = 0xA900
CANNOT_UNDERSTAND = 0xC000
DUPLICATE_REFUSED = 0xB007
"""A warning ("data set does not match SOP class" range): the first object was kept."""

Source = Path | str | Dataset
Handlers = list[tuple[evt.EventType, Callable[..., object]]]


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


class ArchiveServer:
    """A running archive; ``stop`` (or the end of the ``with`` block) ends it."""

    def __init__(
        self,
        archive: Archive,
        host: str,
        port: int,
        aet: str,
        allowed_aets: tuple[str, ...],
        destinations: dict[str, tuple[str, int]],
    ) -> None:
        _config.LOG_REQUEST_IDENTIFIERS = False
        _config.LOG_RESPONSE_IDENTIFIERS = False
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its lines may quote patients
        self.host, self.aet = host, aet
        self._archive, self._destinations = archive, destinations
        entity = _application_entity(aet, allowed_aets)
        server = entity.start_server((host, port), block=False, evt_handlers=self._handlers())
        if not isinstance(server, ThreadedAssociationServer):
            raise TypeError(f"pynetdicom started a {type(server).__name__}")
        self._server = server
        self._entity = entity
        self.port = int(server.server_address[1])

    def __enter__(self) -> ArchiveServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all associations and close the socket."""
        self._entity.shutdown()

    def _handlers(self) -> Handlers:
        return [
            (evt.EVT_CONN_OPEN, send_at_once),
            (evt.EVT_C_ECHO, lambda _event: SUCCESS),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_C_FIND, self._on_find),
            (evt.EVT_C_GET, self._on_get),
            (evt.EVT_C_MOVE, self._on_move),
        ]

    def _on_store(self, event: evt.Event) -> int:
        try:
            state = self._archive.add_bytes(event.encoded_dataset())
        except DicomFileError as error:
            log.warning("C-STORE refused: %s", error.problem)
            return CANNOT_UNDERSTAND
        except OSError as error:
            log.error("C-STORE failed: %s", error.strerror)
            return OUT_OF_RESOURCES
        return DUPLICATE_REFUSED if state == "refused" else SUCCESS

    def _on_find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        try:
            with pydicom.config.disable_value_validation():
                answers = self._archive.index.find(event.identifier)
        except UnknownLevelError:
            yield BAD_IDENTIFIER, None
            return
        for answer in answers:
            if event.is_cancelled:
                yield CANCELLED, None
                return
            yield PENDING, answer

    def _on_get(self, event: evt.Event) -> Iterator[object]:
        found = self._wanted(event)
        yield len(found)
        yield from _deliveries(event, found)

    def _on_move(self, event: evt.Event) -> Iterator[object]:
        address = self._destinations.get(str(event.move_destination).strip())
        if address is None:
            yield None, None  # pynetdicom answers 0xA801, move destination unknown
            return
        contexts = [(uid, list(TRANSFER_SYNTAXES[:2])) for uid in STORAGE_CLASSES]
        host, port = address
        options = {
            "contexts": [_context(uid, syntaxes) for uid, syntaxes in contexts],
            "evt_handlers": [(evt.EVT_CONN_OPEN, send_at_once)],
        }
        yield host, port, options
        found = self._wanted(event)
        yield len(found)
        yield from _deliveries(event, found)

    def _wanted(self, event: evt.Event) -> list[Stored]:
        query = event.identifier
        level_of(query)
        return self._archive.index.paths(query)


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


def send_at_once(event: evt.Event) -> None:
    """Set TCP_NODELAY: without it, Nagle and delayed ACK cost 40 ms for each object."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _context(uid: UID, syntaxes: Sequence[UID]) -> object:
    return build_context(uid, list(syntaxes))


def _application_entity(aet: str, allowed_aets: Sequence[str]) -> AE:
    entity = AE(aet)
    entity.maximum_pdu_size = MAXIMUM_PDU
    entity.require_called_aet = True
    entity.require_calling_aet = list(allowed_aets)
    entity.add_supported_context(Verification)
    for model in (
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        StudyRootQueryRetrieveInformationModelMove,
    ):
        entity.add_supported_context(model)
    for storage in STORAGE_CLASSES:
        # Both roles: a C-GET peer takes the objects as SCP of the same association.
        entity.add_supported_context(storage, list(TRANSFER_SYNTAXES), scu_role=True, scp_role=True)
    return entity


def _deliveries(event: evt.Event, found: Iterable[Stored]) -> Iterator[tuple[int, Dataset | None]]:
    for stored in found:
        if event.is_cancelled:
            yield CANCELLED, None
            return
        yield PENDING, dcmread(stored.path)


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
