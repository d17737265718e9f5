"""A home of before: its landing files come onto shelves at the first start, whatever kills that."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fabricated_lake import Builder, settings
from old_layout import make_old

from mpss_lib.errors import LakeCorruptError, WritersAtWorkError
from mpss_lib.locks import working
from mpss_lib.schemas import TABLES
from mpss_lib.shelves import key_of, shelf_of
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.layout import (
    VERSION,
    bring_up_to_date,
    is_left_over,
    layout_path,
    left_over,
)
from mpss_lib.warehouse.maintenance import DAY_S, remove_orphans
from mpss_lib.warehouse.reader import rows

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def old_once(fabricated, tmp_path_factory):
    """A home of before, published, with a unit that has two files, batches and predictions."""
    root = tmp_path_factory.mktemp("old")
    shutil.copytree(fabricated, root / "lake")
    eager = settings().model_copy(
        update={"warehouse": settings().warehouse.model_copy(update={"compact_from": 2})}
    )
    build = Builder(Lake(root / "lake"), eager)
    build.catalogue()
    build.predict("s01", 7.0)
    build.flush()
    stage.run(build.lake, eager)  # joins what is there
    build.radiomics("s01", 321, salt="again")
    build.flush()
    build.radiomics("s02", 9, salt="never recorded")
    build.done.clear()
    make_old(build.lake)
    stage.run(build.lake, settings())
    return root


@pytest.fixture
def old(old_once, build):
    shutil.copytree(old_once / "lake", build.lake.root)
    stage.rebuild(build.lake, build.config)  # the copy's own snapshot, as the version before
    return build


def shown(lake) -> list:
    """Everything that people read, without the places of files."""
    with open_snapshot(lake.snapshot) as connection:
        return [
            sorted(map(repr, connection.execute(f"select {columns} from {name}").fetchall()))
            for name, columns in (
                ("feature.radiomics", "*"),
                ("core.cohort_flow", "*"),
                ("quality.board", "*"),
                ("result.prediction_latest", "*"),
                ("result.prediction_history", "* exclude (lake_path)"),
                ("quality.review", "*"),
            )
        ]


def current(build) -> dict:
    """Name of the current file of every unit in every table."""
    return {
        (name, key): path.name
        for name, table in TABLES.items()
        for key, path in build.lake.current_paths(name, build.config.address(table.stage)).items()
    }


def named(lake) -> list[str]:
    """Every landing file that the manifest names."""
    found = []
    for path in (lake.root / "manifest").glob("*/*.json"):
        record = json.loads(path.read_text())
        found += [f["path"] for unit in record.get("units", ()) for f in unit["files"]]
    return found


def check_is_new(build, before: list) -> None:
    """All lies on shelves, the records say so, and the next publish shows the same."""
    lake = build.lake
    assert json.loads(layout_path(lake).read_text()) == {"version": VERSION}
    for path in named(lake):
        place = lake.root / path
        assert place.is_file()
        assert place.parent.name == shelf_of(key_of(place))
    assert shown(lake) == before, "the snapshot of before still reads its files"
    stage.run(lake, build.config)
    assert shown(lake) == before
    with open_snapshot(lake.snapshot) as connection:
        (sql,) = connection.execute("select string_agg(sql, ' ') from duckdb_views()").fetchone()
    old = list(left_over(lake))
    assert old
    assert not [path for path in old if f"'{path}'" in sql], "views name the places on shelves"


def test_a_home_of_before_is_brought_to_shelves_once(old):
    before = shown(old.lake)
    assert current(old) == {}, "nothing lies on a shelf yet"
    counts = bring_up_to_date(old.lake)
    assert counts["files"] == len(list(left_over(old.lake))) > 50
    assert counts["records"] > 5
    assert bring_up_to_date(old.lake) == {}
    check_is_new(old, before)


def test_the_file_that_the_records_name_stays_the_current_one(old, monkeypatch):
    bring_up_to_date(old.lake)
    monkeypatch.setattr(Lake, "records", None)  # marks alone tell it
    address = old.config.address("radiomics")
    files = {key: old.lake.landing_files("feature_binned", address, key) for key in ("s01", "s02")}
    again = {key: old.lake.current_path("feature_binned", address, key) for key in files}
    assert [len(paths) for paths in files.values()] == [2, 2]
    monkeypatch.undo()
    of_file = "from read_parquet('{}', hive_partitioning = false) order by all"
    with open_snapshot(old.lake.snapshot) as connection:
        for key, path in again.items():
            sql = f"select * from raw.feature_binned where study_key = '{key}' order by all"
            told = repr(connection.sql(sql).fetchall())
            assert told == repr(connection.sql(of_file.format(path)).fetchall())
            assert told != repr(connection.sql(of_file.format(other(files[key], path))).fetchall())


def other(paths, path):
    (found,) = [one for one in paths if one != path]
    return found


POINTS = [
    *(("shelves", n) for n in (0, 1, 40)),
    *(("manifest", n) for n in (0, 1, 4)),
    *(("marks", n) for n in (0, 1)),
    ("done", 0),
]


@pytest.mark.parametrize(("phase", "step"), POINTS)
def test_a_migration_that_was_killed_goes_on(old, home, phase, step):
    before = shown(old.lake)
    child = subprocess.run(
        [sys.executable, str(HERE / "layout_child.py"), str(home), phase, str(step)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert child.stdout.split()[-1] == phase
    assert not layout_path(old.lake).exists()
    assert shown(old.lake) == before
    bring_up_to_date(old.lake)
    check_is_new(old, before)


def test_an_open_reader_goes_on_through_migration_publish_and_maintenance(old):
    with open_snapshot(old.lake.snapshot) as connection:
        sql = "select count(*), sum(n_voxels) from raw.feature_once"
        before = connection.execute(sql).fetchall()
        bring_up_to_date(old.lake)
        assert connection.execute(sql).fetchall() == before
        stage.run(old.lake, old.config)
        assert remove_orphans(old.lake, old.config)["old_names"] == 0
        assert connection.execute(sql).fetchall() == before
    later = time.time() + (old.config.warehouse.retention_days + 1) * DAY_S
    n_old = len(list(left_over(old.lake)))
    assert remove_orphans(old.lake, old.config, now=later)["old_names"] == n_old
    assert not list(left_over(old.lake))
    assert rows(old.lake, "select count(*) as n from raw.feature_once")[0]["n"] > 0


def test_an_old_name_is_known_by_its_place(old):
    bring_up_to_date(old.lake)
    stage.run(old.lake, old.config)
    every = [path for path in old.lake.root.rglob("*.parquet") if is_left_over(path)]
    assert sorted(every) == sorted(left_over(old.lake))
    assert list((old.lake.root / "batch").rglob("*.parquet")), "batches are none"


def test_old_names_that_the_published_snapshot_reads_stay(old):
    before = shown(old.lake)
    bring_up_to_date(old.lake)
    later = time.time() + (old.config.warehouse.retention_days + 1) * DAY_S
    remove_orphans(old.lake, old.config, now=later)
    assert list(left_over(old.lake))
    assert shown(old.lake) == before


def test_a_writer_of_the_version_before_is_not_run_over(old):
    with working(old.lake.root), pytest.raises(WritersAtWorkError, match="today's layout"):
        bring_up_to_date(old.lake)
    assert not layout_path(old.lake).exists()
    assert bring_up_to_date(old.lake)["files"] > 0


def test_a_new_lake_is_only_marked(lake):
    assert bring_up_to_date(lake) == {}
    assert not lake.root.exists()
    lake.root.mkdir()
    assert bring_up_to_date(lake) == {}
    assert json.loads(layout_path(lake).read_text()) == {"version": VERSION}


def test_a_lake_of_a_later_version_is_refused(lake):
    lake.root.mkdir()
    layout_path(lake).write_text(json.dumps({"version": VERSION + 1}))
    with pytest.raises(LakeCorruptError, match=f"layout {VERSION + 1}"):
        bring_up_to_date(lake)
