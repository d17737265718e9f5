"""Grey-level discretisation (IBSI 4R0B): fixed bin number, fixed bin size, levels as they are."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import FloatArray

Levels: TypeAlias = NDArray[np.int32]

MOST_LEVELS = 1_000_000
"""Scratch memory grows with the number of levels; more of them than this is a mistake of units."""


def is_number(value: object) -> bool:
    """Whether it is a real number (a truth value is none)."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


@dataclass(frozen=True)
class FixedBinNumber:
    """``n`` bins between the smallest and largest intensity of the region (IBSI K15C).

    Bins are closed on the left; the largest intensity falls into bin n. Where all intensities are
    equal, all voxels are in bin 1.
    """

    n: int

    def __post_init__(self) -> None:
        is_whole = isinstance(self.n, Integral) and not isinstance(self.n, bool)
        if not is_whole or not 2 <= self.n <= MOST_LEVELS:
            raise WrongArgumentError(
                f"FixedBinNumber(n={self.n!r})", way_out=f"give a whole number 2..{MOST_LEVELS}"
            )


@dataclass(frozen=True)
class FixedBinSize:
    """Bins of ``width`` from ``lowest`` upwards (IBSI Q3RU).

    Parameters
    ----------
    width : float
        Bin width in the unit of the image.
    lowest : float, optional
        Lower edge of bin 1. By default the lower limit of the re-segmentation range, else the
        smallest intensity of the region. Intensities below it are put into bin 1.
    """

    width: float
    lowest: float | None = None

    def __post_init__(self) -> None:
        if not is_number(self.width) or not 0 < self.width < np.inf:
            raise WrongArgumentError(
                f"FixedBinSize(width={self.width!r})", way_out="give a width above 0"
            )
        if self.lowest is not None and not (is_number(self.lowest) and np.isfinite(self.lowest)):
            raise WrongArgumentError(
                f"FixedBinSize(lowest={self.lowest!r})", way_out="give a finite number or None"
            )


@dataclass(frozen=True)
class AsIs:
    """The intensities are grey levels already: whole numbers of at least 1."""


Discretisation: TypeAlias = FixedBinNumber | FixedBinSize | AsIs


def discretise(
    values: FloatArray, how: Discretisation, range_low: float | None = None
) -> tuple[Levels, int]:
    """Grey levels 1..n of intensities, and n.

    Parameters
    ----------
    values : (n,) float64 array
        Intensities of the voxels of the intensity mask; at least one.
    how : FixedBinNumber, FixedBinSize or AsIs
    range_low : float, optional
        Lower limit of the re-segmentation range, if it has one.

    Returns
    -------
    levels : (n,) int32 array
    n_levels : int
        The bin number for ``FixedBinNumber``; else the highest level that occurs.

    Raises
    ------
    WrongArgumentError
        If levels taken as they are are not whole numbers from 1, or there are too many levels.
    """
    if isinstance(how, FixedBinNumber):
        return _fixed_number(values, how.n), how.n
    if isinstance(how, FixedBinSize):
        lowest = how.lowest if how.lowest is not None else range_low
        if lowest is None:
            lowest = float(values.min())
        bins = np.maximum(np.floor((values - lowest) / how.width) + 1.0, 1.0)
        way_out = "give a larger width"
    else:
        if values.min() < 1 or not np.array_equal(values, np.floor(values)):
            raise WrongArgumentError(
                "AsIs() needs whole grey levels from 1;"
                f" smallest {values.min():g}, or fractions among them",
                way_out="use FixedBinNumber or FixedBinSize",
            )
        bins, way_out = values, "use FixedBinNumber or FixedBinSize"
    highest = float(bins.max())
    if highest > MOST_LEVELS:
        raise WrongArgumentError(
            f"{how} makes {highest:g} grey levels of intensities"
            f" {values.min():g}..{values.max():g}",
            way_out=way_out,
        )
    return bins.astype(np.int32), int(highest)


def _fixed_number(values: FloatArray, n: int) -> Levels:
    low, high = float(values.min()), float(values.max())
    if high == low:
        return np.ones(values.size, np.int32)
    # Multiplied before divided: exact for whole numbers that lie on a bin's edge.
    bins = np.floor(n * (values - low) / (high - low)) + 1.0
    return np.minimum(bins, n).astype(np.int32)
