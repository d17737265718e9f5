"""Attenuation from which calcium counts, and its weights, by tube voltage.

At 120 kVp: 130 HU and weights by the peak, 130-199, 200-299, 300-399, 400 and above (Agatston et
al., J Am Coll Cardiol 1990;15:827). Calcium attenuates softer beams more: the rows for 70 to 135
kVp are those of Gräni et al., Eur Heart J Cardiovasc Imaging 2018;19:1362, as the open library
CalciumScoring.jl has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import FloatArray

STANDARD_KVP = 120.0
TABLE: Mapping[float, tuple[float, float, float, float]] = MappingProxyType(
    {
        70.0: (207.0, 318.0, 477.0, 636.0),
        80.0: (177.0, 271.0, 408.0, 544.0),
        100.0: (145.0, 222.0, 334.0, 446.0),
        120.0: (130.0, 200.0, 300.0, 400.0),
        135.0: (119.0, 183.0, 274.0, 364.0),
    }
)
"""kVp: HU at which the weights 1, 2, 3 and 4 begin."""
LOWEST_KVP, HIGHEST_KVP = 70.0, 150.0


@dataclass(frozen=True)
class Steps:
    """HU at which weights 1 to 4 begin, and whether the table has a row of this voltage."""

    begins_hu: tuple[float, float, float, float]
    is_of_table: bool

    @property
    def threshold_hu(self) -> float:
        """HU from which a pixel counts as calcium."""
        return self.begins_hu[0]

    def weigh(self, peak_hu: FloatArray) -> FloatArray:
        """Weight of each peak.

        Parameters
        ----------
        peak_hu : (n,) float64 array, HU

        Returns
        -------
        (n,) float64 array
            0 (below the threshold) to 4.
        """
        weight: FloatArray = np.searchsorted(self.begins_hu, peak_hu, side="right").astype(float)
        return weight


def steps_of(kvp: float) -> Steps:
    """Give the steps of a tube voltage; log-linear between and above the rows of the table.

    Raises
    ------
    WrongArgumentError
        If the voltage is none that a CT has.
    """
    if not LOWEST_KVP <= kvp <= HIGHEST_KVP:
        raise WrongArgumentError(
            f"kvp is {kvp}", way_out=f"give the KVP of the series, {LOWEST_KVP:g}-{HIGHEST_KVP:g}"
        )
    if kvp in TABLE:
        return Steps(TABLE[kvp], is_of_table=True)
    low, high = next((a, b) for a, b in pairwise(TABLE) if kvp < b or b == max(TABLE))
    share = (kvp - low) / (high - low)
    one, two, three, four = (
        math.exp((1.0 - share) * math.log(a) + share * math.log(b))
        for a, b in zip(TABLE[low], TABLE[high], strict=True)
    )
    return Steps((one, two, three, four), is_of_table=False)
