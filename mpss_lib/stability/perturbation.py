"""What is done to a study: the same list for all, so that a perturbation is a rater.

After Zwanenburg et al. 2019 (Scientific Reports 9, 614): translations and rotations of image and
mask together, noise, growing and shrinking of the region. Here the noise is that of half the counts
(binomial thinning, in pairs of halves of which nothing is used twice), and the regions change as a
ventricle's do: a thicker or thinner wall, a base that is a slice higher or lower. Sums of every
other gate would be real halves; only gated studies have them, and what is not done to every study
is no rater.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.sections import StabilitySettings
from mpss_lib.stable_features import EVERY
from mpss_lib.volume import Triple

FAMILIES = ("shift", "rotation", "counts", "wall", "base")


@dataclass(frozen=True)
class Perturbation:
    """One way to measure a study a little differently.

    Parameters
    ----------
    name, family : str
    shift_voxels : (z, y, x) float
        Of the grid along its own axes, in voxels.
    turn_deg : (x, y, z) float
        Rotation vector of the grid about the heart, in the patient.
    half : tuple of int, optional
        Number of the pair and which of its halves (0 or 1).
    wall_voxels : float
        Added to the thickness of the wall, half of it on each side.
    base_slices : float
        By how many voxels the basal plane goes towards the base.
    """

    name: str
    family: str
    shift_voxels: Triple = (0.0, 0.0, 0.0)
    turn_deg: Triple = (0.0, 0.0, 0.0)
    half: tuple[int, int] | None = None
    wall_voxels: float = 0.0
    base_slices: float = 0.0

    @property
    def moves_grid(self) -> bool:
        """Whether the image is interpolated."""
        return any(self.shift_voxels) or any(self.turn_deg)


def plan(settings: StabilitySettings) -> tuple[Perturbation, ...]:
    """List the perturbations of these settings, in the order of their rows.

    Shifts and rotations go in directions drawn once from ``settings.seed``; shifts are a quarter to
    a half voxel long, rotations have the angle of the settings.
    """
    rng = np.random.default_rng([settings.seed, 0])
    found = []
    for k in range(settings.shifts):
        length = 0.25 + 0.25 * (k + 0.5) / settings.shifts
        way = _direction(rng, length)
        found.append(Perturbation(f"shift{k + 1}", "shift", shift_voxels=way))
    for k in range(settings.rotations):
        way = _direction(rng, settings.rotation_deg)
        found.append(Perturbation(f"rotation{k + 1}", "rotation", turn_deg=way))
    for pair in range(settings.count_pairs):
        for which, letter in enumerate("ab"):
            name = f"half{pair + 1}{letter}"
            found.append(Perturbation(name, "counts", half=(pair, which)))
    for name, sign in (("thin", -1.0), ("thick", 1.0)):
        change = sign * settings.wall_voxels
        found.append(Perturbation(f"wall_{name}", "wall", wall_voxels=change))
    for name, sign in (("short", -1.0), ("long", 1.0)):
        found.append(Perturbation(f"base_{name}", "base", base_slices=sign * settings.base_slices))
    return tuple(found)


def places_of(perturbations: tuple[Perturbation, ...]) -> dict[str, list[int]]:
    """Places of the perturbations of each family that has two or more, and of all together."""
    by_family = {
        family: [k for k, one in enumerate(perturbations) if one.family == family]
        for family in FAMILIES
    }
    several = {family: places for family, places in by_family.items() if len(places) > 1}
    return {EVERY: list(range(len(perturbations))), **several}


def _direction(rng: np.random.Generator, length: float) -> Triple:
    way = rng.normal(size=3)
    way *= length / float(np.linalg.norm(way))
    return float(way[0]), float(way[1]), float(way[2])
