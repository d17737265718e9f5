"""Settings of an extraction: the whole image-processing chain of IBSI 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.radiomics.discretise import (
    AsIs,
    Discretisation,
    FixedBinNumber,
    FixedBinSize,
    is_number,
)

ImageInterpolation: TypeAlias = Literal["nearest", "linear", "cubic"]
MaskInterpolation: TypeAlias = Literal["nearest", "linear"]


@dataclass(frozen=True)
class Settings:
    """What happens between image and features, in this order.

    Parameters
    ----------
    discretisation : FixedBinNumber, FixedBinSize or AsIs
        Of intensity histogram and textures (IBSI 4R0B).
    resegment_range : (low, high), optional
        Closed range of intensities that stay in the intensity mask (USB3); either may be infinite.
    outlier_sigma : float, optional
        Voxels farther than this many standard deviations from the mean leave the intensity mask
        (7ACA). With a range too, what passes both stays.
    resample_mm : (dz, dy, dx), optional
        New spacing, mm; None for an axis that keeps its own, as in (None, 2, 2).
    image_interpolation : {"nearest", "linear", "cubic"}
        ``cubic`` is the cubic spline.
    mask_interpolation : {"nearest", "linear"}
    mask_threshold : float
        Partial volume from which an interpolated voxel belongs to the mask (E8H9).
    round_intensities : bool
        Round to whole numbers after interpolation (68QD).
    slice_axis : {0, 1, 2}
        Axis of the arrays along which slices are stacked, for 2D and 2.5D textures.
    ivh : FixedBinNumber, FixedBinSize or AsIs
        Discretisation of the intensity-volume histogram (P88C): 1000 bins for arbitrary units,
        a bin size for calibrated ones, AsIs for calibrated whole numbers.
    """

    discretisation: Discretisation = field(default_factory=lambda: FixedBinNumber(64))
    resegment_range: tuple[float, float] | None = None
    outlier_sigma: float | None = None
    resample_mm: tuple[float | None, float | None, float | None] | None = None
    image_interpolation: ImageInterpolation = "linear"
    mask_interpolation: MaskInterpolation = "linear"
    mask_threshold: float = 0.5
    round_intensities: bool = False
    slice_axis: Literal[0, 1, 2] = 0
    ivh: Discretisation = field(default_factory=lambda: FixedBinNumber(1000))

    def __post_init__(self) -> None:
        for name, (is_right, way_out) in _RULES.items():
            value = getattr(self, name)
            if not is_right(value):
                raise WrongArgumentError(f"Settings({name}={value!r})", way_out=f"give {way_out}")


def _is_discretisation(how: object) -> bool:
    return isinstance(how, (FixedBinNumber, FixedBinSize, AsIs))


def _is_range(limits: object) -> bool:
    if limits is None:
        return True
    if not isinstance(limits, (tuple, list)) or len(limits) != 2:
        return False
    return all(map(is_number, limits)) and bool(limits[0] < limits[1])


def _is_spacing(spacing: object) -> bool:
    if spacing is None:
        return True
    if not isinstance(spacing, (tuple, list)) or len(spacing) != 3:
        return False
    return all(s is None or (is_number(s) and 0 < s < np.inf) for s in spacing)


def _is_sigma(sigma: object) -> bool:
    return sigma is None or (isinstance(sigma, Real) and is_number(sigma) and float(sigma) > 0)


def _is_share(share: object) -> bool:
    return isinstance(share, Real) and is_number(share) and 0 < float(share) <= 1


_HOW = "FixedBinNumber(n), FixedBinSize(width, lowest) or AsIs()"
_RULES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "discretisation": (_is_discretisation, _HOW),
    "resegment_range": (_is_range, "(low, high), low < high, or None"),
    "outlier_sigma": (_is_sigma, "a number above 0, or None"),
    "resample_mm": (_is_spacing, "(dz, dy, dx) in mm, None for an axis to be left alone"),
    "image_interpolation": (get_args(ImageInterpolation).__contains__, "nearest, linear or cubic"),
    "mask_interpolation": (get_args(MaskInterpolation).__contains__, "nearest or linear"),
    "mask_threshold": (_is_share, "a number above 0, at most 1"),
    "round_intensities": (lambda value: isinstance(value, (bool, np.bool_)), "True or False"),
    "slice_axis": (lambda value: is_number(value) and value in (0, 1, 2), "0, 1 or 2"),
    "ivh": (_is_discretisation, _HOW),
}

_TISSUE, _WIDE, _CUBE = (-500.0, 400.0), (-1000.0, 400.0), (2.0, 2.0, 2.0)

IBSI_CONFIGURATIONS: Mapping[str, Settings] = MappingProxyType(
    {
        "A": Settings(
            discretisation=FixedBinSize(25.0),
            resegment_range=_TISSUE,
            round_intensities=True,
            ivh=AsIs(),
        ),
        "B": Settings(
            discretisation=FixedBinNumber(32),
            resegment_range=_TISSUE,
            resample_mm=(None, 2.0, 2.0),
            round_intensities=True,
            ivh=AsIs(),
        ),
        "C": Settings(
            discretisation=FixedBinSize(25.0),
            resegment_range=_WIDE,
            resample_mm=_CUBE,
            round_intensities=True,
            ivh=FixedBinSize(2.5),
        ),
        "D": Settings(
            discretisation=FixedBinNumber(32),
            outlier_sigma=3.0,
            resample_mm=_CUBE,
            round_intensities=True,
            ivh=AsIs(),
        ),
        "E": Settings(
            discretisation=FixedBinNumber(32),
            resegment_range=_WIDE,
            outlier_sigma=3.0,
            resample_mm=_CUBE,
            image_interpolation="cubic",
            round_intensities=True,
            ivh=FixedBinNumber(1000),
        ),
    }
)
"""Image processing of the five IBSI 1 reference configurations of a CT, as settings.

Source: the reference manual, chapter "Reference data sets". Axis 0 is the slice axis (a NIfTI array
is (x, y, z): give its transpose, and its spacing reversed). The manual reports A and B with the 2D
and 2.5D aggregations, C to E with the 3D ones. A rounds too, without interpolation, because the
manual wants Hounsfield units that come as floats rounded first.
"""
