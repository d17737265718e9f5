"""Drawn masks as a segmentation: what is missing is added, the wall is checked on the counts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mpss_lib.segmentation import regions
from mpss_lib.segmentation.contour_objects import POLAR
from mpss_lib.segmentation.contour_surfaces import (
    ContourSurfaces,
    find_surfaces,
    misfit_mm,
    ridge_share,
    split_wall,
)
from mpss_lib.segmentation.geometry import describe
from mpss_lib.segmentation.search import priors_of
from mpss_lib.segmentation.surface import CAP_ROWS
from mpss_lib.segmentation.ventricle import SURE, Segmentation, edge_voxels
from mpss_lib.volume import FloatArray, Mask, Volume

GIVEN = "given"
"""``wall_mode`` of masks that somebody drew; ``wall_mm`` is then their median thickness."""


def segment_contours(
    volume: Volume, drawn: Mapping[str, Mask], *, orientation: str
) -> Segmentation:
    """Make a segmentation of drawn masks.

    Regions that were given are kept to the voxel. The 17 polar segments are used if all of them
    were given, else ours split the wall; so with the three vascular regions and the three groups.

    Parameters
    ----------
    volume : Volume
    drawn : mapping of name to Mask
        At least MYO, ENDO and EPI, on the volume's grid.
    orientation : str
        As for ``segment``.

    Returns
    -------
    Segmentation

    Raises
    ------
    GeometryError
        If the masks enclose no ventricle.
    """
    prior = priors_of(volume, orientation)[0]
    endo, epi = drawn["ENDO"].array, drawn["EPI"].array
    surfaces = find_surfaces(volume, endo, epi, prior)
    ours = split_wall(volume, surfaces, drawn["MYO"].array)
    masks = {name: drawn[name] for name in ("MYO", "ENDO", "EPI")}
    for names in (POLAR, tuple(regions.SECTORS)):
        source = drawn if all(name in drawn for name in names) else ours
        masks |= {name: source[name] for name in names}
    seven = {name: masks[name] for name in ("MYO", "LAD3", "LCX3", "RCA3")}
    joined = regions.join_territories(masks)
    seven |= {name: drawn.get(name, joined[name]) for name in joined}
    check = _check(volume, surfaces, drawn, prior.axis)
    flags = tuple(
        name
        for name, (low, high) in SURE.items()
        if name in check and not low <= check[name] <= high
    )
    extras = describe(
        surfaces.frame,
        surfaces.plane,
        surfaces.wall,
        surfaces.mid_mm,
        surfaces.rays,
        surfaces.is_wall,
    )
    return Segmentation(masks, seven, check, flags, extras, GIVEN, surfaces.wall_mm)


def _check(
    volume: Volume, surfaces: ContourSurfaces, drawn: Mapping[str, Mask], usual: FloatArray
) -> dict[str, float]:
    """Self-check values that make sense where a person drew; the names of the automatic ones."""
    is_wall = surfaces.is_wall
    standard = regions.build_wall(surfaces.mid_mm, 10.4, "anatomical")
    voxels = regions.voxels_near(volume, surfaces.frame, surfaces.plane, standard)
    ml = regions.draw_masks(volume, voxels, standard)
    lean = float(np.clip(surfaces.frame.axis @ usual, -1.0, 1.0))
    return {
        "prominence": float(np.median(surfaces.rays.prominence[is_wall])),
        "ridge_share": ridge_share(surfaces),
        "misfit_mm": misfit_mm(surfaces),
        "base_residual_mm": surfaces.plane.residual_mm,
        "radius_mm": float(np.median(surfaces.mid_mm[CAP_ROWS:][is_wall[CAP_ROWS:]])),
        "axis_off_deg": math.degrees(math.acos(lean)),
        "length_mm": float(surfaces.mid_mm[0].mean()) - surfaces.plane.at,
        "myocardium_ml": ml["MYO"].volume_ml,
        "cavity_ml": ml["ENDO"].volume_ml,
        "edge_voxels": edge_voxels(drawn["EPI"]),
    }
