"""Header record of a DICOM object, read tolerantly.

Real archives hold ACR-NEMA dates, coded items without ValueType and numbers that are no numbers.
Nothing of that stops the reading: what cannot be understood is absent (``None`` or empty), and
the stage that needs it says so. Only an unreadable file raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TypeAlias

from pydicom.dataset import Dataset

from mpss_lib.dicom.parsing import parse
from mpss_lib.dicom.pixels import expected_length, is_compressed, pixel_length
from mpss_lib.dicom.values import (
    first_item,
    items,
    number_of,
    numbers_of,
    parse_date,
    quiet,
    text_of,
    texts_of,
    whole_of,
)

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
    "ReconstructionMethod",
    "ProcessingFunction",
    "Manufacturer",
    "ManufacturerModelName",
)
"""Attributes whose texts the rules of intake look at."""

PATIENT_STATE_KEYWORD = "AcquisitionContextSequence"
VIEW_KEYWORD = "ViewCodeSequence"


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

    @property
    def image_kind(self) -> str:
        """Value 3 of ImageType: ``RECON TOMO``, ``TOMO``, ``STATIC`` ...; empty where absent."""
        values = self.texts.get("ImageType", ())
        return values[2] if len(values) > 2 else ""

    @property
    def slice_spacing_mm(self) -> float | None:
        """Signed distance between slices: SpacingBetweenSlices, else SliceThickness."""
        return self.spacing_between_slices_mm or self.slice_thickness_mm or None


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
    return parse(path.read_bytes(), path.name)


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
    with quiet():
        return _header(dataset, (*TEXT_KEYWORDS, *keywords))


def _header(dataset: Dataset, keywords: Sequence[str]) -> Header:
    detector = first_item(dataset, "DetectorInformationSequence")
    holder, origin = dataset, "top level"
    if detector is not None and "ImageOrientationPatient" in detector:
        holder, origin = detector, "DetectorInformationSequence"
    orientation = numbers_of(holder, "ImageOrientationPatient")
    position = numbers_of(holder, "ImagePositionPatient")
    spacing = numbers_of(dataset, "PixelSpacing")
    return Header(
        sop_class=text_of(dataset, "SOPClassUID"),
        sop_instance=text_of(dataset, "SOPInstanceUID"),
        series=text_of(dataset, "SeriesInstanceUID"),
        study=text_of(dataset, "StudyInstanceUID"),
        modality=text_of(dataset, "Modality"),
        frame_of_reference=text_of(dataset, "FrameOfReferenceUID"),
        series_number=whole_of(dataset, "SeriesNumber"),
        study_date=parse_date(text_of(dataset, "StudyDate")),
        acquisition_date=parse_date(text_of(dataset, "AcquisitionDate")),
        rows=whole_of(dataset, "Rows"),
        columns=whole_of(dataset, "Columns"),
        n_frames=whole_of(dataset, "NumberOfFrames") or (1 if whole_of(dataset, "Rows") else 0),
        n_slices=whole_of(dataset, "NumberOfSlices"),
        n_time_slots=_time_slots(dataset),
        pixel_spacing_mm=(spacing[0], spacing[1]) if len(spacing) == 2 else None,
        spacing_between_slices_mm=number_of(dataset, "SpacingBetweenSlices"),
        slice_thickness_mm=number_of(dataset, "SliceThickness"),
        orientation=orientation if len(orientation) == 6 else None,
        orientation_from=origin if len(orientation) == 6 else "",
        position_mm=(position[0], position[1], position[2]) if len(position) == 3 else None,
        is_compressed=is_compressed(dataset),
        n_pixel_bytes=pixel_length(dataset),
        n_bytes_expected=0 if is_compressed(dataset) else expected_length(dataset),
        texts=_texts(dataset, detector, keywords),
    )


def _texts(
    dataset: Dataset, detector: Dataset | None, keywords: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    texts = {keyword: texts_of(dataset, keyword) for keyword in keywords}
    state: list[str] = []
    for item in items(dataset, "AcquisitionContextSequence"):
        name = first_item(item, "ConceptNameCodeSequence")
        if name is not None and text_of(name, "CodeValue") == PATIENT_STATE:
            state += _codes(item, "ConceptCodeSequence")
    texts[PATIENT_STATE_KEYWORD] = tuple(state)
    texts[VIEW_KEYWORD] = tuple(_codes(detector or dataset, "ViewCodeSequence"))
    return {keyword: values for keyword, values in texts.items() if values}


def _codes(holder: Dataset, keyword: str) -> list[str]:
    found: list[str] = []
    for item in items(holder, keyword):
        found += [
            text for key in ("CodeValue", "CodeMeaning") if (text := text_of(item, key)) != ""
        ]
    return found


def _time_slots(dataset: Dataset) -> int:
    vector = numbers_of(dataset, "TimeSlotVector")
    return whole_of(dataset, "NumberOfTimeSlots") or (len(set(vector)) if vector else 1)
