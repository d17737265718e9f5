"""The services of the embedded archive over real sockets."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol

import pydicom
from pydicom import dcmread
from pydicom.dataset import Dataset
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
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
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

from mpss_lib.errors import DicomFileError
from mpss_lib.pull.archive.index import Index, Stored, UnknownLevelError, level_of

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
    JPEGLossless,
    JPEGLSLossless,
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

Handlers = list[tuple[evt.EventType, Callable[..., object]]]


class Store(Protocol):
    """What is served."""

    index: Index

    def add_bytes(self, content: bytes) -> str:
        """Import one object: ``stored``, ``identical`` or ``refused``."""


class ArchiveServer:
    """A running archive; ``stop`` (or the end of the ``with`` block) ends it."""

    def __init__(
        self,
        archive: Store,
        host: str,
        port: int,
        aet: str,
        allowed_aets: tuple[str, ...],
        destinations: Mapping[str, tuple[str, int]],
    ) -> None:
        _config.LOG_REQUEST_IDENTIFIERS = False
        _config.LOG_RESPONSE_IDENTIFIERS = False
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its lines may quote patients
        self.host, self.aet = host, aet
        self._archive, self._destinations = archive, destinations
        entity = _application_entity(aet, allowed_aets)
        self._entity = entity
        self._server: ThreadedAssociationServer = entity.make_server(
            (host, port), contexts=entity.supported_contexts, evt_handlers=self._handlers()
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        self.port = int(self._server.server_address[1])

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
        for association in self._server.active_associations:
            association.abort()
        # The server's own shutdown expects pynetdicom's start_server, which polls twice a second.
        socketserver.BaseServer.shutdown(self._server)
        self._server.server_close()
        self._thread.join()

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
