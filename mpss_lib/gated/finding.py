"""The ventricle of the sum of the gates: where every gate's begins, and what it may not leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.gated.lattice import Lattice, build
from mpss_lib.gated.matching import heights
from mpss_lib.gated.model import Shape
from mpss_lib.segmentation import localise, storage, surface
from mpss_lib.segmentation.ventricle import LOWEST_SCORE, SURE, priors_of, values_of
from mpss_lib.segmentation.wall import choose
from mpss_lib.volume import Volume

SEED = 0  # of the search's random steps
LONGEST_LEAN_DEG, STEEPEST_DEG = 50.0, 10.0
"""Slices across the long axis lean at most that far from its usual direction; those across the
patient at most this far from Superior (as in ``intake.orientation``)."""


@dataclass(frozen=True)
class Found:
    """The ventricle of the sum: its lattice, shape, counts of its wall, and what speaks of it."""

    lattice: Lattice
    shape: Shape
    counts: float
    blur_mm2: float
    doubts: tuple[str, ...]


def orientation_of(volume: Volume) -> str:
    """Tell ``short_axis``, where the slices lie across the usual long axis, from ``transaxial``."""
    normal = volume.affine[:3, 0] / np.linalg.norm(volume.affine[:3, 0])
    along = abs(float(normal @ localise.TYPICAL_AXIS))
    is_steep = abs(float(normal[2])) >= np.cos(np.radians(STEEPEST_DEG))
    return (
        "short_axis"
        if along >= np.cos(np.radians(LONGEST_LEAN_DEG)) and not is_steep
        else ("transaxial")
    )


def find(total: Volume, orientation: str | None) -> Found | None:
    """Find the ventricle in the sum of the gates; None where nothing looks like one.

    Where the slices lie across the patient and what is found there is doubtful, the volume may
    have been turned to the short axis and lost its orientation: that is tried too.

    Parameters
    ----------
    total : Volume
    orientation : str or None
        As for ``segmentation.segment``; None: as the slices lie.
    """
    first = _follow(total, orientation or orientation_of(total))
    if orientation is not None or orientation_of(total) != "transaxial":
        return first
    if first is not None and not first.doubts:
        return first
    other = _follow(total, "short_axis")
    if other is None or (first is not None and len(other.doubts) >= len(first.doubts)):
        return first
    return other


def _follow(total: Volume, orientation: str) -> Found | None:
    priors = priors_of(total, orientation)
    volume, _ = storage.canonical(total)
    shells = localise.find_shells(localise.take_logarithm(volume), priors, SEED)
    if not shells or shells[0].score < LOWEST_SCORE:
        return None
    choice = choose(volume, shells, priors)
    traced = choice.best
    if not traced.is_above.any():
        return None
    counts = float(np.median(traced.rays.peak[traced.is_above]))
    if counts <= 0.0:
        return None
    values = values_of(choice)
    doubts = (name for name, value in values.items() if not SURE[name][0] <= value <= SURE[name][1])
    mid = surface.unbend(traced.ridge_mm, traced.ellipsoid, traced.blur_mm2)
    return Found(
        build(traced), Shape(mid, traced.plane), counts, traced.blur_mm2, tuple(sorted(doubts))
    )


def seen_share(total: Volume, found: Found) -> float:
    """Share of the wall (and 12 mm around it) that lies inside the volume."""
    points = surface.points_of(found.shape.mid_mm + 12.0)[heights(found.shape) > 0.0]
    index = total.to_index(found.lattice.frame.to_patient(points))
    inside = ((index >= 0) & (index <= np.array(total.array.shape) - 1)).all(axis=1)
    return float(inside.mean())
