"""Structure sets and segmentations: fetched, de-identified by a list of their own, imported."""

from __future__ import annotations

import subprocess
from datetime import date

import numpy as np
import pytest
from contour_objects import make_segmentation, make_structures
from nm_objects import REAL
from pacs_objects import ROOT, make_nm, study_uid
from pydicom import dcmread
from pydicom.uid import RTStructureSetStorage

from mpss_lib.dicom import read_dataset, read_volume
from mpss_lib.dicom.segments import place, read_segments
from mpss_lib.dicom.structures import read_structures
from mpss_lib.errors import DicomFileError, SettingsError, WrongArgumentError
from mpss_lib.intake import stage as intake
from mpss_lib.pull import stage
from mpss_lib.pull.deidentification.contours import import_contours, named_regions
from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject
from mpss_lib.pull.vault import Vault
from mpss_lib.sections import PullSettings
from mpss_lib.volume import Mask

pytestmark = pytest.mark.pacs

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))
FRAME = f"{ROOT}.4.1"
SQUARE = np.array([[0.0, 0.0, 60.0], [20.5, 0, 60], [20.5, 20, 60], [0, 20, 60]])
CANARY = "CANARY"
PLANTED = {
    "StructureSetLabel": CANARY,
    "StructureSetName": CANARY,
    "StructureSetDescription": CANARY,
    "SeriesDescription": CANARY,
    "StudyDescription": CANARY,
    "OperatorsName": f"{CANARY}^Operator",
    "ReviewerName": f"{CANARY}^Reviewer",
    "ReviewDate": "20260303",
    "ReferringPhysicianName": f"{CANARY}^Referring",
    "PhysiciansOfRecord": f"{CANARY}^Record",
    "InstitutionName": CANARY,
    "StationName": CANARY,
    "PatientName": f"{CANARY}^Patient",
    "PatientBirthDate": "19500615",
    "AccessionNumber": CANARY,
    "StudyID": CANARY,
    "ApprovalStatus": "APPROVED",
    "PatientComments": CANARY,
}


def structures(**attributes):
    regions = {"LV Endo": [SQUARE], "Epicardium": [SQUARE + 1.0], f"{CANARY} liver": [SQUARE]}
    plain = {"frame": FRAME, "study": study_uid(1), "images": (f"{ROOT}.3.1.1.1",)}
    made = make_structures(regions, **(plain | attributes))
    for item in made.ROIContourSequence:
        for contour in item.ContourSequence:
            contour.add_new(0x30090010, "LO", CANARY)
    return made


def segments(source=None, **labels):
    source = source or make_nm(1)
    volume = read_volume(source)
    array = np.zeros(volume.array.shape, bool)
    array[1, 1:3, 2:4] = True
    made = make_segmentation({"ENDO": Mask(array, volume.affine)}, source, volume)
    made.SegmentSequence[0].SegmentLabel = labels.get("label", "LV Endo")
    made.SegmentSequence[0].SegmentDescription = CANARY
    made.ContentCreatorName = f"{CANARY}^Creator"
    made.SeriesDescription = CANARY
    return made


@pytest.fixture
def pulled(archive, sites, lake, config):
    """Pull study 1 with what is added to the archive; gives its key and its rows."""

    def pull(*objects, config=config):
        archive.add(make_nm(1), *objects)
        [key] = stage.find(WINDOW, lake, config, sites)
        stage.run(key, lake, config, sites)
        return key, lake.rows("instance", config.address("pull"), key)

    return pull


def only(rows, modality):
    [row] = [row for row in rows if row["modality"] == modality]
    return row


# --------------------------------------------------------------------------- fetched


def test_structures_come_with_the_images(pulled, lake, sites):
    _, rows = pulled(structures(**PLANTED))
    row = only(rows, "RTSTRUCT")
    assert (row["is_stored"], row["sop_class"]) == (True, RTStructureSetStorage)
    path = lake.root / row["path"]
    assert CANARY.encode() not in path.read_bytes()
    assert b"liver" not in path.read_bytes()
    assert b"Invented" not in path.read_bytes()
    assert b"Interpreter" not in path.read_bytes()
    assert ROOT.encode() not in path.read_bytes()
    kept = read_structures(path)
    uid = Vault(sites.vault).uid
    assert [region.name for region in kept.regions] == ["ENDO", "EPI"]
    assert kept.approval == "APPROVED"
    assert kept.images == {uid(f"{ROOT}.3.1.1.1")}
    assert {region.frame_of_reference for region in kept.regions} == {uid(FRAME)}
    np.testing.assert_allclose(kept.regions[0].contours[0], SQUARE)
    image = only([row for row in rows if row["modality"] == "NM"], "NM")
    assert read_volume(lake.root / image["path"]).frame_of_reference == uid(FRAME)


