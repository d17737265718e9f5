"""Messages of DIMSE (PS3.7) in PDUs (PS3.8), as bytes: what is sent and received after negotiation.

A command set is Implicit VR Little Endian (PS3.7 6.3.1), a data set is passed on as it came.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION

from mpss_lib.dicom.writing import part_10

_IMPLEMENTATION = (PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION)

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030
RESPONSE = 0x8000

GROUP_LENGTH = 0x0000
SOP_CLASS = 0x0002
FIELD = 0x0100
MESSAGE_ID = 0x0110
ANSWERED_ID = 0x0120
DESTINATION = 0x0600
PRIORITY = 0x0700
HAS_DATA = 0x0800
STATUS = 0x0900
SOP_INSTANCE = 0x1000
"""Elements of group 0000 (PS3.7 E.1)."""

_NO_DATA, _DATA = 0x0101, 0x0001
_TEXTS = frozenset({SOP_CLASS, SOP_INSTANCE, DESTINATION})
P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 0x04, 0x05, 0x06, 0x07
RELEASE_REQUEST = bytes.fromhex("05000000000400000000")
RELEASE_RESPONSE = bytes.fromhex("06000000000400000000")
ABORT_REQUEST = bytes.fromhex("07000000000400000000")
_COMMAND, _LAST = 0x01, 0x02
"""Bits of a message control header (PS3.8 E.2)."""
_HEAD = 6
"""Bytes before the content of a PDU, and of a PDV."""
_LONGEST = 16384
"""Content of a PDV where the peer sets no limit."""


class BrokenMessageError(Exception):
    """Bytes that are no message: the association cannot go on."""


@dataclass(frozen=True)
class Message:
    """One message: its presentation context, its command set, its data set as it came."""

    context_id: int
    command: Mapping[int, bytes]
    data: bytes | bytearray | None = None

    def number(self, element: int) -> int | None:
        """Value of VR US, None where it lacks."""
        value = self.command.get(element, b"")
        return int.from_bytes(value, "little") if len(value) == 2 else None

    def text(self, element: int) -> str:
        """Value of VR UI or AE, "" where it lacks."""
        return self.command.get(element, b"").decode("ascii", "replace").strip("\0 ")


def pdus(context_id: int, command: Mapping[int, int | str], data: bytes, limit: int) -> bytes:
    """Make the PDUs of a message.

    Parameters
    ----------
    context_id : int
    command : mapping
        Element of group 0000 to its value; the length and whether there is a data set are added.
    data : bytes
        b"" for none.
    limit : int
        Largest PDU that the peer takes, without its first 6 bytes; 0: any.
    """
    elements = {**command, HAS_DATA: _DATA if data else _NO_DATA}
    body = b"".join(_element(tag, elements[tag]) for tag in sorted(elements))
    whole = struct.pack("<HHLL", 0, GROUP_LENGTH, 4, len(body)) + body
    size = max(limit - _HEAD, 1) if limit else _LONGEST
    parts = [*_pdvs(context_id, whole, _COMMAND, size)]
    if data:
        parts += _pdvs(context_id, data, 0, size)
    return b"".join(struct.pack(">BBL", P_DATA, 0, len(part)) + part for part in parts)


def _element(tag: int, value: int | str) -> bytes:
    if isinstance(value, int):
        content = value.to_bytes(2, "little")
    else:
        pad = " " if tag == DESTINATION else "\0"
        content = (value + pad * (len(value) % 2)).encode("ascii")
    return struct.pack("<HHL", 0, tag, len(content)) + content


def _pdvs(context_id: int, content: bytes, kind: int, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        part = content[start : start + size]
        control = kind | (_LAST if start + size >= len(content) else 0)
        yield struct.pack(">LBB", len(part) + 2, context_id, control) + part


class Assembly:
    """Puts messages together from the contents of P-DATA PDUs."""

    def __init__(self) -> None:
        self._command = bytearray()
        self._elements: Mapping[int, bytes] | None = None
        self._data = bytearray()

    def add(self, content: memoryview) -> Iterator[Message]:
        """Yield the messages that the content of one PDU completes.

        Raises
        ------
        BrokenMessageError
        """
        at = 0
        while at < len(content):
            if at + _HEAD > len(content):
                raise BrokenMessageError
            length, context_id, control = struct.unpack_from(">LBB", content, at)
            end = at + 4 + length
            if length < 2 or end > len(content):
                raise BrokenMessageError
            message = self._part(context_id, control, content[at + _HEAD : end])
            if message is not None:
                yield message
            at = end

    def _part(self, context_id: int, control: int, part: memoryview) -> Message | None:
        is_last = bool(control & _LAST)
        if control & _COMMAND:
            if self._elements is not None:
                raise BrokenMessageError  # a command in the middle of a data set
            self._command += part
            if not is_last:
                return None
            self._elements = command_of(bytes(self._command))
            self._command.clear()
            has_data = self._elements.get(HAS_DATA) != _NO_DATA.to_bytes(2, "little")
            return None if has_data else self._ended(context_id, None)
        if self._elements is None:
            raise BrokenMessageError  # a data set without a command
        self._data += part
        if not is_last:
            return None
        data, self._data = self._data, bytearray()
        return self._ended(context_id, data)

    def _ended(self, context_id: int, data: bytearray | None) -> Message:
        elements, self._elements = self._elements or {}, None
        return Message(context_id, elements, data)


def command_of(content: bytes) -> Mapping[int, bytes]:
    """Read a command set.

    Raises
    ------
    BrokenMessageError
    """
    found: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        if at + 8 > len(content):
            raise BrokenMessageError
        group, tag, length = struct.unpack_from("<HHL", content, at)
        end = at + 8 + length
        if group or end > len(content):
            raise BrokenMessageError
        found[tag] = content[at + 8 : end]
        at = end
    return MappingProxyType(found)


def as_file(sop_class: str, sop_uid: str, syntax: str, data: bytes | bytearray) -> bytes:
    """Make a DICOM file of a data set as received (PS3.10 7.1)."""
    return part_10(sop_class, sop_uid, syntax, data, _IMPLEMENTATION)
