"""Morphology (IBSI HCUG): 29 features of shape, and of intensities in space.

Geometry is that of the morphological mask, whatever its intensities; centre-of-mass shift,
integrated intensity, Moran's I and Geary's C take intensities from the intensity mask.

Conventions where IBSI leaves a choice. Oriented box: the smallest box with a face on a facet of the
convex hull (of several, the one with the least surface). Enclosing ellipsoid: the smallest one
itself, to a relative 1e-7 in squared distance. Surface of an ellipsoid: 20 terms of the manual's
Legendre series, argument not clamped; the published values need it, though it is not the exact
surface (semi-axes 3, 2, 1: 52.8 instead of 48.9).

Degenerate input: the mesh exists for any voxel. With one voxel the principal axes are undefined
(NaN), as are elongation, flatness and both densities of the approximate ellipsoid; a flat mask has
a least axis of 0 and an undefined volume density; Moran's I and Geary's C need two voxels of
different intensity; the centre-of-mass shift needs a sum of intensities other than 0.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.radiomics import _shape_kernels
from mpss_lib.radiomics.intensity import SAFE_VARIANCE
from mpss_lib.radiomics.mesh import measure_mesh, outer_vertices
from mpss_lib.volume import BoolArray, FloatArray, IntArray, Triple

PAIRS_UP_TO = 5000
"""Voxels up to which pairs are summed one by one; above, by Fourier transform on the grid."""

_TERMS = 20
_MVEE_TOLERANCE = 1e-7
_MVEE_STEPS = 100_000


def describe_shape(mask: BoolArray, spacing_mm: Triple) -> FloatArray:
    """First 26 morphological features but the centre-of-mass shift (NaN here), of a mask.

    Parameters
    ----------
    mask : (z, y, x) bool array
        Morphological mask, cropped; at least one voxel.
    spacing_mm : (dz, dy, dx) float, mm

    Returns
    -------
    (26,) float64 array
        Volume to area density of the convex hull, in the order of the catalogue.
    """
    volume, area = measure_mesh(mask, spacing_mm)
    sphere = (36.0 * np.pi * volume**2) ** (1.0 / 3.0)
    hull = _Hull(outer_vertices(mask, spacing_mm))
    box = np.array(mask.shape) * spacing_mm
    voxels = np.argwhere(mask)
    axes = _principal_axes(voxels * np.asarray(spacing_mm))
    aee, mvee = 0.5 * axes, hull.enclosing_axes()
    oriented = hull.oriented_box()
    return np.array(
        [
            volume,
            len(voxels) * float(np.prod(spacing_mm)),
            area,
            area / volume,
            volume / np.sqrt(np.pi * area**3),
            36.0 * np.pi * volume**2 / area**3,
            area / sphere,
            sphere / area,
            area / sphere - 1.0,
            np.nan,
            hull.diameter(),
            *axes,
            _ratio(axes[1], axes[0]),
            _ratio(axes[2], axes[0]),
            volume / float(np.prod(box)),
            area / _box_area(box),
            volume / float(np.prod(oriented)),
            area / _box_area(oriented),
            _ratio(volume, 4.0 / 3.0 * np.pi * float(np.prod(aee))),
            _ratio(area, _ellipsoid_area(aee)),
            volume / (4.0 / 3.0 * np.pi * float(np.prod(mvee))),
            area / _ellipsoid_area(mvee),
            volume / hull.volume,
            area / hull.area,
        ]
    )


def describe_mass(
    voxels: IntArray, values: FloatArray, mask: BoolArray, spacing_mm: Triple, volume: float
) -> tuple[float, float, float, float]:
    """Centre-of-mass shift, integrated intensity, Moran's I, Geary's C.

    Parameters
    ----------
    voxels : (n, 3) int64 array
        Voxels of the intensity mask in raster order, index (z, y, x) in the crop of ``mask``.
    values : (n,) float64 array
        Their intensities.
    mask : (z, y, x) bool array
        Morphological mask.
    spacing_mm : (dz, dy, dx) float, mm
    volume : float
        Mesh volume, mm3.

    Returns
    -------
    shift : float, mm
    integrated : float
        Mean intensity times volume, unit of the image times mm3.
    moran, geary : float
    """
    total = float(values.sum())
    shift = np.nan
    if total != 0:
        centre = np.argwhere(mask).mean(axis=0) - values @ voxels / total
        shift = float(np.linalg.norm(centre * spacing_mm))
    moran, geary = _autocorrelation(voxels, values, spacing_mm)
    return shift, volume * total / values.size, moran, geary


def _autocorrelation(
    voxels: IntArray, values: FloatArray, spacing_mm: Triple
) -> tuple[float, float]:
    n = values.size
    if n < 2 or values.min() == values.max():
        return np.nan, np.nan
    deviations = values - values.mean()
    scale = float(np.abs(deviations).max())
    if not SAFE_VARIANCE[0] < scale * scale < SAFE_VARIANCE[1]:
        # Neither measure changes with the unit of the intensities.
        deviations = deviations / scale
    places = voxels - voxels.min(axis=0)
    weights = _inverse_distances(places.max(axis=0) + 1, spacing_mm)
    if n <= PAIRS_UP_TO:
        # Positions on one line on which each offset in space is one offset of its own; in raster
        # order the later voxel of a pair never lies below, and the table starts at the least.
        _, ny, nx = weights.shape
        lines = (places[:, 0] * ny + places[:, 1]) * nx + places[:, 2]
        least = (ny // 2) * nx + nx // 2
        sums = _shape_kernels.autocorrelation_sums(lines, deviations, weights.ravel()[least:])
    else:
        nearest = weights[:, weights.shape[1] // 2 :, weights.shape[2] // 2 :]
        sums = _sums_by_transform(places, deviations, nearest)
    total, product, squares = sums
    variance = float(deviations @ deviations)
    return n / total * product / variance, (n - 1) / (2.0 * total) * squares / variance


def _inverse_distances(extent: IntArray, spacing_mm: Triple) -> FloatArray:
    """Weights by offset: dz from 0, dy and dx from minus to plus the extent; 0 for no offset."""
    nz, ny, nx = (int(size) for size in extent)
    steps = np.ogrid[0:nz, 1 - ny : ny, 1 - nx : nx]
    square = sum((step * spacing) ** 2 for step, spacing in zip(steps, spacing_mm, strict=True))
    with np.errstate(divide="ignore"):
        weights: FloatArray = 1.0 / np.sqrt(square)
    weights[0, ny - 1, nx - 1] = 0.0
    return weights


def _sums_by_transform(
    voxels: IntArray, deviations: FloatArray, weights: FloatArray
) -> tuple[float, float, float]:
    """As the kernel of the same sums, by autocorrelation on a grid of twice the extent."""
    from scipy import fft

    extent = np.array(weights.shape)
    shape = tuple(fft.next_fast_len(int(2 * size - 1), real=True) for size in extent)
    # Weight of an offset d and of -d, wrapped to the transform's grid.
    index = np.ix_(*(np.minimum(np.arange(m), m - np.arange(m)) for m in shape))
    inside = np.ones(shape, np.bool_)
    for axis, (m, size) in enumerate(zip(shape, extent, strict=True)):
        offset = np.minimum(np.arange(m), m - np.arange(m)) < size
        inside &= offset.reshape([-1 if k == axis else 1 for k in range(3)])
    wrapped = np.zeros(shape)
    clipped = np.ix_(
        *(np.minimum(i.ravel(), size - 1) for i, size in zip(index, extent, strict=True))
    )
    wrapped[inside] = weights[clipped][inside]
    spectra = []
    for power in (0, 1, 2):
        grid = np.zeros(shape)
        grid[tuple(voxels.T)] = deviations**power
        spectra.append(fft.rfftn(grid))
    ones, values, squares = spectra
    pairs = [
        fft.irfftn(first * np.conj(second), shape)
        for first, second in ((ones, ones), (values, values), (squares, ones))
    ]
    total, product, crossed = (float((wrapped * pair).sum()) / 2.0 for pair in pairs)
    return total, product, 2.0 * (crossed - product)


class _Hull:
    """Convex hull of points (n, 3), mm."""

    def __init__(self, points: FloatArray) -> None:
        from scipy.spatial import ConvexHull

        hull = ConvexHull(points)
        self.volume, self.area = float(hull.volume), float(hull.area)
        self._points = np.ascontiguousarray(points[hull.vertices])
        number = np.full(len(points), -1)
        number[hull.vertices] = np.arange(hull.vertices.size)
        normals = hull.equations[:, :3]
        corners_mm = points[hull.simplices]
        sides = corners_mm[:, 1:] - corners_mm[:, :1]
        self._areas = 0.5 * np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
        self._facets = normals
        # Neighbour k of a facet lies across the edge without its vertex k.
        facets, corners = np.nonzero(hull.neighbors > np.arange(len(normals))[:, None])
        others = np.array([[1, 2], [0, 2], [0, 1]])[corners]
        self._edges = np.ascontiguousarray(number[hull.simplices[facets[:, None], others]])
        across = hull.neighbors[facets, corners]
        self._edge_normals = np.stack([normals[facets], normals[across]], axis=1)

    def diameter(self) -> float:
        """Largest distance between two vertices, mm."""
        return float(_shape_kernels.largest_distance(self._points))

    def oriented_box(self) -> FloatArray:
        """Edge lengths (3,) of the oriented minimum bounding box, mm."""
        normals = self._facets[_distinct(self._facets)]
        # A box on a facet holds the hull: at least its height times the area of its shadow, which
        # is half the sum of all facets' areas seen from there (Cauchy).
        shadows = 0.5 * np.abs(normals @ self._facets.T) @ self._areas
        bounds = np.ptp(self._points @ normals.T, axis=0) * shadows
        order = np.argsort(bounds, kind="stable")
        sides: FloatArray = _shape_kernels.smallest_box(
            self._points,
            np.ascontiguousarray(normals[order]),
            bounds[order],
            self._edges,
            self._edge_normals,
        )
        return sides

    def enclosing_axes(self) -> FloatArray:
        """Semi-axes (3,) of the minimum volume enclosing ellipsoid, descending, mm."""
        points = self._points - self._points.mean(axis=0)
        scale = float(np.abs(points).max())
        lifted = np.column_stack([points / scale, np.ones(len(points))])
        start = np.linalg.inv(lifted.T @ lifted / len(lifted))
        weights = _shape_kernels.enclosing_weights(lifted, start, _MVEE_TOLERANCE, _MVEE_STEPS)
        centre = weights @ points
        spread = (points - centre).T @ ((points - centre) * weights[:, None])
        axes: FloatArray = np.sqrt(3.0 * np.linalg.eigvalsh(spread)[::-1])
        return axes


def _distinct(normals: FloatArray) -> IntArray:
    """Find the indices of normals that differ by more than their sign."""
    rounded = np.round(normals, 9)
    first = (rounded != 0).argmax(axis=1)
    sign = np.sign(rounded[np.arange(len(rounded)), first])
    _, index = np.unique(rounded * sign[:, None] + 0.0, axis=0, return_index=True)
    return index


def _principal_axes(positions: FloatArray) -> FloatArray:
    """Axis lengths (3,), descending: 4 sqrt of the eigenvalues of the covariance (n - 1)."""
    if len(positions) < 2:
        return np.full(3, np.nan)
    eigenvalues = np.linalg.eigvalsh(np.cov(positions, rowvar=False))[::-1]
    # A flat mask: an eigenvalue of 0 up to rounding.
    eigenvalues = np.where(eigenvalues < 1e-12 * eigenvalues[0], 0.0, eigenvalues)
    axes: FloatArray = 4.0 * np.sqrt(eigenvalues)
    return axes


def _ellipsoid_area(semi_axes: FloatArray) -> float:
    """Surface of an ellipsoid with semi-axes a >= b >= c (IBSI RDD2).

    The sum over v of (alpha beta)^v / (1 - 4 v^2) P_v(t), t = (alpha^2 + beta^2) / (2 alpha beta),
    with q_v = (alpha beta)^v P_v(t): the recurrence of q has no division by alpha beta, which is 0
    for a spheroid.
    """
    a, b, c = (float(axis) for axis in semi_axes)
    if not a > 0:
        return np.nan
    alpha2, beta2 = max(0.0, 1.0 - (b / a) ** 2), max(0.0, 1.0 - (c / a) ** 2)
    half, product = 0.5 * (alpha2 + beta2), alpha2 * beta2
    before, now, total = 1.0, half, 1.0
    for v in range(1, _TERMS + 1):
        total += now / (1.0 - 4.0 * v * v)
        before, now = now, ((2 * v + 1) * half * now - v * product * before) / (v + 1)
    return 4.0 * np.pi * a * b * total


def _box_area(sides: FloatArray) -> float:
    return 2.0 * float(sides[0] * sides[1] + sides[0] * sides[2] + sides[1] * sides[2])


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0 else np.nan
