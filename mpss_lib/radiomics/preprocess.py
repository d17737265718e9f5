"""From image and mask to what features are computed on: resampling, rounding, two masks.

The order is IBSI's: interpolation, rounding, re-segmentation. Where both re-segmentations are
asked for, each looks at the voxels of the (interpolated) mask and the intersection stays, as the
IBSI manual says of combined methods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.radiomics.settings import Settings
from mpss_lib.volume import BoolArray, FloatArray, Triple

MOST_VOXELS = 500_000_000
"""Of a new grid (4 GB); more of them is a mistake of units."""


@dataclass(frozen=True)
class Prepared:
    """An image on the final grid, slices along axis 0.

    Parameters
    ----------
    image : (z, y, x) float64 array
    spacing_mm : (dz, dy, dx) float, mm
    """

    image: FloatArray
    spacing_mm: Triple


@dataclass(frozen=True)
class Region:
    """A region on the grid of a ``Prepared`` image, cropped to its own bounding box.

    Parameters
    ----------
    corner : (3,) tuple of int
        Index of the crop's first voxel in the image.
    morphology : (z, y, x) bool array
        The mask as drawn (IBSI G5KJ).
    intensity : (z, y, x) bool array
        What re-segmentation left of it (IBSI SEFI).
    """

    corner: tuple[int, int, int]
    morphology: BoolArray
    intensity: BoolArray


def check_image(image: FloatArray, spacing_mm: Triple) -> tuple[FloatArray, Triple]:
    """Image as float64 (z, y, x) and spacing as floats.

    Parameters
    ----------
    image : (z, y, x) array of numbers
    spacing_mm : (dz, dy, dx) float, mm

    Returns
    -------
    image : (z, y, x) float64 array
    spacing_mm : (dz, dy, dx) float, mm

    Raises
    ------
    WrongArgumentError
        If the image is not a 3D array of numbers, is a masked array, or the spacing is not three
        numbers above 0.
    """
    if np.ma.isMaskedArray(image):
        raise WrongArgumentError(
            "image is a masked array", way_out="give image.filled(...) and a mask of the region"
        )
    array = np.asarray(image)
    if array.ndim != 3 or array.dtype.kind not in "fiub":
        raise WrongArgumentError(
            f"image has {array.ndim} axes of {array.dtype}", way_out="give a (z, y, x) array"
        )
    spacing = np.asarray(spacing_mm)
    is_numbers = spacing.shape == (3,) and spacing.dtype.kind in "fiu"
    if not is_numbers or not ((spacing > 0) & np.isfinite(spacing)).all():
        raise WrongArgumentError(
            f"spacing_mm={spacing_mm!r}", way_out="give (dz, dy, dx) in mm, each above 0"
        )
    dz, dy, dx = (float(step) for step in spacing)
    return np.ascontiguousarray(array, dtype=np.float64), (dz, dy, dx)


def check_mask(mask: BoolArray, shape: tuple[int, ...], name: str = "mask") -> BoolArray:
    """Mask as bool array of the image's shape.

    Parameters
    ----------
    mask : (z, y, x) bool array
        Or one of 0 and 1.
    shape : (z, y, x) int
        Of the image.
    name : str
        For the message.

    Returns
    -------
    (z, y, x) bool array

    Raises
    ------
    WrongArgumentError
        If the shapes differ or the mask holds other values than 0 and 1.
    """
    array = np.asarray(mask)
    if array.shape != shape:
        raise WrongArgumentError(
            f"{name} has shape {array.shape}, the image {shape}",
            way_out="give masks on the grid of the image",
        )
    if array.dtype != np.bool_:
        if not np.isin(array, (0, 1)).all():
            raise WrongArgumentError(
                f"{name} holds values other than 0 and 1", way_out="give mask == label"
            )
        array = array.astype(np.bool_)
    return array


def prepare_image(image: FloatArray, spacing_mm: Triple, settings: Settings) -> Prepared:
    """Resample and round the image, then bring the axis across the slices to the front.

    Parameters
    ----------
    image : (z, y, x) float64 array
    spacing_mm : (dz, dy, dx) float, mm
    settings : Settings

    Returns
    -------
    Prepared
        Image with slices along axis 0, and its spacing in mm.
    """
    spacing = spacing_mm
    if settings.resample_mm is not None:
        image = resample(image, spacing_mm, settings.resample_mm, settings.image_interpolation)
        spacing = _new_spacing(spacing_mm, settings.resample_mm)
    if settings.round_intensities:
        image = np.round(image)
    steps = list(spacing)
    steps.insert(0, steps.pop(settings.slice_axis))
    image = np.ascontiguousarray(np.moveaxis(image, settings.slice_axis, 0))
    return Prepared(image, (steps[0], steps[1], steps[2]))


def prepare_region(
    mask: BoolArray, prepared: Prepared, spacing_mm: Triple, settings: Settings
) -> Region | None:
    """Bring a mask to the image's final grid, crop and re-segment it; None where it is empty.

    Parameters
    ----------
    mask : (z, y, x) bool array
        On the grid of the image as it was given.
    prepared : Prepared
        Of the same image and settings.
    spacing_mm : (dz, dy, dx) float, mm
        Of the image as it was given.
    settings : Settings

    Returns
    -------
    Region or None
    """
    if settings.resample_mm is not None:
        part = resample(
            mask.astype(np.float64), spacing_mm, settings.resample_mm, settings.mask_interpolation
        )
        # 1e-9: a partial volume of exactly the threshold must not hang on the last bit.
        mask = part >= settings.mask_threshold - 1e-9
    mask = np.moveaxis(mask, settings.slice_axis, 0)
    box = _bounding_box(mask)
    if box is None:
        return None
    morphology = np.ascontiguousarray(mask[box])
    intensity = resegment(prepared.image[box], morphology, settings)
    return Region((box[0].start, box[1].start, box[2].start), morphology, intensity)


def resegment(image: FloatArray, mask: BoolArray, settings: Settings) -> BoolArray:
    """Intensity mask: voxels of the mask within the range and not outliers (IBSI USB3, 7ACA).

    Mean and (population) standard deviation of the outlier filter are those of the mask's finite
    voxels. A range drops intensities that are not finite; without one they stay, and what is
    computed from them is undefined.

    Parameters
    ----------
    image : (z, y, x) float64 array
    mask : (z, y, x) bool array
    settings : Settings

    Returns
    -------
    (z, y, x) bool array
    """
    keep = mask
    if settings.resegment_range is not None:
        low, high = settings.resegment_range
        keep = keep & (image >= low) & (image <= high) & np.isfinite(image)
    if settings.outlier_sigma is not None:
        found = image[mask & np.isfinite(image)]
        if found.size:
            reach = settings.outlier_sigma * float(found.std())
            keep = keep & ~(np.abs(image - float(found.mean())) > reach)
    return keep


def resample(
    image: FloatArray,
    spacing_mm: Triple,
    resample_mm: tuple[float | None, float | None, float | None],
    interpolation: str,
) -> FloatArray:
    """Interpolate on a grid with the same centre (IBSI 3WE3, 026Q, QCY4).

    The new grid has ceil(n * old / new) points along an axis. Outside the original grid the nearest
    edge value is taken. An axis with None is left alone, so that the interpolation is in the other
    axes only.

    Parameters
    ----------
    image : (z, y, x) float64 array
    spacing_mm : (dz, dy, dx) float, mm
    resample_mm : (dz, dy, dx) float or None, mm
    interpolation : {"nearest", "linear", "cubic"}

    Returns
    -------
    (z, y, x) float64 array

    Raises
    ------
    WrongArgumentError
        If the new grid has more than ``MOST_VOXELS`` points.
    """
    from scipy import ndimage

    sizes, steps, origins = [], [], []
    for size, old, new in zip(image.shape, spacing_mm, resample_mm, strict=True):
        step = 1.0 if new is None else new / old
        # 1e-9: 10 x 3 mm into 2 mm is 15 points, however 3 / 2 is rounded.
        count = max(1, int(np.ceil(size / step - 1e-9)))
        sizes.append(count)
        steps.append(step)
        origins.append(0.5 * (size - 1 - step * (count - 1)))
    if all(step == 1.0 for step in steps):
        return image
    if np.prod(np.array(sizes, dtype=np.float64)) > MOST_VOXELS:
        raise WrongArgumentError(
            f"resample_mm={resample_mm!r} makes {' x '.join(map(str, sizes))} voxels of an image"
            f" with {spacing_mm!r} mm",
            way_out="give the new spacing in mm, or crop the image first",
        )
    order = {"nearest": 0, "linear": 1, "cubic": 3}[interpolation]
    result: FloatArray = ndimage.affine_transform(
        image, np.array(steps), np.array(origins), tuple(sizes), order=order, mode="nearest"
    )
    return result


def _new_spacing(old: Triple, new: tuple[float | None, float | None, float | None]) -> Triple:
    steps = [a if b is None else b for a, b in zip(old, new, strict=True)]
    return steps[0], steps[1], steps[2]


def _bounding_box(mask: BoolArray) -> tuple[slice, slice, slice] | None:
    ends = []
    for axes in ((1, 2), (0, 2), (0, 1)):
        found = np.flatnonzero(mask.any(axis=axes))
        if found.size == 0:
            return None
        ends.append(slice(int(found[0]), int(found[-1]) + 1))
    return ends[0], ends[1], ends[2]
