"""What is read now, found from the snapshot and new records, is what the whole manifest tells."""

import json
import shutil
from dataclasses import replace

import pytest
from fabricated_lake import clinical_row

from mpss_lib.config import Config
from mpss_lib.shelves import key_of
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.warehouse import record_files, stage
from mpss_lib.warehouse.compaction import prefer_batches, read_batches, write_batch
from mpss_lib.warehouse.joining import Source
from mpss_lib.warehouse.manifest import current_paths, read_ledger
from mpss_lib.warehouse.newest import newest_only
from mpss_lib.warehouse.standing import standing

EAGER = {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1, "compact_from": 3}}


@pytest.fixture
def shown(filled):
    filled.evaluate("c0ffee")
    filled.predict("s16", 3.0)
    filled.flush()
    stage.run(filled.lake, filled.config)
    return filled


@pytest.fixture
def joined(filled):
    stage.run(filled.lake, Config.model_validate(EAGER))
    return filled


def told(readings) -> dict:
    return {name: (reading.batches, reading.alone) for name, reading in readings.items()}


def assert_is_that_of_the_manifest(build):
    found = standing(build.lake, build.config)
    assert found is not None
    ledger = read_ledger(build.lake)
    landing = current_paths(build.lake, ledger, found.pointers)
    readings = prefer_batches(landing, read_batches(build.lake))
    assert told(found.readings) == told(readings)
    alone = [path for reading in readings.values() for path in reading.alone]
    n_rows = {path: n for path, n in found.n_rows.items() if not path.startswith("batch/")}
    assert n_rows == ledger.rows_of(alone)
    assert found.highest_order == ledger.highest_order
    runs = found.new.runs
    assert runs == [run for run in ledger.runs if run["record"] in {r["record"] for r in runs}]
    assert_newest(found, ledger, readings["prediction"], read_batches(build.lake))
    return found


def assert_newest(found, ledger, every, batches):
    """The files read for the newest predictions hold these, and no other one of their studies."""
    address = found.pointers["publication"]
    newest = ledger.current_of("prediction", "publication", address)["path"].to_pylist()
    members = {one.path: one.members for one in batches if one.table == "prediction"}
    told = found.newest_predictions
    assert told == replace(newest_only(every, newest, members), columns=told.columns)
    read = [*told.alone]
    for source in told.batches:
        mine = [path for path in members[source.path] if key_of(path) not in source.without]
        assert mine
        read += mine
    assert sorted(read) == sorted(newest)


CHANGES = {
    "nothing": lambda build: None,
    "a study came": lambda build: build.through("n1", "m1", seed=41),
    "files of a study were made anew": lambda build: build.radiomics("s01", 7, salt="anew"),
    "twice": lambda build: [build.radiomics("s01", 7, salt=salt) for salt in ("one", "two")],
    "a file was named again": lambda build: build.record(
        "quality", "s01", "skipped", [build.write("review", "s07", [], salt="none")]
    ),
    "a physician decided": lambda build: build.review("s08", "accept", "2026-02-01T10:00:00Z"),
    "a prediction": lambda build: build.predict("s09", 4.0),
    "another prediction of a study": lambda build: build.predict("s01", 9.0),
    "a cohort was evaluated": lambda build: build.evaluate("c0ffee2"),
    "the registry was read": lambda build: build.record(
        "pull",
        "registry",
        "done",
        [build.write("clinical", "registry", [clinical_row("r01", "s01", "p01")], salt="new")],
    ),
    "a study stands still": lambda build: build.set_aside("quality", "s01"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_what_the_whole_manifest_tells(shown, change):
    CHANGES[change](shown)
    shown.flush("night")
    assert_is_that_of_the_manifest(shown)


def test_night_after_night(shown):
    for night in range(3):
        for change in CHANGES.values():
            change(shown)
        shown.through(f"t{night}", f"q{night}", seed=night)
        shown.flush(f"night {night}")
        assert_is_that_of_the_manifest(shown)
        stage.run(shown.lake, shown.config)


def test_beside_batches(joined):
    assert_is_that_of_the_manifest(joined)
    joined.through("n1", "m1", seed=41)
    joined.flush()
    found = assert_is_that_of_the_manifest(joined)
    assert found.readings["feature_once"].batches
    stage.run(joined.lake, joined.config)
    joined.radiomics("n1", 42, salt="anew")
    joined.flush()
    assert_is_that_of_the_manifest(joined)


def replaced_in_a_batch(build):
    build.radiomics("s01", 5, salt="anew")
    build.flush()


def batch_lost(build):
    next(build.lake.root.glob("batch/feature_once/**/*.parquet")).unlink()


def batches_written(build):
    path = build.lake.current_path("study", build.config.address("pull"), "s01")
    member = build.lake.relative(path)
    write_batch(build.lake, "study", [Source(member)], [member])


def newest_of_quality(build):
    return max((build.lake.root / "manifest" / "quality").glob("*.json"))


def record_changed(build):
    path = newest_of_quality(build)
    record = json.loads(path.read_text())
    record["units"][0]["reasons"] = ["another"]
    path.write_text(json.dumps(record))


def record_gone(build):
    newest_of_quality(build).unlink()


def older_again(build):
    path = build.lake.current_path("feature_once", build.config.address("radiomics"), "s01")
    assert path is not None
    build.through("n1", "m1", seed=41)
    build.radiomics("n1", 42, salt="anew")
    build.flush()
    stage.run(build.lake, build.config)
    build.radiomics("n1", 41)
    build.flush()


def first_of_a_stage(build):
    build.evaluate("c0ffee")


@pytest.mark.parametrize(
    "change",
    [
        replaced_in_a_batch,
        batch_lost,
        batches_written,
        record_changed,
        record_gone,
        older_again,
        first_of_a_stage,
    ],
)
def test_where_only_the_whole_manifest_can_tell_there_is_none(joined, change):
    change(joined)
    assert standing(joined.lake, joined.config) is None


def test_a_record_in_the_place_of_another_is_noticed_whatever_its_age(shown, monkeypatch):
    """Same name, size and time, as a restored one may have: its inode is another."""
    monkeypatch.setattr(record_files, "NEWEST", 0)
    path = newest_of_quality(shown)
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    copy.replace(path)
    assert standing(shown.lake, shown.config) is None


def test_an_old_record_that_was_edited_in_its_place_is_found_by_a_rebuild(shown, monkeypatch):
    record_changed(shown)
    assert standing(shown.lake, shown.config) is None, "it is among the newest"
    monkeypatch.setattr(record_files, "NEWEST", 0)
    assert standing(shown.lake, shown.config) is not None
    stage.rebuild(shown.lake, shown.config)
    with open_snapshot(shown.lake.snapshot) as connection:
        sql = "select count(*) from meta.unit where list_contains(reasons, 'another')"
        assert connection.execute(sql).fetchall() == [(1,)]


def test_before_the_first_publish_there_is_none(filled):
    assert standing(filled.lake, filled.config) is None
