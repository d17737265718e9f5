from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from io import BytesIO

import pytest
from pacs_objects import make_capture, make_nm, series_uid, sop_uid, study_uid
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    NuclearMedicineImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from mpss_lib.demo.archive import Added, Archive
from mpss_lib.demo.archive_server import DUPLICATE_REFUSED, STORAGE_CLASSES
from mpss_lib.errors import DicomFileError


@pytest.fixture
def archive(tmp_path) -> Archive:
    return Archive(tmp_path / "pacs")


@pytest.fixture
def server(archive):
    with archive.serve(aet="HOSPITAL", allowed_aets=["MPSS"]) as running:
        yield running


def connect(server, *, calling="MPSS", called="HOSPITAL", handlers=()):
    entity = AE(calling)
    for model in (
        Verification,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        StudyRootQueryRetrieveInformationModelMove,
        NuclearMedicineImageStorage,
    ):
        entity.add_requested_context(model)
    return entity.associate(
        "127.0.0.1",
        server.port,
        ae_title=called,
        ext_neg=[build_role(NuclearMedicineImageStorage, scu_role=True, scp_role=True)],
        evt_handlers=list(handlers),
    )


def query(level="STUDY", **keys) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


# ------------------------------------------------------------------- the folder


def test_add_counts_stored_identical_and_refused(archive, tmp_path, caplog):
    path = tmp_path / "one.dcm"
    dcmwrite(path, make_nm(1), enforce_file_format=True)
    other = make_nm(1, seed=99)
    assert archive.add(path, make_nm(2)) == Added(stored=2)
    assert archive.add(path) == Added(identical=1)
    assert archive.add(other) == Added(refused=1)
    assert len(archive) == 2
    assert "other content under the same UID" in caplog.text
    assert sop_uid(1) not in caplog.text
    stored = archive.index.paths(query("IMAGE", SOPInstanceUID=sop_uid(1)))
    assert dcmread(stored[0].path).PixelData == make_nm(1).PixelData
    assert len(list((archive.folder / "objects").rglob("*.*"))) == 2


def test_the_same_object_in_another_transfer_syntax_is_identical(archive):
    archive.add(make_nm(1))
    buffer = BytesIO()
    again = make_nm(1)
    again.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    again.save_as(buffer, implicit_vr=True, enforce_file_format=True)
    assert archive.add_bytes(buffer.getvalue()) == "identical"


@pytest.mark.parametrize("content", [b"", b"no DICOM", b"\0" * 128 + b"DICM"])
def test_what_is_no_object_is_refused(archive, content):
    with pytest.raises(DicomFileError):
        archive.add_bytes(content)


def test_a_truncated_object_is_archived_as_it_came(archive):
    buffer = BytesIO()
    dcmwrite(buffer, make_nm(1), enforce_file_format=True)
    assert archive.add_bytes(buffer.getvalue()[:-30]) == "stored"


def test_a_folder_is_read_again(archive):
    archive.add(make_nm(1))
    assert len(Archive(archive.folder)) == 1


def test_many_writers_lose_nothing(archive):
    def add(first: int) -> None:
        for number in range(first, first + 10):
            archive.add(make_nm(number))

    threads = [threading.Thread(target=add, args=(first,)) for first in (1, 6, 11, 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(archive) == 25


# ------------------------------------------------------------------------ index


@pytest.fixture
def three_studies(archive) -> Archive:
    archive.add(make_nm(1), make_nm(1, series=2), make_capture(1))
    archive.add(make_nm(1, series=3, Modality="CT"))
    archive.add(make_nm(2, study_date="20260310", PatientName="Invented^[Bracket]"))
    archive.add(make_nm(3, study_date="20260401", Modality="CT"))
    return archive


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"ModalitiesInStudy": "NM"}, [1, 2]),
        ({"ModalitiesInStudy": ["CT", "PT"]}, [1, 3]),
        ({"StudyDate": "20260302"}, [1]),
        ({"StudyDate": "20260301-20260331"}, [1, 2]),
        ({"StudyDate": "-20260310"}, [1, 2]),
        ({"StudyDate": "20260310-"}, [2, 3]),
        ({"StudyTime": "100000-110000"}, [1, 2, 3]),
        ({"StudyTime": "110000-120000"}, []),
        ({"PatientID": "HOSP-0000?"}, [1, 2, 3]),
        ({"PatientID": "*2"}, [2]),
        ({"PatientName": "Invented^[[]B*"}, []),
        ({"PatientName": "Invented^[B*"}, [2]),
        ({"AccessionNumber": "ACC0000003"}, [3]),
        ({"StudyInstanceUID": [study_uid(1), study_uid(3)]}, [1, 3]),
        ({"StudyInstanceUID": "1.2.3"}, []),
        ({"PatientSex": "M"}, []),
    ],
)
def test_matching_of_studies(three_studies, keys, numbers):
    wanted = {"StudyInstanceUID": ""} | keys
    answers = three_studies.index.find(query(**wanted))
    found = [answer.StudyInstanceUID for answer in answers]
    assert found == [study_uid(number) for number in numbers]


