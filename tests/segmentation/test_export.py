"""The masks as a DICOM SEG: exact, valid, pseudonymous, and whole after a real archive had it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from io import BytesIO

import numpy as np
import orthanc
import pytest
from imaging_objects import HABITS, STUDY, SUBJECT, phantom, put_study
from pydicom import dcmread

from mpss_lib.config import Config
from mpss_lib.demo.nm_modules import SeriesText
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom import read_volume, to_bytes
from mpss_lib.dicom.segments import place, read_segments
from mpss_lib.errors import StudyRejectedError
from mpss_lib.masks import read_masks
from mpss_lib.sections import SEGMENTS, SegmentationSettings
from mpss_lib.segmentation import stage
from mpss_lib.segmentation.export import RESEARCH_USE, SOP_CLASS, export_masks
from mpss_lib.whole_files import write_bytes

STORED = [
    HABITS,
    replace(HABITS, head_first=True),
    replace(HABITS, reversed_storage=True, rescale=True),
]


def segmented(lake, config, habits=HABITS, **changes):
    put_study(lake, config, (phantom(21, **changes).volume, "AC"), habits=habits)
    stage.run(STUDY, lake, config)
    return lake


def expected(lake, config):
    (row,) = lake.rows("segmentation", config.address("segmentation"), STUDY)
    masks, _ = read_masks(lake.root / row["mask_path"])
    volume = read_volume(lake.dicom_folder(STUDY) / "object0.dcm")
    return volume, {name: masks[name].array for name in SEGMENTS}


def compare(content, lake, config):
    volume, masks = expected(lake, config)
    found = read_segments(dcmread(BytesIO(content)))
    assert [segment.label for segment in found.segments] == list(SEGMENTS)
    assert found.frame_of_reference == volume.frame_of_reference
    for segment in found.segments:
        assert np.array_equal(place(segment, volume).array, masks[segment.label])


@pytest.mark.parametrize("habits", STORED)
@pytest.mark.parametrize("orientation", ["transaxial", "short_axis"])
def test_round_trip_is_exact(lake, config, habits, orientation):
    segmented(lake, config, habits, orientation=orientation)
    content = export_masks(STUDY, lake, config)
    compare(content, lake, config)
    assert export_masks(STUDY, lake, config) == content


def test_highdicom_reads_the_same(lake, config):
    import highdicom

    segmented(lake, config)
    volume, masks = expected(lake, config)
    opened = highdicom.seg.segread(BytesIO(export_masks(STUDY, lake, config)))
    found = opened.get_volume(combine_segments=False)
    assert found.array.shape == (*volume.array.shape, 7)
    stored = found.array.astype(bool)
    up = found.affine[:3, 0] @ volume.affine[:3, 0] > 0
    for number, name in enumerate(SEGMENTS):
        ours = masks[name] if up else masks[name][::-1]
        assert np.array_equal(stored[..., number], ours)
    number = opened.get_segment_description(1)
    assert number.segmented_property_type.value == "49848007"


def test_it_refers_to_the_frames_that_were_segmented(lake, config):
    segmented(lake, config, replace(HABITS, reversed_storage=True))
    source = dcmread(lake.dicom_folder(STUDY) / "object0.dcm")
    made = dcmread(BytesIO(export_masks(STUDY, lake, config)))
    [series] = made.ReferencedSeriesSequence
    [image] = series.ReferencedInstanceSequence
    assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID
    slices = list(source.SliceVector)
    spacing = float(source.SpacingBetweenSlices)
    first = np.array(source.DetectorInformationSequence[0].ImagePositionPatient, dtype=float)
    for group in made.PerFrameFunctionalGroupsSequence:
        [named] = group.DerivationImageSequence[0].SourceImageSequence
        assert named.ReferencedSOPInstanceUID == source.SOPInstanceUID
        slice_number = slices[int(named.ReferencedFrameNumber) - 1]
        at = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        assert at[2] == pytest.approx(first[2] + spacing * (slice_number - 1), abs=1e-3)


def test_gated_study_refers_to_its_first_gate(lake, config):
    made = phantom(21).volume
    put_study(lake, config, (made, "AC"))
    gates = np.stack([0.6 * made.array, 0.4 * made.array])
    series = SeriesText("2.25.30", "2.25.40", 1, "GATED STRESS AC")
    gated = nm_dataset(made, SUBJECT, series, HABITS, gated=gates)
    write_bytes(lake.dicom_folder(STUDY) / "object0.dcm", to_bytes(gated))
    stage.run(STUDY, lake, config)
    compare(export_masks(STUDY, lake, config), lake, config)


def test_it_is_pseudonymous_and_for_research(lake, config):
    segmented(lake, config)
    source = dcmread(lake.dicom_folder(STUDY) / "object0.dcm")
    made = dcmread(BytesIO(export_masks(STUDY, lake, config)))
    assert made.PatientID == source.PatientID
    assert made.SOPClassUID == SOP_CLASS
    assert made.StudyInstanceUID == source.StudyInstanceUID
    assert made.SeriesDescription == made.ContentDescription == RESEARCH_USE
    assert (made.ContentDate, made.ContentTime) == (source.StudyDate, "000000")
    assert "InstanceCreationDate" not in made
    kinds = {segment.SegmentAlgorithmType for segment in made.SegmentSequence}
    assert kinds == {"AUTOMATIC"}


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ({"StudyDate": "", "SeriesDate": "20240203"}, "20240203"),
        ({"StudyDate": "", "SeriesDate": "", "AcquisitionDate": "", "ContentDate": ""}, ""),
    ],
)
def test_it_never_takes_the_date_of_the_clock(lake, config, dates, told):
    segmented(lake, config)
    path = lake.dicom_folder(STUDY) / "object0.dcm"
    source = dcmread(path)
    for keyword, value in dates.items():
        setattr(source, keyword, value)
    write_bytes(path, to_bytes(source))
    stage.run(STUDY, lake, config)
    made = dcmread(BytesIO(export_masks(STUDY, lake, config)))
    assert (made.ContentDate, made.SeriesDate) == (told, told)
    assert (made.ContentTime, made.SeriesTime) == ("000000", "000000")


@pytest.mark.parametrize("masks_from", ["automatic", "contours"])
def test_dciodvfy_finds_no_error(lake, installed, tmp_path, draw_import, masks_from):
    config = Config(segmentation=SegmentationSettings(masks_from=masks_from))
    put_study(lake, config, (phantom(21).volume, "AC"))
    draw_import(lake)
    stage.run(STUDY, lake, config)
    path = tmp_path / "masks.dcm"
    path.write_bytes(export_masks(STUDY, lake, config))
    done = subprocess.run(
        [installed("dciodvfy"), "-new", str(path)], capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    assert "Segmentation" in told
    assert [line for line in told.splitlines() if line.startswith("Error")] == []


@pytest.fixture
def draw_import():
    """Put a structure set of the phantom beside the study, as an imported file."""
    from contour_objects import contours_of, make_structures

    def put(lake):
        truth = phantom(21).truth
        made = make_structures(
            {name: contours_of(truth[name]) for name in ("ENDO", "EPI")},
            frame=SUBJECT.frame_of_reference,
        )
        folder = lake.dicom_folder(STUDY) / "contours"
        folder.mkdir(exist_ok=True)
        made.save_as(folder / "c0.dcm")

    return put


@pytest.mark.pacs
def test_orthanc_gives_back_what_it_got(lake, config, installed, tmp_path):
    segmented(lake, config)
    path = tmp_path / "out" / "masks.dcm"
    path.parent.mkdir()
    path.write_bytes(export_masks(STUDY, lake, config))
    source = lake.dicom_folder(STUDY) / "object0.dcm"
    with orthanc.running(installed("Orthanc"), tmp_path / "orthanc") as server:
        for one in (source, path):
            done = subprocess.run(
                [
                    *(installed("storescu"), "-R", "-aet", "MPSS", "-aec", server.aet),
                    *("127.0.0.1", str(server.port), str(one)),
                ],
                capture_output=True,
                text=True,
                env=os.environ | {"TCP_NODELAY": "1"},
                check=False,
            )
            assert done.returncode == 0, done.stderr
        got = [server.file(one) for one in server.instances()]
    [segmentation] = [one for one in got if dcmread(BytesIO(one)).Modality == "SEG"]
    compare(segmentation, lake, config)
    sent = dcmread(path)
    assert dcmread(BytesIO(segmentation)) == sent
    assert {dcmread(BytesIO(one)).StudyInstanceUID for one in got} == {sent.StudyInstanceUID}


def test_our_own_export_can_be_imported(lake, config, tmp_path):
    """Somebody corrected it elsewhere: MYO and the six territories come back to the voxel."""
    asked = Config(segmentation=SegmentationSettings(masks_from="contours"))
    segmented(lake, config)
    _, masks = expected(lake, config)
    folder = lake.dicom_folder(STUDY) / "contours"
    folder.mkdir()
    (folder / "c0.dcm").write_bytes(export_masks(STUDY, lake, config))
    stage.run(STUDY, lake, asked)
    _, again = expected(lake, asked)
    for name in SEGMENTS:
        assert np.array_equal(again[name], masks[name]), name


def test_a_study_that_was_not_segmented(lake, config):
    put_study(lake, config, (phantom(21).volume, "AC"))
    with pytest.raises(StudyRejectedError) as refused:
        export_masks(STUDY, lake, config)
    assert refused.value.reasons == ("not_segmented",)
