"""The IBSI digital phantom and its published reference values.

Source: The image biomarker standardisation initiative, reference manual, chapters "Reference data
sets" and "Image features" (tables of the digital phantom); values agreed on by 3 to more than 10
teams. 482 of the 487 features have one; the manual has none, or withdrew it, for both densities of
the oriented bounding box, both of the enclosing ellipsoid and the area under the volume histogram.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

import numpy as np

from mpss_lib.radiomics.catalogue import FEATURES
from mpss_lib.volume import BoolArray, FloatArray

SPACING_MM = (2.0, 2.0, 2.0)

# Slices z = 0..3, rows y, columns x. In brackets: outside the mask.
_VOXELS = """
  1   4   4   1   1
  1   4   6   1   1
  4   1   6   4   1
  4   4   6   4   1

  1   4   4   1   1
  1   1   6   1   1
(1)   1   3   1   1
  4   4   6   1   1

  1   4   4 (1) (1)
  1   1   1   1   1
  1   1 (9)   1   1
  1   1   6   1   1

  1   4   4 (1) (1)
  1   1   1   1   1
  1   1   1   1   1
  1   1   6   1   1
"""

# One block for each family and aggregation, values in the order of the catalogue, digits as
# printed (1.2e3 has two); after ~ the tolerance where IBSI gives one; - where there is no value.
_VALUES = """
morph
    556~4 592~4 388~3 0.698~0.004 0.0411~0.0003 0.599~0.004 1.19~0.01 0.843~0.005
    0.186~0.001 0.672~0.004 13.1~0.1 11.4~0.1 9.31~0.06 8.54~0.05 0.816~0.005 0.749~0.005
    0.869~0.005 0.866~0.005 - - 1.17~0.01 1.36~0.01 - - 0.961~0.006 1.03~0.01 12e2~10
    0.0397~0.0003 0.974~0.006
loc
    2.6 3.1
stat
    2.15 3.05 1.08 -0.355 1 1 1 4 6 3 5 1.55 1.11 1.15 0.812 0.6 567 2.77
ih
    2.15 3.05 1.08 -0.355 1 1 1 4 6 1 3 5 1.55 1.11 1.15 0.812 0.6 1.27 0.512 8 3 -50 1
ivh
    0.324 0.0946 5 2 0.23 3 -
glcm 2D_avg
    0.519 2.14 2.69 2.05 1.42 2.9 1.4 4.28 5.47 1.6 0.368 5.28 1.42 0.678 0.851 0.619 0.899
    0.0567 -0.0121 5.09 5.47 7 79.1 -0.155 0.487
glcm 2D_slice_merged
    0.512 2.14 2.71 2.24 1.4 3.06 1.49 4.29 5.66 1.79 0.352 5.19 1.4 0.683 0.854 0.625 0.901
    0.0553 0.0173 5.14 5.66 6.98 80.4 -0.0341 0.263
glcm 2.5D_dir_merged
    0.489 2.2 3.22 2.48 1.46 3.11 1.61 4.41 7.48 2.01 0.286 5.39 1.46 0.668 0.847 0.606
    0.897 0.0597 0.178 5.4 7.48 16.6 147 -0.124 0.487
glcm 2.5D_merged
    0.492 2.2 3.24 2.61 1.44 3.23 1.67 4.41 7.65 2.14 0.277 5.29 1.44 0.673 0.85 0.613 0.899
    0.0582 0.182 5.45 7.65 16.4 142 -0.0334 0.291
glcm 3D_avg
    0.503 2.14 3.1 2.4 1.43 3.06 1.56 4.29 7.07 1.92 0.303 5.32 1.43 0.677 0.851 0.618 0.898
    0.0604 0.157 5.06 7.07 16.6 145 -0.157 0.52
glcm 3D_merged
    0.509 2.15 3.13 2.57 1.38 3.21 1.64 4.3 7.41 2.11 0.291 5.12 1.38 0.688 0.856 0.631
    0.902 0.0574 0.183 5.19 7.41 17.4 147 -0.0288 0.269
glrlm 2D_avg
    0.641 3.78 0.604 9.82 0.294 8.57 3.14 17.4 5.2 0.46 6.12 0.492 0.627 3.35 0.761 2.17
glrlm 2D_slice_merged
    0.661 3.51 0.609 9.74 0.311 8.67 2.92 16.1 20.5 0.456 21.6 0.441 0.627 3.37 0.778 2.57
