"""PDUs are read whole and in order, however the bytes of a peer come."""

import random
import socket
import struct
import threading
from types import SimpleNamespace

import pytest

from mpss_lib.pull.archive import wire
from mpss_lib.pull.archive.messages import BrokenMessageError
from mpss_lib.pull.archive.wire import BrokenOffError, Wire


def line_of(end):
    return SimpleNamespace(socket=end, check=lambda: None, quiet_s=lambda: 0.0, last_byte=0.0)


def read_all(content, chunks, n):
    """Read ``n`` PDUs while another thread sends the bytes in pieces."""
    ours, theirs = socket.socketpair()

    def send():
        at = 0
        while at < len(content):
            size = next(chunks)
            theirs.sendall(content[at : at + size])
            at += size
        theirs.close()

    sender = threading.Thread(target=send)
    sender.start()
    reader, found = Wire(line_of(ours), 5.0, 5.0), []
    with ours:
        for _ in range(n):
            kind, body = reader.pdu()
            found.append((kind, bytes(body)))
        with pytest.raises(BrokenOffError):
            reader.pdu()
    sender.join()
    assert not reader.has_more
    return found


@pytest.mark.parametrize("seed", range(6))
def test_pdus_are_those_that_were_sent(seed, monkeypatch):
    monkeypatch.setattr(wire, "AHEAD", 1 << 10)  # some are larger than what is read at once
    lots = random.Random(seed)
    sent = [(lots.choice((4, 5, 6, 7)), lots.randbytes(lots.choice((0, 1, 80, 1000, 1024, 5000))))]
    sent += [(4, lots.randbytes(lots.randrange(2000))) for _ in range(60)]
    content = b"".join(struct.pack(">BBL", kind, 0, len(body)) + body for kind, body in sent)
    sizes = (1, 5, 6, 7, 300, 1024, 9000)
    chunks = iter(lambda: lots.choice(sizes), 0)
    assert read_all(content, chunks, len(sent)) == sent


@pytest.mark.parametrize(
    "head", [b"\x03\x00\x00\x00\x00\x04", b"\x08" + bytes(5), b"\x04\x00\xff\xff\xff\xff"]
)
def test_what_is_no_pdu_is_said(head):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(head)
        with pytest.raises(BrokenMessageError):
            Wire(line_of(ours), 5.0, 5.0).pdu()


def test_what_came_beside_an_answer_is_seen():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(2 * struct.pack(">BBLL", 4, 0, 4, 7))
        reader = Wire(line_of(ours), 5.0, 5.0)
        assert bytes(reader.pdu()[1]) == struct.pack(">L", 7)
        assert reader.has_more


def test_half_a_pdu_is_no_pdu():
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(struct.pack(">BBL", 4, 0, 10) + b"12345")
        theirs.close()
        with pytest.raises(BrokenOffError):
            Wire(line_of(ours), 5.0, 5.0).pdu()
