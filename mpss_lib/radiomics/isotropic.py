"""The 166 features that say something of isotropic voxels in arbitrary units, at low cost.

They are what is left of the 487 when two-dimensional aggregations and the families of shape,
statistics and local peaks are left out (the paper's section 2.4.1): intensity histogram,
intensity-volume histogram and the textures in space. Perturbed images are measured by them many
times over; the values are those of ``extract_many``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.radiomics.catalogue import FEATURES
from mpss_lib.radiomics.discretise import Discretisation, FixedBinNumber, discretise
from mpss_lib.radiomics.intensity import describe_histogram, describe_volume_histogram
from mpss_lib.radiomics.texture import Graph, build_graph, describe_space
from mpss_lib.volume import BoolArray, FloatArray, IntArray

_FIRST_ORDER = ("ih", "ivh")
_IN_SPACE = frozenset({"3D", "3D_avg", "3D_merged"})

ISOTROPIC_NAMES = tuple(
    f.sera_name for f in FEATURES if f.family in _FIRST_ORDER or f.aggregation in _IN_SPACE
)
"""Names in the order of the catalogue."""

N_HISTOGRAM, N_VOLUME = 23, 7


@dataclass(frozen=True)
class Shape:
    """Where a region lies and how its voxels hang together; no intensities.

    Parameters
    ----------
    voxels : (n, 3) int64 array
        Index (z, y, x) in the image.
    graph : Graph
    """

    voxels: IntArray
    graph: Graph


def shape_of(mask: BoolArray) -> Shape | None:
    """Give the shape of a mask; None where it holds no voxel.

    Parameters
    ----------
    mask : (z, y, x) bool array

    Returns
    -------
    Shape or None
    """
    found = np.argwhere(mask)
    if not len(found):
        return None
    low, high = found.min(axis=0), found.max(axis=0) + 1
    crop = mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    graph = build_graph(crop, crop)
    return Shape(graph.voxels + low, graph)


def measure_isotropic(
    image: FloatArray,
    shapes: Mapping[str, Shape | None],
    bins: Sequence[int],
    ivh: Discretisation,
) -> FloatArray:
    """Measure regions at several bin numbers.

    Parameters
    ----------
    image : (z, y, x) float64 array
    shapes : mapping of region name to Shape
    bins : sequence of int
    ivh : FixedBinNumber, FixedBinSize or AsIs
        Of the intensity-volume histogram, which does not depend on the bins.

    Returns
    -------
    (region, bins, 166) float64 array
        In the order of ``ISOTROPIC_NAMES``; NaN where undefined, as in ``extract_many``: a region
        without voxels, or with an intensity that is not finite, has no value at all.
    """
    values = np.full((len(shapes), len(bins), len(ISOTROPIC_NAMES)), np.nan)
    for r, shape in enumerate(shapes.values()):
        if shape is None:
            continue
        found = image[tuple(shape.voxels.T)]
        if not np.isfinite(found).all():
            continue
        volume = describe_volume_histogram(found, ivh)
        for k, n in enumerate(bins):
            levels, n_levels = discretise(found, FixedBinNumber(n))
            row = values[r, k]
            row[:N_HISTOGRAM] = describe_histogram(levels, n_levels)
            row[N_HISTOGRAM : N_HISTOGRAM + N_VOLUME] = volume
            row[N_HISTOGRAM + N_VOLUME :] = describe_space(levels, n_levels, shape.graph)
    values[np.isinf(values)] = np.nan
    return values
