"""What counts as the same after kills: the rule of the log, and what breaks it."""

import copy
import json

import pytest
from left_by_runs import digests, log_differences, unfinished

from mpss_lib.tables import Lake
from mpss_lib.whole_files import write_bytes


def file(unit, digest="a", table="volume"):
    place = {"stage": "intake", "engine": "1", "config": "c", "unit_key": unit}
    return json.dumps(place | {"table_name": table, "content_sha256": digest})


@pytest.fixture
def log():
    """Two batches of two studies."""
    units = [
        json.dumps({"stage": "intake", "unit_key": unit, "status": "there"}) for unit in "pqrs"
    ]
    files = [file(unit) for unit in "pqrs"]
    records = [
        ["ingest", "intake", "1", "c", ["p", "q"]],
        ["ingest", "intake", "1", "c", ["r", "s"]],
    ]
    return {"units": units, "current": files, "named": list(files), "records": records}


def found(now, log, tries=0):
    return log_differences(now, log, {"ingest": tries})


def test_the_same_log_differs_in_nothing(log):
    assert found(log, log) == []


def test_a_record_more_is_a_second_try(log):
    now = copy.deepcopy(log)
    now["records"].append(log["records"][0])
    assert found(now, log, tries=1) == []
    assert found(now, log, tries=0) == ["record: 1 more of ingest, 0 tries beside the first"]
    now["records"].append(["ingest", "intake", "1", "c", ["r"]])  # a first try, broken off
    assert found(now, log, tries=2) == []
    assert len(found(now, log, tries=1)) == 1


@pytest.mark.parametrize(
    "record",
    [
        ["ingest", "intake", "1", "c", ["p", "r"]],
        ["ingest", "quality", "1", "c", ["p", "q"]],
        ["ingest", "intake", "2", "c", ["p", "q"]],
        ["", "intake", "1", "c", ["p", "q"]],
    ],
)
def test_a_record_that_no_task_would_write_is_none(log, record):
    now = log | {"records": [*log["records"], record]}
    assert found(now, log, tries=9)[0].startswith("record: of no such task: ")


def test_a_record_that_is_absent_is_told_however_many_there_are(log):
    first, second = log["records"]
    [told] = found(log | {"records": [first, first]}, log, tries=9)
    assert told == f"record: absent: {json.dumps(second)}"


@pytest.mark.parametrize("part", ["units", "current", "named"])
def test_what_is_absent_more_or_otherwise_is_told(log, part):
    less, more = log[part][1:], [*log[part], file("t")]
    assert found(log | {part: less}, log, tries=9) == [f"{part}: absent: {log[part][0]}"]
    assert found(log | {part: more}, log, tries=9) == [f"{part}: more: {file('t')}"]
    other = [file("p", "b"), *less]
    assert [one.split(": ")[1] for one in found(log | {part: other}, log)] == ["more", "absent"]


def test_a_unit_with_two_current_files_is_told(log):
    now = log | {"current": [*log["current"], file("p")]}
    assert "current: 2 files of ('volume', '1', 'c', 'p')" in found(now, log, tries=9)


def test_what_a_killed_writer_was_at_is_told_and_is_no_file_of_the_lake(tmp_path):
    lake = Lake(tmp_path)
    write_bytes(tmp_path / "landing" / "study" / "a.parquet", b"rows")
    before = digests(lake)
    assert len(before) == 1
    for name in (".tmp-abc", "landing/study/.tmp-def"):
        (tmp_path / name).write_bytes(b"ro")
    assert digests(lake) == before
    assert unfinished(lake) == [".tmp-abc", "landing/study/.tmp-def"]
    write_bytes(tmp_path / "landing" / "study" / "b.parquet", b"rows")
    assert digests(lake) != before
