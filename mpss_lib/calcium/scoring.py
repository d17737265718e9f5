"""The door of the package: a CT in, its calcium by lesion out.

Score after Agatston et al., J Am Coll Cardiol 1990;15:827 (``candidates``); volume above the
threshold; mass after McCollough et al., Radiology 2007;243:527, where the scan is calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from mpss_lib.calcium import candidates, noise, placing
from mpss_lib.calcium.candidates import Candidates
from mpss_lib.calcium.heart import HeartSurface
from mpss_lib.calcium.lesion import Lesion, list_lesions, mass_of
from mpss_lib.calcium.placing import Places
from mpss_lib.calcium.slabs import Slabs, make_slabs
from mpss_lib.calcium.voltage import STANDARD_KVP, Steps, steps_of
from mpss_lib.calcium_sections import ASK_BELOW
from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume, check_same_grid

Kind = Literal["calcium", "attenuation"]

COARSE_MM2 = 1.0
BESIDE = ("aorta", "mitral ring")
"""Places that are listed though they are not coronary."""
FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "not_gated": "a CT for attenuation correction, not a calcium scan: motion, dose, thickness",
        "other_voltage": "not 120 kVp: thresholds of another table",
        "voltage_between_rows": "no row of the table has this voltage: interpolated",
        "thin_slices_averaged": "slices were averaged to about 3 mm",
        "overlapping_slices": "slices overlap: each counts for the distance to the next",
        "gapped_slices": "slices have gaps: what lies in them is taken to be as at their sides",
        "thick_slices": "slices of more than 3.25 mm: small lesions are missed",
        "coarse_pixels": "a single pixel has the smallest area that counts",
        "high_noise": "noise above 23 HU: specks may be noise",
        "noise_unknown": "too little soft tissue to measure the noise",
        "no_surface": "no surface of the ventricle: all calcium between the lungs counts",
        "metal": "metal in the picture: its rays may hide or feign calcium",
    }
)
"""What each flag means."""


@dataclass(frozen=True)
class CalciumScore:
    """Calcium of one CT.

    Parameters
    ----------
    kind : str
        ``calcium`` or ``attenuation``: figures of the two are never one column.
    score, volume_mm3, mass_mg : float
        Of the coronary lesions: Agatston units, mm3, mg of hydroxyapatite (NaN where the scan is
        not calibrated).
    by_artery : mapping of name to float
        Units by ``Lesion.place`` of the coronary lesions; they add up to ``score``.
    excluded : mapping of name to float
        Units of what is not coronary, by place: bones too.
    lesions : tuple of Lesion
        Those that are coronary, may be, or lie beside an artery; the largest score first.
    threshold_hu, noise_hu : float
        HU from which a pixel counts; noise of soft tissue, NaN where unknown.
    flags : tuple of str
        What is unusual (``FLAGS`` tells what each means).
    """

    kind: Kind
    score: float
    volume_mm3: float
    mass_mg: float
    by_artery: Mapping[str, float]
    excluded: Mapping[str, float]
    lesions: tuple[Lesion, ...]
    threshold_hu: float
    noise_hu: float
    flags: tuple[str, ...]

    @property
    def waits(self) -> bool:
        """Whether a person should look at a lesion before the score counts."""
        return any(one.waits for one in self.lesions)


def calcium_score(
    ct: Volume,
    *,
    kind: Kind,
    kvp: float,
    thickness_mm: float,
    heart: HeartSurface | None = None,
    within: Mask | None = None,
    mg_per_ml_hu: float | None = None,
    ask_below: float = ASK_BELOW,
) -> CalciumScore:
    """Score the calcium of a CT.

    Parameters
    ----------
    ct : Volume
        HU (z, y, x), slices along the first axis, unit ``"HU"``.
    kind : {"calcium", "attenuation"}
        A gated calcium scan, or the CT that corrected a SPECT.
    kvp : float
        KVP of the series, kV.
    thickness_mm : float
        SliceThickness; their distance is that of the volume.
    heart : HeartSurface, optional
        Of the SPECT in the same frame of reference: it tells which lesion is coronary, and whose.
        Without it the total holds all calcium between the lungs that is no bone.
    within : Mask, optional
        Where a person says that all calcium is coronary, on the grid of the CT; nothing else is
        looked at then.
    mg_per_ml_hu : float, optional
        Calibration: density of a hydroxyapatite insert over its HU above water, mg/ml/HU.
    ask_below : float, optional
        Probability of a lesion's place, 0 to 1, below which a person should look at it.

    Returns
    -------
    CalciumScore

    Raises
    ------
    WrongArgumentError
        If an argument is out of range or the unit is not HU.
    GeometryError
        If the mask lies on another grid, or the CT has no voxels.
    FrameOfReferenceError
        If the CT does not name the frame of reference of ``heart``.
    StudyFaultError
        If a value is not finite.
    """
    _check(kind, mg_per_ml_hu, ask_below)
    if heart is not None:
        heart.check_frame(ct)
    steps = steps_of(kvp)
    slabs = make_slabs(ct, thickness_mm)
    pixel_mm2 = ct.spacing_mm[1] * ct.spacing_mm[2]
    found = candidates.find(slabs, steps, pixel_mm2, _on_slabs(ct, slabs, within))
    noise_hu = noise.measure_noise(slabs.array, ct.spacing_mm[2])
    places = (
        placing.place(ct, slabs, found, (steps.threshold_hu, noise_hu), heart)
        if within is None
        else placing.marked(len(found))
    )
    places = replace(places, ask_below=ask_below)
    flags = _flags(kind, kvp, steps, slabs, pixel_mm2, noise_hu)
    if within is None and heart is None:
        flags += ("no_surface",)
    if "metal" in places.place:
        flags += ("metal",)
    mass = mass_of(found, mg_per_ml_hu)
    scan = kind, steps.threshold_hu, noise_hu, flags
    is_calibrated = mg_per_ml_hu is not None
    return _result(ct, slabs, found, mass, places, scan, is_calibrated=is_calibrated)


def _result(
    ct: Volume,
    slabs: Slabs,
    found: Candidates,
    mass: FloatArray,
    places: Places,
    scan: tuple[Kind, float, float, tuple[str, ...]],
    *,
    is_calibrated: bool,
) -> CalciumScore:
    is_coronary = places.is_coronary
    is_listed = is_coronary | places.waits | np.isin(places.place, BESIDE)
    order = np.argsort(-found.score, kind="stable")
    kind, threshold_hu, noise_hu, flags = scan
    return CalciumScore(
        kind=kind,
        score=float(found.score[is_coronary].sum()),
        volume_mm3=float(found.volume_mm3[is_coronary].sum()),
        mass_mg=float(mass[is_coronary].sum()) if is_calibrated else float("nan"),
        by_artery=_sums(places, found.score, is_coronary),
        excluded=_sums(places, found.score, ~is_coronary),
        lesions=list_lesions(ct, slabs, found, mass, places, order[is_listed[order]]),
        threshold_hu=threshold_hu,
        noise_hu=noise_hu,
        flags=flags,
    )


def _sums(places: Places, score: FloatArray, wanted: BoolArray) -> Mapping[str, float]:
    sums: dict[str, float] = {}
    for k in np.flatnonzero(wanted):
        sums[places.place[k]] = sums.get(places.place[k], 0.0) + float(score[k])
    return MappingProxyType(sums)


def _check(kind: str, mg_per_ml_hu: float | None, ask_below: float) -> None:
    if not 0.0 <= ask_below <= 1.0:
        raise WrongArgumentError(f"ask_below is {ask_below}", way_out="give a probability, 0 to 1")
    if kind not in get_args(Kind):
        raise WrongArgumentError(f"kind is {kind!r}", way_out=f"use one of {get_args(Kind)}")
    if mg_per_ml_hu is not None and not 0.0 < mg_per_ml_hu < 10.0:
        raise WrongArgumentError(
            f"mg_per_ml_hu is {mg_per_ml_hu}", way_out="give mg/ml for each HU, usually about 0.8"
        )


def _on_slabs(ct: Volume, slabs: Slabs, within: Mask | None) -> BoolArray | None:
    if within is None:
        return None
    check_same_grid(ct, within)
    pairs = zip(slabs.first, slabs.last, strict=True)
    return np.stack([within.array[a : b + 1].any(axis=0) for a, b in pairs])


def _flags(
    kind: Kind, kvp: float, steps: Steps, slabs: Slabs, pixel_mm2: float, noise_hu: float
) -> tuple[str, ...]:
    has = {
        "not_gated": kind == "attenuation",
        "other_voltage": kvp != STANDARD_KVP,
        "voltage_between_rows": not steps.is_of_table,
        "coarse_pixels": pixel_mm2 >= COARSE_MM2,
        "high_noise": noise_hu > noise.MOST_HU,
        "noise_unknown": bool(np.isnan(noise_hu)),
    }
    return tuple(name for name in FLAGS if has.get(name) or name in slabs.flags)
