"""Which lesion is coronary, and whose: by geometry, with a probability and a reason.

First the CT itself: metal and its rays, what noise reaches, what is larger than any plaque, what
lies outside the lungs' hull. Then, where the ventricle's surface is known, the distance to the
courses of the arteries and to what lies beside them (``courses``): each is as likely as a Gaussian
of that distance, and none of them as one at ``FAR_MM``. Where the CT shows the ascending aorta
(``aorta``), what lies within its wall is no artery.

Likelihoods and limits are ours, measured on invented chests (``tests/bench/agatston_accuracy.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mpss_lib.calcium import aorta, courses, thorax
from mpss_lib.calcium.aorta import Aorta
from mpss_lib.calcium.candidates import Candidates
from mpss_lib.calcium.heart import HeartSurface
from mpss_lib.calcium.slabs import Slabs
from mpss_lib.calcium_sections import ASK_BELOW
from mpss_lib.volume import BoolArray, FloatArray, IntArray, Volume

HARDLY = 0.05
"""Probability of being coronary below which nobody is asked."""
AORTA_SPREAD_MM, RING_SPREAD_MM, ARTERY_SPREAD_MM = 3.5, 3.5, 5.5
"""Standard deviations of the distance: registration, and how much anatomy varies."""
TUBE_SPREAD_MM, DEPTH_MM = 1.5, 2.5
"""The same where the CT shows the aorta: of its wall, and how deep within it an artery may seem to
lie. 76 deposits of the wall lay -2.5 to 2.3 mm from it, 77 of the left main artery -1.8 to 11 mm
(5 to 95 %), those of the valve -12 to -2 (seeds 720000-720299, no picture's truth but whose)."""
FAR_MM = 15.0
"""These, and the angles at which courses begin (``courses``), were set on drawn arteries and
deposits of the seeds 20000-20089 of tests/calcium_chests.py, without pictures."""
BLIND = 0.5  # probability of what lies between the lungs, where no surface is known
ARTERIES = ("LM", "LAD", "LCX", "RCA")
LEFT, SOMEWHERE = "left", "mediastinum"
APART = 0.7
"""Share of left main or descending artery, of both, from which they are told apart."""
CORONARY = (*ARTERIES, LEFT, SOMEWHERE, "marked")
HIDING = ("metal", "beam")
"""Places that may hide calcium of an artery: where one runs, a person is asked."""


@dataclass(frozen=True)
class Places:
    """Of each lesion (n,): where it is, how probable that is, how probable any artery, and why.

    ``ask_below`` is the probability of a place below which a person is asked.
    """

    place: list[str]
    probability: FloatArray
    coronary: FloatArray
    reason: list[str]
    ask_below: float = ASK_BELOW

    @property
    def is_coronary(self) -> BoolArray:
        """Whether each lesion counts: (n,) bool array."""
        return np.array([one in CORONARY for one in self.place], dtype=bool)

    @property
    def waits(self) -> BoolArray:
        """Whether a person should look at each lesion: (n,) bool array."""
        unsure: BoolArray = (self.probability < self.ask_below) & (self.coronary > HARDLY)
        return unsure


def marked(n: int) -> Places:
    """Places of lesions in a region that a person gave.

    Parameters
    ----------
    n : int
        Number of lesions.

    Returns
    -------
    Places
        All of them sure.
    """
    sure = np.ones(n)
    return Places(["marked"] * n, sure, sure, ["a person marked the region"] * n)


def place(
    ct: Volume,
    slabs: Slabs,
    candidates: Candidates,
    scan_hu: tuple[float, float],
    heart: HeartSurface | None,
) -> Places:
    """Tell where each lesion is.

    Parameters
    ----------
    ct : Volume
    slabs : Slabs
    candidates : Candidates
    scan_hu : (threshold, noise) float, HU
    heart : HeartSurface or None
        In the frame of the CT. Without one nothing but the cavity of the chest is known: what lies
        between the lungs counts, whichever artery or vessel it is, and waits for a person.

    Returns
    -------
    Places
        Of each candidate: name, probability, and why.
    """
    n = len(candidates)
    if not n:
        return marked(0)
    names = _by_the_ct(ct, slabs, candidates, scan_hu)
    places = Places(
        [name or SOMEWHERE for name, _ in names],
        np.where([bool(name) for name, _ in names], 1.0, BLIND),
        np.where([bool(name) for name, _ in names], 0.0, BLIND),
        [why or "between the lungs; no surface of the ventricle" for _, why in names],
    )
    open_ones = np.flatnonzero([not name or name in HIDING for name, _ in names])
    if heart is None or not len(open_ones):
        return places
    _by_the_heart(ct, slabs, candidates, heart, places, open_ones)
    return places


def _by_the_ct(
    ct: Volume, slabs: Slabs, candidates: Candidates, scan_hu: tuple[float, float]
) -> list[tuple[str, str]]:
    """Place and reason of each lesion that the CT itself places, else two empty texts."""
    pixel = ct.spacing_mm[1], ct.spacing_mm[2]
    metal_hu = thorax.metal_from(scan_hu[0])
    rules = (
        ("metal", thorax.is_metal(candidates, metal_hu), "denser than plaque"),
        ("noise", thorax.is_speck(candidates, scan_hu[1]), "noise reaches its peak"),
        ("bone", thorax.is_bone(candidates), "larger than any plaque"),
        (
            "chest wall",
            thorax.share_in_cavity(slabs, candidates, pixel) < 0.5,
            "outside the lungs' hull",
        ),
        (
            "beam",
            thorax.is_in_beam(slabs, candidates, pixel, metal_hu),
            "beside metal in its slice",
        ),
    )
    return [
        next(((name, why) for name, holds, why in rules if holds[k]), ("", ""))
        for k in range(len(candidates))
    ]


def _by_the_heart(
    ct: Volume,
    slabs: Slabs,
    candidates: Candidates,
    heart: HeartSurface,
    places: Places,
    open_ones: np.ndarray,
) -> None:
    """Fill in what the courses of the arteries say of the lesions that are open (numbers)."""
    own = np.isin(candidates.lesion, open_ones)
    index = candidates.index[own].astype(np.float64)
    index[:, 0] = 0.5 * (slabs.first + slabs.last)[candidates.index[own, 0]]
    position = ct.to_patient(index)
    tube = aorta.find(ct, slabs, courses.root_of(heart), courses.AORTA_LEAN)
    share = weigh(heart, tube, position, candidates.lesion[own], len(candidates))
    middle = heart.to_heart(_means(position, candidates.lesion[own], len(candidates)))
    for k in open_ones:
        _decide(places, int(k), {name: float(s[k]) for name, s in share.items()})
        places.reason[k] = f"{places.reason[k]}; {_where(heart, middle[k])}"


def weigh(
    heart: HeartSurface, tube: Aorta | None, position_mm: FloatArray, lesion: IntArray, n: int
) -> Mapping[str, FloatArray]:
    """Tell how probable each artery, and what lies beside them, is for each lesion.

    Parameters
    ----------
    heart : HeartSurface
    tube : Aorta or None
        The ascending aorta where the CT shows it.
    position_mm : (voxels, 3) float64 array, mm
        Voxels of the lesions, LPS.
    lesion : (voxels,) int64 array
        Lesion of each voxel, from 0.
    n : int
        Number of lesions.

    Returns
    -------
    mapping of name to (n,) float64 array
        They add up to 1.
    """
    far = courses.distances(courses.lay(heart, tube), heart.to_heart(position_mm))
    aorta_mm = AORTA_SPREAD_MM if tube is None else TUBE_SPREAD_MM
    spread = {"mitral ring": RING_SPREAD_MM, "aorta": aorta_mm}
    weights = {
        name: _bell(_means(distance, lesion, n) / spread.get(name, ARTERY_SPREAD_MM))
        for name, distance in far.items()
    }
    weights["elsewhere"] = np.full(n, _bell(FAR_MM / ARTERY_SPREAD_MM))
    if tube is not None:
        depth = np.maximum(-_means(tube.from_wall(position_mm), lesion, n), 0.0)
        lowest = courses.root_of(heart)[2] + courses.VALVE_MM[0]
        above = _means(position_mm[:, 2], lesion, n) >= lowest
        for name in ARTERIES:
            weights[name] *= np.where(above, _bell(depth / DEPTH_MM), 1.0)
    total = np.sum(list(weights.values()), axis=0)
    return {name: weight / total for name, weight in weights.items()}


def _bell(deviations: FloatArray | float) -> FloatArray:
    return np.asarray(np.exp(-0.5 * np.square(deviations)), dtype=np.float64)


def _means(values: FloatArray, lesion: IntArray, n: int) -> FloatArray:
    """Mean of values (voxels, ...) by lesion (n, ...); 0 for one without voxels."""
    count = np.maximum(np.bincount(lesion, minlength=n), 1)
    if values.ndim == 2:
        return np.stack([_means(column, lesion, n) for column in values.T], axis=1)
    return np.asarray(np.bincount(lesion, values, n) / count, dtype=np.float64)


def _decide(places: Places, k: int, share: Mapping[str, float]) -> None:
    """Choose among the arteries and what lies beside them."""
    left = share["LM"] + share["LAD"]
    coronary = left + share["LCX"] + share["RCA"]
    places.coronary[k] = coronary
    if places.place[k] in HIDING:
        places.probability[k] = 1.0 - coronary
        return
    merged = {name: value for name, value in share.items() if name not in ("LM", "LAD")}
    merged[LEFT] = left
    best = max(merged, key=lambda name: merged[name])
    probability = merged[best]
    if best == LEFT and max(share["LM"], share["LAD"]) >= APART * left:
        best = "LM" if share["LM"] > share["LAD"] else "LAD"
    places.place[k] = best
    places.probability[k] = probability
    second = max((name for name in merged if name not in (best, LEFT)), key=lambda n: merged[n])
    if best not in ("LM", "LAD", LEFT):
        second = max((name for name in merged if name != best), key=lambda name: merged[name])
    places.reason[k] = f"nearest course {best} ({probability:.0%}), next {second}"


def _where(heart: HeartSurface, middle: FloatArray) -> str:
    height, a, s = (float(value) for value in middle)
    degrees = float(np.degrees(np.arctan2(a, s))) % 360.0
    edge = float(heart.radius_at(np.array([max(height, 0.0)]), np.array([degrees]))[0])
    side = "apex" if height >= 0.0 else "atrial"
    return (
        f"{float(np.hypot(a, s)) - edge:+.0f} mm from the epicardium at {degrees:.0f} degrees,"
        f" {abs(height):.0f} mm to the {side} side of the valve plane"
    )
