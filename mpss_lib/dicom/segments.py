"""DICOM Segmentation (PS3.3 A.51): named segments as voxels at their places in the patient.

Frames are placed by the position that each one states, never by their order: writers leave empty
frames out, sort by segment or by slice, and store slices from either end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom.decoding import decompress
from mpss_lib.dicom.header import Source, read_dataset
from mpss_lib.dicom.pixels import is_compressed
from mpss_lib.dicom.slices import directions_of
from mpss_lib.dicom.values import first_item, items, number_of, numbers_of, text_of, whole_of
from mpss_lib.errors import DicomFileError, GeometryError
from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume, make_affine

SEG_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
HALF = 0.5
"""A voxel of a fractional segment belongs to it from this share on."""
GRID_TOLERANCE = 0.05
"""How far from a voxel's centre, in voxels, a segmented pixel may lie."""

_WAY_OUT = "export the segmentation again from the station that made it"


@dataclass(frozen=True)
class Frame:
    """One slice of a segment: bool pixels (rows, columns) and where they lie.

    ``affine`` maps (0, row, column, 1) to (x, y, z, 1), LPS mm.
    """

    pixels: BoolArray
    affine: FloatArray


@dataclass(frozen=True)
class Segment:
    """One segment: number, SegmentLabel as it stands, and its frames."""

    number: int
    label: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class SegmentationObject:
    """A SEG object: its segments, its frame of reference, the images that it refers to."""

    sop_instance: str
    segments: tuple[Segment, ...]
    frame_of_reference: str
    images: frozenset[str]


def read_segments(source: Source) -> SegmentationObject:
    """Read a SEG object, binary or fractional.

    Parameters
    ----------
    source : path or Dataset

    Returns
    -------
    SegmentationObject
        A voxel of a fractional segment is in from half of MaximumFractionalValue on.

    Raises
    ------
    DicomFileError
        If it is no SEG object, of an unknown type, or its pixel data are cut short.
    GeometryError
        If a frame does not say where it lies or which segment it shows.
    """
    dataset = read_dataset(source)
    if text_of(dataset, "SOPClassUID") != SEG_STORAGE:
        raise DicomFileError(
            f"SOP class {text_of(dataset, 'SOPClassUID') or 'absent'} is no Segmentation",
            way_out="give a SEG object",
        )
    pixels = _pixels(dataset)
    shared = first_item(dataset, "SharedFunctionalGroupsSequence") or Dataset()
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    if len(groups) != len(pixels):
        raise DicomFileError(
            f"{len(pixels)} frames, {len(groups)} descriptions of frames", way_out=_WAY_OUT
        )
    frames: dict[int, list[Frame]] = {}
    for values, group in zip(pixels, groups, strict=True):
        frame = Frame(values, _affine(group, shared))
        frames.setdefault(_segment_of(group, shared), []).append(frame)
    segments = tuple(
        Segment(number, text_of(item, "SegmentLabel"), tuple(frames.get(number, ())))
        for item in items(dataset, "SegmentSequence")
        if (number := whole_of(item, "SegmentNumber"))
    )
    return SegmentationObject(
        text_of(dataset, "SOPInstanceUID"),
        segments,
        text_of(dataset, "FrameOfReferenceUID"),
        _images(dataset),
    )


def place(segment: Segment, volume: Volume) -> Mask:
    """Mask of a segment on the grid of a volume, exact or not at all.

    Rows, columns and slices may run in other directions than the volume's; each pixel must lie
    on a voxel's centre.

    Parameters
    ----------
    segment : Segment
    volume : Volume
        Gives the grid.

    Returns
    -------
    Mask

    Raises
    ------
    GeometryError
        If the grids differ, or the segment reaches beyond the volume.
    """
    array: BoolArray = np.zeros(volume.array.shape, dtype=np.bool_)
    for frame in segment.frames:
        _check_steps(frame.affine, volume)
        pixel = np.argwhere(frame.pixels)
        if not len(pixel):
            continue
        index = np.concatenate([np.zeros((len(pixel), 1)), pixel], axis=1)
        at = volume.to_index(index @ frame.affine[:3, :3].T + frame.affine[:3, 3])
        voxel = np.rint(at).astype(np.int64)
        off = float(np.abs(at - voxel).max())
        if off > GRID_TOLERANCE:
            raise GeometryError(
                f"segment {segment.number} lies {off:.2f} voxels beside the volume's grid",
                way_out="make the segmentation on the series that intake chose",
            )
        if (voxel < 0).any() or (voxel >= volume.array.shape).any():
            raise GeometryError(
                f"segment {segment.number} reaches beyond the volume of {volume.array.shape}",
                way_out="make the segmentation on the series that intake chose",
            )
        array[tuple(voxel.T)] = True
    _check_slices(segment, array, _slice_axis(segment, volume))
    return Mask(array, volume.affine)


