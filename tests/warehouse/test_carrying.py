"""The ledger is carried from snapshot to snapshot, and is as if all were built anew."""

import json

import pytest

from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.warehouse import carrying, snapshot, stage


@pytest.fixture
def carried(monkeypatch):
    """Tell of each publish that began with tables of the one before: with which."""
    told = []

    def begin(names, *paths):
        is_done = carrying.begin_with(names, *paths)
        told.append(names if is_done else None)
        return is_done

    monkeypatch.setattr(snapshot, "begin_with", begin)
    return told


COUNTS = {"study_rows"}
ALL = {*COUNTS, *carrying.LEDGER}


def ledger(lake) -> dict:
    with open_snapshot(lake.snapshot) as connection:
        return {
            name: connection.execute(f"select * from meta.{name} order by all").fetchall()
            for name in (*ALL, "settings", "lineage", "study_stage", "batch")
        }


def publish(build, *, anew: bool = False) -> dict:
    (stage.rebuild if anew else stage.run)(build.lake, build.config)
    return ledger(build.lake)


def test_what_is_carried_is_what_a_rebuild_makes(filled, carried):
    publish(filled)
    assert carried == []
    for turn in range(3):
        filled.radiomics("s01", turn, salt=f"turn {turn}")  # its file before is current no more
        filled.through(f"new{turn}", f"p{turn}")
        filled.flush(f"night {turn}")
        assert publish(filled)["manifest"]
    filled.radiomics("s01", 0, salt="turn 0")  # and now it is again
    filled.flush("night 3")
    told = publish(filled)
    assert carried == [ALL] * 4
    assert told == publish(filled, anew=True)
    assert len(carried) == 4, "a rebuild takes nothing over"


def test_a_publish_of_nothing_new_carries_all(filled, carried):
    before = publish(filled)
    assert publish(filled) == before
    assert carried == [ALL]


@pytest.mark.parametrize("change", ["rewritten", "gone"])
def test_a_record_that_changed_or_went_ends_the_carrying(filled, carried, change):
    filled.set_aside("quality", "s01")
    filled.flush()
    publish(filled)
    path = max((filled.lake.root / "manifest" / "quality").glob("*.json"))
    if change == "gone":
        path.unlink()
    else:
        record = json.loads(path.read_text())
        record["units"][0]["reasons"] = ["another"]
        path.write_text(json.dumps(record))
    told = publish(filled)
    assert carried == []
    assert told == publish(filled, anew=True)


def test_a_snapshot_of_another_version_is_not_carried(filled, carried, monkeypatch):
    publish(filled)
    monkeypatch.setattr(carrying, "code_version", lambda: "another")
    publish(filled)
    assert carried == [COUNTS]


def test_what_another_duckdb_wrote_is_not_carried(filled, carried, monkeypatch):
    before = publish(filled)
    monkeypatch.setattr(carrying.duckdb, "__version__", "another")
    assert publish(filled) == before
    assert carried == []


def test_what_cannot_be_opened_for_carrying_is_built_anew(filled, carried, monkeypatch):
    before = publish(filled)
    monkeypatch.setattr(carrying.shutil, "copyfile", lambda source, to: to.write_bytes(b"x" * 9000))
    assert publish(filled) == before
    assert carried == [None]


def test_the_file_does_not_grow_by_what_was_dropped(filled):
    publish(filled)
    publish(filled)
    size = filled.lake.snapshot.stat().st_size
    for _ in range(5):
        publish(filled)
    assert filled.lake.snapshot.stat().st_size <= 1.2 * size
