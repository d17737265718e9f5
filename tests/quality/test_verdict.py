"""Limits and verdicts: every flag is named, settings replace single sides."""

from __future__ import annotations

import math

import pytest

from mpss_lib.errors import SettingsError
from mpss_lib.quality.verdict import LIMITS, Limit, decide, findings_of, judge, limits_of
from mpss_lib.sections import QualitySettings
from mpss_lib.segmentation.ventricle import SURE

CLEAN = {
    name: 0.5 * (max(limit.review_low, -1e3) + min(limit.review_high, 1e3))
    for name, limit in LIMITS.items()
}


@pytest.mark.parametrize(
    ("value", "flag"),
    [(0.5, "ok"), (0.2, "review"), (0.9, "review"), (0.05, "hold"), (2.0, "hold"),
     (math.nan, "review"), (0.3, "ok"), (0.7, "ok")],
)  # fmt: skip
def test_judge(value, flag):
    limit = Limit(0.3, 0.7, 0.1, 1.0)
    assert judge("metric", value, limit).flag == flag


def test_pass_needs_every_metric_ok():
    verdict = decide(findings_of(CLEAN, LIMITS))
    assert (verdict.verdict, verdict.flags) == ("pass", ())
    assert verdict.not_assessable == ("misregistration",)  # never excluded, only found


def test_review_and_hold_name_their_metrics():
    values = CLEAN | {"rim": 0.3, "apex_ratio": 0.1}
    verdict = decide(findings_of(values, LIMITS))
    assert verdict.verdict == "hold"
    assert verdict.flags == ("apex_ratio", "rim")
    assert decide(findings_of(CLEAN | {"rim": 0.3}, LIMITS)).verdict == "review"


def test_a_flag_of_intake_asks_for_a_review():
    verdict = decide(findings_of(CLEAN, LIMITS), (), ("spacing_said_twice",))
    assert (verdict.verdict, verdict.flags) == ("review", ("intake:spacing_said_twice",))
    assert decide((), ("aspect",), ("spacing_said_twice",)).verdict == "hold"


def test_unsure_segmentation_holds():
    verdict = decide(findings_of(CLEAN, LIMITS), ("aspect",))
    assert verdict.verdict == "hold"
    assert verdict.flags == ("segmentation:aspect",)


def test_without_the_uncorrected_series_two_things_are_not_assessable():
    values = {name: v for name, v in CLEAN.items() if not name.startswith("correction")}
    findings = findings_of(values, LIMITS)
    verdict = decide(findings)
    assert verdict.verdict == "pass"
    assert verdict.not_assessable == ("over_correction", "misregistration")
    flags = {finding.metric: finding.flag for finding in findings}
    assert flags["correction_gain"] == "not_assessable"


def test_settings_replace_one_side():
    limits = limits_of(QualitySettings(limits={"rim": {"review_high": 0.5}}))
    assert limits["rim"] == Limit(review_high=0.5, hold_high=LIMITS["rim"].hold_high)
    assert limits["z_min"] == LIMITS["z_min"]


@pytest.mark.parametrize("wrong", [{"rimm": {"review_high": 1.0}}, {"rim": {"high": 1.0}}])
def test_unknown_limit_is_refused(wrong):
    with pytest.raises(SettingsError):
        limits_of(QualitySettings(limits=wrong))


def test_hold_lies_outside_review():
    for name, limit in LIMITS.items():
        assert limit.hold_low <= limit.review_low <= limit.review_high <= limit.hold_high, name


def test_what_the_self_check_measures_is_held_by_the_self_check_alone():
    """One home for each limit: quality asks for a look before the self-check would hold."""
    shared = sorted(set(SURE) & set(LIMITS))
    assert {"edge_voxels", "rival_gap", "misfit_mm", "cavity_ml"} <= set(shared)
    for name in shared:
        limit, (low, high) = LIMITS[name], SURE[name]
        assert (limit.hold_low, limit.hold_high) == (-math.inf, math.inf), name
        assert limit.review_low > low or limit.review_low == -math.inf, name
        assert limit.review_high < high or limit.review_high == math.inf, name
