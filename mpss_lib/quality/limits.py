"""Limits re-estimated from a site's own accepted studies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.quality.verdict import LIMITS
from mpss_lib.tables import Lake
from mpss_lib.volume import FloatArray

FEWEST = 30
REVIEW_WIDTH, HOLD_WIDTH = 3.5, 7.0  # in robust standard deviations of the accepted studies


def estimate_limits(
    lake: Lake, config: Config, study_keys: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Estimate limits from studies that physicians accepted.

    For each side that the shipped table limits: median plus or minus 3.5 (review) and 7 (hold)
    robust standard deviations of that side; review never inside the accepted studies' 1st and
    99th percentile.

    Parameters
    ----------
    lake : Lake
    config : Config
    study_keys : iterable of str
        At least 30 accepted studies with their ``quality_metric`` rows.

    Returns
    -------
    dict of metric to dict of side to float
        For ``[quality.limits]`` of the settings file; give it a ``limits_version`` of its own.

    Raises
    ------
    WrongArgumentError
        If fewer than 30 studies have metrics.
    """
    address = config.address("quality")
    found: dict[str, list[float]] = {}
    n_studies = 0
    for key in dict.fromkeys(study_keys):
        rows = lake.rows("quality_metric", address, key)
        n_studies += bool(rows)
        for row in rows:
            if row["value"] is not None:
                found.setdefault(row["metric"], []).append(float(row["value"]))
    if n_studies < FEWEST:
        raise WrongArgumentError(
            f"{n_studies} accepted studies have metrics, {FEWEST} are needed",
            way_out="review more studies, or keep the shipped limits",
        )
    return {
        metric: _sides(metric, np.array(found[metric]))
        for metric in sorted(LIMITS)
        if len(found.get(metric, ())) >= FEWEST
    }


def _sides(metric: str, values: FloatArray) -> dict[str, float]:
    middle = float(np.median(values))
    sides: dict[str, float] = {}
    for side, sign, percentile in (("low", -1.0, 1.0), ("high", 1.0, 99.0)):
        shipped: Mapping[str, float] = vars(LIMITS[metric])
        part = values[sign * (values - middle) >= 0.0]
        spread = 1.4826 * float(np.median(np.abs(part - middle)))
        edge = float(np.percentile(values, percentile))
        review = middle + sign * max(REVIEW_WIDTH * spread, sign * (edge - middle))
        if math.isfinite(shipped[f"review_{side}"]):
            sides[f"review_{side}"] = round(review, 4)
        if math.isfinite(shipped[f"hold_{side}"]):
            hold = middle + sign * max(HOLD_WIDTH * spread, 1.5 * abs(review - middle))
            sides[f"hold_{side}"] = round(hold, 4)
    return sides
