"""Limits re-estimated from a site's own accepted studies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.quality.review import accepted_studies
from mpss_lib.quality.verdict import LIMITS, SHIPPED_VERSION
from mpss_lib.tables import Lake, check_key
from mpss_lib.volume import FloatArray

FEWEST = 30
REVIEW_WIDTH, HOLD_WIDTH = 3.5, 7.0  # in robust standard deviations of the accepted studies


@dataclass(frozen=True)
class SiteLimits:
    """Limits of a site: metric to side to value, from ``n_studies``, under a name of their own."""

    version: str
    n_studies: int
    limits: Mapping[str, Mapping[str, float]]

    def as_toml(self) -> str:
        """Section ``[quality]`` for the settings file."""
        lines = [
            f"# from {self.n_studies} accepted studies; replaces the section [quality]",
            "[quality]",
            f'limits_version = "{self.version}"',
            "",
            "[quality.limits]",
        ]
        for metric, sides in self.limits.items():
            values = ", ".join(f"{side} = {value!r}" for side, value in sides.items())
            lines.append(f"{metric} = {{ {values} }}")
        return "\n".join(lines) + "\n"


def site_limits(
    lake: Lake, config: Config, version: str, study_keys: Iterable[str] = ()
) -> SiteLimits:
    """Limits from the studies that physicians accepted last, ready for the settings.

    Parameters
    ----------
    lake : Lake
    config : Config
    version : str
        Name of the new limits: lower-case letters, digits, dashes; not the one in force.
    study_keys : iterable of str
        Studies to take instead of the accepted ones.

    Raises
    ------
    WrongArgumentError
        If the name is taken or no name, or fewer than 30 studies have metrics.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", version):
        raise WrongArgumentError(
            f"{version!r} is no name of a version",
            way_out="use lower-case letters, digits and dashes, as in site-1",
        )
    if version in (config.quality.limits_version, SHIPPED_VERSION):
        raise WrongArgumentError(
            f"{version!r} names limits that exist already",
            way_out="give the new limits a name of their own: verdicts carry it",
        )
    found = _measured(lake, config, study_keys or accepted_studies(lake, config.review))
    return SiteLimits(version, found.n_studies, _limits(found))


def estimate_limits(
    lake: Lake, config: Config, study_keys: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Estimate limits from studies that physicians accepted.

    For each side that the shipped table limits: median plus or minus 3.5 (review) and 7 (hold)
    robust standard deviations of that side; review never inside the accepted studies' 1st and
    99th percentile. A metric that fewer than 30 of them have keeps its limits.

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
    return _limits(_measured(lake, config, study_keys))


@dataclass(frozen=True)
class _Measured:
    """Values of each metric, from so many studies."""

    n_studies: int
    values: Mapping[str, list[float]]


def _measured(lake: Lake, config: Config, study_keys: Iterable[str]) -> _Measured:
    address = config.address("quality")
    keys = tuple(dict.fromkeys(study_keys))
    found: dict[str, list[float]] = {}
    n_studies = 0
    for key in keys:
        rows = lake.rows("quality_metric", address, check_key(key))
        n_studies += bool(rows)
        for row in rows:
            if row["value"] is not None:
                found.setdefault(row["metric"], []).append(float(row["value"]))
    if n_studies < FEWEST:
        raise WrongArgumentError(
            f"{n_studies} of {len(keys)} accepted studies have metrics under the settings in"
            f" force, {FEWEST} are needed",
            way_out="review more studies, do `mpss run quality` after a change of settings,"
            " or keep the limits in force",
        )
    return _Measured(n_studies, found)


def _limits(found: _Measured) -> dict[str, dict[str, float]]:
    return {
        metric: _sides(metric, np.array(found.values[metric]))
        for metric in sorted(LIMITS)
        if len(found.values.get(metric, ())) >= FEWEST
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
