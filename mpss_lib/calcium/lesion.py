"""One lesion of a CT, for a list and for a picture.

Scores: Agatston et al., J Am Coll Cardiol 1990;15:827. Mass: McCollough et al., Radiology
2007;243:527.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mpss_lib.calcium.candidates import Candidates
from mpss_lib.calcium.placing import Places
from mpss_lib.calcium.slabs import Slabs
from mpss_lib.volume import FloatArray, IntArray, Triple, Volume


@dataclass(frozen=True)
class Lesion:
    """What touches in three dimensions, above the threshold.

    Parameters
    ----------
    score : float
        Agatston score, units, for slices of 3 mm.
    volume_mm3 : float
        Volume of its voxels.
    mass_mg : float
        Mass of hydroxyapatite; NaN where the scan is not calibrated.
    first_slice, last_slice : int
        Slices of the CT, along the first axis from 0, both counted.
    area_mm2 : float
        Largest area in one slice.
    peak_hu : float
    centre_mm : (x, y, z) float
        Mean of its voxels, LPS.
    voxels : (n, 3) int64 array
        Its voxels in the CT, (z, y, x).
    place : str
        ``LM``, ``LAD``, ``LCX``, ``RCA``; ``left`` where LM and LAD cannot be told apart;
        ``mediastinum`` where no surface of the ventricle is known; ``marked`` in a region that a
        person gave; else not coronary: ``aorta``, ``mitral ring``, ``metal``, ``beam``,
        ``elsewhere``.
    probability : float
        Of the place, 0 to 1.
    reason : str
        Why it is placed there.
    waits : bool
        Whether a person should look at it.
    """

    score: float
    volume_mm3: float
    mass_mg: float
    first_slice: int
    last_slice: int
    area_mm2: float
    peak_hu: float
    centre_mm: Triple
    voxels: IntArray = field(repr=False, compare=False)
    place: str
    probability: float
    reason: str
    waits: bool


def mass_of(candidates: Candidates, mg_per_ml_hu: float | None) -> FloatArray:
    """Mass (n,) in mg: mean HU times volume times the calibration factor; NaN without one.

    The factor is the density of a calibration insert over its HU above that of water (McCollough et
    al., Radiology 2007;243:527).

    Parameters
    ----------
    candidates : Candidates
    mg_per_ml_hu : float or None
        The factor, mg/ml for each HU.

    Returns
    -------
    (n,) float64 array, mg
    """
    factor = float("nan") if mg_per_ml_hu is None else mg_per_ml_hu
    mass: FloatArray = candidates.mean_hu * candidates.volume_mm3 * 1e-3 * factor
    return mass


def list_lesions(
    ct: Volume,
    slabs: Slabs,
    candidates: Candidates,
    mass_mg: FloatArray,
    places: Places,
    wanted: IntArray,
) -> tuple[Lesion, ...]:
    """Make the list of the candidates that are ``wanted`` (numbers), in that order.

    Parameters
    ----------
    ct : Volume
        HU, (z, y, x).
    slabs : Slabs
    candidates : Candidates
    mass_mg : (n,) float64 array, mg
    places : Places
    wanted : (k,) int64 array
        Numbers of candidates.

    Returns
    -------
    tuple of Lesion
        Agatston units, mm3, mg; centres in LPS mm.
    """
    waits = places.waits
    centre = ct.to_patient(candidates.mean_over(_on_the_ct(slabs, candidates.index)))
    order = np.argsort(candidates.lesion, kind="stable")
    ends = np.cumsum(np.bincount(candidates.lesion, minlength=len(candidates)))
    starts = np.concatenate([[0], ends[:-1]])
    return tuple(
        Lesion(
            score=float(candidates.score[k]),
            volume_mm3=float(candidates.volume_mm3[k]),
            mass_mg=float(mass_mg[k]),
            first_slice=int(slabs.first[candidates.first[k]]),
            last_slice=int(slabs.last[candidates.last[k]]),
            area_mm2=float(candidates.area_mm2[k]),
            peak_hu=float(candidates.peak_hu[k]),
            centre_mm=(float(centre[k, 0]), float(centre[k, 1]), float(centre[k, 2])),
            voxels=_voxels(slabs, candidates.index[order[starts[k] : ends[k]]]),
            place=places.place[k],
            probability=float(places.probability[k]),
            reason=places.reason[k],
            waits=bool(waits[k]),
        )
        for k in wanted
    )


def _on_the_ct(slabs: Slabs, index: IntArray) -> FloatArray:
    """Index (z, y, x) on the CT of the middle of slab voxels."""
    on_ct = index.astype(np.float64)
    on_ct[:, 0] = 0.5 * (slabs.first + slabs.last)[index[:, 0]]
    return on_ct


def _voxels(slabs: Slabs, index: IntArray) -> IntArray:
    """All voxels of the CT that slab voxels stand for."""
    count = (slabs.last - slabs.first + 1)[index[:, 0]]
    out = np.repeat(index, count, axis=0)
    step = np.arange(len(out)) - np.repeat(np.cumsum(count) - count, count)
    out[:, 0] = np.repeat(slabs.first[index[:, 0]], count) + step
    return out
