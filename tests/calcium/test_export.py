"""A scored CT as DICOM: the report says what the lake says, the segments are the lesions."""

from __future__ import annotations

from io import BytesIO

import calcium_reports as reports
import numpy as np
import pytest
from calcium_chests import FRAME
from calcium_lake import ON, STUDY, put, sources_of
from calcium_reports import PATIENT
from ct_objects import chest as boxes
from ct_objects import files, series
from dciodvfy import FORMS, errors_of
from pydicom import dcmread
from walked_home import call

from mpss_lib.calcium import calcium_score, parse_report, placing, scoring, stage
from mpss_lib.calcium.export import (
    NO_CT,
    NOT_SCORED,
    OUTDATED,
    REPORT_FILE,
    SEGMENTATION_FILE,
    SOP_CLASSES,
    UNUSABLE,
    export_calcium,
    objects_of,
)
from mpss_lib.calcium.lesion_segmentation import PLACES, RESEARCH_USE
from mpss_lib.calcium.source_rows import scan_row
from mpss_lib.calcium.stage import ScoredScan
from mpss_lib.calcium_sections import CalciumSettings
from mpss_lib.dicom import read_ct
from mpss_lib.dicom.segments import place, read_segments
from mpss_lib.errors import StudyRejectedError
from mpss_lib.pull.deidentification.coded import known_codes

CUBE = (5, 46, 44, 3, 500.0)
CUBES = [CUBE, (8, 40, 40, 4, 250.0)]
"""Two lesions between the lungs."""
CALIBRATED = ON.model_copy(update={"calcium": CalciumSettings(mg_per_ml_hu=0.8)})
COMPANION = {"study_key": STUDY, "source_key": "scan", "kind": "calcium_ct", "days": -3}
ARTERIES = ("LM", "LAD", "LCX", "RCA")


def scored(lake, config=ON, cubes=CUBES, **changes):
    put(lake, scan=("calcium_ct", files(series(boxes(cubes), patient_id=PATIENT, **changes))))
    stage.run(STUDY, lake, config)
    return lake


def objects(made):
    return {name: dcmread(BytesIO(content)) for name, content in made.files.items()}


def groups(dataset):
    """Measurement groups by tracking identifier: concept -> (value, unit)."""
    [box] = [one for one in dataset.ContentSequence if meaning(one) == "Imaging Measurements"]
    found = {}
    for group in box.ContentSequence:
        [name] = [one.TextValue for one in group.ContentSequence if code(one) == "112039"]
        figures = {}
        for one in group.ContentSequence:
            if one.ValueType == "NUM":
                measured = one.MeasuredValueSequence[0]
                unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
                figures[code(one)] = (float(measured.NumericValue), unit)
        found[name] = (group, figures)
    return found


def meaning(item):
    return item.ConceptNameCodeSequence[0].CodeMeaning


def code(item):
    return item.ConceptNameCodeSequence[0].CodeValue


@pytest.fixture(scope="module")
def told_apart(chest, surface):
    """A chest with its ventricle's surface, as slices, scored by artery."""
    volume = chest.ct
    hu = np.clip(np.rint(volume.array), -1024.0, 3000.0)
    slices = series(hu, patient_id=PATIENT, frame=FRAME)
    for z, one in enumerate(slices):
        one.ImagePositionPatient = [
            round(v, 4) for v in volume.affine[:3, 3] + z * volume.affine[:3, 0]
        ]
        one.PixelSpacing = [volume.spacing_mm[1], volume.spacing_mm[2]]
        one.SliceThickness = chest.thickness_mm
    ct = read_ct(slices)
    score = calcium_score(
        ct.volume,
        kind="calcium",
        kvp=ct.kvp,
        thickness_mm=ct.thickness_mm,
        heart=surface,
        mg_per_ml_hu=0.8,
    )
    return ScoredScan(slices, ct, score, has_surface=True)


def made_of(scan):
    row = scan_row(COMPANION, scan.ct, scan.score, has_surface=True)
    return row, objects_of(scan, row, is_calibrated=True, version="2/test", seed="s")


def test_our_reader_reads_the_figures_by_artery_back(told_apart):
    row, made = made_of(told_apart)
    read = parse_report(made.files[REPORT_FILE], "sr", patient_id=PATIENT)
    expected = {name: row[name.lower()] for name in ARTERIES if row[name.lower()] is not None}
    assert len(expected) >= 2
    assert sum(value > 0.0 for value in expected.values()) >= 2
    assert dict(read.scores) == pytest.approx(expected | {"total": row["total"]}, rel=1e-12)
    assert read.volumes_mm3["total"] == pytest.approx(row["volume_mm3"], rel=1e-12)
    assert read.masses_mg["total"] == pytest.approx(row["mass_mg"], rel=1e-12)
    assert (read.method, read.status, read.is_verified) == ("agatston", "preliminary", False)


