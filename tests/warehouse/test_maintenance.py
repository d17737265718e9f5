import os
import time

import duckdb
import pytest

from mpss_lib.config import Config
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.maintenance import DAY_S, remove_orphans
from mpss_lib.warehouse.reader import rows

SUM = "select sum(hash(ih_entropy)) + sum(hash(stat_mean)) as total from feature.radiomics"


def test_rubbish_of_killed_writers_goes_after_an_hour(filled):
    folder = filled.lake.root / "landing" / "volume"
    old, young = folder / ".tmp-old.parquet", folder / ".tmp-young.parquet"
    for path in (old, young):
        path.write_bytes(b"x" * 10)
    os.utime(old, (time.time() - 4000,) * 2)
    counts = remove_orphans(filled.lake, filled.config)
    assert counts == {"temporary": 1, "superseded": 0, "batches": 0, "old_names": 0, "bytes": 10}
    assert young.exists()


def test_superseded_files_go_after_the_retention(filled):
    before = filled.lake.current_path("feature_once", filled.config.address("radiomics"), "s01")
    filled.radiomics("s01", 77, salt="later")
    filled.flush()
    stage.run(filled.lake, filled.config)
    assert remove_orphans(filled.lake, filled.config)["superseded"] == 0
    later = time.time() + 8 * DAY_S
    assert remove_orphans(filled.lake, filled.config, now=later)["superseded"] == 2
    assert not before.exists()
    assert remove_orphans(filled.lake, filled.config, now=later)["superseded"] == 0
    stage.run(filled.lake, filled.config)
    count = "select count(*) as n from feature.radiomics where study_key = 's01'"
    assert rows(filled.lake, count) == [{"n": 56}]


def test_a_file_that_the_published_snapshot_names_is_never_removed(filled):
    """Publishing fails for two weeks: what readers see stays whole."""
    eager = Config.model_validate({"warehouse": {"threads": 1, "compact_from": 3}})
    stage.run(filled.lake, eager)
    for key in ("s01", "s02", "s06"):  # more than a tenth: the batch is out of use
        filled.radiomics(key, 77, salt="later")
    filled.flush()
    for days in (8, 16):
        remove_orphans(filled.lake, eager, now=time.time() + days * DAY_S)
        assert rows(filled.lake, SUM)


def test_a_reader_of_an_old_snapshot_finds_its_files_within_the_retention(filled):
    eager = Config.model_validate({"warehouse": {"threads": 1, "compact_from": 3}})
    stage.run(filled.lake, filled.config)  # of landing files
    with open_snapshot(filled.lake.snapshot) as reader:
        (before,) = reader.execute(SUM).fetchone()
        filled.radiomics("s01", 77, salt="later")
        filled.flush()
        stage.run(filled.lake, eager)
        stage.merge(filled.lake, eager)
        remove_orphans(filled.lake, eager)
        remove_orphans(filled.lake, eager, now=time.time() + 6.9 * DAY_S)
        assert reader.execute(SUM).fetchone() == (before,)
        remove_orphans(filled.lake, eager, now=time.time() + 8 * DAY_S)
        with pytest.raises(duckdb.IOException, match="study=s01"):
            reader.execute(SUM).fetchone()
    (now,) = rows(filled.lake, SUM)
    assert now["total"] != before


def test_a_file_that_came_back_stays(filled):
    first = [
        filled.lake.current_path(t, filled.config.address("radiomics"), "s01")
        for t in ("feature_once", "feature_binned")
    ]
    filled.radiomics("s01", 77, salt="later")
    filled.flush()
    filled.radiomics("s01", 1)
    filled.flush()
    stage.run(filled.lake, filled.config)
    assert (
        remove_orphans(filled.lake, filled.config, now=time.time() + 8 * DAY_S)["superseded"] == 2
    )
    assert all(path.exists() for path in first)


def test_reviews_and_predictions_stay(filled):
    filled.predict("s01", 3.0)
    filled.flush()
    n_files = len(list((filled.lake.root / "landing/prediction").rglob("*.parquet")))
    remove_orphans(filled.lake, filled.config, now=time.time() + 100 * DAY_S)
    assert len(list((filled.lake.root / "landing/prediction").rglob("*.parquet"))) == n_files == 2
    assert len(list((filled.lake.root / "landing/review").rglob("*.parquet"))) == 3


def test_an_absent_lake_has_nothing_to_remove(lake, config):
    assert not any(remove_orphans(lake, config).values())
