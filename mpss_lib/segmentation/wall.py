"""A candidate whose wall was followed, and which of several candidates is the ventricle.

The template that finds candidates looks at some sixty points; gut, a stomach or a bright right
ventricle may score as a heart does. Followed as walls they do not look alike: so where another
candidate's score comes close it is followed too, and the better wall wins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mpss_lib.segmentation import doubt, mid_wall, surface, valve
from mpss_lib.segmentation.localise import Prior, Shell
from mpss_lib.volume import BoolArray, FloatArray, Volume

CLOSE_SHARE = 0.75  # of the best score: a candidate above it is followed too
MOST_FOLLOWED = 3
OTHER_POSE_MM = 12.0  # two candidates that lie closer end at the same wall
RIVAL_MM = 32.0  # a candidate that lies further away is another structure
HIGHER_MM = 20.0
LATERAL_MM = ((-45.0, 45.0), (-35.0, 35.0), (35.0, 95.0))
"""Along axis, anterior, lateral: where the left ventricle lies beside the right one."""
LATERAL_SHARE, LATERAL_MERIT = 0.5, 0.6
"""A ring on that side is followed where its score has this share of the best one's, and is the left
ventricle where its wall has this merit. Beside a right ventricle that was brighter the left one
had 1.1 and more, beside a left one nothing had over 0.1 (seeds 1111000-1111013, 1134000-1134002).
"""
FEWEST_RAYS = 20
SMOOTHER_MM = 4.0  # SD
LOST_MM = 9.0  # drift of a wall that hardly a ray meets
DOUBT_WEIGHT = 0.08
"""Score units for one of ``doubt.raggedness``. Of 1000 hearts (tests/bench/self_check.py, seeds
900000-921059) the template's score misses a better candidate in 17, the merit in 5."""


@dataclass(frozen=True)
class Traced:
    """A candidate whose wall was followed.

    ``ridge_mm`` and ``is_above`` are (rows, angles): smooth ridge of the counts, and whether a ray
    meets it on the apex side of the basal plane.
    """

    shell: Shell
    prior: Prior
    frame: surface.Frame
    ellipsoid: surface.Ellipsoid
    rays: surface.Rays
    ridge_mm: FloatArray
    misfit_mm: float
    plane: valve.BasalPlane
    is_above: BoolArray
    prominence: float
    patch_prominence: float
    unevenness: float
    waviness_mm: float
    stretch_mm2: float
    blur_mm2: float

    @property
    def pose(self) -> Shell:
        """The shell that the followed wall makes: where following it again begins."""
        return Shell(
            centre=self.frame.origin + self.ellipsoid.middle * self.frame.axis,
            axis=self.frame.axis,
            radius_mm=self.ellipsoid.short,
            aspect=self.ellipsoid.long / self.ellipsoid.short,
            score=self.shell.score,
        )

    @property
    def raggedness(self) -> float:
        """How little the wall is like that of a ventricle (``doubt.raggedness``)."""
        return doubt.raggedness(self.unevenness, self.waviness_mm, self.stretch_mm2, self.misfit_mm)

    @property
    def merit(self) -> float:
        """What candidates are compared by: the shell's score, the wall's contrast and form."""
        return self.shell.score + self.patch_prominence - DOUBT_WEIGHT * self.raggedness


@dataclass(frozen=True)
class Choice:
    """The ventricle and what speaks against it.

    ``lead`` is its advance over the best other structure, in merit over those that were followed
    and in score over the rest; ``higher_lead`` the same over structures higher in the chest,
    ``lateral_lead`` over those on the side where the left ventricle lies if the best is the right.
    """

    best: Traced
    lead: float
    higher_lead: float
    lateral_lead: float


def follow_wall(volume: Volume, shell: Shell, prior: Prior) -> Traced:
    """Follow the wall of a candidate and measure it.

    Parameters
    ----------
    volume : Volume
    shell : Shell
        The candidate.
    prior : Prior

    Returns
    -------
    Traced
    """
    frame, ellipsoid, rays = surface.follow(volume, shell, prior)
    weights = surface.ray_weights(rays)
    ridge, misfit = mid_wall.smooth(rays, ellipsoid, weights)
    plane = valve.find_basal_plane(volume, frame, ridge, ellipsoid)
    above = plane.has_on_apex_side(ridge)
    return Traced(
        shell=shell,
        prior=prior,
        frame=frame,
        ellipsoid=ellipsoid,
        rays=rays,
        ridge_mm=ridge,
        misfit_mm=misfit,
        plane=plane,
        is_above=above,
        prominence=float(np.median(rays.prominence[above])) if above.any() else 0.0,
        patch_prominence=doubt.patch_prominence(rays, ridge, above),
        unevenness=doubt.unevenness(rays, above),
        waviness_mm=doubt.waviness_mm(ridge, ellipsoid, above),
        stretch_mm2=doubt.stretch_mm2(rays, ridge, above),
        blur_mm2=mid_wall.measure_blur_mm2(rays, ridge, above),
    )


