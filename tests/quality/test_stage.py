"""Quality on a lake: rows, verdict, skipping, refusal, and reviews that lose nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from imaging_objects import HABITS, STUDY, phantom, put_study

from mpss_lib import clock
from mpss_lib.config import Config
from mpss_lib.errors import IncompleteStudyError, StudyRejectedError, WrongArgumentError
from mpss_lib.quality import record_review, reviews_of, stage
from mpss_lib.sections import QualitySettings
from mpss_lib.segmentation import stage as segmentation


@pytest.fixture
def study(lake, config):
    put_study(lake, config, (phantom(31).volume, "AC"))
    segmentation.run(STUDY, lake, config)
    return lake


def metrics_of(lake, config):
    rows = lake.rows("quality_metric", config.address("quality"), STUDY)
    return {row["metric"]: row for row in rows}


def verdict_of(lake, config):
    (row,) = lake.rows("quality_verdict", config.address("quality"), STUDY)
    return row


def test_clean_study_passes(study, config):
    outcome = stage.run(STUDY, study, config)
    assert outcome.status == "done"
    assert {written.table for written in outcome.written} == {"quality_metric", "quality_verdict"}
    assert verdict_of(study, config) == {
        "study_key": STUDY,
        "verdict": "pass",
        "flags": [],
        "not_assessable": ["over_correction", "misregistration"],
    }
    rows = metrics_of(study, config)
    assert rows["rim"]["flag"] == "ok"
    assert rows["rim"]["limits_version"] == "phantom-4"
    assert rows["rim"]["review_low"] is None
    assert rows["correction_gain"]["flag"] == "not_assessable"
    assert rows["correction_gain"]["value"] is None


def test_what_intake_flags_is_looked_at(study, config):
    """A sound picture of a volume whose header says a thing twice does not pass by itself."""
    stage.run(STUDY, study, config)
    address = config.address("intake")
    rows = [
        row | {"flags": ["decimal_comma_in_RescaleSlope"]}
        for row in study.rows("volume", address, STUDY)
    ]
    study.write("volume", address, STUDY, "d1", rows)
    assert stage.run(STUDY, study, config).status == "done"  # not skipped: flags are an input
    row = verdict_of(study, config)
    assert (row["verdict"], row["flags"]) == ("review", ["intake:decimal_comma_in_RescaleSlope"])


def test_again_is_skipped_and_forced_gives_the_same_bytes(study, config):
    first = stage.run(STUDY, study, config)
    again = stage.run(STUDY, study, config)
    forced = stage.run(STUDY, study, config, force=True)
    assert (first.status, again.status, forced.status) == ("done", "skipped", "done")
    assert first.written == again.written == forced.written


def test_spoilt_study_is_held_with_its_flags(lake, config):
    put_study(lake, config, (phantom(31, artefact="liver_spill").volume, "AC"))
    segmentation.run(STUDY, lake, config)
    stage.run(STUDY, lake, config)
    row = verdict_of(lake, config)
    assert row["verdict"] == "hold"
    assert "extracardiac_inferior" in row["flags"]


@pytest.mark.parametrize("has_scale", [True, False])
def test_uncorrected_series_makes_over_correction_assessable(lake, config, has_scale):
    """Only where both objects say how their stored values become counts."""
    corrected = phantom(31, artefact="over_correction").volume
    plain = phantom(31, correction="NAC").volume
    habits = replace(HABITS, rescale=has_scale)
    put_study(lake, config, (corrected, "AC"), (plain, "NAC"), habits=habits)
    segmentation.run(STUDY, lake, config)
    stage.run(STUDY, lake, config)
    row = verdict_of(lake, config)
    assert ("correction_gain" in row["flags"]) == has_scale
    assert ("over_correction" not in row["not_assessable"]) == has_scale


def test_clean_pair_of_series_excludes_over_correction(lake, config):
    """With both series over-correction is ruled out; misregistration is never ruled out."""
    pair = (phantom(31).volume, "AC"), (phantom(31, correction="NAC").volume, "NAC")
    put_study(lake, config, *pair, habits=replace(HABITS, rescale=True))
    segmentation.run(STUDY, lake, config)
    stage.run(STUDY, lake, config)
    row = verdict_of(lake, config)
    assert (row["verdict"], row["flags"]) == ("pass", [])
    assert row["not_assessable"] == ["misregistration"]
    assert metrics_of(lake, config)["correction_gain"]["flag"] == "ok"


def test_short_axis_series_is_judged_by_what_it_holds(lake, config):
    made = phantom(31, orientation="short_axis")
    plain = phantom(31, orientation="short_axis", correction="NAC")
    pair = (made.volume, "AC"), (plain.volume, "NAC")
    put_study(lake, config, *pair, habits=replace(HABITS, rescale=True))
    segmentation.run(STUDY, lake, config)
    stage.run(STUDY, lake, config)
    row = verdict_of(lake, config)
    assert (row["verdict"], row["flags"]) == ("pass", [])
    assert set(row["not_assessable"]) == {"over_correction", "misregistration", "truncation"}
    assert metrics_of(lake, config)["rim"]["value"] is None


def test_limit_of_the_settings_decides(study):
    strict = Config(quality=QualitySettings(limits={"rim": {"review_high": 0.01}}))
    stage.run(STUDY, study, strict)
    assert verdict_of(study, strict)["flags"] == ["rim"]


def test_study_that_was_not_segmented(lake, config):
    with pytest.raises(IncompleteStudyError, match="not looked at by intake"):
        stage.run(STUDY, lake, config)
    put_study(lake, config, (phantom(31).volume, "AC"))
    with pytest.raises(StudyRejectedError) as refused:
        stage.run(STUDY, lake, config)
    assert refused.value.reasons == ("not_segmented",)


def test_review_is_written_and_recorded(lake, config):
    written = record_review(lake, config, STUDY, "accept", "", "reader1")
    assert written.table == "review"
    (row,) = lake.rows("review", config.address("quality"), STUDY)
    assert (row["decision"], row["reviewer"]) == ("accept", "reader1")
    (record,) = lake.records("quality")
    assert record["units"][0]["files"][0]["path"] == written.path


def test_second_thoughts_keep_the_first(lake, config):
    record_review(lake, config, STUDY, "unsure", "apex looks thin", "reader1")
    other = Config(quality=QualitySettings(limits_version="site-2"))
    record_review(lake, other, STUDY, "reject", "apical thinning", "reader2")
    assert [row["decision"] for row in reviews_of(lake, STUDY)] == ["unsure", "reject"]


@pytest.mark.parametrize(
    ("decision", "reason", "reviewer"),
    [
        ("maybe", "x", "r"),
        ("reject", "x" * 501, "r"),
        ("accept", "", ""),
        ("accept", "bell \x07", "r"),
    ],
)
def test_review_is_refused(lake, config, decision, reason, reviewer):
    with pytest.raises(WrongArgumentError):
        record_review(lake, config, STUDY, decision, reason, reviewer)
    assert not reviews_of(lake, STUDY)


@pytest.mark.parametrize("days", [-400, 0, 400])
def test_a_later_decision_is_the_last_whatever_the_clock_says(lake, config, monkeypatch, days):
    class Clock(dt.datetime):
        at = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)

        @classmethod
        def now(cls, tz=None):
            return cls.at.astimezone(tz)

    monkeypatch.setattr(clock, "datetime", Clock)
    decisions = ["accept", "unsure", "reject", "accept"]
    for decision in decisions:
        record_review(lake, config, STUDY, decision, "", "reader1")
        Clock.at += dt.timedelta(days=days)
    assert [row["decision"] for row in reviews_of(lake, STUDY)] == decisions
