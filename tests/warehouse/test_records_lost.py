"""No record yet, records lost, a unit named twice: what a publish says of each."""

import datetime as dt
import json
import shutil
import threading
from dataclasses import asdict

import pytest
from fabricated_lake import Builder, row

from mpss_lib import records
from mpss_lib.batch import run_batch
from mpss_lib.errors import LakeCorruptError, WritersAtWorkError
from mpss_lib.locks import working
from mpss_lib.records import Unit
from mpss_lib.tables import Lake, Outcome, digest_of
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.reader import rows

CHAIN = ("pull", "intake", "segmentation", "quality", "radiomics")


def shown(lake: Lake, relation: str = "feature.radiomics") -> set[str]:
    return {r["study_key"] for r in rows(lake, f"select distinct study_key from {relation}")}


def parts_of(build: Builder, name: str, keys) -> None:
    """Write what a batch of one stage writes; no record."""
    for key in keys:
        if name == "pull":
            build.pull(key, f"p{key}")
        elif name == "radiomics":
            build.radiomics(key, 1)
        else:
            getattr(build, name)(key)


# ----------------------------------------------------------- a batch is at work


def test_a_new_home_is_published_after_each_step_while_the_next_one_is_at_work(build):
    """The order of the book: before each record of a stage's first batch somebody publishes."""
    build.catalogue()
    for name in CHAIN:
        parts_of(build, name, ("s1", "s2"))
        with working(build.lake.root):  # its files are there, its record is not
            stage.run(build.lake, build.config)
        assert shown(build.lake) == set()
        build.flush()
        stage.run(build.lake, build.config)
    assert shown(build.lake) == {"s1", "s2"}


def test_a_publish_beside_a_batch_that_pauses_before_its_record(build):
    build.catalogue()
    build.through("s0", "p0", "quality")
    build.flush()
    stage.run(build.lake, build.config)
    has_files, may_end = threading.Event(), threading.Event()

    def work(key):
        build.radiomics(key, 0)
        files = build.done.pop("radiomics")[0].files
        has_files.set()
        assert may_end.wait(60)
        return Outcome("done", files)

    batch = threading.Thread(
        target=run_batch, args=("radiomics", work, ["s0"], build.lake, build.config)
    )
    batch.start()
    try:
        assert has_files.wait(60)
        assert stage.run(build.lake, build.config)["studies"] == 1
        assert shown(build.lake) == set()
        # What the old message advised would have recorded half a study: now it leaves it alone,
        stage.rebuild(build.lake, build.config)
        assert shown(build.lake) == set()
        build.lake.snapshot.unlink()
        # and waits where nobody can tell whether records were lost.
        with pytest.raises(WritersAtWorkError):
            stage.rebuild(build.lake, build.config)
    finally:
        may_end.set()
        batch.join(60)
    stage.run(build.lake, build.config)
    assert shown(build.lake) == {"s0"}


def test_the_files_of_a_killed_batch_stop_no_publish_and_are_shown_when_it_is_done_again(build):
    build.catalogue()
    build.through("s0", "p0", "quality")
    build.flush()
    stage.run(build.lake, build.config)
    build.radiomics("s0", 0)
    build.done.clear()  # killed before its record
    for publish in (stage.run, stage.rebuild):
        publish(build.lake, build.config)
        assert shown(build.lake) == set()
    build.radiomics("s0", 0)
    build.flush()
    stage.run(build.lake, build.config)
    assert shown(build.lake) == {"s0"}


# ---------------------------------------------------------------- records lost


@pytest.mark.parametrize("name", CHAIN)
def test_lost_records_of_one_stage_stop_the_publish_although_somebody_is_at_work(filled, name):
    stage.run(filled.lake, filled.config)
    before = shown(filled.lake)
    shutil.rmtree(filled.lake.root / "manifest" / name)
    with (
        working(filled.lake.root),
        pytest.raises(LakeCorruptError, match=rf"lost records of {name}.*from the backup"),
    ):
        stage.run(filled.lake, filled.config)
    assert shown(filled.lake) == before
    stage.rebuild(filled.lake, filled.config)
    stage.run(filled.lake, filled.config)
    assert shown(filled.lake) == before


def test_one_lost_record_of_many_is_named_and_made_again(filled):
    stage.run(filled.lake, filled.config)
    filled.through("t1", "q1", seed=30)
    filled.flush()
    stage.run(filled.lake, filled.config)
    before = shown(filled.lake)
    assert "t1" in before
    newest = max((filled.lake.root / "manifest" / "radiomics").glob("*.json"))
    newest.unlink()
    with pytest.raises(LakeCorruptError, match=r"lost records of radiomics: 2 files.*study=t1"):
        stage.run(filled.lake, filled.config)
    stage.rebuild(filled.lake, filled.config)
    assert shown(filled.lake) == before


