"""An object cut anywhere but between two elements is told as cut, whatever its encoding."""

from io import BytesIO

import pydicom
import pytest
from nm_objects import REAL
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    NuclearMedicineImageStorage,
    RLELossless,
)

from mpss_lib.dicom.parsing import parse
from mpss_lib.errors import DicomFileError

FIRST = 300
"""Beyond the file meta information, which pydicom reads by itself."""


def nested(is_undefined):
    inner, outer = Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "C-1234", "meaning"
    outer.PurposeOfReferenceCodeSequence = [inner]
    outer.ReferencedSOPInstanceUID = "1.2.3.4"
    outer["PurposeOfReferenceCodeSequence"].is_undefined_length = is_undefined
    outer.is_undefined_length_sequence_item = is_undefined
    inner.is_undefined_length_sequence_item = is_undefined
    return outer


def made(syntax, ending, is_undefined):
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = NuclearMedicineImageStorage, "1.2.3"
    dataset.PatientID, dataset.PatientName = "P", "A^B"
    dataset.DetectorInformationSequence = [nested(is_undefined)]
    dataset["DetectorInformationSequence"].is_undefined_length = is_undefined
    if ending == "pixels":
        dataset.BitsAllocated, dataset.PixelData = 16, bytes(range(1, 65))
        if syntax == RLELossless:
            dataset.PixelData = encapsulate([bytes(range(1, 65))])
        dataset["PixelData"].VR = "OW"
    elif ending == "text":
        dataset.add_new(0x00540400, "SH", "PHANTOM")
    return dataset


def written(dataset, syntax):
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def ends_of(dataset, syntax):
    """Where each element ends: the length of a file that has no more."""
    tags = sorted(dataset.keys())
    for count in range(1, len(tags)):
        some = Dataset()
        some.update({tag: dataset[tag] for tag in tags[:count]})
        yield len(written(some, syntax))


@pytest.mark.parametrize("ending", ["sequence", "text", "pixels"])
@pytest.mark.parametrize("is_undefined", [False, True])
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless]
)
def test_every_cut_inside_an_element_is_told(syntax, ending, is_undefined):
    dataset = made(syntax, ending, is_undefined)
    content = written(dataset, syntax)
    assert parse(content, "x")
    assert parse(content + b"\0", "x"), "padding is no begun element"
    silent = set()
    for n_bytes in range(FIRST, len(content)):
        try:
            parse(content[:n_bytes], "x")
        except DicomFileError:
            continue
        silent.add(n_bytes)
    ends = {end for end in ends_of(dataset, syntax) if end >= FIRST}
    assert ends
    if syntax == ExplicitVRBigEndian:  # the first byte of a tag below 0100 is as padding is
        silent -= {end + 1 for end in ends}
    assert silent == ends


def test_a_cut_of_what_is_deflated_is_told():
    content = written(
        made(DeflatedExplicitVRLittleEndian, "pixels", False), DeflatedExplicitVRLittleEndian
    )
    assert parse(content, "x").PatientID == "P"
    for n_bytes in range(FIRST, len(content) - 1):  # one byte of padding may be missing
        with pytest.raises(DicomFileError):
            parse(content[:n_bytes], "x")


@pytest.mark.parametrize("path", sorted(REAL.glob("*.dcm")) or [None], ids=str)
def test_real_objects_end_where_they_end(path):
    if path is None:
        pytest.skip("no real objects here")
    content = path.read_bytes()
    assert parse(content, path.name)
    with pytest.raises(DicomFileError, match="truncated"):
        parse(content[:-3], path.name)
