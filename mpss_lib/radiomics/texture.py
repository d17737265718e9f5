"""Texture families: GLCM, GLRLM, GLSZM, GLDZM, NGTDM, NGLDM in all aggregations.

Neighbours are at Chebyshev distance 1; co-occurrence is symmetric; zones are 8-connected in a slice
and 26-connected in space; dependence coarseness is 0; no distance weighting.

Where a matrix does not exist: a slice or direction without pairs (GLCM) or without voxels that have
neighbours (NGTDM) leaves the mean over slices; without any at all the features are NaN. With one
grey level only: correlation is 1, both information correlations 0, coarseness 1e6 (IBSI's cap),
contrast, busyness, complexity and strength of NGTDM 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mpss_lib.radiomics import _kernels, _shape_kernels
from mpss_lib.radiomics._kernels import Ints, Longs
from mpss_lib.radiomics.discretise import Levels
from mpss_lib.volume import BoolArray, FloatArray

# (dz, dy, dx), in-slice ones first; one of each pair of opposite directions.
DIRECTIONS = (
    (0, 0, 1),
    (0, 1, 0),
    (0, 1, 1),
    (0, 1, -1),
    (1, 0, 0),
    (1, 0, 1),
    (1, 0, -1),
    (1, 1, 0),
    (1, -1, 0),
    (1, 1, 1),
    (1, 1, -1),
    (1, -1, 1),
    (1, -1, -1),
)


@dataclass(frozen=True)
class Graph:
    """Voxels of an intensity mask and who is next to whom; does not depend on grey levels.

    Parameters
    ----------
    voxels : (n, 3) int64 array
        Index (z, y, x) in the crop, in raster order.
    after, before : (13, n) int32 arrays
        Neighbour along and against each direction, -1 where there is none.
    starts : (n_slices + 1,) int64 array
        First voxel of each slice that has any, and n.
    flat_distance, distance : (n,) int32 arrays
        Steps to the border of the morphological mask, 4- and 6-connected; 1 at the border.
    """

    voxels: Longs
    after: Ints
    before: Ints
    starts: Longs
    flat_distance: Ints
    distance: Ints


def build_graph(intensity: BoolArray, morphology: BoolArray) -> Graph:
    """Make the graph of an intensity mask within its morphological mask.

    Parameters
    ----------
    intensity, morphology : (z, y, x) bool arrays
        Of one crop.

    Returns
    -------
    Graph
        Voxels in raster order, their neighbours, distances to the border of ``morphology``.
    """
    padded = np.pad(intensity, 1)
    flat = np.flatnonzero(padded)
    numbers = np.full(padded.size, -1, np.int32)
    numbers[flat] = np.arange(flat.size, dtype=np.int32)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    steps = np.array(DIRECTIONS) @ strides
    voxels = np.stack(np.unravel_index(flat, padded.shape), axis=1) - 1
    z = voxels[:, 0]
    starts = np.flatnonzero(np.concatenate(([True], z[1:] != z[:-1], [True])))
    near, deep = _shape_kernels.border_distances(np.pad(morphology, 1))
    return Graph(
        voxels=np.ascontiguousarray(voxels, dtype=np.int64),
        after=numbers[flat + steps[:, None]],
        before=numbers[flat - steps[:, None]],
        starts=starts.astype(np.int64),
        flat_distance=near.ravel()[flat],
        distance=deep.ravel()[flat],
    )


def describe_texture(levels: Levels, n_levels: int, graph: Graph) -> FloatArray:
    """408 texture features of grey levels 1..n_levels, in the order of the catalogue.

    Parameters
    ----------
    levels : (n,) int32 array
        Of the graph's voxels.
    n_levels : int
        Number of grey levels that the discretisation allows.
    graph : Graph

    Returns
    -------
    (408,) float64 array
        GLCM 6 x 25, GLRLM 6 x 16, GLSZM 3 x 16, GLDZM 3 x 16, NGTDM 3 x 5, NGLDM 3 x 17.
    """
    clog = _clog()
    pairs = _kernels.cooccurrence_features(
        levels, n_levels, graph.after, graph.starts, _merges(graph.starts.size - 1), clog
    )
    runs, zones, distances, differences, dependences = _kernels.region_features(
        levels,
        n_levels,
        graph.after,
        graph.before,
        graph.starts,
        graph.flat_distance,
        graph.distance,
        clog,
    )
    blocks = (
        pairs,
        runs[:, :16],
        zones[:, :16],
        distances[:, :16],
        differences,
        dependences,
    )
    return np.concatenate([block.ravel() for block in blocks])


def describe_space(levels: Levels, n_levels: int, graph: Graph) -> FloatArray:
    """136 texture features of ``describe_texture`` in the order of the catalogue: those in space.

    All slices count as one, so that nothing is averaged over slices: this costs half of all 408.

    Parameters
    ----------
    levels : (n,) int array
        Grey level of each voxel of the graph, 1 to ``n_levels``.
    n_levels : int
    graph : Graph

    Returns
    -------
    (136,) float64 array
        3D aggregations: GLCM 2 x 25, GLRLM 2 x 16, GLSZM 16, GLDZM 16, NGTDM 5, NGLDM 17.
    """
    whole = np.array([0, levels.size], dtype=np.int64)
    pairs = _kernels.cooccurrence_features(
        levels, n_levels, graph.after, whole, _merges_in_space(), _clog()
    )
    runs, zones, distances, differences, dependences = _kernels.region_features(
        levels,
        n_levels,
        graph.after,
        graph.before,
        whole,
        graph.flat_distance,
        graph.distance,
        _clog(),
    )
    blocks = (
        pairs[4:],
        runs[4:, :16],
        zones[2, :16],
        distances[2, :16],
        differences[2],
        dependences[2],
    )
    return np.concatenate([block.ravel() for block in blocks])


@lru_cache(maxsize=1)
def _clog() -> FloatArray:
    """Table of c * log2(c), c = 0..65535."""
    counts = np.arange(65536, dtype=np.float64)
    return counts * np.log2(np.maximum(counts, 1.0))


@lru_cache(maxsize=256)
def _merges(n_slices: int) -> Longs:
    """Matrices of the six aggregations: first direction, last, first slice, last, row."""
    flat, every = _kernels.IN_PLANE, len(DIRECTIONS)
    steps, slices = range(flat), range(n_slices)
    rows = [(d, d + 1, s, s + 1, 0) for d in steps for s in slices]
    rows += [(0, flat, s, s + 1, 1) for s in slices]
    rows += [(d, d + 1, 0, n_slices, 2) for d in steps]
    rows += [(0, flat, 0, n_slices, 3)]
    rows += [(d, d + 1, 0, n_slices, 4) for d in range(flat, every)]
    rows += [(0, every, 0, n_slices, 5)]
    return np.array(rows, dtype=np.int64)


@lru_cache(maxsize=1)
def _merges_in_space() -> Longs:
    """Take the rows of ``_merges(1)`` of which the two aggregations in space are made."""
    rows = _merges(1)
    return np.ascontiguousarray(rows[np.isin(rows[:, 4], (2, 4, 5))])
