"""Slow twins of the texture kernels, written from the IBSI definitions.

Levels are a (z, y, x) array with 0 outside the mask. A matrix is a dict of its non-zero cells; the
features are the manual's sums, with double loops over all grey levels where it has them.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import exp, log2, nan, sqrt

import numpy as np

FLAT = [(0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, -1)]
SPACE = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]


def voxels_of(levels):
    return {tuple(map(int, v)): int(levels[tuple(v)]) for v in np.argwhere(levels > 0)}


def slices_of(levels):
    """Arrays with one non-empty slice each."""
    found = []
    for z in range(levels.shape[0]):
        if levels[z].any():
            alone = np.zeros_like(levels)
            alone[z] = levels[z]
            found.append(alone)
    return found


def step(voxel, direction, times=1):
    return tuple(v + times * d for v, d in zip(voxel, direction, strict=True))


def cooccurrence(levels, direction):
    """Symmetric matrix of one direction: M + M'."""
    voxels, matrix = voxels_of(levels), Counter()
    for voxel, i in voxels.items():
        j = voxels.get(step(voxel, direction))
        if j is not None:
            matrix[i, j] += 1
            matrix[j, i] += 1
    return matrix


def runs(levels, direction):
    voxels, matrix = voxels_of(levels), Counter()
    for voxel, i in voxels.items():
        if voxels.get(step(voxel, direction, -1)) == i:
            continue
        length = 1
        while voxels.get(step(voxel, direction, length)) == i:
            length += 1
        matrix[i, length] += 1
    return matrix


def neighbours(voxel, directions):
    return [step(voxel, d, sign) for d in directions for sign in (1, -1)]


def zones(levels, directions):
    """Connected parts of equal level, as sets of voxels."""
    voxels, seen, found = voxels_of(levels), set(), []
    for start, i in voxels.items():
        if start in seen:
            continue
        zone, waiting = set(), [start]
        while waiting:
            voxel = waiting.pop()
            if voxel in zone:
                continue
            zone.add(voxel)
            waiting += [v for v in neighbours(voxel, directions) if voxels.get(v) == i]
        seen |= zone
        found.append(zone)
    return found


def border_distance(mask, voxel, is_flat):
    """City-block distance to the nearest voxel outside the mask; outside the array is outside."""
    padded = np.pad(mask, 1)
    at = np.array(voxel) + 1
    outside = np.argwhere(~padded)
    if is_flat:
        outside = outside[outside[:, 0] == at[0]]
    return int(np.abs(outside - at).sum(axis=1).min())


def size_zones(levels, directions):
    return Counter((int(levels[min(z)]), len(z)) for z in zones(levels, directions))


def distance_zones(levels, directions, morphology):
    is_flat = directions is FLAT
    return Counter(
        (int(levels[min(z)]), min(border_distance(morphology, v, is_flat) for v in z))
        for z in zones(levels, directions)
    )


def dependences(levels, directions):
    voxels = voxels_of(levels)
    return Counter(
        (i, 1 + sum(voxels.get(v) == i for v in neighbours(voxel, directions)))
        for voxel, i in voxels.items()
    )


def differences(levels, directions):
    """Level -> (n, s) of the voxels that have a neighbour."""
    voxels, n, s = voxels_of(levels), Counter(), Counter()
    for voxel, i in voxels.items():
        around = [voxels[v] for v in neighbours(voxel, directions) if v in voxels]
        if around:
            n[i] += 1
            s[i] += abs(i - sum(around) / len(around))
    return {i: (n[i], s[i]) for i in n}


def entropy(probabilities):
    return -sum(p * log2(p) for p in probabilities if p > 0)