def smoothed_drift_mm(volume: Volume, traced: Traced) -> float:
    """How far the wall moves when the picture is smoothed and it is followed from where it was.

    The wall of one heart is found where it was. What was put together from two walls a jump apart,
    drawn across a part without counts or picked out of noise has several answers that are nearly
    as good: a picture that differs a little has another one.

    Parameters
    ----------
    volume : Volume
    traced : Traced

    Returns
    -------
    float
        Distance between the two walls, mm, both ways, that 95 % of their places do not exceed; 9
        where hardly a ray meets one of them.
    """
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree

    smooth = gaussian_filter(volume.array, [SMOOTHER_MM / mm for mm in volume.spacing_mm])
    again = follow_wall(replace(volume, array=smooth), traced.pose, traced.prior)
    if min(traced.is_above.sum(), again.is_above.sum()) < FEWEST_RAYS:
        return LOST_MM
    walls = [one.frame.to_patient(surface.points_of(one.ridge_mm)) for one in (traced, again)]
    there, _ = cKDTree(walls[0].reshape(-1, 3)).query(walls[1][again.is_above])
    back, _ = cKDTree(walls[1].reshape(-1, 3)).query(walls[0][traced.is_above])
    return float(np.percentile(np.concatenate([there, back]), 95.0))


def choose(volume: Volume, shells: list[Shell], priors: list[Prior]) -> Choice:
    """Follow the best candidate and those that come close to it; take the best wall.

    Parameters
    ----------
    volume : Volume
    shells : list of Shell
        At least one, best score first.
    priors : list of Prior
        Those that the shells were found with.

    Returns
    -------
    Choice
        The best, and by how much it leads.
    """
    near: list[Shell] = []
    for shell in shells:
        if shell.score < CLOSE_SHARE * shells[0].score or len(near) == MOST_FOLLOWED:
            break
        if all(_distance(shell, other) > OTHER_POSE_MM for other in near):
            near.append(shell)
    traced = [follow_wall(volume, shell, _prior_of(shell, priors)) for shell in near]
    best = max(traced, key=lambda one: one.merit)
    fresh = _follow_beside(volume, best, traced, shells, priors)
    traced, near = traced + fresh, near + [one.shell for one in fresh]
    beside = [one for one in traced if _is_lateral(one.shell, best) and one.merit > LATERAL_MERIT]
    if beside:  # so the best one is the right ventricle: it and its other poses are no rivals
        shells = [one for one in shells if _distance(one, best.shell) > RIVAL_MM]
        traced = [one for one in traced if _distance(one.shell, best.shell) > RIVAL_MM]
        best = max(beside, key=lambda one: one.merit)
    leads = [(best.merit - one.merit, one.shell) for one in traced]
    leads += [(best.shell.score - one.score, one) for one in shells if _is_apart(one, near)]
    rivals = [(lead, one) for lead, one in leads if _distance(one, best.shell) > RIVAL_MM]
    height = float(_body(best.shell)[2]) + HIGHER_MM
    higher = [rival for rival in rivals if float(_body(rival[1])[2]) > height]
    lateral = [rival for rival in rivals if _is_lateral(rival[1], best)]
    least, least_higher, least_lateral = (
        min((lead for lead, _ in some), default=best.shell.score)
        for some in (rivals, higher, lateral)
    )
    return Choice(best, least, least_higher, least_lateral)


def _follow_beside(
    volume: Volume, best: Traced, traced: list[Traced], shells: list[Shell], priors: list[Prior]
) -> list[Traced]:
    """Wall of the ring where the left ventricle lies to the right one, if none was followed."""
    if any(_is_lateral(one.shell, best) for one in traced):
        return []
    least = LATERAL_SHARE * best.shell.score
    found = [one for one in shells if one.score > least and _is_lateral(one, best)]
    return [follow_wall(volume, one, _prior_of(one, priors)) for one in found[:1]]


def _is_lateral(shell: Shell, best: Traced) -> bool:
    """Whether a shell lies to the candidate as the left ventricle lies to the right one."""
    away = best.frame.rotation @ (_body(shell) - _body(best.shell))
    return all(low < mm < high for mm, (low, high) in zip(away, LATERAL_MM, strict=True))


def _is_apart(shell: Shell, followed: list[Shell]) -> bool:
    """Whether a shell is none of those that were followed, nor another pose of one."""
    return all(_distance(shell, other) > OTHER_POSE_MM for other in followed)


def _prior_of(shell: Shell, priors: list[Prior]) -> Prior:
    return max(priors, key=lambda prior: float(prior.axis @ shell.axis))


def _distance(one: Shell, other: Shell) -> float:
    return float(np.linalg.norm(_body(one) - _body(other)))


def _body(shell: Shell) -> FloatArray:
    """Middle of a shell, LPS mm: unlike its centre it does not slide along the axis."""
    point: FloatArray = shell.apex - 1.1 * shell.radius_mm * shell.axis
    return point
