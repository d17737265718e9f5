"""What a check asks anew of studies, records and predictions: its findings are those of all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fabricated_lake import row
from sound_lake import (
    FIRST,
    KEYS,
    PATIENTS,
    SoundBuilder,
    edit,
    make_sound,
    prediction_rows,
    registry_rows,
    set_value,
)

from mpss_lib.warehouse import stage
from mpss_lib.warehouse.expectations import checking, judged_files, views
from mpss_lib.warehouse.expectations.judged_files import judge_table
from mpss_lib.warehouse.expectations.suites import STUDY

SUITES = ("study", "clinical", "predictions")
SECOND, THIRD = KEYS[1:]
NEW = tuple(f"S{k:016x}" for k in range(10, 16))


@pytest.fixture
def sound(lake) -> SoundBuilder:
    return make_sound(lake)


@pytest.fixture
def shown(monkeypatch) -> dict[str, frozenset[str] | None]:
    """Studies of which each suite was shown the rows in the last check; None where all are."""
    found: dict[str, frozenset[str] | None] = {}
    ask = checking._judge_together

    def noted(current, names, before, few):
        found.update(dict.fromkeys(names, few.studies if few else None))
        return ask(current, names, before, few)

    monkeypatch.setattr(checking, "_judge_together", noted)
    return found


def check(build: SoundBuilder, *, force: bool = False) -> dict:
    build.flush()
    return stage.check(build.lake, build.config, suites=SUITES, force=force)


def findings(build: SoundBuilder) -> list:
    address = build.config.address("warehouse")
    return [
        build.lake.rows(f"expectation_{table}", address, suite)
        for suite in SUITES
        for table in ("result", "failure", "seen")
    ]


def broken(build: SoundBuilder) -> set[tuple[str, str]]:
    """What is broken now: of predictions that were replaced the failures are kept, too."""
    found = set()
    for suite in SUITES:
        results, failures = (
            build.lake.rows(f"expectation_{table}", build.config.address("warehouse"), suite)
            for table in ("result", "failure")
        )
        unmet = {one["expectation"] for one in results if not one["is_met"]}
        for one in failures:
            if one["expectation"] in unmet:
                found.add((one["expectation"], one["study_key"] or one["record_key"]))
    return found


def comes(build: SoundBuilder, n: int) -> None:
    build.study(NEW[n], f"P{n + 10:016x}", n + 10)


def walls(build: SoundBuilder, key: str, cavity_ml: float) -> None:
    """A segmentation that was computed anew."""
    wall = {"mask_path": "masks/m.npz", "myocardium_ml": 100.0, "cavity_ml": cavity_ml}
    found = row("segmentation", study_key=key, is_sure=True, **wall)
    file = build.write("segmentation", key, [found], salt=f"{cavity_ml}")
    build.record("segmentation", key, "done", [file])


def old_ones_become_faulty(build: SoundBuilder) -> None:
    """One recomputed, one predicted anew, and a new study with the accession of an old record."""
    walls(build, FIRST, 5000.0)
    build.predictions(SECOND, prediction_rows(SECOND, 1e9), salt="bad")
    build.pull(NEW[1], f"P{11:016x}", accession=f"acc{THIRD}", is_fetched=False)


def another_comes_and_one_is_altered(build: SoundBuilder) -> None:
    comes(build, 2)
    edit(build.path("volume", NEW[0]), lambda data: set_value(data, "attenuation", 0, "NAC"))


def all_are_mended(build: SoundBuilder) -> None:
    """And a record of the registry is not what it was."""
    walls(build, FIRST, 60.0)
    build.predictions(SECOND, prediction_rows(SECOND, 51.0), salt="good")
    build.pull(NEW[1], f"P{11:016x}", accession="its own", is_fetched=False, n_series=4)
    edit(build.path("volume", NEW[0]), lambda data: set_value(data, "attenuation", 0, "AC"))
    build.registry(registry_rows(lvef=150.0))


def most_are_doubtful(build: SoundBuilder) -> None:
    """More than half of the verdicts; an answer of a reviewer changes, which no rule asks for."""
    comes(build, 3)
    for key in (*KEYS, NEW[0]):
        told = row("quality_verdict", study_key=key, verdict="review", flags=["motion"])
        files = [build.write("quality_verdict", key, [told], salt="again")]
        build.record("quality", key, "done", files)
    build.review(FIRST, "reject")
    build.review(FIRST, "accept", "2026-01-03T10:00:00Z")


def limits_change(build: SoundBuilder) -> None:
    settings = build.config.warehouse.model_copy(update={"prediction_limit": 49.0})
    build.config = build.config.model_copy(update={"warehouse": settings})


WALLS, VALUE = "segmentation.cavity_size", "prediction.value_range"
LINKED, LVEF = "clinical.linked", "clinical.lvef_range"
AC = "volume.chosen_volume_is_corrected"
RECORDS = [f"R{k:016x}" for k in (1, 2, 3)]
BOUNDS = [f"prediction.{name}" for name in ("class_right", "value_within_bounds")]
FAULTY = {(WALLS, FIRST), (LINKED, RECORDS[2])} | {(one, SECOND) for one in (VALUE, *BOUNDS)}

NIGHTS: list[tuple[Callable[[SoundBuilder], None], set, set, set | None]] = [
    (old_ones_become_faulty, FAULTY, {*KEYS, NEW[1]}, {*KEYS, NEW[1]}),
    (
        another_comes_and_one_is_altered,
        {*FAULTY, (AC, NEW[0])},
        {*KEYS, *NEW[:3]},
        {*KEYS, *NEW[:3]},
    ),
    (all_are_mended, {(LVEF, RECORDS[0])}, {*KEYS, *NEW[:2]}, None),
    (most_are_doubtful, {(LVEF, RECORDS[0])}, {*KEYS, NEW[0], NEW[3]}, {*KEYS, NEW[0], NEW[3]}),
]
"""What changes, what is broken then, the studies shown to the suites study and clinical."""


def test_night_after_night_the_findings_are_those_of_a_check_of_all(sound, shown):
    comes(sound, 0)
    check(sound)
    stage.run(sound.lake, sound.config)
    for number, (change, wanted, of_study, of_clinical) in enumerate(NIGHTS):
        change(sound)
        shown.clear()
        check(sound)
        found, told = findings(sound), dict(shown)
        assert broken(sound) == wanted, number
        assert (told["study"], told["clinical"]) == (of_study, of_clinical), number
        check(sound, force=True)
        assert findings(sound) == found, number
        stage.run(sound.lake, sound.config)
    limits_change(sound)
    check(sound)
    assert {(VALUE, key) for key in (*KEYS, NEW[0])} <= broken(sound)


def test_a_broken_rule_does_not_make_a_check_read_the_manifest_or_the_files(
    sound, shown, monkeypatch
):
    settings = sound.config.warehouse.model_copy(update={"compact_from": 3})
    sound.config = sound.config.model_copy(update={"warehouse": settings})
    stage.run(sound.lake, sound.config)  # the predictions are joined, then one is replaced
    walls(sound, FIRST, 5000.0)
    sound.predictions(SECOND, prediction_rows(SECOND, 1e9), salt="bad")
    check(sound)
    stage.run(sound.lake, sound.config)
    check(sound)
    read: list[str] = []
    parts = judged_files._parts

    def noted(table, paths, *more):
        read.extend(paths)
        return parts(table, paths, *more)

    def refuse(lake):
        raise AssertionError("the whole manifest is read")

    monkeypatch.setattr(judged_files, "_parts", noted)
    monkeypatch.setattr(views, "ledger_of", refuse)
    comes(sound, 0)
    assert check(sound)["held_back"] == 2
    assert {WALLS, VALUE, *BOUNDS} == {name for name, _ in broken(sound)}
    assert read
    assert all(NEW[0] in path for path in read)
    assert shown["study"] == {FIRST, SECOND, NEW[0]}


def test_two_studies_that_came_before_a_publish_see_each_other(sound, shown):
    """The snapshot knows neither: the record that both name is found by the files."""
    check(sound)
    stage.run(sound.lake, sound.config)
    for key, patient in zip(NEW[:2], ("P" + "a" * 16, "P" + "b" * 16), strict=True):
        sound.pull(key, patient, accession=f"acc{FIRST}" if key == NEW[1] else "x")
        check(sound)
    assert shown["clinical"] == {FIRST, *NEW[:2]}
    assert (LINKED, RECORDS[0]) in broken(sound)


def test_a_text_that_breaks_a_rule_is_kept_by_its_length_alone(sound):
    path = sound.path("study", FIRST)
    edit(path, lambda data: set_value(data, "acquired_period", 0, "Jane Doe, 1 May"))
    edit(path, lambda data: set_value(data, "patient_key", 0, "DOE JANE"))
    check(sound)
    assert {("study.period_form", FIRST), ("study.patient_key_is_pseudonym", FIRST)} <= broken(
        sound
    )
    for told in findings(sound):
        assert "jane" not in repr(told).lower()
    assert "a text of 15 characters" in repr(findings(sound))


def test_shares_summed_over_files_are_what_great_expectations_says_of_all_rows(sound):
    """Of rows in one frame and of the sums of files: the same numbers, met and broken."""
    from mpss_lib.warehouse.expectations.engine import judge
    from mpss_lib.warehouse.expectations.views import Current

    [frame] = [one for one in STUDY if one.table == "quality_verdict"]
    [rule] = [one for one in frame.of_a_row if one.is_share]
    for n_doubtful, is_met in ((1, True), (2, False)):
        for key in KEYS[:n_doubtful]:
            told = row("quality_verdict", study_key=key, verdict="review")
            files = [sound.write("quality_verdict", key, [told], salt="doubt")]
            sound.record("quality", key, "done", files)
        sound.flush()
        current = Current(sound.lake, sound.config)
        summed = judge_table("study", frame.table, current, [frame], {}, "").findings[rule.name]
        with current.open(["raw.quality_verdict"]) as connection:
            rows = connection.execute(frame.select("raw.quality_verdict")).df()
        [whole] = judge(rows, frame.table, frame.keys, (rule,))
        assert (summed.is_met, summed.n_unexpected, summed.n_rows) == (is_met, n_doubtful, 3)
        assert (whole.is_met, whole.n_unexpected, whole.n_rows) == (is_met, n_doubtful, 3)
    assert len(PATIENTS) == 3