def describe_cooccurrence(matrix, n_levels):
    total = sum(matrix.values())
    grey = range(1, n_levels + 1)
    p = {(i, j): matrix.get((i, j), 0) / total for i in grey for j in grey}
    row = {i: sum(p[i, j] for j in grey) for i in grey}
    diff = {k: sum(v for (i, j), v in p.items() if abs(i - j) == k) for k in range(n_levels)}
    both = {k: sum(v for (i, j), v in p.items() if i + j == k) for k in range(2, 2 * n_levels + 1)}
    mu = sum(i * v for i, v in row.items())
    sigma2 = sum((i - mu) ** 2 * v for i, v in row.items())
    diff_mean = sum(k * v for k, v in diff.items())
    sum_mean = sum(k * v for k, v in both.items())
    hxy = entropy(p.values())
    hx = entropy(row.values())
    hxy1 = -sum(v * log2(row[i] * row[j]) for (i, j), v in p.items() if v > 0)
    hxy2 = -sum(row[i] * row[j] * log2(row[i] * row[j]) for i, j in p if row[i] > 0 and row[j] > 0)
    corr = 1.0
    if sum(v > 0 for v in row.values()) > 1:
        corr = (sum(i * j * v for (i, j), v in p.items()) - mu * mu) / sigma2
    return [
        max(p.values()),
        sum(i * v for (i, j), v in p.items()),
        sum((i - mu) ** 2 * v for (i, j), v in p.items()),
        hxy,
        diff_mean,
        sum((k - diff_mean) ** 2 * v for k, v in diff.items()),
        entropy(diff.values()),
        sum_mean,
        sum((k - sum_mean) ** 2 * v for k, v in both.items()),
        entropy(both.values()),
        sum(v * v for v in p.values()),
        sum((i - j) ** 2 * v for (i, j), v in p.items()),
        sum(abs(i - j) * v for (i, j), v in p.items()),
        sum(v / (1 + abs(i - j)) for (i, j), v in p.items()),
        sum(v / (1 + abs(i - j) / n_levels) for (i, j), v in p.items()),
        sum(v / (1 + (i - j) ** 2) for (i, j), v in p.items()),
        sum(v / (1 + (i - j) ** 2 / n_levels**2) for (i, j), v in p.items()),
        2 * sum(v / (i - j) ** 2 for (i, j), v in p.items() if i < j),
        corr,
        sum(i * j * v for (i, j), v in p.items()),
        sum((i + j - 2 * mu) ** 2 * v for (i, j), v in p.items()),
        sum((i + j - 2 * mu) ** 3 * v for (i, j), v in p.items()),
        sum((i + j - 2 * mu) ** 4 * v for (i, j), v in p.items()),
        (hxy - hxy1) / hx if hx > 0 else 0.0,
        sqrt(max(0.0, 1 - exp(-2 * (hxy2 - hxy)))),
    ]


def describe_sizes(matrix, n_possible):
    """17 features that runs, zones, distance zones and dependences share."""
    n = sum(matrix.values())
    grey, size = Counter(), Counter()
    for (i, j), c in matrix.items():
        grey[i] += c
        size[j] += c
    mean_grey = sum(i * c for i, c in grey.items()) / n
    mean_size = sum(j * c for j, c in size.items()) / n
    cells = matrix.items()
    return [
        sum(c / j**2 for (i, j), c in cells) / n,
        sum(c * j**2 for (i, j), c in cells) / n,
        sum(c / i**2 for (i, j), c in cells) / n,
        sum(c * i**2 for (i, j), c in cells) / n,
        sum(c / (i**2 * j**2) for (i, j), c in cells) / n,
        sum(c * i**2 / j**2 for (i, j), c in cells) / n,
        sum(c * j**2 / i**2 for (i, j), c in cells) / n,
        sum(c * i**2 * j**2 for (i, j), c in cells) / n,
        sum(c**2 for c in grey.values()) / n,
        sum(c**2 for c in grey.values()) / n**2,
        sum(c**2 for c in size.values()) / n,
        sum(c**2 for c in size.values()) / n**2,
        n / n_possible,
        sum((i - mean_grey) ** 2 * c for i, c in grey.items()) / n,
        sum((j - mean_size) ** 2 * c for j, c in size.items()) / n,
        entropy(c / n for c in matrix.values()),
        sum((c / n) ** 2 for c in matrix.values()),
    ]


