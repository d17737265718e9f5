"""Objects that come by C-MOVE: from our own archive, from Orthanc, from dcmqrscp."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import date

import orthanc
import pytest
import real_archives
from pacs_objects import make_nm
from peer import free_port

from mpss_lib.archive_sections import ReceiverSettings
from mpss_lib.batch import run_stage
from mpss_lib.dicom import to_bytes
from mpss_lib.errors import ArchiveRefusedError, PlatformFaultError, ReceiverDownError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.habits import known_habits
from mpss_lib.pull.receiver.arrivals import arrivals_of
from mpss_lib.pull.receiver.service import Receiver
from mpss_lib.tables import Lake

pytestmark = pytest.mark.pacs

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))
WAYS = {"c-get": "C-GET", "c-move": "C-MOVE"}


def objects():
    yield make_nm(1)
    yield make_nm(1, series=2, SeriesDescription="REST AC OSEM")
    yield make_nm(2, study_date="20260303", shape=(40, 64, 64))
    yield make_nm(3, study_date="20260303", PatientName="M\xfcller^Invented")


@contextmanager
def receiver_of(sites):
    with Receiver(sites.archive, sites.receiver, arrivals_of(sites)) as receiver:
        yield receiver


def pull(sites, lake, config, **options):
    keys = stage.find(WINDOW, lake, config, sites)
    return run_stage("pull", keys, lake, config, sites, **options)


def contents(lake):
    """Every file of the lake but the records, which carry the time."""
    found = {path.relative_to(lake.root): path for path in lake.root.rglob("*") if path.is_file()}
    kept = {name: path.read_bytes() for name, path in found.items() if name.parts[0] == "dicom"}
    assert kept
    return kept | {
        name: path.read_bytes() for name, path in found.items() if name.match("landing/instance/**")
    }


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def hospital(request, installed, tmp_path):
    """Sites of a real archive that knows our receiver."""
    port = free_port()
    folder = tmp_path / "sent"
    folder.mkdir()
    for number, dataset in enumerate(objects()):
        (folder / f"{number}.dcm").write_bytes(to_bytes(dataset))
    (tmp_path / request.param).mkdir()
    with real_archives.running(
        request.param, installed, tmp_path / request.param, sends_to=port
    ) as (archive_port, aet):
        real_archives.store(installed, aet, archive_port, folder)
        yield archive_port, aet, ReceiverSettings(port=port, min_free_gb=0)


def test_the_lake_has_the_same_bytes_whichever_way_they_came(hospital, sites_of, config, tmp_path):
    port, aet, settings = hospital
    lakes = {}
    for retrieve, name in WAYS.items():
        sites = sites_of(port, called_aet=aet, dimse_timeout_s=20, retrieve=retrieve)
        sites = replace(sites, receiver=settings)
        lakes[name] = Lake(tmp_path / retrieve)
        with receiver_of(sites) as receiver:
            result = pull(sites, lakes[name], config)
            assert (result.given, result.done) == (3, 3)
            again = pull(sites, lakes[name], config)
            assert (again.given, again.skipped) == (3, 3)
            assert receiver.counts == ({"stored": 4} if name == "C-MOVE" else {})
        assert arrivals_of(sites).studies() == []
        assert list(sites.staging.iterdir()) == []
        assert known_habits(sites).way == name
    assert contents(lakes["C-MOVE"]) == contents(lakes["C-GET"])


@pytest.fixture
def pacs(archive):
    """An archive of ours with five studies, serving our receiver's port; its contexts by name."""
    archive.add(*(make_nm(n) for n in range(1, 6)))

    @contextmanager
    def serve(*, without=(), port=None):
        destinations = {} if port is None else {"MPSS": ("127.0.0.1", port)}
        with archive.serve(aet="HOSPITAL", destinations=destinations) as server:
            server._server.contexts[:] = [
                one for one in server._server.contexts if one.abstract_syntax.name not in without
            ]
            yield server

    return serve


GET = "Study Root Query/Retrieve Information Model - GET"
MOVE = "Study Root Query/Retrieve Information Model - MOVE"


def test_an_archive_with_c_move_alone_is_served(pacs, sites_of, lake, config):
    port = free_port()
    with pacs(without=[GET], port=port) as server:
        sites = replace(sites_of(server.port), receiver=ReceiverSettings(port=port, min_free_gb=0))
        with receiver_of(sites):
            assert pull(sites, lake, config).done == 5
        assert known_habits(sites).way == "C-MOVE"


def test_what_is_missing_is_said_once_before_the_first_study(pacs, sites_of, lake, config):
    with pacs(without=[GET]) as server, pytest.raises(ArchiveRefusedError) as found:
        pull(sites_of(server.port), lake, config)
    said = str(found.value)
    assert "C-GET: the archive does not offer C-GET" in said
    assert "C-MOVE: this site has no receiver (receiver.port)" in said
    assert "way out" in said
    assert lake.quarantined() == []


def test_a_destination_that_the_archive_does_not_know_is_named(pacs, sites_of, lake, config):
    with pacs(without=[GET]) as server:
        sites = sites_of(server.port, retrieve="c-move")
        sites = replace(sites, receiver=ReceiverSettings(port=free_port(), min_free_gb=0))
        with receiver_of(sites), pytest.raises(ArchiveRefusedError, match="0xA801"):
            pull(sites, lake, config)
    assert lake.quarantined() == []


def test_without_its_receiver_a_move_waits_and_a_full_disk_stops(pacs, sites_of, lake, config):
    port = free_port()
    with pacs(port=port) as server:
        sites = sites_of(server.port, retrieve="c-move")
        sites = replace(sites, receiver=ReceiverSettings(port=port, min_free_gb=0))
        with pytest.raises(ReceiverDownError, match="no receiver runs"):
            pull(sites, lake, config)
        full = replace(sites, receiver=ReceiverSettings(port=port, min_free_gb=1e9))
        with receiver_of(full), pytest.raises(PlatformFaultError, match="min_free_gb"):
            pull(full, lake, config)
        with receiver_of(sites):
            assert pull(sites, lake, config).done == 5
    assert lake.quarantined() == []


def test_orthanc_that_refuses_c_get_is_asked_by_c_move(installed, sites_of, lake, config, tmp_path):
    port, folder = free_port(), tmp_path / "sent"
    folder.mkdir()
    for number, dataset in enumerate(objects()):
        (folder / f"{number}.dcm").write_bytes(to_bytes(dataset))
    program = installed("Orthanc")
    with orthanc.running(program, tmp_path / "orthanc", sends_to=port, gets=False) as server:
        real_archives.store(installed, server.aet, server.port, folder)
        alone = sites_of(server.port, called_aet=server.aet)
        with pytest.raises(ArchiveRefusedError, match="3 studies came") as found:
            pull(alone, lake, config)
        assert "C-MOVE: this site has no receiver" in found.value.problem
        assert lake.quarantined() == []
        sites = replace(alone, receiver=ReceiverSettings(port=port, min_free_gb=0))
        with receiver_of(sites):
            assert pull(sites, lake, config).done == 3
