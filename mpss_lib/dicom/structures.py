"""RT Structure Set (PS3.3 A.19): named regions as contours in the patient, in millimetres.

Nothing is taken from the images that a contour refers to: its points stand in LPS mm, so that a
structure set drawn on multi-frame NM objects (whose frames many writers do not name) reads alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom.header import Source, read_dataset
from mpss_lib.dicom.values import items, numbers_of, text_of, whole_of
from mpss_lib.errors import DicomFileError
from mpss_lib.volume import FloatArray

RTSTRUCT_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
"""Geometric types that enclose an area; points and open lines do not."""

_WAY_OUT = "export the structure set again from the station that drew it"


@dataclass(frozen=True)
class Region:
    """One region of interest.

    Parameters
    ----------
    number : int
        ROINumber.
    name : str
        ROIName as it stands.
    frame_of_reference : str
        ReferencedFrameOfReferenceUID.
    contours : tuple of (n, 3) float64 arrays
        Corners (x, y, z) of each closed contour, LPS mm, n >= 3.
    n_ignored : int
        Points, open lines and contours of fewer than three corners.
    """

    number: int
    name: str
    frame_of_reference: str
    contours: tuple[FloatArray, ...]
    n_ignored: int = 0


@dataclass(frozen=True)
class StructureSet:
    """A structure set: its regions, the images that it refers to, its approval."""

    sop_instance: str
    regions: tuple[Region, ...]
    images: frozenset[str]
    approval: str


def read_structures(source: Source) -> StructureSet:
    """Read an RTSTRUCT object.

    Parameters
    ----------
    source : path or Dataset

    Returns
    -------
    StructureSet
        Regions by ROINumber; one without contours is there, with none.

    Raises
    ------
    DicomFileError
        If it is no RTSTRUCT object, or ContourData are no triples of finite numbers.
    """
    dataset = read_dataset(source)
    if text_of(dataset, "SOPClassUID") != RTSTRUCT_STORAGE:
        raise DicomFileError(
            f"SOP class {text_of(dataset, 'SOPClassUID') or 'absent'} is no RT Structure Set",
            way_out="give an RTSTRUCT object",
        )
    drawn: dict[int, list[Dataset]] = {}
    for item in items(dataset, "ROIContourSequence"):
        drawn.setdefault(whole_of(item, "ReferencedROINumber"), []).extend(
            items(item, "ContourSequence")
        )
    whole_frame = _only_frame(dataset)
    regions = [
        _region(item, drawn.get(whole_of(item, "ROINumber"), []), whole_frame)
        for item in items(dataset, "StructureSetROISequence")
    ]
    return StructureSet(
        sop_instance=text_of(dataset, "SOPInstanceUID"),
        regions=tuple(sorted(regions, key=lambda region: region.number)),
        images=_images(dataset),
        approval=text_of(dataset, "ApprovalStatus"),
    )


def _only_frame(dataset: Dataset) -> str:
    """Frame of reference of the whole set, "" where there are several."""
    found = {
        text_of(item, "FrameOfReferenceUID")
        for item in items(dataset, "ReferencedFrameOfReferenceSequence")
    }
    return found.pop() if len(found) == 1 else ""


def _region(item: Dataset, contours: list[Dataset], whole_frame: str) -> Region:
    name = text_of(item, "ROIName")
    closed: list[FloatArray] = []
    n_ignored = 0
    for contour in contours:
        points = _points(contour, name)
        if text_of(contour, "ContourGeometricType") in CLOSED and len(points) >= 3:
            closed.append(points)
        else:
            n_ignored += 1
    frame = text_of(item, "ReferencedFrameOfReferenceUID") or whole_frame
    return Region(whole_of(item, "ROINumber"), name, frame, tuple(closed), n_ignored)


def _points(contour: Dataset, name: str) -> FloatArray:
    """Corners (n, 3); one that repeats its neighbour (or the first at the end) is left out."""
    values = np.array(numbers_of(contour, "ContourData"), dtype=np.float64)
    stated = whole_of(contour, "NumberOfContourPoints")
    is_whole = values.size and values.size % 3 == 0 and np.isfinite(values).all()
    if not is_whole or (stated and stated * 3 != values.size):
        raise DicomFileError(
            f"a contour of region {name[:16]!r} has {values.size} coordinates for"
            f" {stated} points, or one that is no number",
            way_out=_WAY_OUT,
        )
    points = values.reshape(-1, 3)
    is_new = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1) > 1e-6
    kept: FloatArray = points[is_new]
    return kept


def _images(dataset: Dataset) -> frozenset[str]:
    """SOP Instance UIDs of the images that were drawn on, wherever they are named."""
    found: set[str] = set()
    for frame in items(dataset, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            for series in items(study, "RTReferencedSeriesSequence"):
                for image in items(series, "ContourImageSequence"):
                    found.add(text_of(image, "ReferencedSOPInstanceUID"))
    for region in items(dataset, "ROIContourSequence"):
        for contour in items(region, "ContourSequence"):
            for image in items(contour, "ContourImageSequence"):
                found.add(text_of(image, "ReferencedSOPInstanceUID"))
    return frozenset(found - {""})