def test_segments_come_with_the_images(pulled, lake):
    _, rows = pulled(segments())
    row = only(rows, "SEG")
    path = lake.root / row["path"]
    assert CANARY.encode() not in path.read_bytes()
    assert ROOT.encode() not in path.read_bytes()
    kept = read_segments(path)
    [segment] = kept.segments
    assert segment.label == "ENDO"
    volume = read_volume(lake.root / only(rows, "NM")["path"])
    assert kept.frame_of_reference == volume.frame_of_reference
    mask = place(segment, volume).array
    assert mask.sum() == 4
    assert mask[1, 1:3, 2:4].all()
    type_code = dcmread(path).SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    assert type_code.CodeValue == "49848007"


def test_dates_are_shifted_with_those_of_the_images(pulled, lake):
    _, rows = pulled(structures())
    drawn = dcmread(lake.root / only(rows, "RTSTRUCT")["path"])
    image = dcmread(lake.root / only(rows, "NM")["path"])
    assert drawn.StudyDate == image.StudyDate != "20260302"
    assert (drawn.StudyTime, drawn.StructureSetTime) == ("000000", "014500")
    assert drawn.StructureSetDate == drawn.StudyDate


def test_intake_sees_images_only(pulled, lake, config):
    key, _ = pulled(structures(), segments())
    intake.run(key, lake, config)
    rows = lake.rows("volume", config.address("intake"), key)
    assert len(rows) == 1


def test_a_setting_leaves_them_at_the_archive(pulled, config):
    plain = config.model_copy(update={"pull": PullSettings(contours=False)})
    _, rows = pulled(structures(), config=plain)
    row = only(rows, "RTSTRUCT")
    assert (row["is_stored"], row["reason"]) == (False, "modality")


def test_an_archive_that_does_not_send_them_sends_the_images(server, pulled, archive):
    server._server.contexts[:] = [
        one for one in server._server.contexts if one.abstract_syntax != RTStructureSetStorage
    ]
    _, rows = pulled(structures())
    assert only(rows, "NM")["is_stored"]
    row = only(rows, "RTSTRUCT")
    assert (row["is_stored"], row["reason"]) == (False, "not_offered")


def test_contours_that_cannot_be_read_hold_up_nothing(pulled):
    broken = segments()
    broken.PixelData = broken.PixelData[:2]
    _, rows = pulled(broken)
    assert only(rows, "NM")["is_stored"]
    assert (only(rows, "SEG")["is_stored"], only(rows, "SEG")["reason"]) == (False, "unreadable")


def test_a_sites_names_are_known(pulled, lake, config):
    settings = PullSettings(contour_names={"ENDO": ("Innenwand",), "EPI": ("LV Endo",)})
    site = config.model_copy(update={"pull": settings})
    drawn = make_structures(
        {"INNEN-wand": [SQUARE], "LV Endo": [SQUARE]}, frame=FRAME, study=study_uid(1)
    )
    _, rows = pulled(drawn, config=site)
    kept = read_structures(lake.root / only(rows, "RTSTRUCT")["path"])
    assert [region.name for region in kept.regions] == ["ENDO", "EPI"]


def test_names_for_a_region_that_we_do_not_have_are_refused(archive, sites, lake, config):
    settings = PullSettings(contour_names={"ENDOCARD": ("Innenwand",)})
    site = config.model_copy(update={"pull": settings})
    archive.add(make_nm(1), structures())
    [key] = stage.find(WINDOW, lake, site, sites)
    with pytest.raises(SettingsError, match="'ENDOCARD' is no region"):
        stage.run(key, lake, site, sites)


def test_the_object_itself_is_not_changed():
    made = structures(**PLANTED)
    before = str(made)
    subject = Subject("P1", -10, "20260302", "101500", "19500615", "test")
    Deidentifier(subject, lambda uid: "2.25.1").file_bytes(made)
    assert str(made) == before
    assert len(made.StructureSetROISequence) == 3


