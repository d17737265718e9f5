"""Structure sets and segmentations drawn from masks or bodies, as other programs write them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from mpss_lib.volume import FloatArray, Mask, Volume

ROOT = "1.2.826.0.1.3680043.10.99"


def pixel_edges(pixels: np.ndarray) -> list[FloatArray]:
    """Outlines (n, 2) of (row, column) corners that run along the pixels' edges, holes too."""
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    padded = np.pad(pixels, 1)
    for r, c in np.argwhere(padded):
        corners = [(r, c), (r, c + 1), (r + 1, c + 1), (r + 1, c)]
        beside = [(r - 1, c), (r, c + 1), (r + 1, c), (r, c - 1)]
        for number, (nr, nc) in enumerate(beside):
            if not padded[nr, nc]:
                edges.setdefault(corners[number], []).append(corners[(number + 1) % 4])
    outlines = []
    while edges:
        start = at = next(iter(edges))
        line = []
        while True:
            line.append(at)
            ways = edges[at]
            following = ways.pop()
            if not ways:
                del edges[at]
            at = following
            if at == start:
                break
        outlines.append(np.array(line, dtype=np.float64) - 1.5)
    return outlines


def half_way(pixels: np.ndarray) -> list[FloatArray]:
    """Outlines half-way between the pixels inside and those outside."""
    from skimage.measure import find_contours

    return [line[:-1] - 1.0 for line in find_contours(np.pad(pixels, 1).astype(float), 0.5)]


def contours_of(
    mask: Mask, outline: Callable[[np.ndarray], list[FloatArray]] = pixel_edges
) -> list[FloatArray]:
    """Contours (n, 3), LPS mm, of a mask in its own slices."""
    found = []
    for z in np.flatnonzero(mask.array.any(axis=(1, 2))):
        for line in outline(mask.array[z]):
            index = np.column_stack([np.full(len(line), float(z)), line])
            found.append(index @ mask.affine[:3, :3].T + mask.affine[:3, 3])
    return found


def make_structures(
    regions: Mapping[str, Sequence[FloatArray]],
    *,
    frame: str,
    study: str = f"{ROOT}.1.1",
    series: str = f"{ROOT}.2.1.50",
    instance: str = f"{ROOT}.3.1.50.1",
    images: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    **attributes: object,
) -> FileDataset:
    """An RTSTRUCT object; ``kinds`` gives a region another ContourGeometricType."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    values: dict[str, object] = {
        "SOPClassUID": RTStructureSetStorage,
        "SOPInstanceUID": instance,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "Modality": "RTSTRUCT",
        "PatientID": "HOSP-00001",
        "PatientName": "Invented^Person1",
        "PatientBirthDate": "19500615",
        "StudyDate": "20260302",
        "StudyTime": "101500",
        "StructureSetLabel": "LV",
        "StructureSetDate": "20260302",
        "StructureSetTime": "120000",
        "FrameOfReferenceUID": frame or None,
        "ReferencedFrameOfReferenceSequence": Items([_frame(frame, images)]),
        "StructureSetROISequence": Items(
            [_roi(n, name, frame) for n, name in enumerate(regions, start=1)]
        ),
        "ROIContourSequence": Items(
            [
                _contours(n, regions[name], (kinds or {}).get(name, "CLOSED_PLANAR"))
                for n, name in enumerate(regions, start=1)
            ]
        ),
        "RTROIObservationsSequence": Items(
            [_observation(n) for n, _ in enumerate(regions, start=1)]
        ),
    }
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(made, keyword, value)
    return made


def make_segmentation(
    masks: Mapping[str, Mask], source: Dataset, volume: Volume, *, fractional: bool = False
) -> Dataset:
    """A SEG object by highdicom: binary with empty frames left out, or fractional."""
    from highdicom import UID
    from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
    from pydicom.sr.coding import Code

    from mpss_lib.segmentation.export import _with_places

    pixels = np.stack([mask.array for mask in masks.values()], axis=-1)
    stored = np.where(pixels, 0.8, 0.3) if fractional else pixels.astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a pseudonym as PatientName
        return Segmentation(
            source_images=[_with_places(source, volume)],
            pixel_array=stored,
            segmentation_type="FRACTIONAL" if fractional else "BINARY",
            max_fractional_value=100,
            segment_descriptions=[
                SegmentDescription(
                    segment_number=n,
                    segment_label=name,
                    segmented_property_category=Code("91723000", "SCT", "Anatomical Structure"),
                    segmented_property_type=Code("49848007", "SCT", "Left Ventricle Myocardium"),
                    algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
                )
                for n, name in enumerate(masks, start=1)
            ],
            series_instance_uid=UID(f"{ROOT}.2.1.60"),
            series_number=60,
            sop_instance_uid=UID(f"{ROOT}.3.1.60.1"),
            instance_number=1,
            manufacturer="Maker",
            manufacturer_model_name="Model",
            software_versions="1",
            device_serial_number="1",
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )


def ball_contours(
    centre_mm: FloatArray,
    radius_mm: float,
    axes: FloatArray,
    places_mm: Sequence[float],
    corners: int = 90,
) -> list[FloatArray]:
    """Circles of a ball in planes across ``axes[2]``, at places along it from the centre."""
    turn = np.arange(corners) * 2.0 * np.pi / corners
    found = []
    for place in places_mm:
        if abs(place) < radius_mm:
            r = np.sqrt(radius_mm**2 - place**2)
            circle = np.column_stack([r * np.cos(turn), r * np.sin(turn), np.full(corners, place)])
            found.append(centre_mm + circle @ axes)
    return found


def _frame(uid: str, images: Sequence[str]) -> Dataset:
    frame, study, series = Dataset(), Dataset(), Dataset()
    frame.FrameOfReferenceUID = uid
    series.SeriesInstanceUID = f"{ROOT}.2.1.1"
    series.ContourImageSequence = Items([_image(one) for one in images])
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = f"{ROOT}.1.1"
    study.RTReferencedSeriesSequence = Items([series])
    frame.RTReferencedStudySequence = Items([study])
    return frame


def _image(uid: str) -> Dataset:
    image = Dataset()
    image.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
    image.ReferencedSOPInstanceUID = uid
    return image


def _roi(number: int, name: str, frame: str) -> Dataset:
    roi = Dataset()
    roi.ROINumber = number
    roi.ROIName = name.split("#")[0]  # "ENDO#2" is a second region named ENDO
    roi.ROIDescription = "drawn for Invented^Person1"
    roi.ReferencedFrameOfReferenceUID = frame
    roi.ROIGenerationAlgorithm = "MANUAL"
    return roi


def _contours(number: int, contours: Sequence[FloatArray], kind: str) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = [255, 0, 0]
    drawn = []
    for points in contours:
        one = Dataset()
        one.ContourGeometricType = kind
        one.NumberOfContourPoints = len(points)
        one.ContourData = [f"{value:.6f}" for value in points.ravel()]
        drawn.append(one)
    if drawn:
        item.ContourSequence = Items(drawn)
    return item


def _observation(number: int) -> Dataset:
    item = Dataset()
    item.ObservationNumber = number
    item.ReferencedROINumber = number
    item.RTROIInterpretedType = "ORGAN"
    item.ROIInterpreter = "Interpreter^Doctor"
    return item
