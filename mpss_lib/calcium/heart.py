"""The left ventricle's surface that segmentation found in the SPECT, carried into a CT.

Both must name one frame of reference. Coordinates are those of the heart: height above the valve
plane towards the apex, and across the long axis anterior and lateral; the angle is 0 lateral, 90
anterior, 180 septal, 270 inferior.

Angles and segments as in Cerqueira et al., Circulation 2002;105:539; the frame is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mpss_lib.errors import FrameOfReferenceError
from mpss_lib.volume import FloatArray, Volume

BASE_ROWS = 2.0  # mm about the valve plane in which its radius is measured


@dataclass(frozen=True)
class HeartSurface:
    """Epicardium and valve plane of a left ventricle.

    Parameters
    ----------
    rotation : (3, 3) float64 array
        Rows axis (base to apex), anterior, lateral; unit vectors, LPS.
    origin : (3,) float64 array
        On the long axis, LPS mm.
    base : (3,) float64 array
        Valve plane t = base[0] + base[1] a + base[2] s, mm.
    epi : (rows, angles, 3) float64 array
        Points of the epicardium (t, a, s), mm, from the apex to the base.
    frame_of_reference : str
        FrameOfReferenceUID of the SPECT.
    """

    rotation: FloatArray
    origin: FloatArray
    base: FloatArray
    epi: FloatArray
    frame_of_reference: str

    @classmethod
    def of(cls, geometry: Mapping[str, FloatArray], frame_of_reference: str) -> HeartSurface:
        """Take it from the geometry that goes with the masks.

        Parameters
        ----------
        geometry : mapping of name to array
            ``Segmentation.extras``, or the arrays of a mask file: axis, anterior, lateral, origin,
            base (3,), ray_start_mm and ray_way (rows, angles, 3), epi_mm (rows, angles).
        frame_of_reference : str
            Of the volume that was segmented.

        Returns
        -------
        HeartSurface

        Raises
        ------
        KeyError
            If the geometry lacks one of these arrays.
        """
        rotation = np.stack([geometry["axis"], geometry["anterior"], geometry["lateral"]])
        epi = geometry["ray_start_mm"] + geometry["ray_way"] * geometry["epi_mm"][..., None]
        local = (epi - geometry["origin"]) @ rotation.T
        return cls(rotation, geometry["origin"], geometry["base"], local, frame_of_reference)

    def check_frame(self, ct: Volume) -> None:
        """Refuse a CT whose positions mean nothing beside the SPECT.

        Parameters
        ----------
        ct : Volume
            Names its FrameOfReferenceUID (PS3.3 C.7.4.1).

        Raises
        ------
        FrameOfReferenceError
            Unless the CT names the frame of reference of the SPECT.
        """
        if not self.frame_of_reference or self.frame_of_reference != ct.frame_of_reference:
            raise FrameOfReferenceError(
                "the CT does not name the frame of reference of the SPECT",
                way_out="give the CT that corrected this SPECT, or score it without its surface",
            )

    def to_heart(self, position_mm: FloatArray) -> FloatArray:
        """Position in the patient to position in the heart.

        Parameters
        ----------
        position_mm : (n, 3) float64 array, mm
            (x, y, z), LPS.

        Returns
        -------
        (n, 3) float64 array, mm
            Height above the valve plane, anterior, lateral.
        """
        local: FloatArray = (position_mm - self.origin) @ self.rotation.T
        local[:, 0] -= self._plane(local[:, 1], local[:, 2])
        return local

    def to_patient(self, heart: FloatArray) -> FloatArray:
        """Position in the heart to position in the patient.

        Parameters
        ----------
        heart : (n, 3) float64 array, mm
            Height above the valve plane, anterior, lateral.

        Returns
        -------
        (n, 3) float64 array, mm
            (x, y, z), LPS.
        """
        local = heart.copy()
        local[:, 0] += self._plane(local[:, 1], local[:, 2])
        position: FloatArray = self.origin + local @ self.rotation
        return position

    def _plane(self, a: FloatArray, s: FloatArray) -> FloatArray:
        height: FloatArray = self.base[0] + self.base[1] * a + self.base[2] * s
        return height

    @property
    def length_mm(self) -> float:
        """Height of the epicardial apex above the valve plane."""
        return float(self.epi[0, :, 0].mean() - self.base[0])

    @property
    def radius_mm(self) -> float:
        """Mean radius of the epicardium at the valve plane."""
        turn = np.arange(0.0, 360.0, 10.0)
        return float(self.radius_at(np.full(len(turn), BASE_ROWS), turn).mean())

    def radius_at(self, height_mm: FloatArray, degrees: FloatArray) -> FloatArray:
        """Radius of the epicardium, linear between the rows of the surface.

        Parameters
        ----------
        height_mm : (n,) float64 array, mm
            Above the valve plane.
        degrees : (n,) float64 array
            Angle: 0 lateral, 90 anterior; the nearest column of the surface is taken.

        Returns
        -------
        (n,) float64 array, mm
            0 beyond the apex.
        """
        angles = self.epi.shape[1]
        column = np.rint(np.asarray(degrees) / 360.0 * angles).astype(np.int64) % angles
        radius = np.empty(len(column))
        for one in np.unique(column):
            t, a, s = self.epi[:, one].T
            height = (t - self._plane(a, s))[::-1]
            order = np.argsort(height, kind="stable")
            rho = np.hypot(a, s)[::-1][order]
            here = column == one
            radius[here] = np.interp(np.asarray(height_mm)[here], height[order], rho, right=0.0)
        return radius
