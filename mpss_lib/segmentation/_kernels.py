"""Loops of the ventricle search: a shell template scored everywhere, then refined.

Intensities are logarithms with a floor, so that a score needs no local normalisation and a hot
liver cannot buy more than the cap.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mpss_lib.volume import FloatArray, IntArray

Float32Array = NDArray[np.float32]

IN_LOW, IN_HIGH = -0.6, 0.9  # cap of log(wall / cavity)
OUT_LOW, OUT_HIGH = -0.4, 0.6  # cap of log(wall / outside)
OUT_WEIGHT = 0.5
OPEN_WEIGHT = 0.35
SPREAD_WEIGHT = 0.5
LEVEL_WEIGHT = 0.8


@njit(cache=True, error_model="numpy", nogil=True)
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@njit(cache=True, error_model="numpy", nogil=True)
def search(
    logs: Float32Array,
    centres: IntArray,
    offsets: IntArray,
    n_wall: int,
    bonus: FloatArray,
    level: float,
) -> tuple[FloatArray, IntArray]:
    """Best template at every centre.

    Parameters
    ----------
    logs : (n,) float32 array
        Padded log volume, flattened.
    centres : (m,) int64 array
        Flat indices of the centres.
    offsets : (templates, points) int64 array
        Flat offsets: ``n_wall`` on the wall, as many inside, as many outside, the rest in the
        basal opening.
    bonus : (templates,) float64 array
        Prior of a template.
    level : float
        Log counts that a wall should reach.

    Returns
    -------
    score : (m,) float64 array
    template : (m,) int64 array
    """
    best = np.full(centres.size, -1e9)
    which = np.zeros(centres.size, np.int64)
    n_open = offsets.shape[1] - 3 * n_wall
    for i in range(centres.size):
        at = centres[i]
        for k in range(offsets.shape[0]):
            total, square, contrast = 0.0, 0.0, 0.0
            for p in range(n_wall):
                wall = logs[at + offsets[k, p]]
                total += wall
                square += wall * wall
                contrast += _clip(wall - logs[at + offsets[k, n_wall + p]], IN_LOW, IN_HIGH)
                outside = logs[at + offsets[k, 2 * n_wall + p]]
                contrast += OUT_WEIGHT * _clip(wall - outside, OUT_LOW, OUT_HIGH)
            mean = total / n_wall
            opening = 0.0
            for p in range(3 * n_wall, offsets.shape[1]):
                opening += _clip(mean - logs[at + offsets[k, p]], IN_LOW, IN_HIGH)
            score = contrast / n_wall + OPEN_WEIGHT * opening / n_open + bonus[k]
            score -= SPREAD_WEIGHT * math.sqrt(max(square / n_wall - mean * mean, 0.0))
            score += LEVEL_WEIGHT * min(0.0, mean - level)
            if score > best[i]:
                best[i] = score
                which[i] = k
    return best, which


@njit(cache=True, error_model="numpy", nogil=True)
def _sample(logs: Float32Array, z: float, y: float, x: float, floor: float) -> float:
    """Trilinear value at an index; ``floor`` outside."""
    nz, ny, nx = logs.shape
    if z < 0 or y < 0 or x < 0 or z >= nz - 1 or y >= ny - 1 or x >= nx - 1:
        return floor
    k, j, i = int(z), int(y), int(x)
    w, v, u = z - k, y - j, x - i
    front = (logs[k, j, i] * (1 - u) + logs[k, j, i + 1] * u) * (1 - v)
    front += (logs[k, j + 1, i] * (1 - u) + logs[k, j + 1, i + 1] * u) * v
    back = (logs[k + 1, j, i] * (1 - u) + logs[k + 1, j, i + 1] * u) * (1 - v)
    back += (logs[k + 1, j + 1, i] * (1 - u) + logs[k + 1, j + 1, i + 1] * u) * v
    value: float = front * (1 - w) + back * w
    return value


@njit(cache=True, error_model="numpy", nogil=True)
def score_shell(
    logs: Float32Array,
    to_index: FloatArray,
    shell: FloatArray,
    unit: FloatArray,
    prior: FloatArray,
    prior_weight: float,
    level: float,
    floor: float,
) -> float:
    """Score of one shell with trilinear samples; terms as in ``search``.

    Parameters
    ----------
    to_index : (3, 4) float64 array
        Position (x, y, z, 1) in LPS mm to index (z, y, x).
    shell : (8,) float64 array
        Centre (x, y, z), axis (x, y, z), mid-wall radius in mm, aspect.
    unit : (n, 5) float64 array
        Template points: (cos phi, sin phi, cos theta, sin theta, below); ``below`` is how far,
        in radii, a point lies behind the widest place.
    """
    dx, dy, dz = shell[3], shell[4], shell[5]
    radius, aspect = shell[6], shell[7]
    ux, uy, uz = -dz * dx, -dz * dy, 1.0 - dz * dz
    norm = math.sqrt(ux * ux + uy * uy + uz * uz)
    if norm < 1e-6:
        ux, uy, uz, norm = 0.0, -1.0, 0.0, 1.0
    ux, uy, uz = ux / norm, uy / norm, uz / norm
    vx, vy, vz = uy * dz - uz * dy, uz * dx - ux * dz, ux * dy - uy * dx
    n = unit.shape[0]
    total, square, contrast, opening, n_open = 0.0, 0.0, 0.0, 0.0, 0
    wall = 0.0
    for p in range(n):
        c, s = unit[p, 0], unit[p, 1]
        nt, nr = c / aspect, s
        length = math.sqrt(nt * nt + nr * nr)
        nt, nr = nt / length, nr / length
        for shift in (0.0, -11.0, 11.0):
            t = radius * (aspect * c - unit[p, 4]) + shift * nt
            r = max(radius * s + shift * nr, 0.0)
            a, b = r * unit[p, 3], r * unit[p, 2]
            x = shell[0] + t * dx + a * ux + b * vx
            y = shell[1] + t * dy + a * uy + b * vy
            z = shell[2] + t * dz + a * uz + b * vz
            k = to_index[0, 0] * x + to_index[0, 1] * y + to_index[0, 2] * z + to_index[0, 3]
            j = to_index[1, 0] * x + to_index[1, 1] * y + to_index[1, 2] * z + to_index[1, 3]
            i = to_index[2, 0] * x + to_index[2, 1] * y + to_index[2, 2] * z + to_index[2, 3]
            value = _sample(logs, k, j, i, floor)
            if shift == 0.0:
                wall = value
                total += value
                square += value * value
            elif shift < 0.0:
                contrast += _clip(wall - value, IN_LOW, IN_HIGH)
            else:
                contrast += OUT_WEIGHT * _clip(wall - value, OUT_LOW, OUT_HIGH)
    mean = total / n
    for p in range(8):
        angle = p * math.pi / 4
        a, b = 0.4 * radius * math.sin(angle), 0.4 * radius * math.cos(angle)
        t = -1.0 * radius
        x = shell[0] + t * dx + a * ux + b * vx
        y = shell[1] + t * dy + a * uy + b * vy
        z = shell[2] + t * dz + a * uz + b * vz
        k = to_index[0, 0] * x + to_index[0, 1] * y + to_index[0, 2] * z + to_index[0, 3]
        j = to_index[1, 0] * x + to_index[1, 1] * y + to_index[1, 2] * z + to_index[1, 3]
        i = to_index[2, 0] * x + to_index[2, 1] * y + to_index[2, 2] * z + to_index[2, 3]
        opening += _clip(mean - _sample(logs, k, j, i, floor), IN_LOW, IN_HIGH)
        n_open += 1
    score = contrast / n + OPEN_WEIGHT * opening / n_open
    score += prior_weight * (dx * prior[0] + dy * prior[1] + dz * prior[2])
    score -= SPREAD_WEIGHT * math.sqrt(max(square / n - mean * mean, 0.0))
    score += LEVEL_WEIGHT * min(0.0, mean - level)
    result: float = score
    return result


@njit(cache=True, error_model="numpy", nogil=True)
def refine(
    logs: Float32Array,
    to_index: FloatArray,
    shells: FloatArray,
    unit: FloatArray,
    steps: FloatArray,
    prior: FloatArray,
    prior_weight: float,
    cosine_limit: float,
    level: float,
    floor: float,
) -> FloatArray:
    """Improve shells in place by shrinking random steps; returns their scores.

    Parameters
    ----------
    shells : (m, 8) float64 array
        Changed in place.
    steps : (k, 8) float64 array
        Standard normal numbers, the same for each shell.
    cosine_limit : float
        Smallest cosine between axis and prior.
    """
    scores = np.empty(shells.shape[0])
    sizes = np.array([7.0, 7.0, 7.0, 0.22, 0.22, 0.22, 3.0, 0.18])
    trial = np.empty(8)
    for m in range(shells.shape[0]):
        shell = shells[m]
        best = score_shell(logs, to_index, shell, unit, prior, prior_weight, level, floor)
        for k in range(steps.shape[0]):
            shrink = 0.10 + 0.90 * (1.0 - k / steps.shape[0]) ** 2
            for q in range(8):
                trial[q] = shell[q] + shrink * sizes[q] * steps[k, q]
            norm = math.sqrt(trial[3] ** 2 + trial[4] ** 2 + trial[5] ** 2)
            for q in range(3, 6):
                trial[q] /= norm
            cosine = trial[3] * prior[0] + trial[4] * prior[1] + trial[5] * prior[2]
            if cosine < cosine_limit:
                continue
            trial[6] = _clip(trial[6], 17.0, 44.0)
            trial[7] = _clip(trial[7], 1.1, 2.3)
            score = score_shell(logs, to_index, trial, unit, prior, prior_weight, level, floor)
            if score > best:
                best = score
                shell[:] = trial
        scores[m] = best
    return scores
