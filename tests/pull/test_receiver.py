"""The receiver: who may send, what is kept, and that "success" means: it is on the disk."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from threading import Thread

import pytest
from bench.receiver_kills import kill_receivers
from calls import calling
from pacs_objects import make_nm, sop_uid, study_uid
from pydicom import dcmread

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.errors import PlatformFaultError, SettingsError
from mpss_lib.pull.receiver import service
from mpss_lib.pull.receiver.arrivals import Arrivals
from mpss_lib.pull.receiver.service import Receiver, serve_forever

pytestmark = pytest.mark.pacs


@pytest.fixture
def arrivals(tmp_path):
    return Arrivals(tmp_path / "received")


@contextmanager
def receiving(arrivals, archive=None, **settings):
    plain = {"min_free_gb": 0}
    with Receiver(
        archive or ArchiveSettings(called_aet="HOSPITAL", dimse_timeout_s=5),
        ReceiverSettings(**(plain | settings)),
        arrivals,
    ) as receiver:
        yield receiver


def send(receiver, *objects, **titles):
    with calling(receiver.port, **titles) as association:
        assert association.is_established
        return [association.send_c_store(one).Status for one in objects]


def test_what_was_announced_is_kept_and_nothing_else(arrivals):
    with receiving(arrivals) as receiver:
        with arrivals.announced(study_uid(1)):
            objects = [make_nm(1), make_nm(1, instance=2), make_nm(2)]
            assert send(receiver, *objects) == [0x0000, 0x0000, 0x0124]
            found = arrivals.of_study(study_uid(1))
            assert set(found) == {sop_uid(1), sop_uid(1, instance=2)}
            kept = dcmread(found[sop_uid(1)].path)
            assert kept.PixelData == make_nm(1).PixelData
            assert kept.PatientID == make_nm(1).PatientID
        assert send(receiver, make_nm(1)) == [0x0124]
        assert arrivals.studies() == []
        assert receiver.counts == {"stored": 2, "unasked": 2}
    told = json.loads((arrivals.folder / "receiver.json").read_text())
    assert told["counts"] == {"stored": 2, "unasked": 2}
    assert arrivals.folder.stat().st_mode & 0o077 == 0


def test_the_same_again_is_one_object_and_other_bytes_are_a_twin(arrivals):
    with receiving(arrivals) as receiver, arrivals.announced(study_uid(1)):
        assert send(receiver, make_nm(1), make_nm(1)) == [0, 0]
        assert not arrivals.of_study(study_uid(1))[sop_uid(1)].has_twin
        assert send(receiver, make_nm(1, seed=7)) == [0]
        [only] = arrivals.of_study(study_uid(1)).values()
        assert only.has_twin
        assert dcmread(only.path).PixelData == make_nm(1).PixelData


@pytest.mark.parametrize(
    ("titles", "settings"),
    [
        ({"aet": "STRANGER"}, {}),
        ({"to": "OTHER"}, {}),
        ({}, {"addresses": ("192.0.2.0/24",)}),
        ({}, {"callers": ("SECOND",)}),
        ({}, {"aet": "MOVES"}),
    ],
)
def test_strangers_are_refused(arrivals, titles, settings):
    with (
        receiving(arrivals, **settings) as receiver,
        calling(receiver.port, **titles) as association,
    ):
        assert not association.is_established
        time.sleep(0.05)  # the server's thread counts after it has answered
        assert sum(receiver.counts.values()) == 1


def test_lists_name_who_may_send(arrivals):
    lists = {"callers": ("SECOND",), "addresses": ("127.0.0.0/8",), "aet": "MOVES"}
    with receiving(arrivals, **lists) as receiver, arrivals.announced(study_uid(1)):
        assert send(receiver, make_nm(1), aet="SECOND", to="MOVES") == [0]


def test_without_room_an_object_is_refused_and_may_come_again(arrivals):
    with arrivals.announced(study_uid(1)):
        with receiving(arrivals, min_free_gb=1e9) as receiver:
            assert send(receiver, make_nm(1)) == [0xA700]
        assert arrivals.of_study(study_uid(1)) == {}
        with receiving(arrivals) as receiver:
            assert send(receiver, make_nm(1)) == [0]


@pytest.mark.parametrize("refused", ["os.fsync", "mpss_lib.pull.receiver.arrivals.sync"])
def test_success_is_never_answered_for_what_the_disk_has_not_confirmed(
    arrivals, monkeypatch, refused
):
    def fails(*_):
        raise OSError(5, "Input/output error")

    with receiving(arrivals) as receiver, arrivals.announced(study_uid(1)):
        with monkeypatch.context() as patch:
            patch.setattr(refused, fails)
            assert send(receiver, make_nm(1)) == [0xA700]
        assert send(receiver, make_nm(1)) == [0]
        assert receiver.counts == {"disk_refused": 1, "stored": 1}


def test_an_object_that_cannot_be_read_ends_nothing(arrivals, monkeypatch):
    with receiving(arrivals) as receiver, arrivals.announced(study_uid(1)):
        with monkeypatch.context() as patch:
            patch.setattr(service, "study_uid_of", lambda content: 1 / 0)
            assert send(receiver, make_nm(1)) == [0xC000]
        assert send(receiver, make_nm(1)) == [0]


def test_a_second_task_waits_for_the_first_and_finds_its_own_announcement(arrivals):
    seen = []

    def second():
        with arrivals.announced(study_uid(1)):
            seen.append(dict(arrivals.of_study(study_uid(1))))

    with receiving(arrivals) as receiver:
        with arrivals.announced(study_uid(1)):
            thread = Thread(target=second)
            thread.start()
            assert send(receiver, make_nm(1)) == [0]
            assert seen == []
        thread.join(timeout=10)
    assert seen == [{}]
    assert arrivals.studies() == []


def test_what_a_killed_task_left_is_used_while_it_is_fresh(arrivals):
    folder = arrivals.folder / study_uid(1)
    for age, left in ((0, {sop_uid(1)}), (7200, set())):
        folder.mkdir(parents=True)
        (folder / sop_uid(1)).write_bytes(b"as it came")
        then = time.time() - age
        os.utime(folder, (then, then))
        with arrivals.announced(study_uid(1)):
            assert set(arrivals.of_study(study_uid(1))) == left
    folder.mkdir()
    os.utime(folder, (0, 0))
    assert arrivals.sweep(3600) == 1


def test_one_receiver_serves_a_home(arrivals, sites_of):
    assert not arrivals.is_served()
    with receiving(arrivals) as receiver:
        assert arrivals.is_served()
        with pytest.raises(PlatformFaultError, match="another receiver"), receiving(arrivals):
            pass
        other = Arrivals(arrivals.folder.with_name("other"))
        with (
            pytest.raises(PlatformFaultError, match=f"127.0.0.1:{receiver.port}"),
            receiving(other, port=receiver.port),
        ):
            pass
        assert not other.is_served()
    assert not arrivals.is_served()
    with pytest.raises(SettingsError, match=r"receiver\.port is not set"):
        serve_forever(sites_of(1), ready=lambda port: None)


def test_a_kill_loses_nothing_that_was_answered_with_success(tmp_path):
    total = kill_receivers(6, seed=3, folder=tmp_path, longest_s=0.3)
    assert (total["kills"], total["lost"], total["torn"]) == (6, 0, 0)
    assert total["answered"] > 0
    assert total["in_transfer"] > 0


def test_an_association_that_sends_nothing_is_ended_and_bytes_are_told(arrivals):
    archive = ArchiveSettings(called_aet="HOSPITAL", dimse_timeout_s=0.2)
    with receiving(arrivals, archive) as receiver, calling(receiver.port) as association:
        receiver.look_after()
        assert arrivals.quiet_s() < 60
        time.sleep(0.3)
        receiver.look_after()
        assert receiver.counts["ended_without_a_byte"] == 1
        association.join(timeout=5)
        assert not association.is_established
