"""The region above the threshold at a position that a person gives: what the list has not.

Scored as every candidate is (``candidates``); that it is coronary a person says.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.calcium import candidates, placing, thorax
from mpss_lib.calcium.lesion import Lesion, list_lesions, mass_of
from mpss_lib.calcium.slabs import make_slabs
from mpss_lib.calcium.voltage import steps_of
from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import Triple, Volume

REACH_MM = 3.0
"""Distance from the position to the nearest voxel of a region: a click and half a slice."""


def region_at(
    ct: Volume,
    position_mm: Triple,
    *,
    kvp: float,
    thickness_mm: float,
    mg_per_ml_hu: float | None = None,
) -> Lesion:
    """Score the region of a CT at a position.

    Agatston et al., J Am Coll Cardiol 1990;15:827, as ``candidates`` has it; the reach is ours.

    Parameters
    ----------
    ct : Volume
        HU (z, y, x), slices along the first axis, unit ``"HU"``.
    position_mm : (x, y, z) float, mm
        LPS. The region with the nearest voxel is taken, at most ``REACH_MM`` away.
    kvp : float
        KVP of the series, kV.
    thickness_mm : float
        SliceThickness.
    mg_per_ml_hu : float, optional
        Calibration of the mass, mg/ml/HU.

    Returns
    -------
    Lesion
        Its place is ``marked``.

    Raises
    ------
    WrongArgumentError
        If nothing that counts as calcium lies there, or what lies there is larger than any plaque.
    """
    slabs = make_slabs(ct, thickness_mm)
    steps = steps_of(kvp)
    found = candidates.find(slabs, steps, ct.spacing_mm[1] * ct.spacing_mm[2], None)
    index = found.index.astype(np.float64)
    index[:, 0] = 0.5 * (slabs.first + slabs.last)[found.index[:, 0]]
    away = np.linalg.norm(ct.to_patient(index) - np.asarray(position_mm), axis=1)
    if not len(away) or away.min() > REACH_MM:
        raise WrongArgumentError(
            f"no calcium within {REACH_MM:.0f} mm of that position",
            way_out=f"name a voxel of at least {steps.threshold_hu:.0f} HU in a region of 1 mm2 or"
            " more, as x, y, z in mm (LPS)",
        )
    number = int(found.lesion[int(np.argmin(away))])
    if thorax.is_bone(found)[number]:
        raise WrongArgumentError(
            "what lies at that position is larger than any plaque",
            way_out="name a position on the plaque; calcium that touches bone cannot be added",
        )
    places = placing.marked(len(found))
    mass = mass_of(found, mg_per_ml_hu)
    (one,) = list_lesions(ct, slabs, found, mass, places, np.array([number]))
    return one
