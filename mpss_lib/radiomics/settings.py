"""Settings of an extraction: the whole image-processing chain of IBSI 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.radiomics.discretise import AsIs, Discretisation, FixedBinNumber, FixedBinSize

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
        if self.resegment_range is not None and not _is_range(self.resegment_range):
            raise _wrong("resegment_range", self.resegment_range, "give (low, high), low < high")
        if self.outlier_sigma is not None and not self.outlier_sigma > 0:
            raise _wrong("outlier_sigma", self.outlier_sigma, "give a number above 0, or None")
        if self.resample_mm is not None and not _is_spacing(self.resample_mm):
            raise _wrong(
                "resample_mm", self.resample_mm, "give (dz, dy, dx) in mm, None for no change"
            )
        if self.image_interpolation not in ("nearest", "linear", "cubic"):
            raise _wrong(
                "image_interpolation", self.image_interpolation, "give nearest, linear or cubic"
            )
        if self.mask_interpolation not in ("nearest", "linear"):
            raise _wrong("mask_interpolation", self.mask_interpolation, "give nearest or linear")
        if not 0 < self.mask_threshold <= 1:
            raise _wrong("mask_threshold", self.mask_threshold, "give a number above 0, at most 1")
        if self.slice_axis not in (0, 1, 2):
            raise _wrong("slice_axis", self.slice_axis, "give 0, 1 or 2")


def _is_range(limits: tuple[float, float]) -> bool:
    return len(limits) == 2 and limits[0] < limits[1]


def _is_spacing(spacing: tuple[float | None, float | None, float | None]) -> bool:
    return len(spacing) == 3 and all(step is None or 0 < step < np.inf for step in spacing)


def _wrong(name: str, value: object, way_out: str) -> WrongArgumentError:
    return WrongArgumentError(f"Settings({name}={value!r})", way_out=way_out)


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
