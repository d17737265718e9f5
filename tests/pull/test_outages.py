"""Archives that are busy, away or dead on the line; and how long a wait may be without a byte."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from datetime import date

import pytest
from bad_line import bad_line
from pacs_objects import make_nm
from peer import Peer, Script, free_port
from pynetdicom import AE
from pynetdicom.acse import ACSE

from mpss_lib.archive_sections import ReceiverSettings
from mpss_lib.batch import TooManyFaultsError, run_stage
from mpss_lib.errors import (
    ArchiveBusyError,
    ArchiveRefusedError,
    IncompleteStudyError,
)
from mpss_lib.pull import stage
from mpss_lib.pull.archive.session import ArchiveSession, echo
from mpss_lib.pull.receiver.arrivals import arrivals_of
from mpss_lib.pull.receiver.service import Receiver
from mpss_lib.sections import BatchSettings

pytestmark = [
    pytest.mark.pacs,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WINDOW = (date(2026, 3, 2), date(2026, 3, 2))


@pytest.fixture(autouse=True)
def swept():
    """The peers of cut lines, in this process, leave sockets to the garbage collector."""
    yield
    gc.collect()


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def peer(archive, script):
    with Peer(archive, script) as running:
        yield running


def pull(sites, lake, config):
    keys = stage.find(WINDOW, lake, config, sites)
    return run_stage("pull", keys, lake, config, sites)


@pytest.fixture(params=["before", "after"])
def looked(request, monkeypatch):
    """Whether who calls looks for the answer before or after it has closed the connection."""
    send = ACSE.send_request

    def send_and_wait(self):
        send(self)
        self.dul.join(10)

    if request.param == "after":
        monkeypatch.setattr(ACSE, "send_request", send_and_wait)


@pytest.mark.usefixtures("looked")
@pytest.mark.parametrize(
    ("result", "source", "reason", "error"),
    [
        (1, 3, 1, ArchiveBusyError),  # temporary congestion, called permanent
        (1, 3, 2, ArchiveBusyError),  # local limit exceeded
        (2, 3, 2, ArchiveBusyError),
        (2, 1, 1, ArchiveBusyError),
        (1, 1, 3, ArchiveRefusedError),  # calling AE title not recognised
        (1, 1, 7, ArchiveRefusedError),
        (1, 2, 2, ArchiveRefusedError),  # protocol version
    ],
)
def test_a_rejection_is_busy_or_a_refusal(sites_of, result, source, reason, error, monkeypatch):
    send = ACSE.send_reject
    monkeypatch.setattr(ACSE, "send_reject", lambda self, *_: send(self, result, source, reason))
    entity = AE("HOSPITAL")
    entity.add_supported_context("1.2.840.10008.1.1")
    entity.require_calling_aet = ["SOMEBODY"]
    server = entity.start_server(("127.0.0.1", 0), block=False)
    try:
        with pytest.raises(error) as found:
            echo(sites_of(server.server_address[1]))
    finally:
        server.shutdown()
    assert ("is busy" in found.value.problem) == (error is ArchiveBusyError)
    assert ("calling_aet" in found.value.way_out) == (error is ArchiveRefusedError)


def test_a_refusal_of_everything_stops_the_batch(archive, peer, script, sites_of, lake, config):
    archive.add(*(make_nm(n) for n in range(1, 6)))
    script.get_status = 0xC000
    with pytest.raises(ArchiveRefusedError, match="nothing of 3 studies came"):
        pull(sites_of(peer.port), lake, config)
    assert lake.quarantined() == []
    script.get_status = None
    assert pull(sites_of(peer.port), lake, config).done == 5


def test_one_study_that_never_comes_stops_no_other(archive, peer, script, sites_of, lake, config):
    archive.add(*(make_nm(n) for n in range(1, 6)))
    script.withheld = (make_nm(1).SOPInstanceUID,)
    script.withheld += (make_nm(4).SOPInstanceUID,)
    lenient = config.model_copy(update={"batch": BatchSettings(fault_share=0.5)})
    result = pull(sites_of(peer.port), lake, lenient)
    assert (result.done, result.quarantined) == (3, 2)


def test_an_archive_that_stops_delivering_in_mid_batch_is_busy(
    archive, peer, script, sites_of, lake, config
):
    archive.add(*(make_nm(n) for n in range(1, 6)))
    keys = stage.find(WINDOW, lake, config, sites_of(peer.port))

    def stop_delivering(_object):
        script.get_status = 0xC000  # of each further C-GET

    script.edit_object = stop_delivering
    with pytest.raises(ArchiveBusyError, match="not even what it delivered a while ago"):
        run_stage("pull", keys, lake, config, sites_of(peer.port))
    assert lake.quarantined() == []
    script.get_status = script.edit_object = None
    result = pull(sites_of(peer.port), lake, config)
    assert (result.done, result.skipped) == (4, 1)


def test_lists_that_always_break_stop_the_batch(archive, peer, script, sites_of, lake, config):
    archive.add(*(make_nm(n) for n in range(1, 6)))
    sites = sites_of(peer.port)
    keys = stage.find(WINDOW, lake, config, sites)
    script.refuses = lambda query: 0xC001 if query.QueryRetrieveLevel == "SERIES" else 0
    with pytest.raises(ArchiveBusyError, match="lists nothing of other studies either"):
        run_stage("pull", keys, lake, config, sites)
    assert lake.quarantined() == []
    wrong = make_nm(keys.index(keys[0]) + 1).StudyInstanceUID

    def breaks_one(query):
        is_below = query.QueryRetrieveLevel != "STUDY"
        return 0xC001 if is_below and wrong in str(query.StudyInstanceUID) else 0

    script.refuses = breaks_one
    assert run_stage("pull", keys, lake, config, sites).quarantined == 1


# ------------------------------------------------------------------ the line


def test_a_slow_line_delivers_though_an_object_takes_longer_than_the_timeout(
    archive, peer, sites_of, lake, config
):
    archive.add(make_nm(1, shape=(4, 64, 64)))  # 32 kB: 5.5 seconds; a kB each 0.2 s
    with bad_line(peer.port, rate=6_000.0) as line:
        result = pull(sites_of(line.port, dimse_timeout_s=2.5), lake, config)
    assert result.done == 1


@pytest.mark.parametrize("way", ["c-get", "c-move"])
def test_a_line_that_stalls_is_left_within_twice_the_timeout(
    archive, script, sites_of, lake, config, way, tmp_path
):
    archive.add(make_nm(1, shape=(4, 64, 64)))
    port = free_port()
    with (
        bad_line(port, stall_after=9_000, n_bad=1) as to_us,
        archive.serve(aet="HOSPITAL", destinations={"MPSS": ("127.0.0.1", to_us.port)}) as server,
        bad_line(server.port, stall_after=None) as line,
    ):
        sites = sites_of(line.port, dimse_timeout_s=0.6, retrieve=way)
        sites = replace(sites, receiver=ReceiverSettings(port=port, min_free_gb=0))
        keys = stage.find(WINDOW, lake, config, sites)
        if way == "c-get":
            line.stall_after, line.n_bad = 9_000, line.n_connections + 1
        with Receiver(sites.archive, sites.receiver, arrivals_of(sites)) as receiver:
            done = _while_looked_after(
                receiver, lambda: run_stage("pull", keys, lake, config, sites)
            )
    assert done.done == 1  # it hung for ever


def test_what_our_receiver_cuts_is_no_object_that_the_archive_cannot_send(
    archive, sites_of, lake, config
):
    archive.add(make_nm(1, shape=(1, 8, 8)), make_nm(1, series=2, shape=(4, 64, 64)))
    port = free_port()
    with (
        bad_line(port, stall_after=9_000) as to_us,  # the larger one never passes
        archive.serve(aet="HOSPITAL", destinations={"MPSS": ("127.0.0.1", to_us.port)}) as server,
    ):
        sites = sites_of(server.port, dimse_timeout_s=0.6, retrieve="c-move")
        sites = replace(sites, receiver=ReceiverSettings(port=port, min_free_gb=0))
        keys = stage.find(WINDOW, lake, config, sites)
        with (
            Receiver(sites.archive, sites.receiver, arrivals_of(sites)) as receiver,
            pytest.raises(TooManyFaultsError),  # it was taken, without the object
        ):
            _while_looked_after(receiver, lambda: run_stage("pull", keys, lake, config, sites))
    [row] = lake.quarantined()
    assert "1 of 2 announced objects did not come" in row["problem"]
    assert "our receiver ended the line" in row["problem"]


def _while_looked_after(receiver, work):
    """Do something while the receiver looks after its associations, as its service does."""
    import threading

    ended = threading.Event()

    def look():
        while not ended.wait(0.1):
            receiver.look_after()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        return work()
    finally:
        ended.set()
        thread.join()


def test_answers_that_stay_pending_without_an_object_are_not_waited_for(
    archive, script, sites_of, lake, config
):
    archive.add(make_nm(1))

    class Endless(Peer):
        def _on_get(self, event):
            yield 1
            while event.assoc.is_established:
                time.sleep(0.05)
                status_pending(event)

    def status_pending(event):
        from pynetdicom.dimse_primitives import C_GET

        answer = C_GET()
        answer.MessageID = event.request.MessageID
        answer.MessageIDBeingRespondedTo = event.request.MessageID
        answer.AffectedSOPClassUID = event.request.AffectedSOPClassUID
        answer.Status = 0xFF00
        event.assoc.dimse.send_msg(answer, event.context.context_id)

    with Endless(archive, script) as peer:
        sites = sites_of(peer.port, dimse_timeout_s=0.3)
        one = config.model_copy(
            update={"pull": config.pull.model_copy(update={"fetch_attempts": 1})}
        )
        [key] = stage.find(WINDOW, lake, one, sites)
        with pytest.raises(IncompleteStudyError, match="pending, and nothing came"):
            stage.run(key, lake, one, sites)


def test_a_peer_that_is_gone_is_not_waited_for(archive, sites_of):
    archive.add(make_nm(1))
    with (
        Peer(archive, Script()) as peer,
        bad_line(peer.port) as line,
        ArchiveSession(sites_of(line.port, dimse_timeout_s=600).archive) as session,
    ):
        session.echo()
        line.cut_after = 0
        with pytest.raises(ArchiveBusyError):
            session.echo()
