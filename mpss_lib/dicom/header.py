"""Header record of a DICOM object: what stands there, and what stands there and cannot be read.

Real archives hold ACR-NEMA dates, coded items without ValueType and numbers that are no numbers.
Nothing of that stops the reading of the record. What cannot be read is not absent: it is listed
in ``Header.unreadable``, and who decides by it refuses. Only an unreadable file raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

from pydicom.dataset import Dataset

from mpss_lib.dicom.faults import object_fault
from mpss_lib.dicom.parsing import FETCH_AGAIN, parse
from mpss_lib.dicom.pixels import expected_length, is_compressed, pixel_length
from mpss_lib.dicom.values import (
    items,
    parse_date,
    read_numbers,
    text_of,
    texts_of,
    whole_numbers_of,
)
from mpss_lib.errors import UnreadableValueError

Source: TypeAlias = str | Path | Dataset

NM_STORAGE = "1.2.840.10008.5.1.4.1.1.20"
SECONDARY_CAPTURE_STORAGE = "1.2.840.10008.5.1.4.1.1.7"

PATIENT_STATE = "109054"
"""Code value of the concept name "Patient State" (DCM) in AcquisitionContextSequence."""

TEXT_KEYWORDS = (
    "ImageType",
    "ImageID",
    "SeriesDescription",
    "ProtocolName",
    "StudyDescription",
    "CorrectedImage",
    "AttenuationCorrectionMethod",
    "AttenuationCorrected",
    "ReconstructionMethod",
    "ProcessingFunction",
    "Manufacturer",
    "ManufacturerModelName",
    "QualityControlImage",
    "SyntheticData",
)
"""Attributes whose texts the rules of intake look at."""

PATIENT_STATE_KEYWORD = "AcquisitionContextSequence"
VIEW_KEYWORD = "ViewCodeSequence"
STATE_KEYWORDS = (
    PATIENT_STATE_KEYWORD,
    VIEW_KEYWORD,
    *("ConceptNameCodeSequence", "ConceptCodeSequence", "CodeValue", "CodeMeaning"),
)
"""Sequences of codes that the rules look at, and what their items hold."""

_NOT_DECIDING = frozenset(
    {"Manufacturer", "ManufacturerModelName", "QualityControlImage", "SyntheticData"}
)


@dataclass(frozen=True)
class Header:
    """What the platform needs of a header; absent things are ``None``, ``""`` or empty.

    Parameters
    ----------
    texts : mapping of keyword to tuple of str
        Values of ``TEXT_KEYWORDS`` (and of keywords asked for), stripped; and under
        ``AcquisitionContextSequence`` the code values and meanings of the patient state, under
        ``ViewCodeSequence`` those of the view.
    pixel_spacing_mm : (dy, dx) float, mm
    spacing_between_slices_mm : float, mm
        Signed: its sign is the stacking direction along row x column (PS3.3 C.8.4.15).
    orientation : tuple of 6 float
        ImageOrientationPatient as it stands, not normalised.
    orientation_from : str
        ``DetectorInformationSequence``, ``top level`` or ``""``.
    position_mm : (x, y, z) float, mm
    n_pixel_bytes, n_bytes_expected : int
        Length of PixelData, and what rows x columns x frames x samples x bits make of it;
        0 expected where the pixel data are compressed or the matrix is not stated.
    unreadable : mapping of keyword to str
        Values that are present and cannot be read, and why; their fields are as if absent.
    commas : tuple of str
        Keywords of numbers with a decimal comma, read as a point.
    """

    sop_class: str = ""
    sop_instance: str = ""
    series: str = ""
    study: str = ""
    modality: str = ""
    frame_of_reference: str = ""
    series_number: int = 0
    study_date: date | None = None
    acquisition_date: date | None = None
    rows: int = 0
    columns: int = 0
    n_frames: int = 0
    n_slices: int = 0
    n_time_slots: int = 1
    pixel_spacing_mm: tuple[float, float] | None = None
    spacing_between_slices_mm: float | None = None
    slice_thickness_mm: float | None = None
    orientation: tuple[float, ...] | None = None
    orientation_from: str = ""
    position_mm: tuple[float, float, float] | None = None
    is_compressed: bool = False
    n_pixel_bytes: int = 0
    n_bytes_expected: int = 0
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    commas: tuple[str, ...] = ()

    @property
    def image_kind(self) -> str:
        """Value 3 of ImageType: ``RECON TOMO``, ``TOMO``, ``STATIC`` ...; empty where absent."""
        values = self.texts.get("ImageType", ())
        return values[2] if len(values) > 2 else ""

    @property
    def slice_spacing_mm(self) -> float | None:
        """Signed distance between slices: SpacingBetweenSlices, else SliceThickness."""
        between = self.spacing_between_slices_mm
        return self.slice_thickness_mm if between is None else between


def read_dataset(source: Source) -> Dataset:
    """Read a DICOM file, or hand back a dataset that is in memory already.

    Raises
    ------
    DicomFileError
        If the file is no DICOM file, ends early or cannot be parsed.
    """
    if isinstance(source, Dataset):
        return source
    path = Path(source)
    return parse(path.read_bytes(), path.name)  # an OSError here is the system's


def to_bytes(dataset: Dataset) -> bytes:
    """Write a dataset as a DICOM part 10 file in memory."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def read_header(source: Source, *, keywords: Sequence[str] = ()) -> Header:
    """Read what the platform needs of a header, tolerantly.

    Parameters
    ----------
    source : path or Dataset
    keywords : sequence of str
        Further attributes whose texts are wanted (rules of a site).

    Raises
    ------
    DicomFileError
        If the file cannot be read at all.
    """
    dataset = read_dataset(source)
    with object_fault("the header cannot be read", FETCH_AGAIN):
        return _header(dataset, (*TEXT_KEYWORDS, *keywords))