def test_computed_attributes_of_a_study(three_studies):
    identifier = query(
        StudyInstanceUID=study_uid(1),
        ModalitiesInStudy="",
        NumberOfStudyRelatedSeries="",
        NumberOfStudyRelatedInstances="",
        PatientName="",
        StudyComments="",
    )
    [answer] = three_studies.index.find(identifier)
    assert list(answer.ModalitiesInStudy) == ["CT", "NM"]
    assert answer.NumberOfStudyRelatedSeries == 4
    assert answer.NumberOfStudyRelatedInstances == 4
    assert str(answer.PatientName) == "Invented^Person1"
    assert "StudyComments" not in answer


def test_series_and_images(three_studies):
    series = three_studies.index.find(
        query("SERIES", StudyInstanceUID=study_uid(1), Modality="NM",
              NumberOfSeriesRelatedInstances="")
    )  # fmt: skip
    assert [one.SeriesInstanceUID for one in series] == [
        series_uid(1, 1),
        series_uid(1, 2),
        series_uid(1, 9),
    ]
    assert {int(one.NumberOfSeriesRelatedInstances) for one in series} == {1}
    images = three_studies.index.find(
        query("IMAGE", SeriesInstanceUID=series_uid(1, 9), SOPClassUID="", NumberOfFrames="")
    )
    assert [one.SOPInstanceUID for one in images] == [sop_uid(1, 9)]


# --------------------------------------------------------------------- services


@pytest.mark.pacs
def test_echo_store_find_get_over_a_socket(server, archive):
    received = []

    def keep(event):
        received.append(event.dataset.SOPInstanceUID)
        return 0x0000

    assoc = connect(server, handlers=[(evt.EVT_C_STORE, keep)])
    assert assoc.send_c_echo().Status == 0x0000
    for number in (1, 2):
        assert assoc.send_c_store(make_nm(number)).Status == 0x0000
    assert assoc.send_c_store(make_nm(1)).Status == 0x0000
    assert assoc.send_c_store(make_nm(1, seed=5)).Status == DUPLICATE_REFUSED
    found = list(
        assoc.send_c_find(
            query(StudyInstanceUID="", StudyDate="20260101-"),
            StudyRootQueryRetrieveInformationModelFind,
        )
    )
    assert [status.Status for status, _ in found] == [0xFF00, 0xFF00, 0x0000]
    uids = [study_uid(1), study_uid(2)]
    got = list(
        assoc.send_c_get(query(StudyInstanceUID=uids), StudyRootQueryRetrieveInformationModelGet)
    )
    assoc.release()
    assert got[-1][0].Status == 0x0000
    assert got[-1][0].NumberOfCompletedSuboperations == 2
    assert sorted(received) == [sop_uid(1), sop_uid(2)]


@pytest.mark.pacs
def test_a_level_that_is_not_offered_is_refused(server):
    assoc = connect(server)
    [(status, _)] = assoc.send_c_find(query("PATIENT"), StudyRootQueryRetrieveInformationModelFind)
    assoc.release()
    assert status.Status == 0xA900


@pytest.mark.pacs
@pytest.mark.parametrize(("calling", "called"), [("OTHER", "HOSPITAL"), ("MPSS", "OTHER")])
def test_titles_are_checked(server, calling, called):
    assoc = connect(server, calling=calling, called=called)
    assert assoc.is_rejected
    assert not assoc.is_established


@pytest.mark.pacs
def test_move_sends_to_a_known_destination_only(archive):
    archive.add(make_nm(1), make_nm(1, series=2))
    received = []

    def keep(event):
        received.append(event.request.AffectedSOPInstanceUID)
        return 0x0000

    receiver = AE("MPSS")
    for uid in STORAGE_CLASSES:
        receiver.add_supported_context(uid)
    listening = receiver.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    address = ("127.0.0.1", listening.server_address[1])
    with archive.serve(aet="HOSPITAL", destinations={"MPSS": address}) as server:
        assoc = connect(server)
        identifier = query(StudyInstanceUID=study_uid(1))
        model = StudyRootQueryRetrieveInformationModelMove
        done = list(assoc.send_c_move(identifier, "MPSS", model))
        unknown = list(assoc.send_c_move(identifier, "NOBODY", model))
        assoc.release()
    receiver.shutdown()
    assert done[-1][0].Status == 0x0000
    assert sorted(received) == [sop_uid(1), sop_uid(1, 2)]
    assert unknown[-1][0].Status == 0xA801


@pytest.mark.pacs
def test_serve_forever_ends_on_sigterm(tmp_path):
    program = (
        "import sys; from pathlib import Path; from mpss_lib.demo.archive import serve_forever;"
        "serve_forever(Path(sys.argv[1]), port=0, aet='HOSPITAL', allowed_aets=['MPSS'],"
        " ready=lambda port: print(port, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, os.fspath(tmp_path / "pacs")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    port = int(process.stdout.readline())
    entity = AE("MPSS")
    entity.add_requested_context(Verification)
    assoc = entity.associate("127.0.0.1", port, ae_title="HOSPITAL")
    assert assoc.send_c_echo().Status == 0x0000
    assoc.release()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    process.stdout.close()