def test_each_lesion_has_its_figures_and_its_segment(told_apart):
    _, made = made_of(told_apart)
    lesions = told_apart.score.lesions
    report_, segmentation = (objects(made)[name] for name in (REPORT_FILE, SEGMENTATION_FILE))
    by_name = groups(report_)
    assert len(lesions) >= 3
    assert len(segmentation.SegmentSequence) == len(lesions)
    for number, (one, segment) in enumerate(
        zip(lesions, segmentation.SegmentSequence, strict=True), start=1
    ):
        group, figures = by_name[segment.TrackingID]
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert figures["112058"] == (pytest.approx(one.score), "1")
        assert figures["122660"] == (pytest.approx(one.volume_mm3), "mm3")
        assert figures["122661"] == (pytest.approx(one.mass_mg), "mg")
        assert figures["112031"] == (pytest.approx(one.peak_hu), "[hnsf'U]")
        [image] = [item for item in group.ContentSequence if item.ValueType == "IMAGE"]
        [reference] = image.ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == number
        [tracked] = [item.UID for item in group.ContentSequence if code(item) == "112040"]
        assert tracked == segment.TrackingUID


@pytest.mark.parametrize("turned", [False, True])
def test_segments_are_the_voxels_of_the_lesions(told_apart, turned):
    slices = told_apart.slices[::-1] if turned else told_apart.slices
    scan = ScoredScan(slices, told_apart.ct, told_apart.score, has_surface=True)
    _, made = made_of(scan)
    dataset = objects(made)[SEGMENTATION_FILE]
    assert dataset.SegmentationType == "BINARY"
    found = read_segments(dataset)
    assert found.frame_of_reference == told_apart.ct.volume.frame_of_reference
    for segment, lesion in zip(found.segments, told_apart.score.lesions, strict=True):
        expected = np.zeros(told_apart.ct.volume.array.shape, dtype=bool)
        expected[tuple(lesion.voxels.T)] = True
        assert np.array_equal(place(segment, told_apart.ct.volume).array, expected)
    assert made.files == made_of(told_apart)[1].files


@pytest.mark.parametrize("config", [ON, CALIBRATED])
def test_dciodvfy_finds_no_error(lake, installed, tmp_path, config):
    made = export_calcium(STUDY, scored(lake, config), config)
    assert set(made.files) == {REPORT_FILE, SEGMENTATION_FILE}
    for name, content in made.files.items():
        path = tmp_path / name
        path.write_bytes(content)
        for form in FORMS:
            assert errors_of(installed("dciodvfy"), path, *form) == {}, name


def test_dciodvfy_finds_no_error_by_artery(installed, tmp_path, told_apart):
    for name, content in made_of(told_apart)[1].files.items():
        path = tmp_path / name
        path.write_bytes(content)
        for form in FORMS:
            assert errors_of(installed("dciodvfy"), path, *form) == {}, name


def test_the_same_ct_gives_the_same_bytes(lake):
    scored(lake)
    assert export_calcium(STUDY, lake, ON).files == export_calcium(STUDY, lake, ON).files


