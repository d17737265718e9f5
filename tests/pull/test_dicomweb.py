"""Lists and objects over DICOMweb: Orthanc, and a server that answers as it is told to."""

from __future__ import annotations

import json
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orthanc
import pytest
import real_archives
from pacs_objects import make_nm, series_uid, sop_uid, study_uid
from peer import free_port
from pydantic import ValidationError
from pydicom.dataset import Dataset

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.batch import run_stage
from mpss_lib.dicom import to_bytes
from mpss_lib.errors import ArchiveBusyError, ArchiveDownError, ArchiveRefusedError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.archive.association import QueryFailedError
from mpss_lib.pull.archive.habits import known_habits
from mpss_lib.pull.archive.queries import Slice, make_query, object_query, slice_query
from mpss_lib.pull.archive.session import ArchiveSession, echo
from mpss_lib.pull.archive.web import WebArchive
from mpss_lib.tables import Lake

pytestmark = pytest.mark.pacs

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))
PAIR = object_query(study_uid(1), ObjectAnswer(series_uid(1), sop_uid(1), ""))


def objects():
    yield make_nm(1)
    yield make_nm(1, series=2, SeriesDescription="REST AC OSEM")
    yield make_nm(1, series=3, Modality="CT")
    yield make_nm(2, study_date="20260303", shape=(40, 64, 64))
    yield make_nm(3, study_date="20260303", PatientName="M\xfcller^Invented")
    yield make_nm(4, study_date="20260304")


def pull(sites, lake, config):
    keys = stage.find(WINDOW, lake, config, sites)
    return run_stage("pull", keys, lake, config, sites)


def contents(lake):
    found = [path for path in lake.root.rglob("*") if path.is_file()]
    named = {path.relative_to(lake.root).as_posix(): path.read_bytes() for path in found}
    return {n: b for n, b in named.items() if n.startswith(("dicom/", "landing/instance"))}


@pytest.fixture
def hospital(installed, tmp_path):
    if not Path(orthanc.PLUGIN).exists():
        installed("Orthanc with its DICOMweb plugin")
    folder = tmp_path / "sent"
    folder.mkdir()
    for number, dataset in enumerate(objects()):
        (folder / f"{number}.dcm").write_bytes(to_bytes(dataset))
    with orthanc.running(installed("Orthanc"), tmp_path / "orthanc", web=True) as server:
        real_archives.store(installed, server.aet, server.port, folder)
        yield server


def test_the_lake_has_the_same_bytes_as_by_c_get(hospital, sites_of, config, tmp_path):
    named = {"called_aet": hospital.aet, "dimse_timeout_s": 20}
    ways = {"WADO-RS": {"retrieve": "dicomweb", "web_url": hospital.web, "host": "192.0.2.1"}}
    ways["C-GET"] = {"retrieve": "c-get"}
    lakes = {}
    for way, more in ways.items():
        sites = sites_of(hospital.port, **(named | more))
        lakes[way] = Lake(tmp_path / way)
        echo(sites)
        assert pull(sites, lakes[way], config).done == 3
        assert pull(sites, lakes[way], config).skipped == 3
        habits = known_habits(sites)
        assert (habits.way, habits.modality_key, habits.counts) == (way, "works", True)
    assert contents(lakes["WADO-RS"]) == contents(lakes["C-GET"])
    assert len([n for n in contents(lakes["C-GET"]) if n.endswith(".dcm")]) == 4


def test_a_site_without_c_get_and_c_move_gets_objects_over_the_web(
    hospital, sites_of, lake, config, monkeypatch
):
    from mpss_lib.pull.archive.association import ArchiveAssociation

    monkeypatch.setattr(ArchiveAssociation, "lacks_for_get", lambda self: "not offered")
    sites = sites_of(hospital.port, called_aet=hospital.aet, web_url=hospital.web)
    assert pull(sites, lake, config).done == 3
    assert known_habits(sites).way == "WADO-RS"


# ------------------------------------------------------------- as it is told