def _slice_axis(segment: Segment, volume: Volume) -> int:
    """Axis of the volume's array along which the segment's frames are stacked."""
    if not segment.frames:
        return 0
    normal = np.linalg.inv(volume.affine[:3, :3]) @ segment.frames[0].affine[:3, 0]
    return int(np.abs(normal).argmax())


def _check_slices(segment: Segment, array: BoolArray, axis: int) -> None:
    """Refuse frames that lie further apart than the volume's slices: they would leave gaps."""
    others = tuple(i for i in range(3) if i != axis)
    steps = np.diff(np.flatnonzero(array.any(axis=others)))
    if steps.size and steps.min() > 1:
        raise GeometryError(
            f"frames of segment {segment.number} stand {steps.min()} slices of the volume apart",
            way_out="make the segmentation on the series that intake chose",
        )


def _check_steps(affine: FloatArray, volume: Volume) -> None:
    """Refuse pixels of another size or direction than the voxels': they would leave gaps."""
    steps = np.linalg.inv(volume.affine[:3, :3]) @ affine[:3, 1:3]
    if np.abs(np.sort(np.abs(steps), axis=0) - [[0, 0], [0, 0], [1, 1]]).max() > GRID_TOLERANCE:
        lengths = np.linalg.norm(affine[:3, 1:3], axis=0)
        raise GeometryError(
            f"pixels of {lengths[0]:.4g} x {lengths[1]:.4g} mm on voxels of"
            f" {' x '.join(f'{size:.4g}' for size in volume.spacing_mm)} mm, or turned against"
            " them",
            way_out="make the segmentation on the series that intake chose",
        )


# ------------------------------------------------------------------------ pixels


def _pixels(dataset: Dataset) -> BoolArray:
    """All frames (n, rows, columns) as bool."""
    shape = tuple(whole_of(dataset, name) for name in ("NumberOfFrames", "Rows", "Columns"))
    kind = text_of(dataset, "SegmentationType")
    bits = whole_of(dataset, "BitsAllocated")
    if (kind, bits) not in (("BINARY", 1), ("FRACTIONAL", 8)):
        raise DicomFileError(
            f"SegmentationType {kind or 'absent'} with {bits} bits",
            way_out="export it as BINARY or FRACTIONAL",
        )
    count = int(np.prod(shape))
    content = _content(dataset)
    if not count or len(content) * 8 < count * bits:
        raise DicomFileError(
            f"pixel data of {len(content)} bytes for {shape} voxels of {bits} bit",
            way_out=_WAY_OUT,
        )
    stored = np.frombuffer(content, dtype=np.uint8)
    if bits == 1:  # the first pixel is the lowest bit (PS3.5 8.1.1)
        values = np.unpackbits(stored, count=count, bitorder="little").astype(np.bool_)
    else:
        highest = number_of(dataset, "MaximumFractionalValue") or 255.0
        values = stored[:count] >= HALF * highest
    return values.reshape(shape)


def _content(dataset: Dataset) -> bytes:
    if is_compressed(dataset):
        decompress(dataset)
    content = dataset.get("PixelData")
    return content if isinstance(content, bytes) else b""


# ---------------------------------------------------------------------- geometry


def _macro(group: Dataset, shared: Dataset, keyword: str) -> Dataset:
    """Item of a functional group: of the frame, else of all frames."""
    return first_item(group, keyword) or first_item(shared, keyword) or Dataset()


def _affine(group: Dataset, shared: Dataset) -> FloatArray:
    orientation = numbers_of(
        _macro(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient"
    )
    position = numbers_of(_macro(group, shared, "PlanePositionSequence"), "ImagePositionPatient")
    spacing = numbers_of(_macro(group, shared, "PixelMeasuresSequence"), "PixelSpacing")
    if (len(orientation), len(position), len(spacing)) != (6, 3, 2) or min(spacing) <= 0:
        raise GeometryError(
            "a frame does not state its orientation, position or pixel spacing",
            way_out=_WAY_OUT,
        )
    row, column = directions_of(orientation)
    x, y, z = position
    return make_affine((x, y, z), row, column, (1.0, spacing[0], spacing[1]))


def _segment_of(group: Dataset, shared: Dataset) -> int:
    number = whole_of(
        _macro(group, shared, "SegmentIdentificationSequence"), "ReferencedSegmentNumber"
    )
    if not number:
        raise GeometryError("a frame does not say which segment it shows", way_out=_WAY_OUT)
    return number


def _images(dataset: Dataset) -> frozenset[str]:
    found: set[str] = set()
    for series in items(dataset, "ReferencedSeriesSequence"):
        for instance in items(series, "ReferencedInstanceSequence"):
            found.add(text_of(instance, "ReferencedSOPInstanceUID"))
    for group in items(dataset, "PerFrameFunctionalGroupsSequence"):
        for derivation in items(group, "DerivationImageSequence"):
            for source in items(derivation, "SourceImageSequence"):
                found.add(text_of(source, "ReferencedSOPInstanceUID"))
    return frozenset(found - {""})