def test_a_record_that_was_taken_away_is_missed_no_more_when_its_stage_was_done_again(filled):
    """What the message about an unreadable record advises."""
    stage.run(filled.lake, filled.config)
    filled.through("t1", "q1", seed=30)
    filled.flush()
    stage.run(filled.lake, filled.config)
    max((filled.lake.root / "manifest" / "radiomics").glob("*.json")).unlink()
    filled.radiomics("t1", 30)
    filled.flush()
    stage.run(filled.lake, filled.config)
    assert "t1" in shown(filled.lake)


# ------------------------------------------------------------- a unit in two steps


def three_steps(build: Builder, cohort: str = "c0ffee") -> list[Unit]:
    """What ``mpss run evaluation`` tells of a cohort whose output is all there."""
    names = {"cohort_hash": cohort, "profile": "p", "segment": "MYO", "configuration": "c"}
    units = []
    for table, rest in (
        ("univariate", {}),
        ("combined_test", {"test": "fisher"}),
        ("model", {"model_key": "m"}),
    ):
        known = {n: v for n, v in (names | rest).items() if n in row(table)}
        files = [build.write(table, cohort, [row(table, **known)])]
        units.append(Unit.of(cohort, files, is_new=False))
    return units


def unit_rows(lake: Lake) -> list[dict]:
    sql = "select status, len(tables) as n from meta.unit where stage = 'evaluation'"
    return rows(lake, sql)


def test_a_cohort_in_three_steps_of_one_record_is_one_unit(filled):
    for unit in three_steps(filled):
        filled.record("evaluation", unit.key, unit.status, unit.files)
    from mpss_lib.batch import write_record

    write_record("evaluation", filled.done.pop("evaluation"), filled.lake, filled.config, "again")
    stage.run(filled.lake, filled.config)
    assert unit_rows(filled.lake) == [{"status": "skipped", "n": 3}]


def test_a_record_of_before_with_a_unit_three_times_is_read_as_one(filled, config):
    address = config.address("evaluation")
    record = {
        "record": "20260101T000000000000-abcdef01", "stage": "evaluation",
        "engine": address.engine, "config": address.config, "settings": {}, "run_digest": "",
        "code_version": "before", "written_at": "2026-01-01T00:00:00+00:00",
        "units": [asdict(unit) for unit in three_steps(filled)],
    }  # fmt: skip
    filled.lake.record("evaluation", record["record"], record)
    stage.run(filled.lake, filled.config)
    assert unit_rows(filled.lake) == [{"status": "skipped", "n": 3}]
    stage.run(filled.lake, filled.config)  # taken over from the snapshot
    assert unit_rows(filled.lake) == [{"status": "skipped", "n": 3}]


# ------------------------------------------------------------------------ clocks


@pytest.mark.parametrize("days", [-3650, -1, 0, 1, 3650])
def test_a_clock_that_was_set_publishes_no_old_rows_as_current(filled, monkeypatch, days):
    moved = dt.datetime.now(dt.UTC)

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return moved.astimezone(tz)

    stage.run(filled.lake, filled.config)
    monkeypatch.setattr(records, "datetime", Clock)
    value = "select sum(ih_entropy) as v from feature.radiomics where study_key = 's01'"
    wanted = []
    for turn in range(3):
        filled.radiomics("s01", 200 + turn, salt=f"turn {turn}")
        filled.flush()
        moved += dt.timedelta(days=days)
        stage.run(filled.lake, filled.config)
        wanted.append(rows(filled.lake, value)[0]["v"])
        (path,) = {filled.lake.current_path(t, filled.config.address("radiomics"), "s01")
                   for t in ("feature_binned",)}  # fmt: skip
        assert digest_of(["feature_binned", "s01", f"turn {turn}"]) in path.name
    assert len(set(wanted)) == 3
    history = rows(filled.lake, "select record_order from meta.run order by sequence")
    orders = [r["record_order"] for r in history]
    assert orders == sorted(orders)
    assert len(set(orders)) == len(orders)


def test_an_old_home_goes_on_after_its_records_without_a_number(filled):
    """Records of before have a later time than the new ones: the clock was wrong then."""
    for path in (filled.lake.root / "manifest").glob("*/*.json"):
        content = json.loads(path.read_text())
        del content["order"]
        content["written_at"] = "2099" + content["written_at"][4:]
        path.write_text(json.dumps(content))
    (filled.lake.root / "order.lock").unlink()
    stage.run(filled.lake, filled.config)
    before = rows(filled.lake, "select sum(ih_entropy) as v from feature.radiomics")
    filled.radiomics("s01", 300, salt="new")
    filled.flush()
    stage.run(filled.lake, filled.config)
    assert rows(filled.lake, "select sum(ih_entropy) as v from feature.radiomics") != before
