"""Records: a unit once, and an order that no clock decides."""

import datetime as dt
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mpss_lib import records
from mpss_lib.config import Address
from mpss_lib.records import Record, Unit, add_record, merged, raise_order
from mpss_lib.tables import Lake, Written


@pytest.fixture
def clock(monkeypatch):
    """Set the wall clock that records are written with."""

    class Clock(dt.datetime):
        at = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)

        @classmethod
        def now(cls, tz=None):
            return cls.at.astimezone(tz)

    monkeypatch.setattr(records, "datetime", Clock)
    return Clock


def unit(key="k", status="done", files=(), reasons=()):
    written = (Written(table, path, "0", 1, "0") for table, path in files)
    return Unit(key, status, tuple(written), tuple(reasons))


def names(lake: Lake, stage="quality") -> list[str]:
    return [record["label"] for record in lake.records(stage)]


# ------------------------------------------------------------------------- units


def test_units_of_one_key_become_one():
    steps = [unit(files=[("a", "a1")]), unit("other"), unit(status="skipped", files=[("b", "b1")])]
    assert merged(steps) == (unit(files=[("a", "a1"), ("b", "b1")]), unit("other"))


def test_the_file_that_was_named_last_stands_last_and_none_twice():
    steps = [unit(files=[("a", "a1"), ("b", "b")]), unit(files=[("a", "a2")])]
    steps.append(unit(files=[("a", "a1")]))
    (found,) = merged(steps)
    assert [file.path for file in found.files] == ["b", "a2", "a1"]


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("done", "skipped", "done"),
        ("skipped", "done", "done"),
        ("skipped", "skipped", "skipped"),
        ("done", "quarantined", "quarantined"),
        ("quarantined", "done", "done"),
        ("done", "rejected", "rejected"),
    ],
)
def test_what_became_of_a_unit_in_two_steps(first, second, wanted):
    (found,) = merged([unit(status=first, reasons=["x"]), unit(status=second, reasons=["x", "y"])])
    assert (found.status, found.reasons) == (wanted, ("x", "y"))


def test_a_record_on_the_lake_has_each_unit_once(lake):
    written = unit(files=[("a", "a1")], reasons=["x"])
    record = Record("quality", Address("1", "c"), {"wide": 2}, "d", "v", (written, written))
    path = record.add_to(lake)
    content = json.loads(path.read_text())
    told = {"table": "a", "path": "a1", "input_digest": "0", "n_rows": 1, "content_sha256": "0"}
    assert content["units"] == [{"key": "k", "status": "done", "reasons": ["x"], "files": [told]}]
    assert set(content) == {
        *("record", "order", "written_at", "stage", "engine", "config"),
        *("settings", "run_digest", "code_version", "units"),
    }
    there = Record.read(content)
    assert there == replace(
        record, units=(written,), name=path.stem, order=1, written_at=content["written_at"]
    )


# ------------------------------------------------------------------------- order


@pytest.mark.parametrize("step", [dt.timedelta(days=-400), dt.timedelta(0), dt.timedelta(days=400)])
def test_a_later_record_is_newer_whatever_the_clock_says(lake, clock, step):
    for label in "abc":
        add_record(lake, "quality", {"label": label})
        clock.at += step
    assert names(lake) == ["a", "b", "c"]


def test_the_order_is_one_for_all_stages(lake):
    for stage in ("pull", "quality", "compaction"):
        add_record(lake, stage, {"label": stage})
    orders = [lake.records(s)[0]["order"] for s in ("pull", "quality", "compaction")]
    assert orders == [1, 2, 3]


def test_records_of_before_come_first_by_their_time(lake, clock):
    for name, year in (("r2", 2027), ("r1", 2026)):
        old = {"record": name, "written_at": f"{year}-01-01T00:00:00+00:00", "label": name}
        lake.record("quality", name, old)
    add_record(lake, "quality", {"label": "new"})
    assert names(lake) == ["r1", "r2", "new"]


@pytest.mark.parametrize("damage", ["gone", "empty", "broken"])
def test_a_lost_counter_goes_on_after_the_highest_record(lake, clock, damage):
    add_record(lake, "pull", {"label": "a"})
    add_record(lake, "quality", {"label": "b"})
    counter = lake.root / "order.lock"
    counter.unlink() if damage == "gone" else counter.write_text("" if damage == "empty" else "x")
    clock.at -= dt.timedelta(days=30)
    add_record(lake, "quality", {"label": "c"})
    assert names(lake) == ["b", "c"]
    assert lake.records("quality")[-1]["order"] == 3


def test_a_counter_that_is_behind_is_raised_and_never_lowered(lake):
    raise_order(lake, 7)
    raise_order(lake, 3)
    add_record(lake, "quality", {"label": "a"})
    assert lake.records("quality")[0]["order"] == 8


def test_equal_numbers_are_told_apart_always_in_the_same_way(lake):
    """Two hosts on a filesystem without locks may take one number."""
    for name, at in (("0000000001-b", "2026-01-01T00:00:00"), ("0000000001-a", "2026-01-01")):
        lake.record("quality", name, {"record": name, "order": 1, "written_at": at, "label": name})
    assert names(lake) == ["0000000001-a", "0000000001-b"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664)])
def test_the_counter_has_the_rights_that_the_umask_gives(lake, umask, mode):
    """Another account's writer opens it too where a group or an access control list lets it."""
    before = os.umask(umask)
    try:
        raise_order(lake, 3)
    finally:
        os.umask(before)
    assert stat.S_IMODE((lake.root / "order.lock").stat().st_mode) == mode


def test_many_writers_at_once_take_each_number_once(lake):
    script = (
        "import sys; from pathlib import Path; from mpss_lib.tables import Lake;"
        "from mpss_lib.records import add_record;"
        "[add_record(Lake(Path(sys.argv[1])), 'pull', {}) for _ in range(20)]"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, str(lake.root)]) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: add_record(lake, "quality", {}), range(40)))
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    orders = [r["order"] for stage in ("pull", "quality") for r in lake.records(stage)]
    assert sorted(orders) == list(range(1, 81))