def bare():
    """A structure set as the smallest writers make them: no approval, no device."""
    return structures(PatientName=None, StructureSetDate=None, StructureSetTime=None)


def shares():
    source = make_nm(1)
    volume = read_volume(source)
    array = np.zeros(volume.array.shape, bool)
    array[1, 1:3, 2:4] = True
    mask = Mask(array, volume.affine)
    return make_segmentation({"ENDO": mask, "EPI": mask}, source, volume, fractional=True)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: structures(**PLANTED), "RTStructureSet"),
        (bare, "RTStructureSet"),
        (segments, "Segmentation"),
        (shares, "Segmentation"),
    ],
)
def test_dciodvfy_finds_no_error_in_what_is_stored(pulled, lake, installed, make, kind):
    _, rows = pulled(make())
    path = lake.root / only(rows, "SEG" if kind == "Segmentation" else "RTSTRUCT")["path"]
    done = subprocess.run(
        [installed("dciodvfy"), "-new", str(path)], capture_output=True, text=True, check=False
    )
    told = (done.stdout + done.stderr).splitlines()
    assert kind in told
    assert [line for line in told if line.startswith("Error")] == []


# ------------------------------------------------------------------- given as a file


@pytest.fixture
def one(pulled):
    key, rows = pulled()
    return key, rows


def test_a_file_of_the_hospital_is_deidentified(one, tmp_path, lake, config, sites):
    key, rows = one
    path = tmp_path / "drawn.dcm"
    structures(**PLANTED).save_as(path)
    imported = import_contours(path, key, lake, config, sites)
    assert imported.regions == ("ENDO", "EPI")
    assert imported.path.parent == lake.dicom_folder(key) / "contours"
    assert CANARY.encode() not in imported.path.read_bytes()
    volume = read_volume(lake.root / only(rows, "NM")["path"])
    kept = read_structures(imported.path)
    assert {region.frame_of_reference for region in kept.regions} == {volume.frame_of_reference}
    assert import_contours(path, key, lake, config, sites).path == imported.path


def test_a_file_of_the_lake_keeps_its_pseudonyms(one, tmp_path, lake, config, sites):
    key, rows = one
    source = read_dataset(lake.root / only(rows, "NM")["path"])
    path = tmp_path / "corrected.dcm"
    segments(source).save_as(path)
    imported = import_contours(path, key, lake, config, sites)
    kept = read_segments(imported.path)
    assert kept.frame_of_reference == read_volume(source).frame_of_reference
    assert kept.images == {str(source.SOPInstanceUID)}
    assert CANARY.encode() not in imported.path.read_bytes()
    assert dcmread(imported.path).StudyDate == source.StudyDate


def test_a_file_of_another_patient_is_refused(one, tmp_path, lake, config, sites):
    path = tmp_path / "other.dcm"
    structures(PatientID="HOSP-00002").save_as(path)
    with pytest.raises(WrongArgumentError, match="PatientID is not that of study"):
        import_contours(path, one[0], lake, config, sites)
    assert not (lake.dicom_folder(one[0]) / "contours").exists()


def test_other_files_are_refused(one, tmp_path, lake, config, sites):
    path = tmp_path / "image.dcm"
    make_nm(1).save_as(path)
    with pytest.raises(DicomFileError, match="neither an RT Structure Set"):
        import_contours(path, one[0], lake, config, sites)
    path.write_bytes(b"no DICOM")
    with pytest.raises(DicomFileError, match="no DICM prefix"):
        import_contours(path, one[0], lake, config, sites)
    with pytest.raises(WrongArgumentError, match="is not there"):
        import_contours(tmp_path / "absent.dcm", one[0], lake, config, sites)
    make_structures({"Liver": [SQUARE]}, frame=FRAME).save_as(path)
    with pytest.raises(WrongArgumentError, match="has a known name"):
        import_contours(path, one[0], lake, config, sites)


@pytest.mark.skipif(not REAL.is_dir(), reason="real objects are not at hand")
def test_a_real_structure_set(config):
    path = REAL / "rtstruct_mim_7.0.3.dcm"
    found = read_structures(path)
    assert [region.name for region in found.regions] == ["ROI-1", "ROI-2", "ROI-3", "ROI-4"]
    assert [len(region.contours) for region in found.regions] == [3, 3, 3, 3]
    assert {one.region for one in named_regions(path, config)} == {""}
