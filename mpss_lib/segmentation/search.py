"""Look for the ventricle: what is known of its axis, where shells fit, which wall is the best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpss_lib.errors import StudyFaultError, WrongArgumentError
from mpss_lib.segmentation import localise, storage
from mpss_lib.segmentation.localise import Prior
from mpss_lib.segmentation.wall import Choice, choose
from mpss_lib.volume import Volume

ORIENTATIONS = ("transaxial", "short_axis", "oblique", "unknown")
TRANSAXIAL_SPREAD_DEG, SHORT_AXIS_SPREAD_DEG = 38.0, 20.0
LOWEST_SCORE = 0.3  # below this there is no ventricle to speak of


@dataclass(frozen=True)
class Search:
    """What was found in a volume.

    ``volume`` is in the storage order of ``storage.canonical``, ``own`` leads back from it.
    ``choice`` is None where nothing looks like a ventricle.
    """

    volume: Volume
    own: storage.Storage
    choice: Choice | None


def look(volume: Volume, orientation: str, seed: int) -> Search:
    """Look for the ventricle in a volume.

    Parameters
    ----------
    volume : Volume
        Counts; any slice order and sign.
    orientation : str
        One of ``ORIENTATIONS``.
    seed : int
        Of the search's random steps.

    Returns
    -------
    Search
        Without a choice where nothing looks like a ventricle.

    Raises
    ------
    StudyFaultError
        If counts are not finite, or there are none.
    WrongArgumentError
        If the orientation is unknown.
    """
    if not np.isfinite(volume.array).all():
        raise StudyFaultError(
            "the volume holds counts that are not finite", way_out="send the series again"
        )
    priors = priors_of(volume, orientation)
    turned, own = storage.canonical(volume)
    shells = localise.find_shells(localise.take_logarithm(turned), priors, seed)
    if not shells or shells[0].score < LOWEST_SCORE:
        return Search(turned, own, None)
    return Search(turned, own, choose(turned, shells, priors))


def priors_of(volume: Volume, orientation: str) -> list[Prior]:
    """Tell what is known of the long axis.

    A short-axis series gives it up to its sign. Where its slices are oblique in the patient, the
    sign follows from a supine patient and Superior gives the anterior wall; where the series has
    a frame of its own (slices along z), both signs are tried and the top of the image is anterior.

    Parameters
    ----------
    volume : Volume
    orientation : str
        One of ``ORIENTATIONS``.

    Returns
    -------
    list of Prior

    Raises
    ------
    WrongArgumentError
        If the orientation is unknown.
    """
    if orientation not in ORIENTATIONS:
        raise WrongArgumentError(
            f"orientation {orientation!r}", way_out=f"use one of {ORIENTATIONS}"
        )
    if orientation != "short_axis":
        return [Prior(localise.TYPICAL_AXIS, TRANSAXIAL_SPREAD_DEG)]
    normal = volume.affine[:3, 0] / np.linalg.norm(volume.affine[:3, 0])
    if np.abs(normal).max() < math.cos(math.radians(8.0)):
        sign = math.copysign(1.0, float(normal @ localise.TYPICAL_AXIS))
        return [Prior(sign * normal, SHORT_AXIS_SPREAD_DEG)]
    up = -volume.affine[:3, 1] / np.linalg.norm(volume.affine[:3, 1])
    return [Prior(sign * normal, SHORT_AXIS_SPREAD_DEG, up) for sign in (1.0, -1.0)]
