"""Agreement of given masks with the automatic ones, region by region."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpss_lib.segmentation.ventricle import Segmentation
from mpss_lib.volume import Mask, Volume


def compare(
    study_key: str, volume: Volume, given: Segmentation, automatic: Segmentation | None
) -> list[dict[str, Any]]:
    """Rows of ``segmentation_agreement``.

    Parameters
    ----------
    study_key : str
    volume : Volume
    given, automatic : Segmentation
        ``automatic`` is None where the ventricle was not found: the rows then have no values.

    Returns
    -------
    list of dict
        For each of the 26 masks: Dice, volumes (mL), their ratio given / automatic, distance of
        the centroids (mm). A value that is undefined (an empty mask) is None.
    """
    theirs = dict(given.masks) | dict(given.seven)
    ours = {} if automatic is None else dict(automatic.masks) | dict(automatic.seven)
    return [
        {"study_key": study_key, "segment": name} | _numbers(volume, theirs[name], ours.get(name))
        for name in sorted(theirs)
    ]


def _numbers(volume: Volume, given: Mask, automatic: Mask | None) -> dict[str, float | None]:
    if automatic is None:
        return {
            "dice": None,
            "given_ml": given.volume_ml,
            "automatic_ml": None,
            "volume_ratio": None,
            "distance_mm": None,
        }
    one, other = given.array, automatic.array
    n_both, n_one, n_other = (int(np.count_nonzero(a)) for a in (one & other, one, other))
    is_defined = bool(n_one and n_other)
    return {
        "dice": 2.0 * n_both / (n_one + n_other) if n_one + n_other else None,
        "given_ml": given.volume_ml,
        "automatic_ml": automatic.volume_ml,
        "volume_ratio": n_one / n_other if n_other else None,
        "distance_mm": _distance_mm(volume, given, automatic) if is_defined else None,
    }


def _distance_mm(volume: Volume, one: Mask, other: Mask) -> float:
    centres = [
        volume.to_patient(np.argwhere(mask.array).astype(np.float64)).mean(axis=0)
        for mask in (one, other)
    ]
    return float(np.linalg.norm(centres[0] - centres[1]))
