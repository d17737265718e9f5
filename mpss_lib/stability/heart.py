"""The heart of a study as segmentation left it: surfaces that can be changed and drawn again.

Surfaces are moved, not masks: at voxels of 4.8 mm a wall of two voxels that is interpolated twice
is another wall. Where the masks were drawn by somebody (contours), the surfaces that segmentation
traced in them stand for them.

Moving surfaces in place of masks is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mpss_lib.sections import SEGMENTS
from mpss_lib.segmentation.regions import (
    SECTORS,
    TERRITORY,
    Wall,
    is_in_vessel,
    segment_number,
    voxels_near,
)
from mpss_lib.segmentation.surface import Frame
from mpss_lib.segmentation.valve import BasalPlane
from mpss_lib.volume import BoolArray, FloatArray, Volume

LEAST_RADIUS_MM = 2.0
"""Of the cavity, as where the wall is built."""


@dataclass(frozen=True)
class Heart:
    """Frame, wall about its middle, basal plane.

    Parameters
    ----------
    frame : Frame
    wall : Wall
    mid_mm : (rows, angles) float64 array
    plane : BasalPlane
    wall_mm : float
        Thickness of the wall, by convention or as it was drawn.
    """

    frame: Frame
    wall: Wall
    mid_mm: FloatArray
    plane: BasalPlane
    wall_mm: float

    @classmethod
    def read(cls, extras: Mapping[str, FloatArray], wall_mm: float) -> Heart:
        """Take it from what stands in the mask file beside the masks.

        Parameters
        ----------
        extras : mapping of name to float64 array
            origin, axis, anterior, lateral, base (3,); endo_mm, epi_mm, mid_mm (rows, angles).
        wall_mm : float, mm

        Returns
        -------
        Heart
        """
        frame = Frame(*(extras[name] for name in ("origin", "axis", "anterior", "lateral")))
        at, slope_a, slope_s = (float(x) for x in extras["base"])
        wall = Wall(extras["endo_mm"], extras["epi_mm"])
        plane = BasalPlane(at, slope_a, slope_s, residual_mm=0.0, seen=1.0)
        return cls(frame, wall, extras["mid_mm"], plane, wall_mm)

    def changed(self, thicker_mm: float, longer_mm: float) -> Heart:
        """Give the heart with a thicker wall about the same middle, and a base further down."""
        share = max(1.0 + thicker_mm / self.wall_mm, 0.0)
        endo = self.mid_mm + share * (self.wall.endo_mm - self.mid_mm)
        epi = self.mid_mm + share * (self.wall.epi_mm - self.mid_mm)
        wall = Wall(np.maximum(endo, np.minimum(LEAST_RADIUS_MM, self.wall.endo_mm)), epi)
        plane = replace(self.plane, at=self.plane.at - longer_mm)
        return replace(self, wall=wall, plane=plane)

    def box(self, volume: Volume, margin: int) -> tuple[slice, slice, slice]:
        """Slices of the volume's array that hold the heart and ``margin`` voxels about it.

        Parameters
        ----------
        volume : Volume
        margin : int, voxels

        Returns
        -------
        tuple of slice
            Along z, y and x.
        """
        start, way = self._rays()
        points = (start + way * self.wall.epi_mm[..., None]).reshape(-1, 3)
        index = volume.to_index(self.frame.to_patient(points))
        size = np.array(volume.array.shape)
        low = np.clip(np.floor(index.min(axis=0)).astype(int) - margin, 0, size - 1)
        high = np.clip(np.ceil(index.max(axis=0)).astype(int) + margin + 1, low + 1, size)
        first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return first, second, third

    def draw(self, volume: Volume) -> dict[str, BoolArray]:
        """Draw the seven segments on a grid, as segmentation does.

        Parameters
        ----------
        volume : Volume
            Gives the grid.

        Returns
        -------
        dict of segment to (z, y, x) bool array
        """
        near = voxels_near(volume, self.frame, self.plane, self.wall)
        is_wall = near.is_above_base & (near.radius_mm <= near.on_surface(self.wall.epi_mm))
        is_wall &= near.radius_mm >= near.on_surface(self.wall.endo_mm)
        number = segment_number(near.theta_deg, near.f)
        chosen = {"MYO": is_wall}
        for name in SECTORS:
            inside = is_in_vessel(name, near.theta_deg, near.f, near.rho_mm)
            chosen[name] = is_wall & inside
        for name, numbers in TERRITORY.items():
            chosen[name] = is_wall & np.isin(number, numbers)
        masks = {}
        for name in SEGMENTS:
            masks[name] = np.zeros(volume.array.shape, np.bool_)
            masks[name][tuple(near.index[chosen[name]].T)] = True
        return masks

    @staticmethod
    def _rays() -> tuple[FloatArray, FloatArray]:
        from mpss_lib.segmentation.surface import directions

        return directions()
