"""Calls of an archive at our receiver."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage
from pynetdicom import AE, evt
from pynetdicom.association import Association


@contextmanager
def calling(
    port: int, aet: str = "HOSPITAL", to: str = "MPSS", sent: list[bytes] | None = None
) -> Iterator[Association]:
    """Call the receiver; what is sent is added to ``sent``."""
    entity = AE(aet)
    entity.connection_timeout = entity.acse_timeout = 10
    entity.add_requested_context(NuclearMedicineImageStorage, ExplicitVRLittleEndian)
    sockets: list[socket.socket] = []
    handlers = [(evt.EVT_CONN_OPEN, lambda event: sockets.append(event.assoc.dul.socket.socket))]
    if sent is not None:
        handlers.append((evt.EVT_DATA_SENT, lambda event: sent.append(event.data)))
    association = entity.associate("127.0.0.1", port, ae_title=to, evt_handlers=handlers)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        for one in sockets:  # pynetdicom leaves that of a refused connection open
            one.close()


def reset(connection: socket.socket) -> None:
    """Close by RST: nothing is said about the end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
