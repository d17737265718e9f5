"""Limits of the metrics and the verdict that follows: pass, review or hold.

The verdict never accepts a study: whether ``pass`` is enough to enter the cohort is a setting of
the cohort (``cohort.accept``). ``hold`` never enters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mpss_lib.errors import SettingsError
from mpss_lib.sections import QualitySettings

INF = math.inf
SHIPPED_VERSION = "phantom-4"


@dataclass(frozen=True)
class Limit:
    """A metric is ok in [review_low, review_high], on hold outside [hold_low, hold_high]."""

    review_low: float = -INF
    review_high: float = INF
    hold_low: float = -INF
    hold_high: float = INF


@dataclass(frozen=True)
class Finding:
    """One metric with its limits and flag: ok, review, hold or not_assessable."""

    metric: str
    value: float
    limit: Limit
    flag: str


@dataclass(frozen=True)
class Verdict:
    """What the findings mean together.

    ``flags`` name every metric that is not ok, those on hold first; ``not_assessable`` what the
    available series cannot tell.
    """

    verdict: str
    flags: tuple[str, ...]
    not_assessable: tuple[str, ...]


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        # spill-over from liver, stomach and gut
        "valley_inferior": Limit(review_high=0.65, hold_high=0.85),
        "extracardiac_inferior": Limit(review_high=1.05, hold_high=1.60),
        "extracardiac_max": Limit(review_high=1.45, hold_high=3.00),
        # apical thinning
        "apex_ratio": Limit(review_low=0.66, hold_low=0.45),
        "apex_peak": Limit(review_low=0.66, hold_low=0.42),
        # defects, breast, motion: they say look, not why
        "z_min": Limit(review_low=-3.70, hold_low=-6.50),
        "deficit": Limit(review_high=5.50, hold_high=14.0),
        "anterior_inferior": Limit(review_low=0.83, review_high=1.20),
        "noise_wall": Limit(review_high=0.105, hold_high=0.170),
        "misfit_mm": Limit(review_high=1.00),
        "base_residual_mm": Limit(review_high=4.00),
        "prominence": Limit(review_low=0.55),
        "rival_gap": Limit(review_low=0.35),
        # noise, truncation
        "noise_background": Limit(review_high=0.165, hold_high=0.35),
        "rim": Limit(review_high=0.20, hold_high=0.60),
        # size and place
        "myocardium_ml": Limit(60.0, 210.0),
        "cavity_ml": Limit(30.0, 220.0),
        "length_mm": Limit(45.0, 95.0),
        "edge_voxels": Limit(review_low=5.0),
        # told apart only beside the series without correction
        "correction_gain": Limit(0.45, 0.625, hold_high=0.80),
        "correction_tilt": Limit(-0.18, 0.08),
    }
)
"""Version ``phantom-4``: from 150 clean synthetic studies (seeds 5000-5149), about their extremes,
four widened by 300 others (820000-820299) where that lets no more of the artefacts pass; small
hearts, which are well followed, are looked at and not held. What the segmentation's self-check
measures is only looked at here: whether it holds a study is told by the flags of the self-check,
whose limits stand there and nowhere else.

They are a bootstrap. A site rebuilds them from its own accepted studies.
"""

NEEDS_MORE: Mapping[str, str] = MappingProxyType(
    {
        "correction_gain": "over_correction",
        "correction_tilt": "misregistration",
        "rim": "truncation",
    }
)
"""Metrics that the chosen volume alone may not give, and the artefact that each one tells.

The first two need the series without correction; the third a transaxial one, with the body's edge.
"""

WEAK = ("correction_tilt",)
"""Metrics that find an artefact at times (area under the curve 0.76) and never exclude it."""


def limits_of(settings: QualitySettings) -> dict[str, Limit]:
    """Replace single entries of the shipped table by the settings.

    Raises
    ------
    SettingsError
        If ``quality.limits`` names an unknown metric or side.
    """
    table = dict(LIMITS)
    for metric, sides in settings.limits.items():
        if metric not in table:
            raise SettingsError(
                f"quality.limits names the unknown metric {metric!r}",
                way_out=f"use one of {', '.join(sorted(table))}",
            )
        unknown = sorted(set(sides) - set(Limit.__dataclass_fields__))
        if unknown:
            raise SettingsError(
                f"quality.limits.{metric} has the unknown side {unknown[0]!r}",
                way_out=f"use {', '.join(Limit.__dataclass_fields__)}",
            )
        table[metric] = Limit(**{**table[metric].__dict__, **sides})
    return table


def judge(metric: str, value: float, limit: Limit) -> Finding:
    """Compare one metric with its limits; an undefined value is for a person to look at."""
    if math.isnan(value):
        return Finding(metric, value, limit, "review")
    if not limit.hold_low <= value <= limit.hold_high:
        return Finding(metric, value, limit, "hold")
    if not limit.review_low <= value <= limit.review_high:
        return Finding(metric, value, limit, "review")
    return Finding(metric, value, limit, "ok")


def findings_of(values: Mapping[str, float], limits: Mapping[str, Limit]) -> tuple[Finding, ...]:
    """Judge every metric; those without limits are kept as ok, absent ones as not assessable."""
    found = [judge(name, value, limits.get(name, Limit())) for name, value in values.items()]
    absent = [name for name in NEEDS_MORE if name not in values]
    found += [Finding(name, math.nan, limits[name], "not_assessable") for name in absent]
    return tuple(sorted(found, key=lambda finding: finding.metric))


def decide(
    findings: Sequence[Finding],
    segmentation_flags: Sequence[str] = (),
    intake_flags: Sequence[str] = (),
) -> Verdict:
    """Verdict from all findings and the flags of the segmentation's self-check.

    Parameters
    ----------
    findings : sequence of Finding
    segmentation_flags : sequence of str
        Any of them holds the study: features of an unsure segmentation mean nothing.
    intake_flags : sequence of str
        Any of them asks for a review: the volume is sound, its choice is not sure.
    """
    held = [f"segmentation:{name}" for name in segmentation_flags]
    held += [finding.metric for finding in findings if finding.flag == "hold"]
    looked = [f"intake:{name}" for name in intake_flags]
    looked += [finding.metric for finding in findings if finding.flag == "review"]
    absent = [
        NEEDS_MORE[finding.metric]
        for finding in findings
        if finding.flag == "not_assessable" or (finding.metric in WEAK and finding.flag == "ok")
    ]
    verdict = "hold" if held else "review" if looked else "pass"
    return Verdict(verdict, (*held, *looked), tuple(absent))
