"""Shelves: a unit is found in one small folder, its current file without reading records."""

import pytest

from mpss_lib.config import Address
from mpss_lib.records import Record, Unit
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake

HERE, OTHER = Address("1", "abc"), Address("2", "abc")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def write(lake, digest, key="S1", address=HERE):
    row = dict.fromkeys(TABLES["quality_verdict"].columns) | {"study_key": key, "flags": []}
    row |= {"verdict": "pass", "limits_version": "1", "reason": ""}
    kept = {name: row.get(name) for name in TABLES["quality_verdict"].columns}
    return lake.write("quality_verdict", address, key, digest, [kept])


def record(lake, *files, key="S1", address=HERE):
    unit = Unit.of(key, files, is_new=True)
    return Record("quality", address, {}, "d", "v", (unit,)).add_to(lake)


def current(lake, key="S1"):
    return lake.relative(lake.current_path("quality_verdict", HERE, key))


def marks(lake):
    return sorted(path.name for path in lake.root.rglob("*.current"))


@pytest.fixture
def no_records(monkeypatch):
    """Reading the manifest is an error: a lookup must not need it."""

    def refuse(self, stage):
        raise AssertionError("the records were read")

    monkeypatch.setattr(Lake, "records", refuse)


def test_a_file_lies_on_the_shelf_of_its_key(lake):
    path = lake.root / write(lake, "d1", key="S00ff3c").path
    assert path.parent.name == "3c"
    assert path.parent.parent == lake.landing_folder("quality_verdict", HERE)


def test_one_file_needs_no_mark(lake, no_records):
    old = write(lake, "d1")
    record(lake, old)
    assert marks(lake) == []
    assert current(lake) == old.path


def test_of_several_the_newest_record_tells(lake, no_records):
    old, new = write(lake, "d1"), write(lake, "d2")
    record(lake, old)
    record(lake, new)
    assert current(lake) == new.path
    record(lake, old)
    assert current(lake) == old.path
    assert len(marks(lake)) == 1, "marks of records before go"


def test_a_mark_without_its_record_counts_for_nothing(lake):
    """Its writer was killed between the two; or the record was purged."""
    old, new = write(lake, "d1"), write(lake, "d2")
    first = record(lake, old)
    (mark,) = lake.root.rglob("*.current")
    number = "0000000009-20260101T000000000000-abcdef01"
    mark.with_name(f"study=S1.d2.{number}.current").touch()
    assert current(lake) == old.path
    first.unlink()
    assert current(lake) in (old.path, new.path)


def test_a_file_that_is_not_recorded_yet_is_not_current(lake):
    old = write(lake, "d1")
    record(lake, old)
    write(lake, "d2")
    assert current(lake) == old.path


def test_a_lost_mark_is_replaced_by_the_records(lake):
    old, new = write(lake, "d1"), write(lake, "d2")
    record(lake, old)
    record(lake, new)
    for path in lake.root.rglob("*.current"):
        path.unlink()
    assert current(lake) == new.path


def test_each_address_has_its_own(lake, no_records):
    for address in (HERE, OTHER):
        for digest in ("d1", "d2"):
            write(lake, digest, address=address)
    mine = lake.landing_path("quality_verdict", HERE, "S1", "d1")
    there = lake.landing_path("quality_verdict", OTHER, "S1", "d2")
    record(lake, lake.written("quality_verdict", mine, "d1"))
    record(lake, lake.written("quality_verdict", there, "d2"), address=OTHER)
    assert current(lake) == lake.relative(mine)
    assert lake.current_path("quality_verdict", OTHER, "S1") == there


def test_all_files_of_a_table_or_of_a_unit(lake):
    for key in ("S1", "S2", "X1"):
        write(lake, "d1", key=key)
    write(lake, "d2")
    write(lake, "d1", address=OTHER)
    every = [lake.relative(path) for path in lake.landing_files("quality_verdict")]
    assert every == sorted(every)
    assert len(every) == 5
    assert len(lake.landing_files("quality_verdict", key="S1")) == 3
    assert len(lake.landing_files("quality_verdict", HERE, "S1")) == 2
    assert len(lake.landing_files("quality_verdict", HERE)) == 4
    assert lake.landing_files("volume") == []
    keys = sorted(lake.current_paths("quality_verdict", HERE, ["S2", "X1", "S9"]))
    assert keys == ["S2", "X1"]
