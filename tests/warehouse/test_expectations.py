"""Faults of each kind, put into a sound lake: what is held back, what stops, what is only shown."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fabricated_lake import clinical_row
from sound_lake import (
    FIRST,
    KEYS,
    PATIENTS,
    SoundBuilder,
    check,
    edit,
    feature_rows,
    make_sound,
    prediction_rows,
    record_of,
    registry_rows,
    set_value,
)

from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.checks import read_checks
from mpss_lib.warehouse.expectations import page
from mpss_lib.warehouse.expectations.consequences import Report
from mpss_lib.warehouse.expectations.suites import SUITES
from mpss_lib.warehouse.reader import rows


@pytest.fixture
def sound(lake) -> SoundBuilder:
    return make_sound(lake)


def results_of(build: SoundBuilder, suite: str) -> list[dict]:
    return build.lake.rows("expectation_result", build.config.address("warehouse"), suite)


def published(build: SoundBuilder, sql: str) -> list:
    stage.run(build.lake, build.config)
    return [tuple(found.values()) for found in rows(build.lake, sql)]


# --------------------------------------------------------------------------- a sound lake


def test_a_sound_lake_meets_every_expectation(sound):
    counts = check(sound)
    assert (counts["suites_run"], counts["stops"], counts["held_back"]) == (4, 0, 0)
    assert counts["warnings"] == 0
    assert counts["expectations"] > 100
    results = [row for suite in SUITES for row in results_of(sound, suite)]
    queries = [check for check in read_checks() if check.suite in SUITES]
    assert {(check.suite, check.name, check.consequence) for check in queries} == {
        (row["suite"], f"raw.{row['expectation']}", row["consequence"])
        for row in results
        if row["kind"] == "ExpectSqlToReturnNoRows"
    }
    assert published(sound, "select count(*) from core.cohort") == [(3,)]
    found = published(
        sound,
        "select suite, bool_and(is_met), min(n_rows) > 0, max(n_files_since)"
        " from quality.expectation_result group by suite order by suite",
    )
    assert [suite for suite, *_ in found] == ["clinical", "features", "predictions", "study"]
    assert {tuple(rest) for _, *rest in found} == {(True, True, 0)}
    assert published(sound, "from quality.expectation_failure") == []


def test_a_feature_that_the_scanner_explains_is_shown_and_holds_nothing_back(sound):
    sound.scanners(share=0.3, p=0.001)
    counts = check(sound, "features")
    assert (counts["stops"], counts["held_back"], counts["warnings"]) == (0, 0, 1)
    assert "owes 14 % or more of its variance" in stage.quality_page(sound.lake).read_text()


def test_batches_of_every_table_meet_them_as_well(sound):
    """A batch of predictions has a column that no landing file has: where a row came from."""
    eager = sound.config.model_copy(
        update={"warehouse": sound.config.warehouse.model_copy(update={"compact_from": 2})}
    )
    stage.run(sound.lake, eager)
    batches = {path.parts[-4] for path in (sound.lake.root / "batch").rglob("seq=*.parquet")}
    assert {"prediction", "feature_binned", "study"} <= batches
    counts = check(sound)
    assert (counts["stops"], counts["held_back"]) == (0, 0)
    assert published(sound, "from quality.expectation_failure") == []


def test_a_prediction_from_before_a_column_meets_them_as_well(sound):
    path = sound.path("prediction", FIRST)
    edit(path, lambda data: data.drop_columns(["corrected_value"]))
    assert check(sound, "predictions")["stops"] == 0
    assert published(sound, "select count(*) from core.cohort") == [(3,)]


def test_what_has_not_changed_is_not_looked_at_again(sound):
    check(sound)
    assert check(sound)["suites_run"] == 0
    assert stage.check(sound.lake, sound.config, force=True)["suites_run"] == 4
    sound.registry(registry_rows(age=61.0))
    assert check(sound)["suites_run"] == 1


def test_a_file_that_was_altered_in_its_place_is_looked_at_again(sound):
    check(sound, "features")
    edit(sound.path("feature_binned", FIRST), lambda data: set_value(data, "cm_corr", 3, 1.5))
    assert check(sound, "features")["held_back"] == 1


def test_the_same_findings_are_the_same_bytes(sound):
    address = sound.config.address("warehouse")
    check(sound)
    path = sound.lake.current_path("expectation_result", address, "features")
    before = path.read_bytes()
    stage.check(sound.lake, sound.config, force=True)
    assert path.read_bytes() == before


def test_an_empty_lake_is_no_fault(lake, config):
    counts = stage.check(lake, config)
    assert (counts["stops"], counts["held_back"], counts["warnings"]) == (0, 0, 0)
    stage.run(lake, config)
    assert "There was nothing to check" in stage.quality_page(lake).read_text()


def test_files_that_came_after_the_check_are_counted(sound):
    check(sound)
    sound.study(f"S{9:016x}", f"P{9:016x}", 9)
    sound.flush()
    found = published(
        sound,
        "select max(n_files_since) from quality.expectation_result"
        " where table_name = 'feature_binned'",
    )
    assert found == [(1,)]


def test_an_unknown_suite_is_named(sound):
    with pytest.raises(WrongArgumentError, match="'weather' is no suite"):
        check(sound, "weather")


# --------------------------------------------------------------------------- single rows


def spoil(**values: object):
    """Change the fourth row of the binned features."""

    def change(once: list[dict], binned: list[dict]) -> None:
        binned[3].update(values)

    return change


def drop_a_row(once: list[dict], binned: list[dict]) -> None:
    del binned[7]


def drop_a_segment(once: list[dict], binned: list[dict]) -> None:
    del once[-1]


def break_a_range(once: list[dict], binned: list[dict]) -> None:
    once[2]["stat_range"] += 0.5


FAULTY_FEATURES = {
    "nan without flag": (spoil(cm_corr=float("nan")), "feature_binned.finite_or_flagged"),
    "flagged, yet there": (
        spoil(undefined_features=["cm_corr"]),
        "feature_binned.finite_or_flagged",
    ),
    "infinite": (spoil(ngt_busyness=float("inf")), "feature_binned.finite_or_flagged"),
    "above its range": (spoil(cm_corr=1.01), "feature_binned.in_range"),
    "below its range": (spoil(ngt_busyness=-0.01), "feature_binned.in_range"),
    "above what its grey levels allow": (spoil(ih_entropy=6.0), "feature_binned.in_range"),
    "twice the same, unequal": (spoil(cm_diff_avg=2.5), "feature_binned.identical"),
    "a range that is no difference": (break_a_range, "feature_once.identical"),
    "55 rows": (drop_a_row, "feature_binned.rows_whole"),
    "six segments": (drop_a_segment, "feature_binned.rows_once_whole"),
    "an unknown segment": (spoil(segment="LV"), "feature_binned.segment_known"),
}


def test_a_study_whose_file_was_made_anew_is_published_again(sound):
    once, binned = feature_rows(FIRST, 1)
    binned[0]["cm_corr"] = 2.0
    sound.features(FIRST, once, binned, salt="faulty")
    check(sound, "features")
    sound.features(FIRST, *feature_rows(FIRST, 1), salt="mended")
    sound.flush()
    assert published(sound, "select count(*) from core.cohort") == [(3,)], "another file"
    assert check(sound, "features")["held_back"] == 0
    assert sound.lake.quarantined() == []


BAD_RECORDS = {
    "LVEF of 150": ({"lvef": 150.0}, "clinical.lvef_range"),
    "LVEF that the import refuses": ({"lvef": 4.9}, "clinical.lvef_range"),
    "age of -1": ({"age": -1.0}, "clinical.age_range"),
    "age that identifies": ({"age": 91.0}, "clinical.age_range"),
    "a BMI without end": ({"bmi": float("inf")}, "clinical.bmi_range"),
    "arteries above the total": ({"cac_lad": 900.0}, "clinical.arteries_within_total"),
    "arteries a little above it": ({"cac_lad": 101.5}, "clinical.arteries_within_total"),
    "score below zero": ({"cac_lm": -1.0}, "clinical.cac_lm_range"),
    "score without date": ({"cac_date_shifted": None}, "clinical.cac_dated"),
    "unknown code": ({"reading": "fine"}, "clinical.reading_code"),
    "a name as patient": ({"patient_key": "DOE^JANE"}, "clinical.patient_known"),
    "accepted with a reason": ({"reasons": ["age_range"]}, "clinical.refusal_explained"),
}


def test_a_bad_clinical_row_without_a_study_is_shown_and_holds_nothing_back(sound):
    lost = clinical_row("R00000000000000ff", "nowhere", PATIENTS[0], lvef=150.0, cac_total=None)
    lost["study_date_shifted"] = dt.date(2001, 1, 1)
    sound.registry([*registry_rows(), lost])
    assert check(sound, "clinical")["held_back"] == 0
    found = published(sound, "select record_key, study_key from quality.expectation_failure")
    assert found == [("R00000000000000ff", "")]


def test_a_study_without_patient_is_held_back(sound):
    path = sound.path("study", FIRST)
    (study,) = pq.read_table(path, partitioning=None).to_pylist()
    bad = sound.write("study", FIRST, [study | {"patient_key": ""}], salt="faulty")
    sound.record("pull", FIRST, "done", [bad])
    assert check(sound, "study")["held_back"] == 1
    assert published(sound, "select study_key from quality.held_back") == [(FIRST,)]


FAULTY_PREDICTIONS = {
    "out of range": ({"value": 99999.0, "value_high": 1e6, "berman_class": 4}, "value_range"),
    "neither value nor reason": ({"value": None}, "value_or_reason"),
    "not a number": ({"value": float("nan")}, "value_or_reason"),
    "outside its bounds": ({"value_low": 51.0}, "value_within_bounds"),
    "wrong class": ({"berman_class": 4}, "class_right"),
    "no model": ({"n_models": 0}, "models_counted"),
    "below zero": ({"corrected_value": -1.0, "corrected_low": -2.0}, "corrected_range"),
    "unknown configuration": ({"configuration": "both"}, "configuration_known"),
}


@dataclass
class Outcome:
    """What became of every study of a lake with one fault in each of many studies."""

    home: Lake
    counts: dict
    keys: dict
    asked: dict = field(default_factory=dict)

    def ask(self, sql: str) -> list:
        if sql not in self.asked:
            self.asked[sql] = [tuple(found.values()) for found in rows(self.home, sql)]
        return self.asked[sql]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Outcome:
    """Three sound studies, and one study for each fault of a row; checked and published."""
    build = make_sound(Lake(tmp_path_factory.mktemp("faulty") / "lake"))
    keys, records = {}, registry_rows()
    for k, fault in enumerate((*FAULTY_FEATURES, *BAD_RECORDS, *FAULTY_PREDICTIONS), start=100):
        keys[fault], patient = f"S{k:016x}", f"P{k:016x}"
        build.study(keys[fault], patient, k)
        values = BAD_RECORDS[fault][0] if fault in BAD_RECORDS else {}
        records.append(record_of(k, keys[fault], patient, **values))
        if fault in FAULTY_FEATURES:
            once, binned = feature_rows(keys[fault], k)
            FAULTY_FEATURES[fault][0](once, binned)
            build.features(keys[fault], once, binned, salt="faulty")
        if fault in FAULTY_PREDICTIONS:
            found = prediction_rows(keys[fault])
            found[4].update(FAULTY_PREDICTIONS[fault][0])
            build.predictions(keys[fault], found, salt="faulty")
    build.registry(records)
    counts = check(build)
    stage.run(build.lake, build.config)
    return Outcome(build.lake, counts, keys)


def test_each_faulty_study_is_held_back_and_no_other(faulty):
    assert faulty.counts["held_back"] == len(faulty.keys)
    held = faulty.ask("select study_key from quality.held_back")
    assert {key for (key,) in held} == set(faulty.keys.values())
    assert {note["study_key"] for note in faulty.home.quarantined()} == set(faulty.keys.values())
    assert {note["stage"] for note in faulty.home.quarantined()} == {"warehouse"}


def published_keys(faulty: Outcome, view: str) -> set:
    return {key for (key,) in faulty.ask(f"select distinct study_key from {view}")}


@pytest.mark.parametrize("fault", FAULTY_FEATURES)
def test_a_faulty_row_of_features_holds_its_study_back(faulty, fault):
    key, expectation = faulty.keys[fault], FAULTY_FEATURES[fault][1]
    is_held_back(faulty, key, expectation)
    assert key in {note["study_key"] for note in faulty.home.quarantined()}
    [note] = [note for note in faulty.home.quarantined() if note["study_key"] == key]
    assert expectation in note["problem"]
    assert f"mpss run radiomics {key} --force" in note["way_out"]


def is_held_back(faulty: Outcome, key: str, expectation: str) -> None:
    flow = {k: (reason, detail) for k, reason, detail in faulty.ask(
        "select study_key, reason, detail from core.cohort_flow"
    )}  # fmt: skip
    assert flow[key][0] == "expectation_failed"
    for view in ("feature.radiomics", "core.cohort", "result.prediction_latest"):
        assert key not in published_keys(faulty, view), view
        assert FIRST in published_keys(faulty, view), view
    failed = faulty.ask(
        "select coalesce(nullif(study_key, ''), 'S' || substr(record_key, 2)), expectation"
        " from quality.expectation_failure"
    )
    assert (key, expectation) in failed


@pytest.mark.parametrize("fault", BAD_RECORDS)
def test_a_bad_clinical_row_holds_its_study_back(faulty, fault):
    is_held_back(faulty, faulty.keys[fault], BAD_RECORDS[fault][1])


@pytest.mark.parametrize("fault", FAULTY_PREDICTIONS)
def test_a_bad_prediction_is_held_back_and_its_study_stays_in_the_cohort(faulty, fault):
    key, rule = faulty.keys[fault], FAULTY_PREDICTIONS[fault][1]
    for view in ("result.prediction_latest", "result.prediction_history where is_newest"):
        assert key not in published_keys(faulty, view), view
    earlier = faulty.ask(f"select count(*) from result.prediction where study_key = '{key}'")
    assert earlier == [(21,)], "what was published before stays in the history"
    assert key in published_keys(faulty, "core.cohort")
    failed = faulty.ask("select study_key, expectation from quality.expectation_failure")
    assert (key, f"prediction.{rule}") in failed


def test_a_bad_prediction_is_not_shown_after_it_was_replaced_either(sound):
    """Nobody ever saw it: the history tells what was shown."""
    seen = "select distinct value from result.prediction{} where study_key = '" + FIRST + "'"
    for number, value in enumerate((52.0, 1e9, 55.0)):
        sound.predictions(FIRST, prediction_rows(FIRST, value), salt=f"{number}")
        assert check(sound, "predictions")["held_back"] == (value == 1e9)
        for view in ("", "_history"):
            assert (1e9,) not in published(sound, seen.format(view)), view
    for view in ("", "_history"):
        assert {(52.0,), (55.0,)} <= set(published(sound, seen.format(view))), view
    assert published(sound, seen.format("_latest")) == [(55.0,)]
    assert published(sound, "select count(*) from quality.expectation_failure") == [(0,)]
    assert check(sound, "predictions") | {"expectations": 0} == dict.fromkeys(
        ("suites_run", "expectations", "stops", "held_back", "warnings"), 0
    )


def test_a_bad_prediction_that_is_the_newest_again_is_judged_again(sound):
    sound.predictions(FIRST, prediction_rows(FIRST, 1e9), salt="bad")
    check(sound, "predictions")
    sound.predictions(FIRST, prediction_rows(FIRST, 50.0), salt="good")
    check(sound, "predictions")
    sound.predictions(FIRST, prediction_rows(FIRST, 1e9), salt="bad")
    assert check(sound, "predictions")["held_back"] == 1
    failures = sound.lake.rows(
        "expectation_failure", sound.config.address("warehouse"), "predictions"
    )
    assert len({(row["expectation"], row["content_sha256"]) for row in failures}) == len(failures)


def test_a_prediction_for_an_unknown_study_is_held_back(sound):
    stranger = f"S{99:016x}"
    sound.predictions(stranger, prediction_rows(stranger))
    assert check(sound, "predictions")["held_back"] == 1
    seen = published(sound, "select distinct study_key from result.prediction_latest order by all")
    assert seen == [(key,) for key in KEYS]
    assert sound.lake.quarantined()[0]["study_key"] == stranger


def test_twenty_predictions_of_a_study_are_too_few(sound):
    sound.predictions(FIRST, prediction_rows(FIRST)[:20], salt="faulty")
    assert check(sound, "predictions")["held_back"] == 1


# --------------------------------------------------------------------------- the table itself


def repeat_a_row(data: pa.Table) -> pa.Table:
    return pa.concat_tables([data, data.slice(0, 1)])


FAULTY_TABLES = {
    "a row twice": (repeat_a_row, "no two rows have the same"),
    "an unknown column": (
        lambda data: data.append_column("surprise", pa.array(np.zeros(data.num_rows))),
        "surprise",
    ),
    "a column absent": (lambda data: data.drop_columns(["cm_corr"]), "cm_corr"),
    "a column of another type": (
        lambda data: data.set_column(2, "bins", data["bins"].cast(pa.float64())),
        "bins",
    ),
}


@pytest.mark.parametrize("fault", FAULTY_TABLES)
def test_a_fault_of_the_table_stops_every_publish_and_names_it(sound, fault):
    check(sound, "features")
    stage.run(sound.lake, sound.config)
    change, told = FAULTY_TABLES[fault]
    path = sound.path("feature_binned", FIRST)
    whole = path.read_bytes()
    edit(path, change)
    snapshot = sound.lake.snapshot.read_bytes()
    with pytest.raises(LakeCorruptError, match=f"feature_binned is at fault.*{told}"):
        check(sound, "features")
    with pytest.raises(LakeCorruptError, match="feature_binned"):
        stage.run(sound.lake, sound.config)
    assert sound.lake.snapshot.read_bytes() == snapshot
    assert "Publishing is stopped: feature_binned" in stage.quality_page(sound.lake).read_text()
    path.write_bytes(whole)
    check(sound, "features")
    stage.run(sound.lake, sound.config)


def test_a_missing_file_stops_and_is_named(sound):
    path = sound.path("feature_once", FIRST)
    path.unlink()
    with pytest.raises(LakeCorruptError, match=f"feature_once is at fault.*{path.name}"):
        check(sound, "features")


def test_a_file_that_is_no_parquet_stops_and_is_named(sound):
    path = sound.path("study", FIRST)
    path.write_bytes(b"PAR1" + b"\0" * 40)
    with pytest.raises(LakeCorruptError, match=f"study is at fault.*{path.name}"):
        check(sound)


def test_a_stop_stays_until_the_table_was_checked_again(sound):
    path = sound.path("feature_binned", FIRST)
    whole = path.read_bytes()
    edit(path, FAULTY_TABLES["an unknown column"][0])
    with pytest.raises(LakeCorruptError):
        check(sound, "features")
    path.write_bytes(whole)
    with pytest.raises(LakeCorruptError, match="mpss warehouse check"):
        stage.run(sound.lake, sound.config)


# --------------------------------------------------------------------------- warnings, page


def test_a_warning_is_shown_and_holds_nothing_back(sound, caplog):
    once, binned = feature_rows(FIRST, 2)  # the image of the second study
    sound.features(FIRST, once, binned, salt="twin")
    sound.registry(registry_rows(lvef=None))
    with caplog.at_level("WARNING"):
        counts = check(sound)
    assert (counts["held_back"], counts["warnings"]) == (0, 2)
    assert "feature_once.twin" in caplog.text
    [told] = [line for line in caplog.messages if line.startswith("feature_once.twin")]
    assert f"study_key {KEYS[0]}, value same as {KEYS[1]}" in told
    assert f"study_key {KEYS[1]}, value same as {KEYS[0]}" in told
    assert "clinical.lvef_complete" in caplog.text
    shown = stage.quality_page(sound.lake).read_text()
    assert f"same as {KEYS[1]}" in shown
    assert "2 warnings" in shown
    assert published(sound, "select count(*) from core.cohort") == [(3,)]
    broken = published(
        sound, "select expectation from quality.expectation_result where not is_met order by all"
    )
    assert broken == [("clinical.lvef_complete",), ("feature_once.twin",)]


def test_the_page_is_one_file_that_fetches_nothing_and_quotes_no_text(sound):
    sound.registry(registry_rows(reading="<script>alert('Jane Doe')</script>", lvef=150.0))
    check(sound)
    told = stage.quality_page(sound.lake).read_text()
    assert not re.search(r"(src|href)\s*=|url\(|@import|<script|https?:", told)
    assert "Jane" not in told
    assert "a text of 34 characters" in told
    assert FIRST in told
    assert "1 study is held back" in told
    assert told.count("<html") == told.count("</html>") == 1


def test_hostile_texts_of_a_report_are_shown_and_never_run():
    hostile = "<img src=x onerror=alert(1)>{{ 7 * 7 }}\"'`<script>`"
    told = {"suite": "study", "expectation": hostile, "says": hostile, "n_rows": 1}
    told |= {"table_name": hostile, "column_name": hostile, "n_unexpected": 1, "n_units": 1}
    told |= {"position": 1, "is_met": False, "examples": json.dumps([{"value": hostile}])}
    results = [told | {"consequence": name} for name in ("stop", "quarantine", "warn")]
    results.append(told | {"consequence": "warn", "expectation": f"{hostile}_complete"})
    held = {hostile: [results[1] | {"example": json.dumps({"value": hostile})}]}
    told_page = page.render(
        Report(results, [], held, {hostile: dt.datetime(2026, 1, 2, tzinfo=dt.UTC)})
    )
    assert not re.search(r"<(script|img)", told_page)
    assert told_page.count("&lt;img src=x onerror=alert(1)&gt;{{ 7 * 7 }}&#34;&#39;") >= 8


def test_examples_are_json_with_keys_and_numbers(sound):
    sound.registry(registry_rows(lvef=150.0))
    check(sound, "clinical")
    (found,) = published(sound, "select examples from quality.expectation_result where not is_met")
    assert json.loads(found[0]) == [{"record_key": f"R{1:016x}", "value": 150.0}]


def test_every_expectation_has_a_name_of_its_own_and_says_something(sound):
    check(sound)
    found = published(sound, "select expectation, says, kind from raw.expectation_result")
    assert len({name for name, *_ in found}) == len(found)
    assert all(says and kind.startswith("Expect") for _, says, kind in found)


def test_nothing_is_sent_and_no_file_is_left_in_a_folder_of_the_user(sound, tmp_path):
    """In a process of its own: no address is looked up, no connection tried, no folder touched."""
    sound.flush()
    folder = tmp_path / "work"
    folder.mkdir()
    code = (
        "import os, socket, sys\n"
        "def refuse(*_): raise SystemExit('network')\n"
        "for name in ('connect', 'connect_ex', 'sendto'): setattr(socket.socket, name, refuse)\n"
        "for name in ('getaddrinfo', 'gethostbyname', 'create_connection'):\n"
        "    setattr(socket, name, refuse)\n"
        "from mpss_lib.config import load\n"
        "from mpss_lib.tables import Lake\n"
        "from mpss_lib.warehouse import stage\n"
        "counts = stage.check(Lake(__import__('pathlib').Path(sys.argv[1])), load())\n"
        "import great_expectations\n"
        "print(counts['suites_run'], os.environ['GX_ANALYTICS_ENABLED'])\n"
    )
    told = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "MPSS_HOME"), str(folder))
    answer = subprocess.run(
        [sys.executable, "-c", code, str(sound.lake.root)],
        cwd=folder,
        env={**os.environ, **told, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout.split() == ["4", "False"], answer.stderr[-2000:]
    assert list(folder.iterdir()) == []
