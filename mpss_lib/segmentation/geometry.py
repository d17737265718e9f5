"""Geometry that goes with the masks, the same whether the wall was found or given."""

from __future__ import annotations

import numpy as np

from mpss_lib.segmentation import surface
from mpss_lib.segmentation.regions import Wall
from mpss_lib.segmentation.surface import Frame, Rays
from mpss_lib.segmentation.valve import BasalPlane
from mpss_lib.volume import BoolArray, FloatArray


def describe(
    frame: Frame,
    plane: BasalPlane,
    wall: Wall,
    mid_mm: FloatArray,
    rays: Rays,
    is_wall: BoolArray,
) -> dict[str, FloatArray]:
    """Arrays for the mask file: heart frame, basal plane, surfaces and ridge along the rays.

    Parameters
    ----------
    frame : Frame
    plane : BasalPlane
    wall : Wall
    mid_mm : (rows, angles) float64 array
        Middle of the wall.
    rays : Rays
        Ridge of the counts.
    is_wall : (rows, angles) bool array
        Rays that meet the wall on the apex side of the basal plane.

    Returns
    -------
    dict of name to float64 array
        ``axis``, ``origin``, ``anterior``, ``lateral`` (3,); ``base``: the plane's height and
        slopes; ``endo_apex_mm`` (1,); ``ray_start_mm`` and ``ray_way`` (rows, angles, 3), LPS;
        radii, counts and prominence (rows, angles); ``is_wall`` as 0 and 1.
    """
    start, way = surface.directions()
    return {
        "axis": frame.axis,
        "origin": frame.origin,
        "anterior": frame.anterior,
        "lateral": frame.lateral,
        "base": np.array([plane.at, plane.slope_a, plane.slope_s]),
        "endo_apex_mm": np.array([wall.endo_apex_mm]),
        "ray_start_mm": frame.to_patient(start),
        "ray_way": way @ frame.rotation,
        "mid_mm": mid_mm,
        "endo_mm": wall.endo_mm,
        "epi_mm": wall.epi_mm,
        "ridge_mm": rays.radius_mm,
        "ridge_counts": rays.peak,
        "ridge_prominence": rays.prominence,
        "is_wall": is_wall.astype(np.float64),
    }
