"""Kernels of shape and neighbourhood that do not depend on grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]

_jit = njit(cache=True, error_model="numpy", nogil=True)


@_jit
def border_distances(padded: Bools) -> tuple[Ints, Ints]:
    """Count the steps to the nearest voxel outside, by faces: within the slice, and in space.

    ``padded`` has a border of one outside voxel on each side. Two raster sweeps give the exact
    city-block distance.
    """
    nz, ny, nx = padded.shape
    flat = np.zeros((nz, ny, nx), np.int32)
    space = np.zeros((nz, ny, nx), np.int32)
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                if padded[z, y, x]:
                    near = min(flat[z, y - 1, x], flat[z, y, x - 1])
                    flat[z, y, x] = near + 1
                    deep = min(space[z, y - 1, x], space[z, y, x - 1])
                    space[z, y, x] = min(deep, space[z - 1, y, x]) + 1
    for z in range(nz - 2, 0, -1):
        for y in range(ny - 2, 0, -1):
            for x in range(nx - 2, 0, -1):
                if padded[z, y, x]:
                    near = min(flat[z, y + 1, x], flat[z, y, x + 1])
                    flat[z, y, x] = min(flat[z, y, x], near + 1)
                    deep = min(space[z, y + 1, x], space[z, y, x + 1])
                    deep = min(deep, space[z + 1, y, x])
                    space[z, y, x] = min(space[z, y, x], deep + 1)
    return flat, space


@_jit
def sphere_means(image: Floats, voxels: Longs, offsets: Longs) -> Floats:
    """Mean of the image at voxel + offsets for each voxel (n, 3), what lies outside left out."""
    nz, ny, nx = image.shape
    means = np.empty(voxels.shape[0])
    for k in range(voxels.shape[0]):
        total, number = 0.0, 0
        for m in range(offsets.shape[0]):
            z = voxels[k, 0] + offsets[m, 0]
            y = voxels[k, 1] + offsets[m, 1]
            x = voxels[k, 2] + offsets[m, 2]
            if 0 <= z < nz and 0 <= y < ny and 0 <= x < nx:
                total += image[z, y, x]
                number += 1
        means[k] = total / number
    return means


@_jit
def autocorrelation_sums(lines: Longs, deviations: Floats, weights: Floats) -> Any:
    """Sum w, w x_a x_b and w (x_a - x_b)^2 over the pairs a > b.

    ``weights[lines[a] - lines[b]]`` is the inverse distance of the pair; ``deviations`` (n,). Two
    sets of sums run side by side: a sum of floats waits for the sum before it.
    """
    total, product, square = 0.0, 0.0, 0.0
    for a in range(lines.size):
        here, x = lines[a], deviations[a]
        s0, s1, s2 = 0.0, 0.0, 0.0
        t0, t1, t2 = 0.0, 0.0, 0.0
        for b in range(0, a - 1, 2):
            w, u = weights[here - lines[b]], weights[here - lines[b + 1]]
            y, z = deviations[b], deviations[b + 1]
            s0 += w
            t0 += u
            s1 += w * y
            t1 += u * z
            s2 += w * (x - y) * (x - y)
            t2 += u * (x - z) * (x - z)
        if a % 2 == 1:
            w, y = weights[here - lines[a - 1]], deviations[a - 1]
            s0 += w
            s1 += w * y
            s2 += w * (x - y) * (x - y)
        total += s0 + t0
        product += x * (s1 + t1)
        square += s2 + t2
    return total, product, square


@_jit
def largest_distance(points: Floats) -> Any:
    """Largest distance between two of the points (n, 3)."""
    best = 0.0
    for a in range(points.shape[0]):
        for b in range(a):
            d0 = points[a, 0] - points[b, 0]
            d1 = points[a, 1] - points[b, 1]
            d2 = points[a, 2] - points[b, 2]
            best = max(best, d0 * d0 + d1 * d1 + d2 * d2)
    return np.sqrt(best)


@_jit
def _extent(points: Floats, v0: float, v1: float, v2: float) -> Any:
    low, high = np.inf, -np.inf
    for k in range(points.shape[0]):
        t = points[k, 0] * v0 + points[k, 1] * v1 + points[k, 2] * v2
        low, high = min(low, t), max(high, t)
    return high - low


@_jit
def smallest_box(
    points: Floats, normals: Floats, bounds: Floats, edges: Longs, edge_normals: Floats
) -> Floats:
    """Edge lengths of the smallest box with a face on a hull facet and a side on a hull edge.

    ``points`` (n, 3) hull vertices; ``normals`` (f, 3) facets, ascending by ``bounds`` (f,), the
    least volume that a box on the facet can have; ``edges`` (e, 2) point indices;
    ``edge_normals`` (e, 2, 3) of the two facets at the edge. The smallest rectangle around the
    shadow on a facet has a side along an edge of the shadow's outline, and the outline consists of
    edges between a facet that faces the light and one that does not.
    """
    best, best_area = np.inf, np.inf
    sides = np.zeros(3)
    for f in range(normals.shape[0]):
        if bounds[f] > best * (1.0 + 1e-9):
            break
        n0, n1, n2 = normals[f, 0], normals[f, 1], normals[f, 2]
        height = _extent(points, n0, n1, n2)
        for e in range(edges.shape[0]):
            g = edge_normals[e]
            one = n0 * g[0, 0] + n1 * g[0, 1] + n2 * g[0, 2]
            two = n0 * g[1, 0] + n1 * g[1, 1] + n2 * g[1, 2]
            if one * two > 1e-12:
                continue
            u0 = points[edges[e, 1], 0] - points[edges[e, 0], 0]
            u1 = points[edges[e, 1], 1] - points[edges[e, 0], 1]
            u2 = points[edges[e, 1], 2] - points[edges[e, 0], 2]
            whole = np.sqrt(u0 * u0 + u1 * u1 + u2 * u2)
            along = u0 * n0 + u1 * n1 + u2 * n2
            u0, u1, u2 = u0 - along * n0, u1 - along * n1, u2 - along * n2
            length = np.sqrt(u0 * u0 + u1 * u1 + u2 * u2)
            if length < 1e-6 * whole:
                continue
            u0, u1, u2 = u0 / length, u1 / length, u2 / length
            first = _extent(points, u0, u1, u2)
            second = _extent(points, n1 * u2 - n2 * u1, n2 * u0 - n0 * u2, n0 * u1 - n1 * u0)
            volume = first * second * height
            area = first * second + first * height + second * height
            # Of boxes with the same volume (a symmetric hull has several): the least surface.
            is_tie = volume <= best * (1.0 + 1e-9) and area < best_area * (1.0 - 1e-9)
            if volume < best * (1.0 - 1e-9) or is_tie:
                best, best_area = min(best, volume), area
                sides[0], sides[1], sides[2] = first, second, height
    return sides


@_jit
def enclosing_weights(lifted: Floats, start: Floats, tolerance: float, most_steps: int) -> Floats:
    """Weights of the points whose moments are those of the smallest enclosing ellipsoid.

    Khachiyan's ascent with away steps (Todd and Yildirim 2007). ``lifted`` (n, 4): points of about
    unit spread with a 1 behind; ``start`` (4, 4): inverse of their mean outer product. Stops when
    every point's squared distance is within ``tolerance`` (relative) of the ellipsoid's.
    """
    n, d = lifted.shape
    weights = np.full(n, 1.0 / n)
    inverse = start.copy()
    distances = np.empty(n)
    image = np.empty(d)
    for k in range(n):
        distances[k] = 0.0
        for i in range(d):
            for j in range(d):
                distances[k] += lifted[k, i] * inverse[i, j] * lifted[k, j]
    for _ in range(most_steps):
        far, near = 0, -1
        for k in range(n):
            if distances[k] > distances[far]:
                far = k
            if weights[k] > 1e-14 and (near < 0 or distances[k] < distances[near]):
                near = k
        above, below = distances[far] / d - 1.0, 1.0 - distances[near] / d
        if max(above, below) < tolerance:
            break
        if above >= below:
            pick = far
            step = (distances[far] - d) / (d * (distances[far] - 1.0))
        else:
            pick = near
            step = -weights[near] / (1.0 - weights[near])
            if distances[near] > 1.0:
                step = max(step, (distances[near] - d) / (d * (distances[near] - 1.0)))
        # X <- (1 - step) X + step q q', its inverse by Sherman and Morrison.
        ratio = step / (1.0 - step)
        scale = ratio / (1.0 + ratio * distances[pick])
        for i in range(d):
            image[i] = 0.0
            for j in range(d):
                image[i] += inverse[i, j] * lifted[pick, j]
        for i in range(d):
            for j in range(d):
                inverse[i, j] = (inverse[i, j] - scale * image[i] * image[j]) / (1.0 - step)
        for k in range(n):
            cross = 0.0
            for i in range(d):
                cross += lifted[k, i] * image[i]
            distances[k] = (distances[k] - scale * cross * cross) / (1.0 - step)
            weights[k] *= 1.0 - step
        weights[pick] = max(0.0, weights[pick] + step)
    return weights
