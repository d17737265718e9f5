"""The pull client against archives that others wrote: Orthanc, and DCMTK's dcmqrscp."""

from __future__ import annotations

from datetime import date

import pytest
from contour_objects import make_structures
from pacs_objects import ROOT, make_capture, make_nm, sop_uid, study_uid
from real_archives import running, store

from mpss_lib.dicom import to_bytes
from mpss_lib.dicom.structures import read_structures
from mpss_lib.errors import ArchiveRefusedError, TwoPatientsError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.habits import known_habits
from mpss_lib.pull.archive.session import ArchiveSession, echo
from mpss_lib.sections import PullSettings

pytestmark = pytest.mark.pacs

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))


@pytest.fixture(scope="module", params=["orthanc", "dcmqrscp"])
def hospital(request, installed, tmp_path_factory):
    """Port and title of a real archive with three studies of two days."""
    with running(request.param, installed, tmp_path_factory.mktemp(request.param)) as server:
        port, aet = server
        folder = tmp_path_factory.mktemp(f"to-{request.param}")
        for number, dataset in enumerate(_objects()):
            (folder / f"{number}.dcm").write_bytes(to_bytes(dataset))
        store(installed, aet, port, folder)
        yield port, aet


def _objects():
    yield make_nm(1)
    yield make_nm(1, series=2, SeriesDescription="REST AC OSEM")
    yield make_capture(1, series=3, SeriesInstanceUID=f"{ROOT}.2.1.2")  # among the images
    yield make_nm(2, study_date="20260303", shape=(40, 64, 64))
    yield make_nm(3, study_date="20260304")  # outside the window
    yield make_nm(5, study_date="20260601", PatientID="ANNA", PatientName="Invented^Anna")
    yield make_nm(5, series=2, study_date="20260601", PatientID="BERTA", PatientName="Invented^B")
    yield make_nm(1, series=4, Modality="CT", SeriesInstanceUID=f"{ROOT}.2.1.4")
    yield _structures()


def _structures():
    import numpy as np

    square = np.array([[0.0, 0, 0], [20, 0, 0], [20, 20, 0], [0, 20, 0]])
    return make_structures(
        {"LV Endo": [square], "Dr Smith's liver": [square]}, frame=f"{ROOT}.4.1", study=study_uid(1)
    )


@pytest.fixture
def sites(hospital, sites_of):
    port, aet = hospital
    return sites_of(port, called_aet=aet, dimse_timeout_s=20, acse_timeout_s=10)


def test_echo(sites):
    echo(sites)


def test_services_in_one_association(sites):
    with ArchiveSession(sites.archive) as session:
        answer = session.find_studies(*WINDOW, "NM")
        found = {study.study_uid: study for study in answer.studies}
        assert set(found) == {study_uid(1), study_uid(2)}
        assert found[study_uid(1)].patient_id == "HOSP-00001"
        assert found[study_uid(2)].study_date == "20260303"
        series = {one.modality for one in session.find_series(study_uid(1))}
        assert series == {"NM", "CT", "RTSTRUCT"}
        assert session.offers("1.2.840.10008.5.1.4.1.1.481.3")
        [one] = session.find_objects(study_uid(2), f"{ROOT}.2.2.1")
        assert one.sop_uid == sop_uid(2)
        assert one.sop_class in ("", "1.2.840.10008.5.1.4.1.1.20")


def test_a_night(sites, lake, config):
    keys = stage.find(WINDOW, lake, config, sites)
    assert len(keys) == 2
    with ArchiveSession(sites.archive) as session:
        outcomes = [stage.run(key, lake, config, sites, session=session).status for key in keys]
        again = [stage.run(key, lake, config, sites, session=session).status for key in keys]
    assert outcomes == ["done", "done"]
    assert again == ["skipped", "skipped"]
    rows = [row for key in keys for row in lake.rows("instance", config.address("pull"), key)]
    kept = sorted((row["modality"], row["is_stored"], row["reason"]) for row in rows)
    assert kept == [
        ("CT", False, "modality"),
        ("NM", False, "sop_class"),
        ("NM", True, ""),
        ("NM", True, ""),
        ("NM", True, ""),
        ("RTSTRUCT", True, ""),
    ]
    [drawn] = [row for row in rows if row["modality"] == "RTSTRUCT"]
    structures = read_structures(lake.root / drawn["path"])
    assert [region.name for region in structures.regions] == ["ENDO"]


def test_pixels_come_as_they_were_sent(sites, lake, config):
    from pydicom import dcmread

    from mpss_lib.pull.vault import Vault

    [key] = stage.find((WINDOW[1], WINDOW[1]), lake, config, sites)
    stage.run(key, lake, config, sites)
    [path] = lake.dicom_folder(key).glob("*.dcm")
    sent = make_nm(2, study_date="20260303", shape=(40, 64, 64))
    got = dcmread(path)
    assert got.PixelData == sent.PixelData
    assert got.SOPInstanceUID == Vault(sites.vault).uid(sop_uid(2))


def test_without_contours_they_stay_where_they_are(sites, lake, config):
    plain = config.model_copy(update={"pull": PullSettings(contours=False)})
    for key in stage.find(WINDOW, lake, plain, sites):
        stage.run(key, lake, plain, sites)
        for row in lake.rows("instance", plain.address("pull"), key):
            assert (row["modality"] == "NM") or row["reason"] == "modality"


def test_lists_of_objects_and_single_ones(hospital, sites_of, lake, config):
    port, aet = hospital
    sites = sites_of(port, called_aet=aet, uids_per_request=1, dimse_timeout_s=20)
    for key in stage.find(WINDOW, lake, config, sites):
        assert stage.run(key, lake, config, sites).status == "done"


def test_a_wrong_title_is_refused(hospital, sites_of):
    with pytest.raises(ArchiveRefusedError, match="refused us"):
        echo(sites_of(hospital[0], called_aet="NOBODY"))


def test_two_patients_under_one_study_are_told(sites, lake, config):
    """Orthanc keeps a study for each of them, dcmqrscp one study of the first."""
    june = (date(2026, 6, 1), date(2026, 6, 1))
    [key] = stage.find(june, lake, config, sites)
    with pytest.raises(TwoPatientsError, match="2 patients"):
        stage.run(key, lake, config, sites)
    assert not list(lake.dicom_folder(key).glob("*"))


def test_what_these_archives_do_is_learned(hospital, sites, lake, config):
    stage.find(WINDOW, lake, config, sites)
    habits = known_habits(sites)
    shown = (habits.day_ranges, habits.keeps_to_days, habits.keeps_to_times, habits.wildcards)
    assert shown == (True, True, True, True)
    if hospital[1] == "ORTHANC":
        assert (habits.modality_key, habits.modality_value, habits.counts) == (
            "works",
            "there",
            True,
        )
    else:  # it knows ModalitiesInStudy neither as a key nor as an answer
        assert (habits.modality_value, habits.counts) == ("empty", False)
