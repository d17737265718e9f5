"""C-MOVE whose objects miss our receiver: busy, where the archive could not reach it; else refused.

The peer answers with each status of PS3.4 C.4.2.1.5 after it did with our receiver what archives
do: not called it, been turned away, lost the line, or talked to the end without an object.
"""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import date

import pytest
from calls import calling, reset
from pacs_objects import make_nm, sop_uid
from peer import Peer, Script
from pynetdicom import build_context, evt
from pynetdicom.sop_class import Verification

from mpss_lib.archive_sections import ReceiverSettings
from mpss_lib.batch import run_stage
from mpss_lib.errors import ArchiveBusyError, ArchiveRefusedError
from mpss_lib.pull import stage
from mpss_lib.pull.receiver.arrivals import Seen, arrivals_of
from mpss_lib.pull.receiver.service import Receiver

pytestmark = pytest.mark.pacs

WINDOW = (date(2026, 3, 2), date(2026, 3, 2))
SHORT = (0xA701, 0xFE00)
"""Out of resources, cancelled by the archive: busy whatever our receiver saw."""
NOT_SENT = (0xA702, 0xB000, 0xC000)
"""No resources for sub-operations, all of them failed, unable to process."""
REFUSED = (0xA900, 0x0122)
"""The request itself is refused."""
UNKNOWN = 0xA801
"""Move destination unknown; some archives say it of one that does not let them in."""


class MovePeer(Peer):
    """An archive that does something with our receiver and then ends a C-MOVE with a status."""

    def __init__(self, archive, **options):
        super().__init__(archive, Script(), **options)
        self.status, self.meanwhile, self.receiver_port = None, lambda: None, 0
        self.is_about = lambda _query: True
        self.lines = []

    def stop(self):
        super().stop()
        for line in self.lines:  # pynetdicom leaves one that its peer has closed first open
            line.close()

    def _on_move(self, event):
        self._destinations = {"MPSS": ("127.0.0.1", self.receiver_port)}
        if self.status is None or not self.is_about(event.identifier):
            yield from super()._on_move(event)
            return
        self.meanwhile()
        if self.status == UNKNOWN:
            yield None, None
            return
        noted = (evt.EVT_CONN_OPEN, lambda event: self.lines.append(event.assoc.dul.socket.socket))
        options = {"contexts": [build_context(Verification)], "evt_handlers": [noted]}
        # A line to itself: no object comes.
        yield "127.0.0.1", self.port, {"ae_title": "HOSPITAL"} | options
        yield 1
        yield self.status, None


class Hospital:
    """The peer, our receiver with one place, and what happens between them."""

    def __init__(self, peer, receiver, arrivals):
        self.peer, self.receiver, self.arrivals = peer, receiver, arrivals
        peer.receiver_port = receiver.port
        self._held = ExitStack()

    def away(self):
        """Call nobody."""

    def full(self):
        with calling(self.receiver.port) as association:
            assert association.is_rejected

    def lost(self):
        before = self.arrivals.when(Seen.LOST)
        line = socket.create_connection(("127.0.0.1", self.receiver.port))
        line.sendall(b"\x01\x00\x00\x00\x20\x00 half a request")
        time.sleep(0.01)
        reset(line)
        while self.arrivals.when(Seen.LOST) == before:
            time.sleep(0.002)

    def heard(self):
        with calling(self.receiver.port) as association:
            assert association.is_established

    def answers(self, status, meanwhile):
        self.peer.status, self.peer.meanwhile = status, getattr(self, meanwhile)
        self._held.close()
        if meanwhile == "full":
            assert self._held.enter_context(calling(self.receiver.port)).is_established

    def is_well(self):
        self.peer.status = None
        self._held.close()


@pytest.fixture
def hospital(archive, sites_of):
    with MovePeer(archive) as peer:
        sites = sites_of(peer.port, retrieve="c-move", dimse_timeout_s=10)
        free = ReceiverSettings(port=0, min_free_gb=0, max_associations=1)
        arrivals = arrivals_of(sites)
        with Receiver(sites.archive, free, arrivals) as receiver:
            hospital = Hospital(peer, receiver, arrivals)
            port = ReceiverSettings(port=receiver.port, min_free_gb=0, max_associations=1)
            hospital.sites = replace(sites, receiver=port)
            yield hospital
            hospital.is_well()


