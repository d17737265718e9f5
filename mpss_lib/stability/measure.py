"""All perturbations of one study: the features of each.

After Zwanenburg et al. 2019 (Sci. Rep. 9:614).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.radiomics.discretise import Discretisation
from mpss_lib.radiomics.isotropic import ISOTROPIC_NAMES, Shape, measure_isotropic, shape_of
from mpss_lib.sections import SEGMENTS
from mpss_lib.stability.heart import Heart
from mpss_lib.stability.image import Grid, generator_of, halves
from mpss_lib.stability.perturbation import Perturbation
from mpss_lib.volume import FloatArray, Volume

MARGIN = 3
"""Voxels about the heart: a turn of 5 degrees, a longer base and a thicker wall stay inside."""


@dataclass(frozen=True)
class Perturbed:
    """What one perturbation gave.

    Parameters
    ----------
    perturbation : Perturbation
    values : (segment, bins, feature) float64 array
        Segments in the order of ``SEGMENTS``, features in that of ``ISOTROPIC_NAMES``.
    n_voxels : int
        Of the myocardium.
    thinning : str
        What was thinned: ``pixels``, ``noise``, or "".
    """

    perturbation: Perturbation
    values: FloatArray
    n_voxels: int
    thinning: str = ""


@dataclass(frozen=True)
class Ruler:
    """How features are measured: bin numbers, and the bins of the intensity-volume histogram."""

    bins: tuple[int, ...]
    ivh: Discretisation

    @property
    def shape(self) -> tuple[int, int, int]:
        """Segments, bins and features of the values of a study."""
        return len(SEGMENTS), len(self.bins), len(ISOTROPIC_NAMES)

    def read(self, image: FloatArray, shapes: dict[str, Shape | None]) -> FloatArray:
        """Measure the features of the segments.

        Parameters
        ----------
        image : (z, y, x) float64 array
        shapes : dict of segment to Shape or None

        Returns
        -------
        (segment, bins, feature) float64 array
        """
        return measure_isotropic(image, shapes, self.bins, self.ivh)


def measure(
    volume: Volume,
    heart: Heart,
    perturbations: Sequence[Perturbation],
    ruler: Ruler,
    study_key: str,
    seed: int,
) -> list[Perturbed]:
    """Measure a study under each perturbation.

    Parameters
    ----------
    volume : Volume
    heart : Heart
    perturbations : sequence of Perturbation
    ruler : Ruler
    study_key : str
        With the seed it fixes which half a count goes to.
    seed : int

    Returns
    -------
    list of Perturbed
        In the order of the perturbations.
    """
    grid = Grid.about(volume, heart.box(volume, MARGIN))
    own = grid.own
    found: list[Perturbed] = []
    pairs: dict[int, tuple[FloatArray, FloatArray, str]] = {}
    here = shapes_of(heart, own)
    for one in perturbations:
        image, shapes, thinning = own.array, here, ""
        if one.half is not None:
            pair, which = one.half
            if pair not in pairs:
                rng = generator_of(study_key, seed, pair)
                wall = heart.draw(own)["MYO"]
                pairs[pair] = halves(own.array, wall, rng)
            first, second, thinning = pairs[pair]
            image = second if which else first
        elif one.moves_grid:
            moved = grid.moved(one, heart.frame.origin)
            image, shapes = moved.array, shapes_of(heart, moved)
        else:
            shapes = shapes_of(_changed(heart, one, own), own)
        myocardium = shapes["MYO"]
        n_voxels = 0 if myocardium is None else len(myocardium.voxels)
        found.append(Perturbed(one, ruler.read(image, shapes), n_voxels, thinning))
    return found


def shapes_of(heart: Heart, volume: Volume) -> dict[str, Shape | None]:
    """Shapes of the seven segments of a heart on a grid.

    Parameters
    ----------
    heart : Heart
    volume : Volume
        Gives the grid.

    Returns
    -------
    dict of segment to Shape or None
    """
    return {name: shape_of(mask) for name, mask in heart.draw(volume).items()}


def _changed(heart: Heart, one: Perturbation, volume: Volume) -> Heart:
    voxel_mm = float(np.prod(volume.spacing_mm)) ** (1.0 / 3.0)
    return heart.changed(one.wall_voxels * voxel_mm, one.base_slices * voxel_mm)