glrlm 2.5D_dir_merged
    0.665 3.46 0.58 10.3 0.296 9.03 2.79 17.9 19.5 0.413 22.3 0.461 0.632 3.58 0.758 2.52
glrlm 2.5D_merged
    0.68 3.27 0.585 10.2 0.312 9.05 2.63 17 77.1 0.412 83.2 0.445 0.632 3.59 0.767 2.76
glrlm 3D_avg
    0.705 3.06 0.603 9.7 0.352 8.54 2.39 17.6 21.8 0.43 26.9 0.513 0.68 3.46 0.574 2.43
glrlm 3D_merged
    0.729 2.76 0.607 9.64 0.372 8.67 2.16 15.6 281 0.43 328 0.501 0.68 3.48 0.598 2.62
glszm 2D
    0.363 43.9 0.371 16.4 0.0259 10.3 40.4 113 1.41 0.323 1.49 0.333 0.24 3.97 21 1.93
glszm 2.5D
    0.368 34.2 0.368 16.2 0.0295 9.87 30.6 107 5.44 0.302 3.44 0.191 0.243 3.92 17.3 3.08
glszm 3D
    0.255 550 0.253 15.6 0.0256 2.76 503 149e1 1.4 0.28 1 0.2 0.0676 2.64 331 2.32
gldzm 2D
    0.946 1.21 0.371 16.4 0.367 15.2 0.386 21.3 1.41 0.323 3.79 0.898 0.24 3.97 0.051 1.73
gldzm 2.5D
    0.917 1.33 0.368 16.2 0.362 14.3 0.391 23.7 5.44 0.302 14.4 0.802 0.243 3.92 0.0988 2
gldzm 3D
    1 1 0.253 15.6 0.253 15.6 0.253 15.6 1.4 0.28 5 1 0.0676 2.64 0 1.92
ngtdm 2D
    0.121 0.925 2.99 10.4 2.88
ngtdm 2.5D
    0.0285 0.601 6.8 14.1 0.741
ngtdm 3D
    0.0296 0.584 6.54 13.5 0.763
ngldm 2D
    0.158 19.2 0.702 7.49 0.0473 3.06 17.6 49.5 10.2 0.562 3.96 0.212 1 2.7 2.73 2.71 0.17
ngldm 2.5D
    0.159 18.8 0.693 7.66 0.0477 3.07 17.2 50.8 37.9 0.512 12.4 0.167 1 3.05 3.27 3.36 0.122
ngldm 3D
    0.045 109 0.693 7.66 0.00963 0.736 102 235 37.9 0.512 4.86 0.0657 1 3.05 22.1 4.4 0.0533
"""


@dataclass(frozen=True)
class Reference:
    """A published value and how far from it a compliant engine may be.

    ``tolerance`` is the larger of IBSI's tolerance and half a unit of the last printed digit.
    """

    value: float
    tolerance: float

    def is_matched_by(self, value: float) -> bool:
        """Whether a computed value is within the tolerance (NaN never is)."""
        return abs(value - self.value) <= self.tolerance * (1.0 + 1e-9)


def digital_phantom() -> tuple[FloatArray, BoolArray]:
    """Make the phantom: 4 slices of 4 rows and 5 columns.

    Returns
    -------
    image : (z, y, x) float64 array
    mask : (z, y, x) bool array
    """
    words = _VOXELS.split()
    image = np.array([float(word.strip("()")) for word in words]).reshape(4, 4, 5)
    mask = np.array(["(" not in word for word in words]).reshape(4, 4, 5)
    return image, mask


def _reference(word: str) -> Reference:
    digits, _, tolerance = word.partition("~")
    printed = Decimal(digits)
    half_unit = float(Decimal((0, (5,), int(printed.as_tuple().exponent) - 1)))
    return Reference(float(printed), max(half_unit, float(tolerance or 0.0)))


def _values() -> dict[str, Reference]:
    words: list[str] = []
    for line in _VALUES.strip().splitlines():
        if line.startswith(" "):
            words += line.split()
    return {
        feature.sera_name: _reference(word)
        for feature, word in zip(FEATURES, words, strict=True)
        if word != "-"
    }


PHANTOM_REFERENCE: Mapping[str, Reference] = MappingProxyType(_values())
"""sera_name -> published value on the digital phantom, for 482 features."""