def describe_differences(matrix):
    n = sum(count for count, _ in matrix.values())
    p = {i: count / n for i, (count, _) in matrix.items()}
    s = {i: total for i, (_, total) in matrix.items()}
    pairs = list(product(p, repeat=2))
    ps = sum(p[i] * s[i] for i in p)
    coarseness = 1 / ps if ps >= 1e-6 else 1e6
    if len(p) == 1:
        return [coarseness, 0.0, 0.0, 0.0, 0.0]
    contrast = sum(p[i] * p[j] * (i - j) ** 2 for i, j in pairs) / (len(p) * (len(p) - 1))
    spread = sum(abs(i * p[i] - j * p[j]) for i, j in pairs)
    return [
        coarseness,
        contrast * sum(s.values()) / n,
        ps / spread if spread > 0 else 0.0,
        sum(abs(i - j) * (p[i] * s[i] + p[j] * s[j]) / (p[i] + p[j]) for i, j in pairs) / n,
        sum((p[i] + p[j]) * (i - j) ** 2 for i, j in pairs) / sum(s.values())
        if sum(s.values()) > 0
        else 0.0,
    ]


def merge(matrices):
    total = Counter()
    for matrix in matrices:
        total.update(matrix)
    return total


def average(rows, width):
    return np.mean(rows, axis=0) if rows else np.full(width, nan)


def directional(levels, make, describe, width):
    """Six aggregations of a family that has a matrix for each slice and direction."""
    flat = [[make(alone, d) for d in FLAT] for alone in slices_of(levels)]
    sizes = [int((alone > 0).sum()) for alone in slices_of(levels)]
    space = [make(levels, d) for d in SPACE]
    n = int((levels > 0).sum())

    def mean(matrices):
        return average([describe(m, k) for m, k in matrices if m], width)

    return np.array(
        [
            mean([(m, k) for ms, k in zip(flat, sizes, strict=True) for m in ms]),
            mean([(merge(ms), 4 * k) for ms, k in zip(flat, sizes, strict=True)]),
            mean([(merge(ms), n) for ms in zip(*flat, strict=True)]),
            mean([(merge(m for ms in flat for m in ms), 4 * n)]),
            mean([(m, n) for m in space]),
            mean([(merge(space), 13 * n)]),
        ]
    )


def by_slice(levels, make, describe, width):
    """Three aggregations of a family that has one matrix for each slice."""
    flat = [make(alone, FLAT) for alone in slices_of(levels)]
    sizes = [int((alone > 0).sum()) for alone in slices_of(levels)]
    n = int((levels > 0).sum())

    def mean(matrices):
        return average([describe(m, k) for m, k in matrices if m], width)

    return np.array(
        [
            mean(list(zip(flat, sizes, strict=True))),
            mean([(merge(flat), n)]),
            mean([(make(levels, SPACE), n)]),
        ]
    )


def merge_differences(matrices):
    n, s = Counter(), Counter()
    for matrix in matrices:
        for i, (count, total) in matrix.items():
            n[i] += count
            s[i] += total
    return {i: (n[i], s[i]) for i in n}


def difference_features(levels):
    flat = [differences(alone, FLAT) for alone in slices_of(levels)]
    rows = [[describe_differences(m) for m in flat if m]]
    rows += [
        [describe_differences(matrix)] if matrix else []
        for matrix in (merge_differences(flat), differences(levels, SPACE))
    ]
    return np.array([average(row, 5) for row in rows])


def texture_features(levels, n_levels, morphology):
    """408 features in the order of the catalogue."""

    def pairs(matrix, _):
        return describe_cooccurrence(matrix, n_levels)

    def distanced(alone, directions):
        return distance_zones(alone, directions, morphology)

    def sizes(matrix, possible):
        return describe_sizes(matrix, possible)[:16]

    blocks = [
        directional(levels, cooccurrence, pairs, 25),
        directional(levels, runs, sizes, 16),
        by_slice(levels, size_zones, sizes, 16),
        by_slice(levels, distanced, sizes, 16),
        difference_features(levels),
        by_slice(levels, dependences, describe_sizes, 17),
    ]
    return np.concatenate([block.ravel() for block in blocks])
