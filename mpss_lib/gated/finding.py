"""The ventricle of the sum of the gates: where every gate's begins, and what it may not leave.

By the stage segmentation's own search; the sum, and when to turn it, are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.dicom.slices import how_slices_lie
from mpss_lib.gated.lattice import Lattice, build
from mpss_lib.gated.matching import heights
from mpss_lib.gated.model import Shape
from mpss_lib.segmentation import mid_wall, surface
from mpss_lib.segmentation.search import look
from mpss_lib.segmentation.ventricle import SURE, values_of
from mpss_lib.volume import Volume

SEED = 0  # of the search's random steps


@dataclass(frozen=True)
class Found:
    """The ventricle of the sum: its lattice, shape, counts of its wall, and what speaks of it."""

    lattice: Lattice
    shape: Shape
    counts: float
    blur_mm2: float
    doubts: tuple[str, ...]


def orientation_of(volume: Volume) -> str:
    """Tell ``short_axis``, where the slices lie across the usual long axis, from ``transaxial``.

    Parameters
    ----------
    volume : Volume

    Returns
    -------
    {"short_axis", "transaxial"}
    """
    lie = how_slices_lie(volume.affine[:3, 0] / np.linalg.norm(volume.affine[:3, 0]))
    return "short_axis" if lie == "near_long_axis" else "transaxial"


def find(total: Volume, orientation: str | None) -> Found | None:
    """Find the ventricle in the sum of the gates; None where nothing looks like one.

    Where the slices lie across the patient and what is found there is doubtful, the volume may
    have been turned to the short axis and lost its orientation: that is tried too.

    Parameters
    ----------
    total : Volume
    orientation : str or None
        As for ``segmentation.segment``; None: as the slices lie.

    Returns
    -------
    Found or None
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
    choice = look(total, orientation, SEED).choice
    if choice is None:
        return None
    traced = choice.best
    if not traced.is_above.any():
        return None
    counts = float(np.median(traced.rays.peak[traced.is_above]))
    if counts <= 0.0:
        return None
    values = values_of(choice)
    doubts = (name for name, value in values.items() if not SURE[name][0] <= value <= SURE[name][1])
    mid = mid_wall.unbend(traced.ridge_mm, traced.ellipsoid, traced.blur_mm2)
    return Found(
        build(traced), Shape(mid, traced.plane), counts, traced.blur_mm2, tuple(sorted(doubts))
    )


def seen_share(total: Volume, found: Found) -> float:
    """Share of the wall (and 12 mm around it) that lies inside the volume.

    Parameters
    ----------
    total : Volume
        Sum of the gates.
    found : Found

    Returns
    -------
    float
        0 to 1.
    """
    points = surface.points_of(found.shape.mid_mm + 12.0)[heights(found.shape) > 0.0]
    index = total.to_index(found.lattice.frame.to_patient(points))
    inside = ((index >= 0) & (index <= np.array(total.array.shape) - 1)).all(axis=1)
    return float(inside.mean())
