"""A CT-like volume for the five image-processing configurations of IBSI 1, made from a seed.

Soft tissue with a coarse texture in lung, partial volume at its border, vessels, a few calcified
and gas-filled spots: each re-segmentation has something to remove. Whole Hounsfield units. The seed
is one with which no interpolated intensity of the mask lies so near to a half that single and
double precision would round it apart. Only numpy is used, so that a peer's own environment can make
it too.
"""

from __future__ import annotations

import numpy as np

SPACING_MM = (3.0, 0.977, 0.977)
SHAPE = (14, 57, 52)
SEED = 10


def ct_volume() -> tuple[np.ndarray, np.ndarray]:
    """Image in HU (z, y, x) and a mask of 4,429 voxels, drawn a little generously."""
    rng = np.random.default_rng(SEED)
    z, y, x = (
        (np.arange(n) - (n - 1) / 2 - shift)[(None,) * k + (slice(None),) + (None,) * (2 - k)] * s
        for k, (n, s, shift) in enumerate(zip(SHAPE, SPACING_MM, (0.4, -1.7, 2.3), strict=True))
    )
    turn = np.arctan2(y, x)
    radius = np.sqrt((z / 13.0) ** 2 + (y / 17.0) ** 2 + (x / 15.0) ** 2)
    radius = radius * (1 + 0.12 * np.cos(3 * turn + 0.2 * z))
    tissue = 1 / (1 + np.exp((radius - 0.92) / 0.04))
    texture = sum(
        20 * np.sin(rng.uniform(0.1, 0.7) * a + rng.uniform(0.1, 0.7) * b + rng.uniform(0, 6))
        for a, b in ((x, y), (y, z), (z, x), (x, y))
    )
    image = -780 + tissue * (815 + texture) + rng.normal(0, 14, SHAPE)
    inside = np.argwhere(radius < 0.75)
    for value, number in ((720.0, 5), (-1050.0, 3)):
        for corner in inside[rng.choice(len(inside), number, replace=False)]:
            image[tuple(slice(c, c + n) for c, n in zip(corner, (2, 4, 4), strict=True))] = value
    vessels = (np.hypot(y + 20, x + 12) < 3) | (np.hypot(z - 6, y - 21) < 3)
    image = np.where(vessels & (radius > 1), 60 + rng.normal(0, 14, SHAPE), image)
    mask = radius < 0.96
    mask &= ~((np.hypot(y - 4, x + 3) < 2.5) & (np.abs(z) < 4))
    return np.round(image), mask