def test_it_is_preliminary_pseudonymous_and_for_research(lake):
    made = export_calcium(STUDY, scored(lake), ON)
    source = series(boxes(CUBES), patient_id=PATIENT)
    report_, segmentation = (objects(made)[name] for name in (REPORT_FILE, SEGMENTATION_FILE))
    for one in (report_, segmentation):
        assert one.SeriesDescription == RESEARCH_USE
        assert one.PatientID == PATIENT
        assert one.StudyInstanceUID == source[0].StudyInstanceUID
        assert (one.ContentDate, one.ContentTime) == (source[0].StudyDate, "000000")
        assert "InstanceCreationDate" not in one
    assert {name: one.SOPClassUID for name, one in objects(made).items()} == SOP_CLASSES
    assert (report_.PreliminaryFlag, report_.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert (made.n_lesions, made.n_waiting, made.score) == (2, 2, sources_of(lake)["scan"]["total"])
    assert report_.CompletionFlag == "PARTIAL"
    assert "2 of the lesions" in report_.CompletionFlagDescription
    [study] = report_.CurrentRequestedProcedureEvidenceSequence
    named = {
        image.ReferencedSOPInstanceUID
        for one in study.ReferencedSeriesSequence
        for image in one.ReferencedSOPSequence
    }
    assert named == {*(one.SOPInstanceUID for one in source), segmentation.SOPInstanceUID}
    texts = [one.TextValue for one in walk(report_) if one.get("ValueType") == "TEXT"]
    version = f"2/{ON.address('calcium').config}"
    assert texts.count("MPSS calcium") == texts.count(version) == len(groups(report_)) == 3
    assert any("research use only, preliminary" in text for text in texts)


def walk(item):
    yield item
    for child in item.get("ContentSequence", []):
        yield from walk(child)


def test_mass_is_left_out_where_the_scan_is_not_calibrated(lake):
    concepts = []
    for config in (ON, CALIBRATED):
        made = export_calcium(STUDY, scored(lake, config), config)
        found = groups(objects(made)[REPORT_FILE])
        concepts.append({name for _, figures in found.values() for name in figures})
    assert "122661" not in concepts[0]
    assert concepts[1] == concepts[0] | {"122661"}


def test_a_ct_without_calcium_has_a_report_of_nought_and_no_segmentation(lake, installed, tmp_path):
    made = export_calcium(STUDY, scored(lake, cubes=[]), ON)
    assert set(made.files) == {REPORT_FILE}
    assert objects(made)[REPORT_FILE].CompletionFlag == "COMPLETE"
    read = parse_report(made.files[REPORT_FILE], "sr", patient_id=PATIENT)
    assert dict(read.scores) == dict.fromkeys((*ARTERIES, "total"), 0.0)
    path = tmp_path / REPORT_FILE
    path.write_bytes(made.files[REPORT_FILE])
    assert errors_of(installed("dciodvfy"), path, "-new") == {}


def test_every_place_has_a_code():
    """Also those that lie in no chest of these tests."""
    beside = {*scoring.BESIDE, *placing.HIDING, "elsewhere"}
    assert set(PLACES) == {*placing.CORONARY, *beside}


@pytest.mark.parametrize("place_", sorted(PLACES))
def test_codes_are_those_that_dicom_uses(place_):
    """Where the scheme is none of ours, pydicom's copy of PS3.16 has the code."""
    value, scheme, _ = PLACES[place_]
    assert scheme == "99MPSS" or value in known_codes(scheme)


def refused(lake, config=ON):
    with pytest.raises(StudyRejectedError) as told:
        export_calcium(STUDY, lake, config)
    assert told.value.problem
    assert told.value.way_out
    return told.value.reasons


def test_a_study_with_no_calcium_ct(lake):
    put(
        lake,
        one=("report", [reports.as_bytes(reports.deep_groups())]),
        own=("attenuation_ct", files(series(boxes(CUBES)))),
    )
    stage.run(STUDY, lake, ON)
    assert refused(lake) == (NO_CT,)


def test_a_ct_that_was_not_scored_with_these_settings(lake):
    put(lake, scan=("calcium_ct", files(series(boxes(CUBES), patient_id=PATIENT))))
    assert refused(lake) == (NOT_SCORED,)
    stage.run(STUDY, lake, ON)
    assert refused(lake, CALIBRATED) == (NOT_SCORED,)


def test_a_ct_that_is_another_since_is_outdated(lake):
    scored(lake)
    put(lake, scan=("calcium_ct", files(series(boxes([CUBE]), patient_id=PATIENT))))
    assert refused(lake) == (OUTDATED,)
    stage.run(STUDY, lake, ON)
    assert export_calcium(STUDY, lake, ON).n_lesions == 1


def test_a_ct_that_could_not_be_scored(lake):
    gap = [one for z, one in enumerate(series(boxes(CUBES), patient_id=PATIENT)) if z != 6]
    put(lake, scan=("calcium_ct", files(gap)))
    stage.run(STUDY, lake, ON)
    assert refused(lake) == (UNUSABLE, "missing_slices")


def test_the_command_writes_both_files_and_tells_the_audit_log(lake, tmp_path):
    root = lake.root.parent
    (root / "mpss.toml").write_text("[companions]\ncalcium_reports = true\ncalcium_ct = true\n")
    scored(lake)
    folder = tmp_path / "out"
    assert call(root, "calcium", "export", STUDY, str(folder)) == 0
    made = export_calcium(STUDY, lake, ON)
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == made.files
    told = "".join(one.read_text() for one in (root / "audit").iterdir() if one.is_file())
    assert "export_calcium" in told
    assert call(root, "calcium", "export", "S" + 16 * "f", str(tmp_path / "none")) == 1
    assert not (tmp_path / "none").exists()