class Told:
    """What the server answers: status, headers, body, or how it breaks."""

    def __init__(self):
        self.status, self.headers, self.body, self.keeps = 200, {}, b"", 0
        self.asked = []


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def web(told):
    """A client of a server that follows ``told``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            told.asked.append(self.path)
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body) + told.keeps))
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    client = client_of(server.server_address[1])
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        server.server_close()
        thread.join()


def client_of(port):
    url = f"http://reader:hidden@127.0.0.1:{port}/dicom-web/"
    return WebArchive(ArchiveSettings(web_url=url, dimse_timeout_s=0.5, connection_timeout_s=1))


def listed(web, query=None):
    return list(web.find(query or make_query("STUDY", StudyInstanceUID="")))


def test_an_identifier_becomes_a_question(web, told):
    told.body = b"[]"
    listed(web, slice_query(Slice((date(2026, 3, 2), date(2026, 3, 3)), id_end="7"), "NM"))
    asked = urlsplit(told.asked[0])
    assert asked.path == "/dicom-web/studies"
    keys = {name: value for name, [value] in parse_qs(asked.query).items()}
    assert keys.pop("includefield").split(",")[:2] == ["StudyTime", "AccessionNumber"]
    assert keys == {"StudyDate": "20260302-20260303", "ModalitiesInStudy": "NM", "PatientID": "*7"}
    query = make_query("SERIES", StudyInstanceUID="1.2", Modality="")
    listed(web, query)
    assert urlsplit(told.asked[1])[2:4] == (
        "/dicom-web/studies/1.2/series",
        "includefield=Modality",
    )
    listed(
        web, make_query("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="3", SOPInstanceUID="")
    )
    assert urlsplit(told.asked[2]).path == "/dicom-web/studies/1.2/series/3/instances"


def test_an_answer_that_cannot_be_read_is_told_from_none(web, told):
    good = Dataset()
    good.StudyInstanceUID = "1.2.3"
    told.body = json.dumps([good.to_json_dict(), {"no tag": 1}, 7]).encode()
    first, *rest = listed(web)
    assert first.StudyInstanceUID == "1.2.3"
    assert rest == [None, None]
    told.status, told.body = 204, b""
    assert listed(web) == []
    told.status = 404
    assert listed(web) == []


def test_a_list_that_was_cut_says_so(web, told):
    told.body = b"[]"
    told.headers = {"Warning": "299 pacs: There are additional results"}
    with pytest.raises(QueryFailedError) as found:
        listed(web)
    assert found.value.status == 0xA700


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (401, b"", ArchiveRefusedError, "401"),
        (403, b"", ArchiveRefusedError, "403"),
        (429, b"", ArchiveBusyError, "busy"),
        (503, b"", ArchiveBusyError, "busy"),
        (413, b"", QueryFailedError, "too many"),
        (500, b"", QueryFailedError, "status 500"),
        (200, b"<html>", QueryFailedError, "no JSON"),
        (200, b"{}", QueryFailedError, "no list"),
    ],
)
def test_what_goes_wrong_is_named(web, told, status, body, error, says):
    told.status, told.body = status, body
    with pytest.raises(error, match=says) as found:
        listed(web)
    assert "hidden" not in str(found.value)
    assert "way out" in str(found.value)


def test_a_server_that_breaks_off_or_says_nothing_is_busy_and_nobody_is_down(web, told):
    told.body, told.keeps = b"[", 100
    with pytest.raises(ArchiveBusyError, match="broke off or sent no byte"):
        listed(web)
    nobody = client_of(free_port())
    with pytest.raises(ArchiveDownError, match="nobody answers"):
        nobody.echo()
    nobody.close()


def multipart(*parts):
    lines = b"".join(
        b"\r\n--XX\r\nContent-Type: application/dicom\r\n\r\n" + part for part in parts
    )
    return lines + b"\r\n--XX--\r\n"


def test_objects_come_whole_or_not_at_all(web, told):
    told.headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=XX'}
    first, second = to_bytes(make_nm(1)), to_bytes(make_nm(1, instance=2, shape=(9, 64, 64)))
    told.body = multipart(first, second)
    found = dict(web.fetch(PAIR))
    assert set(found) == {sop_uid(1), sop_uid(1, instance=2)}
    assert found[sop_uid(1)].endswith(make_nm(1).PixelData)
    told.body = told.body[:-2000]
    told.keeps = 2000
    with pytest.raises(ArchiveBusyError):
        list(web.fetch(PAIR))
    told.keeps = 0
    assert [uid for uid, _ in web.fetch(PAIR)] == [sop_uid(1)]
    told.body = multipart(b"no DICOM file")
    with pytest.raises(QueryFailedError, match="no DICOM file"):
        list(web.fetch(PAIR))


def test_an_object_that_the_server_cannot_send_is_left_alone(web, told, tmp_path):
    told.status = 500
    settings = ArchiveSettings(retrieve="dicomweb", web_url=web._base, dimse_timeout_s=1)
    with ArchiveSession(settings) as session:
        wanted = [ObjectAnswer(series_uid(1), sop_uid(1), "")]
        found = session.fetch(study_uid(1), wanted, frozenset(), tmp_path, 1)
    assert found[sop_uid(1)].problem.endswith("status 0xC000")


@pytest.mark.parametrize("values", [{"retrieve": "dicomweb"}, {"web_url": "ftp://pacs"}])
def test_an_address_that_is_none_is_refused(values):
    with pytest.raises(ValidationError, match="web_url"):
        ArchiveSettings(**values)
    assert "hidden" not in repr(ArchiveSettings(web_url="http://me:hidden@pacs/"))