def outcome(hospital, lake, config):
    keys = stage.find(WINDOW, lake, config, hospital.sites)
    try:
        return run_stage("pull", keys, lake, config, hospital.sites)
    except (ArchiveBusyError, ArchiveRefusedError) as error:
        return error


WHY = {
    "away": "did not call our receiver|archive is busy",
    "full": "no place left",
    "lost": "broke off",
    "heard": "archive is busy",
}
CASES = {
    "away": ((*NOT_SENT, *SHORT), (UNKNOWN, *REFUSED)),
    "full": ((*NOT_SENT, *SHORT, UNKNOWN), REFUSED),
    "lost": ((*NOT_SENT, *SHORT, UNKNOWN), REFUSED),
    "heard": (SHORT, (*NOT_SENT, UNKNOWN, *REFUSED)),
}


@pytest.mark.parametrize("meanwhile", CASES)
def test_a_status_is_busy_or_a_refusal_by_what_our_receiver_saw(
    archive, hospital, lake, config, meanwhile
):
    archive.add(make_nm(1), make_nm(2))
    busy, refused = CASES[meanwhile]
    for status in (*busy, *refused):
        hospital.answers(status, meanwhile)
        error = outcome(hospital, lake, config)
        is_busy = status in busy
        wanted = ArchiveBusyError if is_busy else ArchiveRefusedError
        assert (status, type(error)) == (status, wanted)
        assert not is_busy or re.search(WHY[meanwhile], error.problem)
        assert is_busy or f"0x{status:04X}" in error.problem
        assert lake.quarantined() == []
    hospital.is_well()
    assert outcome(hospital, lake, config).done == 2


@pytest.mark.parametrize("status", [*SHORT, 0xA702, 0xA900])
def test_by_c_get_an_archive_out_of_resources_is_busy(archive, sites_of, lake, config, status):
    archive.add(make_nm(1), make_nm(2))
    with Peer(archive, Script(get_status=status)) as peer:
        sites = sites_of(peer.port, retrieve="c-get", dimse_timeout_s=10)
        wanted = ArchiveBusyError if status in SHORT else ArchiveRefusedError
        with pytest.raises(wanted, match=f"0x{status:04X}") as found:
            run_stage("pull", stage.find(WINDOW, lake, config, sites), lake, config, sites)
    assert type(found.value) is wanted
    assert lake.quarantined() == []


def test_a_study_that_alone_misses_the_receiver_stops_no_other(archive, hospital, lake, config):
    archive.add(*(make_nm(n) for n in range(1, 6)))
    hospital.answers(0xA702, "lost")
    sick = make_nm(3).StudyInstanceUID
    hospital.peer.is_about = lambda query: sick in str(query.StudyInstanceUID)
    result = outcome(hospital, lake, config)
    assert (result.done, result.quarantined) == (4, 1)


@pytest.mark.parametrize("meanwhile", ["away", "heard"])
def test_an_object_that_the_archive_cannot_send_is_left_and_named(
    archive, hospital, lake, config, meanwhile
):
    archive.add(make_nm(1), make_nm(1, instance=2))
    hospital.answers(0xC000, meanwhile)  # its file is broken: some archives do not even call
    hospital.peer.is_about = lambda query: query.get("SOPInstanceUID") == sop_uid(1, instance=2)
    whole = hospital.peer._wanted
    hospital.peer._wanted = lambda event: whole(event)[:1]
    assert outcome(hospital, lake, config).done == 1


def test_a_network_that_ends_in_the_middle_of_a_study_loses_no_object(
    archive, hospital, lake, config
):
    archive.add(make_nm(1), make_nm(1, instance=2))
    hospital.answers(0xC000, "away")
    hospital.peer.is_about = lambda query: "SOPInstanceUID" in query
    whole = hospital.peer._wanted
    hospital.peer._wanted = lambda event: whole(event)[:1]
    error = outcome(hospital, lake, config)
    assert type(error) is ArchiveBusyError
    assert "did not call our receiver" in error.problem
    assert lake.quarantined() == []
    hospital.peer._wanted = whole
    hospital.is_well()
    assert outcome(hospital, lake, config).done == 1