class _Reader:
    """Reads values and keeps count of those that cannot be read."""

    def __init__(self) -> None:
        self.unreadable: dict[str, str] = {}
        self.commas: list[str] = []

    def numbers(
        self, dataset: Dataset, keyword: str, count: int = 0, *, may_be_empty: bool = False
    ) -> tuple[float, ...]:
        try:
            found = read_numbers(dataset, keyword, count=count, may_be_empty=may_be_empty)
        except UnreadableValueError as error:
            self.unreadable[error.keyword] = error.what
            return ()
        if found.has_comma:
            self.commas.append(keyword)
        return found.values

    def number(self, dataset: Dataset, keyword: str, *, may_be_empty: bool = False) -> float | None:
        values = self.numbers(dataset, keyword, 1, may_be_empty=may_be_empty)
        return values[0] if values else None

    def whole(self, dataset: Dataset, keyword: str, *, may_be_empty: bool = False) -> int:
        values = self.wholes(dataset, keyword, 1, may_be_empty=may_be_empty)
        return values[0] if values else 0

    def wholes(
        self, dataset: Dataset, keyword: str, count: int = 0, *, may_be_empty: bool = False
    ) -> tuple[int, ...]:
        try:
            return whole_numbers_of(dataset, keyword, count=count, may_be_empty=may_be_empty)
        except UnreadableValueError as error:
            self.unreadable[error.keyword] = error.what
            return ()

    def texts(self, dataset: Dataset, keyword: str) -> tuple[str, ...]:
        try:
            return texts_of(dataset, keyword, keeps_places=keyword == "ImageType")
        except UnreadableValueError as error:
            if keyword not in _NOT_DECIDING:
                self.unreadable[error.keyword] = error.what
            return ()

    def text(self, dataset: Dataset, keyword: str) -> str:
        values = self.texts(dataset, keyword)
        return values[0] if values else ""

    def items(self, dataset: Dataset, keyword: str) -> list[Dataset]:
        try:
            return items(dataset, keyword)
        except UnreadableValueError as error:
            self.unreadable[error.keyword] = error.what
            return []


