"""Slow twins of the phantom's kernels, from their definitions."""

from __future__ import annotations

import math

import numpy as np


def heart_share(affine, shape, heart, sub):
    """Share of each voxel in wall and cavity by counting sub-samples (no right ventricle)."""
    out = np.zeros((2, *shape))
    frame = np.array([heart[3:6], heart[6:9], heart[9:12]])
    steps = (np.arange(sub) + 0.5) / sub - 0.5
    for z, y, x in np.ndindex(*shape):
        for dz in steps:
            for dy in steps:
                for dx in steps:
                    point = (affine @ [z + dz, y + dy, x + dx, 1.0])[:3] - heart[:3]
                    t, a, s = frame @ point
                    if t < heart[16] + heart[17] * s + heart[18] * a:
                        continue
                    theta = math.atan2(a, s)
                    swell = 1.0 + sum(
                        heart[19 + 2 * (k - 2)] * math.cos(k * theta)
                        + heart[20 + 2 * (k - 2)] * math.sin(k * theta)
                        for k in (2, 3, 4)
                    )
                    rho = math.hypot(a, s) / swell
                    outer = (rho / (heart[12] + heart[14])) ** 2
                    outer += (t / (heart[13] + heart[15])) ** 2
                    inner = (rho / heart[12]) ** 2 + (t / heart[13]) ** 2
                    if outer < 1.0:
                        out[1 if inner < 1.0 else 0, z, y, x] += sub**-3.0
    return out


def organs(table, origin, voxel_mm, shape):
    """Activity and mu (y, x, z): the last ellipsoid that holds the voxel's centre."""
    activity, mu = np.zeros(shape), np.zeros(shape)
    for y, x, z in np.ndindex(*shape):
        point = np.asarray(origin) + voxel_mm * np.array([x, y, z])
        for row in table:
            if (((point - row[:3]) / row[3:6]) ** 2).sum() < 1.0:
                activity[y, x, z], mu[y, x, z] = row[6], row[7]
    return activity, mu


def system_matrix(pixels, angles, survival_z, n):
    """Matrix (views * n, pixels) of one slice: linear interpolation in u times survival."""
    middle = 0.5 * (n - 1)
    matrix = np.zeros((len(angles), n, len(pixels)))
    for view, angle in enumerate(angles):
        for p, (y, x) in enumerate(pixels):
            at = middle + (y - middle) * math.cos(angle) - (x - middle) * math.sin(angle)
            u = min(max(math.floor(at), 0), n - 2)
            f = min(max(at - u, 0.0), 1.0)
            matrix[view, u, p] += (1.0 - f) * survival_z[view, p]
            matrix[view, u + 1, p] += f * survival_z[view, p]
    return matrix


def osem(counts, survival, pixels, angles, iterations, subsets):
    """OSEM with explicit matrices, slice by slice."""
    _, n, nz = counts.shape
    image = np.ones((len(pixels), nz))
    for z in range(nz):
        matrix = system_matrix(pixels, angles, survival[:, :, z], n)
        for _ in range(iterations):
            for subset in range(subsets):
                part = matrix[subset::subsets].reshape(-1, len(pixels))
                data = counts[subset::subsets, :, z].ravel()
                expected = np.maximum(part @ image[:, z], 1e-6)
                image[:, z] *= (part.T @ (data / expected)) / np.maximum(part.sum(axis=0), 1e-6)
    return image
