"""Places of the receiver: who is gone holds none, however the line ended."""

from __future__ import annotations

import socket
import struct
import time

import pytest
from calls import calling, reset
from pacs_objects import make_nm, study_uid

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.pull.receiver.arrivals import Arrivals, Seen
from mpss_lib.pull.receiver.service import Receiver

pytestmark = pytest.mark.pacs

N_PLACES = 2
LONG_S = 120
"""Time-outs: nothing here waits for one."""


@pytest.fixture
def arrivals(tmp_path):
    return Arrivals(tmp_path / "received")


@pytest.fixture
def receiver(arrivals):
    archive = ArchiveSettings(called_aet="HOSPITAL", dimse_timeout_s=LONG_S, acse_timeout_s=LONG_S)
    settings = ReceiverSettings(min_free_gb=0, max_associations=N_PLACES)
    with Receiver(archive, settings, arrivals) as running:
        yield running


def request_of(receiver):
    """Bytes of an association request."""
    sent = []
    with calling(receiver.port, sent=sent) as association:
        assert association.is_established
    return sent[0]


def say_nothing(_connection, _request):
    """Connect."""


def half_a_request(connection, request):
    connection.sendall(request[: len(request) // 2])
    time.sleep(0.02)


def garbage(connection, request):
    connection.sendall(b"\xa5" * 64 + request[64:] * 20)
    time.sleep(0.02)


def a_request_not_awaited(connection, request):
    connection.sendall(request)


def half_an_object(connection, request):
    connection.sendall(request)
    assert connection.recv(4096)[0] == 0x02  # A-ASSOCIATE-AC
    connection.sendall(struct.pack(">BBL", 0x04, 0, 5000) + bytes(1000))
    time.sleep(0.02)


@pytest.mark.parametrize("end", [reset, socket.socket.close])
@pytest.mark.parametrize(
    "say", [say_nothing, half_a_request, garbage, a_request_not_awaited, half_an_object]
)
def test_who_is_gone_holds_no_place(receiver, arrivals, say, end):
    request = request_of(receiver)
    for _ in range(3 * N_PLACES):
        connection = socket.create_connection(("127.0.0.1", receiver.port))
        say(connection, request)
        end(connection)
    until = time.monotonic() + 10  # no more than threads need to end on a busy machine
    while not takes_an_object(receiver, arrivals):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert (arrivals.when(Seen.LOST) > 0) == (say is not say_nothing)


def takes_an_object(receiver, arrivals):
    with arrivals.announced(study_uid(1)), calling(receiver.port) as association:
        return association.is_established and association.send_c_store(make_nm(1)).Status == 0


def test_strangers_who_were_rejected_hold_no_place(receiver, arrivals):
    for _ in range(3 * N_PLACES):
        with calling(receiver.port, "STRANGER") as association:
            assert association.is_rejected
    assert arrivals.when(Seen.LOST) == arrivals.when(Seen.FULL) == 0
    assert arrivals.when(Seen.HEARD) > 0
    assert takes_an_object(receiver, arrivals)


def test_a_call_above_the_places_is_told_apart_from_a_stranger(receiver, arrivals):
    with calling(receiver.port), calling(receiver.port):
        assert arrivals.when(Seen.FULL) == 0
        with calling(receiver.port) as third:
            assert third.is_rejected
            rejection = third.acceptor.primitive
            assert (rejection.result, rejection.result_source, rejection.diagnostic) == (2, 3, 2)
            assert arrivals.when(Seen.FULL) > 0
    assert takes_an_object(receiver, arrivals)
    assert receiver.counts == {"rejected": 1, "stored": 1}
