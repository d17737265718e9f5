"""Slow twins of the shape kernels, and surface and spatial sums from their definitions."""

from __future__ import annotations

import numpy as np
from scipy.special import eval_legendre


def sphere_mean(image, voxel, spacing_mm, radius_mm):
    """Mean over all voxels of the image whose centre is within the radius."""
    index = np.indices(image.shape).reshape(3, -1).T
    distance = np.sqrt((((index - voxel) * spacing_mm) ** 2).sum(axis=1))
    return image.ravel()[distance <= radius_mm].mean()


def autocorrelation(positions, values):
    """Moran's I and Geary's C: the double sums of the definition."""
    n, d = len(values), values - values.mean()
    weight = crossed = squared = 0.0
    for a in range(n):
        for b in range(n):
            if a != b:
                w = 1.0 / np.linalg.norm(positions[a] - positions[b])
                weight += w
                crossed += w * d[a] * d[b]
                squared += w * (values[a] - values[b]) ** 2
    variance = (d**2).sum()
    return n / weight * crossed / variance, (n - 1) / (2 * weight) * squared / variance


def smallest_box(points, normals, directions):
    """Smallest volume over boxes with a face along each normal and a side along each direction."""
    best, sides = np.inf, None
    for normal in normals:
        for direction in directions:
            u = direction - (direction @ normal) * normal
            if np.linalg.norm(u) < 1e-6 * np.linalg.norm(direction):
                continue
            u = u / np.linalg.norm(u)
            frame = np.array([u, np.cross(normal, u), normal])
            extent = np.ptp(points @ frame.T, axis=0)
            if np.prod(extent) < best:
                best, sides = np.prod(extent), extent
    return sides


def largest_distance(points):
    return max(np.linalg.norm(a - b) for a in points for b in points)


def ellipsoid_area(a, b, c, terms=20):
    """IBSI's series of Legendre polynomials (RDD2), term by term; not for spheroids."""
    alpha, beta = np.sqrt(1 - b**2 / a**2), np.sqrt(1 - c**2 / a**2)
    t = (alpha**2 + beta**2) / (2 * alpha * beta)
    total = sum(
        (alpha * beta) ** v / (1 - 4 * v**2) * eval_legendre(v, t) for v in range(terms + 1)
    )
    return 4 * np.pi * a * b * total
