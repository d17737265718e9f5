"""What ``dicom.writing`` makes is what pydicom's ``dcmwrite`` makes, byte for byte."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom
import pytest
from contour_objects import make_structures
from hypothesis import given
from hypothesis import strategies as some
from nm_objects import REAL
from pacs_objects import make_nm
from pydicom import dcmwrite
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from mpss_lib.dicom.pixels import is_compressed
from mpss_lib.dicom.writing import file_bytes

WHO = (UID("1.2.3.4"), "TEST_1")
PLAIN = some.text("Ab7 ^.-=", max_size=9)
TEXT = some.text("Ab7 ^.-=ü", max_size=9)
UIDS = some.sampled_from(["1.2", "1.2.3", "2.25.77"])
VALUES = {
    "CS": PLAIN,
    "LO": some.one_of(TEXT, some.lists(TEXT, max_size=3), some.none()),
    "PN": TEXT,
    "ST": some.text("Ab 7.ü", max_size=70),
    "UI": some.one_of(UIDS, some.lists(UIDS, max_size=3)),
    "DA": some.sampled_from(["", "20260302"]),
    "DS": some.one_of(
        some.sampled_from(["", "1", "-2.50", "+0.1", "3e4"]),
        some.lists(some.floats(-99, 99).map(lambda x: f"{x:.3f}"), max_size=4),
    ),
    "IS": some.one_of(some.integers(-9, 9), some.sampled_from(["", "007", "+3"])),
    "US": some.one_of(some.integers(0, 65535), some.lists(some.integers(0, 9), max_size=3)),
    "SS": some.integers(-9, 9),
    "SL": some.integers(-(2**31), 2**31 - 1),
    "FL": some.floats(-9, 9, width=32),
    "FD": some.one_of(some.floats(-9, 9), some.lists(some.integers(0, 3), min_size=2, max_size=3)),
    "AT": some.one_of(some.just(Tag(0x00540010)), some.just([Tag(0x00540010), Tag(0x00540080)])),
    "OB": some.binary(max_size=9),
    "UN": some.binary(max_size=9),
    "OW": some.binary(max_size=4).map(lambda half: half * 2),
}
ELEMENTS = some.sampled_from(sorted(VALUES)).flatmap(
    lambda vr: some.tuples(some.just(vr), VALUES[vr])
)


def by_pydicom(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = WHO
    buffer = BytesIO()
    whole = FileDataset("", dataset, preamble=b"\0" * 128, file_meta=meta)
    dcmwrite(buffer, whole, enforce_file_format=True)
    return buffer.getvalue()


def filled(elements: list[tuple[str, object]]) -> Dataset:
    made = Dataset()
    for number, (vr, value) in enumerate(elements):
        tag = Tag(0x0099, 0x1000 + 7 * number)  # private: any VR may stand there
        made.add(DataElement(tag, vr, value, validation_mode=IGNORE))
    return made


@given(some.lists(ELEMENTS, max_size=12), some.lists(ELEMENTS, max_size=3), some.booleans())
def test_any_dataset_is_written_as_by_pydicom(elements, inner, is_latin):
    with pydicom.config.disable_value_validation():
        made = filled(elements)
        made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.20", "1.2.3"
        made.SpecificCharacterSet = "ISO_IR 100" if is_latin else "ISO_IR 192"
        made.SourceImageSequence = Sequence([filled(inner), Dataset()])
        made[Tag(0x00280030)] = RawDataElement(
            Tag(0x00280030), "DS", 8, b"4.80\\4.8", 0, False, True
        )
        assert file_bytes(made, WHO) == by_pydicom(made)


def implicit() -> Dataset:
    """VRs that hang on PixelRepresentation are written by it."""
    made = make_nm(1)
    made.add(DataElement(0x00280106, "US or SS", 3))
    made.PixelRepresentation = 0
    return made


def undefined() -> Dataset:
    """Sequences and items whose ends are marked."""
    made = make_nm(1)
    made["DetectorInformationSequence"].is_undefined_length = True
    made.DetectorInformationSequence[0].is_undefined_length_sequence_item = True
    return made


@pytest.mark.parametrize(
    "dataset",
    [
        make_nm(1),
        implicit(),
        undefined(),
        make_structures({"ENDO": [np.arange(12.0).reshape(4, 3) / 7]}, frame="1.2", images=["1.3"]),
        *(
            one
            for one in map(pydicom.dcmread, sorted(REAL.glob("*.dcm")))
            if not is_compressed(one)
        ),
    ],
)
def test_real_objects_are_written_as_by_pydicom(dataset):
    with pydicom.config.disable_value_validation():
        del dataset[0x00080005:0x00080006]
        plain = Dataset()
        plain.update(dict(dataset.items()))
        assert file_bytes(plain, WHO) == by_pydicom(plain)


def test_a_value_too_long_for_its_vr_is_written_as_by_pydicom():
    made = make_nm(1)
    made.add(DataElement(0x00204000, "LT", "x" * 70000, validation_mode=IGNORE))
    plain = Dataset()
    plain.update(dict(made.items()))
    with pytest.warns(UserWarning, match="exceeds the size"):
        assert file_bytes(plain, WHO) == by_pydicom(plain)
