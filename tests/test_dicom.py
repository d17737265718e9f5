"""NM object to Volume and back: geometry, order of frames, and every way to be broken."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from nm_objects import HABITS, MARK, REAL, SERIES, SUBJECT, small_object, small_volume
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom import (
    ORIENTATION_UNKNOWN,
    POSITION_UNKNOWN,
    read_dataset,
    read_gates,
    read_header,
    read_volume,
    to_bytes,
)
from mpss_lib.errors import (
    DicomFileError,
    GeometryError,
    StudyRejectedError,
    WrongArgumentError,
)
from mpss_lib.volume import Volume, make_affine

TILT = 1.0 / np.sqrt(2.0)
GRIDS = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "prone": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "oblique": ((TILT, TILT, 0.0), (0.0, 0.0, -1.0)),
    "short axis": ((0.6, 0.0, -0.8), (0.48, 0.8, 0.36)),
}


def brightest_mm(volume: Volume) -> np.ndarray:
    index = np.unravel_index(int(np.argmax(volume.array)), volume.array.shape)
    return volume.to_patient(np.asarray([index], dtype=np.float64))[0]


def save(dataset: Dataset, folder: Path) -> Path:
    path = folder / "object.dcm"
    path.write_bytes(to_bytes(dataset))
    return path


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    ("head_first", "reversed_storage", "rescale"), list(itertools.product((False, True), repeat=3))
)
def test_marked_voxel_stays_in_its_place(grid, head_first, reversed_storage, rescale, tmp_path):
    row, column = GRIDS[grid]
    volume = small_volume(row=row, column=column, spacing_mm=(4.8, 4.7, 4.6))
    habits = replace(
        HABITS, head_first=head_first, reversed_storage=reversed_storage, rescale=rescale
    )
    path = save(small_object(volume, habits=habits), tmp_path)
    got = read_volume(path)
    np.testing.assert_allclose(brightest_mm(got), brightest_mm(volume), atol=1e-6)
    np.testing.assert_allclose(got.spacing_mm, volume.spacing_mm, atol=1e-9)
    np.testing.assert_allclose(
        got.array.sum() / got.array.max(), volume.array.sum() / 200.0, rtol=1e-4
    )
    assert got.frame_of_reference == SUBJECT.frame_of_reference
    if rescale:
        np.testing.assert_allclose(got.array.max(), 200.0, rtol=1e-6)
        assert got.notes == ("rescale_slope",)


def test_head_first_writes_a_negative_spacing():
    header = read_header(small_object(habits=replace(HABITS, head_first=True)))
    assert header.spacing_between_slices_mm == pytest.approx(-4.8)
    assert read_header(small_object()).spacing_between_slices_mm == pytest.approx(4.8)


def test_order_of_storage_is_never_believed():
    dataset = small_object()
    want = read_volume(dataset).array
    frames = np.frombuffer(dataset.PixelData, dtype="<u2").reshape(want.shape)
    order = np.random.default_rng(3).permutation(want.shape[0])
    dataset.PixelData = frames[order].tobytes()
    dataset.SliceVector = (order + 1).tolist()
    np.testing.assert_array_equal(read_volume(dataset).array, want)


def test_time_slots_are_summed_or_refused():
    volume = small_volume()
    slots = np.stack([volume.array * weight for weight in (0.1, 0.2, 0.3, 0.4)])
    for is_reversed in (False, True):
        habits = replace(HABITS, rescale=True, reversed_storage=is_reversed)
        dataset = nm_dataset(volume, SUBJECT, SERIES, habits, gated=slots)
        got = read_volume(dataset)
        np.testing.assert_allclose(got.array, volume.array, atol=0.02)
        assert "sum_of_4_time_slots" in got.notes
        assert read_header(dataset).n_time_slots == 4
        gates = read_gates(dataset)
        np.testing.assert_allclose(gates, slots, atol=0.01)
        np.testing.assert_array_equal(gates.sum(axis=0), got.array)
        with pytest.raises(StudyRejectedError) as caught:
            read_volume(dataset, gated="refuse")
        assert caught.value.reasons == ("gated",)


def test_missing_orientation_is_noted_or_refused():
    dataset = small_object(habits=replace(HABITS, head_first=True))
    del dataset.DetectorInformationSequence[0].ImageOrientationPatient
    del dataset.DetectorInformationSequence[0].ImagePositionPatient
    got = read_volume(dataset)
    assert ORIENTATION_UNKNOWN in got.notes
    axial = make_affine((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (4.8, 4.8, 4.8))
    np.testing.assert_allclose(got.affine, axial)
    with pytest.raises(GeometryError, match="ImageOrientationPatient is absent"):
        read_volume(dataset, orientation="require")


def test_missing_position_is_noted():
    dataset = small_object()
    del dataset.DetectorInformationSequence[0].ImagePositionPatient
    got = read_volume(dataset)
    assert got.notes == (POSITION_UNKNOWN,)
    np.testing.assert_array_equal(got.affine[:3, 3], 0.0)


def test_rounded_cosines_are_made_orthonormal():
    dataset = small_object()
    dataset.DetectorInformationSequence[0].ImageOrientationPatient = [
        0.999, -8.7e-8, 0.0, 0.001, 1.001, 0.0,
    ]  # fmt: skip
    axes = read_volume(dataset).affine[:3, :3] / 4.8
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)


def broken_by(change):
    dataset = small_object()
    change(dataset)
    return dataset


def set_detector_orientation(dataset: Dataset, values: list[float]) -> None:
    dataset.DetectorInformationSequence[0].ImageOrientationPatient = values


def add_other_detector(dataset: Dataset) -> None:
    other = Dataset()
    other.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    dataset.DetectorInformationSequence.append(other)


GEOMETRY_FAULTS = {
    "cosines": (lambda d: set_detector_orientation(d, [1, 0, 0, 1, 0, 0]), "orthogonal"),
    "zero cosines": (lambda d: set_detector_orientation(d, [0, 0, 0, 0, 0, 0]), "orthogonal"),
    "two detectors": (add_other_detector, "different orientations"),
    "no slice vector": (lambda d: d.pop("SliceVector"), "SliceVector is absent"),
    "slice twice": (lambda d: setattr(d, "SliceVector", [1, 2, 3, 4, 5, 7, 7]), "missing"),
    "from zero": (lambda d: setattr(d, "SliceVector", list(range(7))), "counted from 1"),
    "short vector": (lambda d: setattr(d, "SliceVector", [1, 2, 3]), "3 entries for 7 frames"),
    "two energies": (
        lambda d: setattr(d, "EnergyWindowVector", [1, 1, 1, 1, 2, 2, 2]),
        "EnergyWindowVector has 2 values",
    ),
    "no pixel spacing": (lambda d: d.pop("PixelSpacing"), "PixelSpacing"),
    "no slice spacing": (
        lambda d: (d.pop("SpacingBetweenSlices"), d.pop("SliceThickness")),
        "neither SpacingBetweenSlices nor SliceThickness",
    ),
}


@pytest.mark.parametrize("name", GEOMETRY_FAULTS)
def test_broken_geometry_says_why_and_what_to_do(name):
    change, words = GEOMETRY_FAULTS[name]
    with pytest.raises(GeometryError, match=words) as caught:
        read_volume(broken_by(change))
    assert caught.value.way_out


FILE_FAULTS = {
    "short pixels": (lambda d: setattr(d, "PixelData", d.PixelData[:-2]), "header asks for"),
    "long pixels": (lambda d: setattr(d, "PixelData", d.PixelData + b"\0\0"), "header asks for"),
    "no pixels": (lambda d: d.pop("PixelData"), "no pixel data"),
    "no matrix": (lambda d: d.pop("Rows"), "no image matrix"),
    "odd bits": (lambda d: setattr(d, "BitsAllocated", 12), "header asks for|BitsAllocated"),
    "planar": (
        lambda d: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]),
        "not a reconstructed tomogram",
    ),
    "no image type": (lambda d: d.pop("ImageType"), "not a reconstructed tomogram"),
    "capture": (lambda d: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"), "is not Nuclear"),
    "colour": (lambda d: setattr(d, "SamplesPerPixel", 3), "samples per pixel"),
}


@pytest.mark.parametrize("name", FILE_FAULTS)
def test_broken_object_says_why_and_what_to_do(name):
    change, words = FILE_FAULTS[name]
    with pytest.raises(DicomFileError, match=words) as caught:
        read_volume(broken_by(change))
    assert caught.value.way_out


def test_file_cut_anywhere_is_a_file_fault(tmp_path):
    content = to_bytes(small_object())
    path = tmp_path / "object.dcm"
    for kept in (*range(0, 2600, 7), len(content) - 300, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(DicomFileError):
            read_volume(path)


def test_other_file_is_no_dicom_file(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("not an image " * 50)
    with pytest.raises(DicomFileError, match="no DICOM file"):
        read_dataset(path)


# ------------------------------------------------------------------ stored values


def test_signed_values_and_intercept():
    dataset = small_object()
    stored = np.arange(-315, 315, dtype="<i2").reshape(7, 10, 9)
    dataset.PixelRepresentation = 1
    dataset.PixelData = stored.tobytes()
    dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-2"
    np.testing.assert_array_equal(read_volume(dataset).array, stored * 0.5 - 2.0)


def test_bits_above_bits_stored_are_no_counts():
    dataset = small_object()
    want = np.arange(630).reshape(7, 10, 9)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelData = (want | 0x8000).astype("<u2").tobytes()
    np.testing.assert_array_equal(read_volume(dataset).array, want)


def test_real_world_values_are_used_and_noted():
    dataset = small_object()
    mapping = Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.25, 0.0
    plain = read_volume(dataset).array
    dataset.RealWorldValueMappingSequence = Sequence([mapping])
    got = read_volume(dataset)
    np.testing.assert_allclose(got.array, plain * 0.25)
    assert got.notes == ("real_world_value",)


def test_compressed_and_big_endian_give_the_same_numbers(tmp_path):
    dataset = small_object()
    want = read_volume(dataset).array
    compressed = small_object()
    compressed.compress(RLELossless)
    np.testing.assert_array_equal(read_volume(save(compressed, tmp_path)).array, want)
    swapped = small_object()
    swapped.PixelData = np.frombuffer(swapped.PixelData, "<u2").astype(">u2").tobytes()
    swapped.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(read_volume(swapped).array, want)


def test_broken_compression_is_a_file_fault(tmp_path):
    compressed = small_object()
    compressed.compress(RLELossless)
    path = save(compressed, tmp_path)
    dataset = read_dataset(path)
    dataset.PixelData = dataset.PixelData[:200]
    with pytest.raises(DicomFileError, match="2 fragments for 7 frames"):
        read_volume(dataset)


# -------------------------------------------------------- series of single slices


def single_slices() -> list[Dataset]:
    volume = small_volume()
    slices = []
    for z in range(volume.array.shape[0]):
        dataset = nm_dataset(
            Volume(volume.array[z : z + 1], volume.affine), SUBJECT, SERIES, HABITS
        )
        position = volume.to_patient(np.asarray([[z, 0.0, 0.0]]))[0]
        dataset.DetectorInformationSequence[0].ImagePositionPatient = position.tolist()
        dataset.PixelData = np.rint(volume.array[z] * 100).astype("<u2").tobytes()
        slices.append(dataset)
    return slices


def test_single_slices_are_sorted_by_position():
    slices = single_slices()
    order = np.random.default_rng(1).permutation(len(slices))
    got = read_volume([slices[i] for i in order])
    np.testing.assert_allclose(got.array, np.rint(small_volume().array * 100))
    np.testing.assert_allclose(got.affine, small_volume().affine, atol=1e-9)


def test_single_slices_with_a_hole_or_a_stranger_are_refused():
    slices = single_slices()
    with pytest.raises(GeometryError, match="missing"):
        read_volume(slices[:3] + slices[4:])
    with pytest.raises(GeometryError, match="make no volume"):
        read_volume(slices[:1])
    slices[2].PixelSpacing = [4.0, 4.0]
    with pytest.raises(GeometryError, match="differ"):
        read_volume(slices)
    with pytest.raises(DicomFileError, match="among single slices"):
        read_volume([small_object(), small_object()])


def test_sequence_of_one_multiframe_object_is_that_object():
    got = read_volume([small_object()])
    assert np.unravel_index(int(np.argmax(got.array)), got.array.shape) == MARK


# ------------------------------------------------------------------------- header


def test_header_says_what_the_object_says():
    header = read_header(small_object(), keywords=("StationName", "ImageComments"))
    assert header.texts["ImageType"] == ("DERIVED", "PRIMARY", "RECON TOMO", "EMISSION")
    assert header.texts["CorrectedImage"] == ("ATTN", "SCAT")
    assert header.texts["AcquisitionContextSequence"] == ("432655005", "Cardiac stress")
    assert header.texts["ViewCodeSequence"] == ("62824007", "Transverse")
    assert "StationName" not in header.texts
    assert "ImageComments" in header.texts
    assert (header.rows, header.columns, header.n_frames) == (10, 9, 7)
    assert header.n_pixel_bytes == header.n_bytes_expected == 2 * 7 * 10 * 9


def test_header_survives_odd_values():
    dataset = small_object(habits=replace(HABITS, has_value_type=False, state_coding="SRT"))
    raw = to_bytes(dataset).replace(b"20010203", b"2001-2-3").replace(b"101500", b"10:15:")
    raw = raw.replace(b"STRESS_AC", b"STR\xff\xfe\xfdSAC")
    header = read_header(pydicom.dcmread(BytesIO(raw)))
    assert header.study_date is None
    assert header.texts["AcquisitionContextSequence"][0] == "F-05019"


def test_header_of_nothing_is_empty():
    header = read_header(Dataset())
    assert header.sop_class == ""
    assert header.image_kind == ""
    assert header.slice_spacing_mm is None


# -------------------------------------------------------------------------- writer


def test_same_arguments_same_bytes():
    assert to_bytes(small_object()) == to_bytes(small_object())


def test_writer_refuses_what_an_object_cannot_hold():
    volume = small_volume()
    with pytest.raises(WrongArgumentError, match="negative"):
        small_object(Volume(volume.array - 50.0, volume.affine))
    skewed = volume.affine.copy()
    skewed[0, 1] = 2.0
    with pytest.raises(GeometryError, match="orthogonal"):
        small_object(Volume(volume.array, skewed))


@pytest.mark.parametrize("n_slots", [1, 4])
@pytest.mark.parametrize("coding", ["SRT", "SCT"])
def test_written_objects_are_valid(n_slots, coding, tmp_path, installed):
    dciodvfy = installed("dciodvfy")
    volume = small_volume()
    slots = np.stack([volume.array] * n_slots) if n_slots > 1 else None
    habits = replace(HABITS, state_coding=coding, head_first=True)
    path = save(nm_dataset(volume, SUBJECT, SERIES, habits, gated=slots), tmp_path)
    answer = subprocess.run([dciodvfy, str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in answer.stderr, answer.stderr


# ---------------------------------------------------------------------- real files

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")


@needs_real
def test_real_recon_without_orientation_is_read():
    got = read_volume(REAL / "nm_recon_tomo_heart_1993.dcm")
    assert got.array.shape == (13, 64, 64)
    assert got.array.max() == 141.0
    np.testing.assert_allclose(got.spacing_mm, (6.231669, 3.11583, 3.11583))
    assert ORIENTATION_UNKNOWN in got.notes
    header = read_header(REAL / "nm_recon_tomo_heart_1993.dcm")
    assert header.study_date is None
    assert str(header.acquisition_date) == "1993-11-24"


@needs_real
@pytest.mark.parametrize(
    "name", ["nm_static_planar_siemens", "sc_labelled_nm_ge", "rtstruct_mim_7.0.3"]
)
def test_other_real_objects_are_no_volumes(name):
    assert read_header(REAL / f"{name}.dcm").modality in ("NM", "RTSTRUCT")
    with pytest.raises(DicomFileError):
        read_volume(REAL / f"{name}.dcm")
