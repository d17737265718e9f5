"""The random volumes on which peers are compared: made from a seed, the same everywhere.

Sizes, anisotropic spacings, one to three parts, holes, empty bins, whole and fractional
intensities, counts and negative values. Only numpy is used, so that a peer's own environment can
make them too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_CASES = 24


@dataclass(frozen=True)
class Case:
    """One volume: image and mask (z, y, x), spacing (dz, dy, dx) in mm, bin number."""

    name: str
    image: np.ndarray
    mask: np.ndarray
    spacing_mm: tuple[float, float, float]
    n_bins: int


def make_case(number: int) -> Case:
    rng = np.random.default_rng([20210129, number])
    shape = tuple(int(n) for n in rng.integers(5, 13, 3))
    spacing = tuple(float(s) for s in np.round(rng.uniform(0.8, 5.0, 3), 2))
    if number % 3 == 0:
        spacing = (spacing[0],) * 3
    mask = np.zeros(shape, np.bool_)
    index = np.indices(shape)
    for _ in range(1 + number % 3):
        centre = rng.uniform(0, np.array(shape) - 1)
        radius = rng.uniform(1.5, 4.5, 3)
        inside = sum(((index[k] - centre[k]) / radius[k]) ** 2 for k in range(3)) < 1
        mask |= inside
    mask &= rng.random(shape) < (1.0 if number % 4 else 0.9)
    mask[tuple(n // 2 for n in shape)] = True
    mask[tuple(n // 2 - 1 for n in shape)] = True
    smooth = sum(np.sin(rng.uniform(0.2, 1.0) * index[k] + rng.uniform(0, 6)) for k in range(3))
    image = 100 + 40 * smooth + rng.normal(0, 15, shape)
    if number % 2 == 0:
        image = np.round(image)
    if number % 5 == 0:
        # Two clusters far apart: most bins are empty.
        image = np.where(rng.random(shape) < 0.5, image, image + 2000)
    if number % 7 == 0:
        image = image - 300
    n_bins = (4, 8, 16, 32, 64, 128)[number % 6]
    return Case(f"case{number:02d}", image.astype(np.float64), mask, spacing, n_bins)


def cases() -> list[Case]:
    return [make_case(number) for number in range(N_CASES)]