def _header(dataset: Dataset, keywords: Sequence[str]) -> Header:
    read = _Reader()
    detectors = read.items(dataset, "DetectorInformationSequence")
    holder, orientation = _oriented(read, dataset, detectors)
    position = read.numbers(holder, "ImagePositionPatient", 3, may_be_empty=True)
    spacing = read.numbers(dataset, "PixelSpacing", 2)
    between = read.number(dataset, "SpacingBetweenSlices")
    thickness = read.number(dataset, "SliceThickness", may_be_empty=between is not None)
    rows, columns = read.whole(dataset, "Rows"), read.whole(dataset, "Columns")
    if between is not None:  # then the thickness decides nothing
        read.unreadable.pop("SliceThickness", None)
    texts = _texts(read, dataset, detectors, keywords)
    return Header(
        sop_class=read.text(dataset, "SOPClassUID"),
        sop_instance=read.text(dataset, "SOPInstanceUID"),
        series=read.text(dataset, "SeriesInstanceUID"),
        study=read.text(dataset, "StudyInstanceUID"),
        modality=read.text(dataset, "Modality"),
        frame_of_reference=read.text(dataset, "FrameOfReferenceUID"),
        series_number=read.whole(dataset, "SeriesNumber", may_be_empty=True),
        study_date=_date(dataset, "StudyDate"),
        acquisition_date=_date(dataset, "AcquisitionDate"),
        rows=rows,
        columns=columns,
        n_frames=read.whole(dataset, "NumberOfFrames") or (1 if rows else 0),
        n_slices=read.whole(dataset, "NumberOfSlices"),
        n_time_slots=_time_slots(read, dataset),
        pixel_spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        spacing_between_slices_mm=between,
        slice_thickness_mm=thickness,
        orientation=orientation or None,
        orientation_from=_place(holder, dataset) if orientation else "",
        position_mm=(position[0], position[1], position[2]) if position else None,
        is_compressed=is_compressed(dataset),
        n_pixel_bytes=pixel_length(dataset),
        n_bytes_expected=_expected(read, dataset),
        texts=texts,
        unreadable=read.unreadable,
        commas=tuple(dict.fromkeys(read.commas)),
    )


def _oriented(
    read: _Reader, dataset: Dataset, detectors: list[Dataset]
) -> tuple[Dataset, tuple[float, ...]]:
    """Where the orientation is stated first, and what it is; empty where it is nowhere.

    It is of Type 2 in C.8.4.11: an empty value says that nobody knows.
    """
    for holder in (*detectors, dataset):
        found = read.numbers(holder, "ImageOrientationPatient", 6, may_be_empty=True)
        if found:
            return holder, found
    return (detectors or [dataset])[0], ()


def _place(holder: Dataset, dataset: Dataset) -> str:
    return "top level" if holder is dataset else "DetectorInformationSequence"


def _texts(
    read: _Reader, dataset: Dataset, detectors: list[Dataset], keywords: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    texts = {keyword: read.texts(dataset, keyword) for keyword in keywords}
    state: list[str] = []
    for item in read.items(dataset, PATIENT_STATE_KEYWORD):
        names = read.items(item, "ConceptNameCodeSequence")
        if any(_is_patient_state(read, name) for name in names[:1]):
            state += _codes(read, item, "ConceptCodeSequence") or [""]
    texts[PATIENT_STATE_KEYWORD] = tuple(state)
    views = [one for holder in detectors or [dataset] for one in _codes(read, holder, VIEW_KEYWORD)]
    texts[VIEW_KEYWORD] = tuple(dict.fromkeys(views))
    return {keyword: values for keyword, values in texts.items() if values}


def _is_patient_state(read: _Reader, name: Dataset) -> bool:
    """Whether a concept name is "Patient State": by its code, else by its words."""
    code = read.text(name, "CodeValue")
    return code == PATIENT_STATE or (
        not code and read.text(name, "CodeMeaning").upper() == "PATIENT STATE"
    )


def _codes(read: _Reader, holder: Dataset, keyword: str) -> list[str]:
    """Values and meanings of the codes; ``""`` for an item, or a sequence, that holds none."""
    found: list[str] = []
    for item in read.items(holder, keyword):
        texts = [read.text(item, key) for key in ("CodeValue", "CodeMeaning")]
        found += [text for text in texts if text] or [""]
    return found


def _time_slots(read: _Reader, dataset: Dataset) -> int:
    vector = read.wholes(dataset, "TimeSlotVector")
    return read.whole(dataset, "NumberOfTimeSlots") or (len(set(vector)) if vector else 1)


def _expected(read: _Reader, dataset: Dataset) -> int:
    try:
        return 0 if is_compressed(dataset) else expected_length(dataset)
    except UnreadableValueError as error:
        read.unreadable[error.keyword] = error.what
        return 0


def _date(dataset: Dataset, keyword: str) -> date | None:
    """Date of the object: no rule decides by it alone, so that one that is none is absent."""
    try:
        return parse_date(text_of(dataset, keyword))
    except UnreadableValueError:
        return None
