import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import sha256_of
from mpss_lib.warehouse import joining, stage
from mpss_lib.warehouse.maintenance import DAY_S, remove_orphans
from mpss_lib.warehouse.reader import rows

FEATURES = "select * from feature.radiomics order by study_key, segment, bins"


@pytest.fixture
def eager() -> Config:
    return Config.model_validate(
        {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1, "compact_from": 3}}
    )


def batches(lake, table: str) -> list:
    return sorted((lake.root / "batch" / table).rglob("seq=*.parquet"))


def features(lake) -> pa.Table:
    with open_snapshot(lake.snapshot) as connection:
        return connection.sql(FEATURES).to_arrow_table()


def test_batches_hold_the_same_rows(filled, eager, expected_reasons):
    stage.run(filled.lake, filled.config)
    before = features(filled.lake)
    stage.run(filled.lake, eager)
    assert len(batches(filled.lake, "feature_binned")) == 1
    assert same(features(filled.lake), before)
    flow = rows(filled.lake, "select study_key, reason from core.cohort_flow")
    assert {row["study_key"]: row["reason"] for row in flow} == expected_reasons
    (count,) = rows(filled.lake, "select n_files from meta.snapshot")
    assert count["n_files"] < 40


def same(one: pa.Table, two: pa.Table) -> bool:
    """Equal, NaN at the same places."""
    return one.to_pandas().equals(two.to_pandas())


def test_a_row_group_holds_one_grey_level_and_is_never_tiny(filled, eager, monkeypatch):
    stage.run(filled.lake, eager)
    (path,) = batches(filled.lake, "feature_binned")
    assert pq.ParquetFile(path).num_row_groups == 8  # 77 rows of a grey level: all together
    monkeypatch.setattr(joining, "MIN_ROWS", 20)
    small = path.with_name("small.parquet")
    joining.join(filled.lake, "feature_binned", [joining.Source(filled.lake.relative(path))], small)
    groups = pq.ParquetFile(small)
    assert groups.num_row_groups == 8 * 4  # two segments of 11 studies are 22 rows
    columns = ["bins", "segment", "study_key"]
    first = groups.read_row_group(0, columns=columns).to_pydict()
    assert set(first["bins"]) == {4}
    assert set(first["segment"]) == {"LAD17", "LAD3"}
    keys = list(zip(*first.values(), strict=True))
    assert keys == sorted(keys)


def test_the_same_members_give_the_same_bytes(filled, eager):
    stage.run(filled.lake, eager)
    (first,) = batches(filled.lake, "feature_once")
    before = sha256_of(first)
    first.unlink()
    stage.run(filled.lake, eager)
    (again,) = batches(filled.lake, "feature_once")
    assert sha256_of(again) == before


def test_a_superseded_member_takes_its_batch_out_of_use(filled, eager):
    stage.run(filled.lake, eager)
    calm = filled.config
    filled.radiomics("s01", 321, salt="new")
    filled.flush()
    stage.run(filled.lake, calm)
    found = rows(
        filled.lake, "select count(*) as n, count(distinct study_key) as k from feature.radiomics"
    )
    assert found == [{"n": 11 * 56, "k": 11}]
    digests = rows(
        filled.lake,
        "select ih_entropy from feature.radiomics where study_key = 's01' and bins = 4"
        " and segment = 'MYO'",
    )
    path = filled.lake.current_path("feature_binned", calm.address("radiomics"), "s01")
    new = pq.read_table(path, filters=[("bins", "=", 4), ("segment", "=", "MYO")])
    assert digests[0]["ih_entropy"] == new["ih_entropy"][0].as_py()


def test_a_lost_batch_is_read_from_its_members(filled, eager):
    stage.run(filled.lake, eager)
    for path in batches(filled.lake, "feature_binned"):
        path.unlink()
    stage.run(filled.lake, filled.config)
    assert features(filled.lake).num_rows == 11 * 56


def test_small_batches_are_joined_with_what_comes_later(filled, eager):
    stage.run(filled.lake, eager)
    for i in range(3):
        filled.through(f"t{i}", f"q{i}", seed=i)
    filled.flush()
    stage.run(filled.lake, eager)
    old, new = batches(filled.lake, "feature_once")
    assert pq.read_metadata(old).num_rows == 11 * 7
    assert pq.read_metadata(new).num_rows == 14 * 7
    later = time.time() + 8 * DAY_S
    assert remove_orphans(filled.lake, eager)["batches"] == 0  # readers may hold the old snapshot
    assert remove_orphans(filled.lake, eager, now=later)["batches"] > 0
    assert batches(filled.lake, "feature_once") == [new]
    stage.run(filled.lake, eager)
    assert features(filled.lake).num_rows == 14 * 56


def test_a_batch_that_no_record_names_is_rubbish(filled, eager):
    stage.run(filled.lake, eager)
    (path,) = batches(filled.lake, "feature_once")
    stray = path.with_name("seq=9.parquet")
    stray.write_bytes(path.read_bytes())
    assert remove_orphans(filled.lake, eager)["temporary"] == 0
    assert remove_orphans(filled.lake, eager, now=time.time() + 4000)["temporary"] == 1
    assert path.exists()


def test_a_member_that_is_gone_stops(filled, eager):
    filled.lake.current_path("volume", filled.config.address("intake"), "s01").unlink()
    with pytest.raises(LakeCorruptError, match=r"study=s01"):
        stage.run(filled.lake, eager)


def test_reviews_and_predictions_keep_their_history_in_a_batch(filled, eager):
    for week in range(3):
        filled.predict("s01", 50.0 + week)
        filled.predict("s16", 10.0 + week)
        filled.flush(f"week {week}")
    history = "select * from result.prediction_history order by all"
    reviews = "select * from quality.review order by all"
    stage.run(filled.lake, filled.config)
    before = rows(filled.lake, history), rows(filled.lake, reviews)
    assert len(before[0]) == 7
    stage.run(filled.lake, eager)
    assert len(batches(filled.lake, "prediction")) == len(batches(filled.lake, "review")) == 1
    assert (rows(filled.lake, history), rows(filled.lake, reviews)) == before
    filled.predict("s01", 99.0)
    filled.flush("week 4")
    stage.run(filled.lake, eager)
    assert len(rows(filled.lake, history)) == 8


def test_large_batches_replace_small_ones(filled, eager):
    stage.run(filled.lake, eager)
    for i in range(4):
        filled.through(f"t{i}", f"q{i}", seed=i)
    filled.flush()
    halves = Config.model_validate(
        {
            "cohort": {"accept": "pass"},
            "warehouse": {"threads": 1, "compact_from": 3, "compact_studies": 6},
        }
    )
    stage.run(filled.lake, halves)
    before = features(filled.lake)
    assert len(batches(filled.lake, "feature_binned")) == 2
    counts = stage.merge(filled.lake, eager)
    assert counts["joined"] >= 2 * counts["batches"] > 0
    large = batches(filled.lake, "feature_binned")[-1]
    assert pq.read_metadata(large).num_rows == 15 * 56
    stage.run(filled.lake, eager)
    assert same(features(filled.lake), before)
    (shown,) = rows(filled.lake, "select sql from duckdb_views() where view_name='feature_binned'")
    assert str(large) in shown["sql"]
    assert "landing" not in shown["sql"]
    assert stage.merge(filled.lake, eager) == {"batches": 0, "joined": 0}


def test_the_same_rows_give_the_same_bytes_whatever_they_came_from(filled, eager):
    stage.run(filled.lake, eager)
    for table in ("feature_once", "feature_binned", "quality_metric"):
        (batch,) = batches(filled.lake, table)
        again = batch.with_name("again.parquet")
        joining.join(filled.lake, table, [joining.Source(filled.lake.relative(batch))], again)
        assert sha256_of(again) == sha256_of(batch)


def test_one_study_that_is_done_again_leaves_its_batch_in_use(filled, eager):
    stage.run(filled.lake, eager)
    filled.radiomics("s01", 321, salt="new")
    filled.flush()
    stage.run(filled.lake, eager)
    (shown,) = rows(filled.lake, "select sql from duckdb_views() where view_name='feature_once'")
    assert "batch/feature_once" in shown["sql"]
    assert shown["sql"].count("landing/feature_once") == 1
    for key in ("s02", "s10"):
        filled.radiomics(key, 5, salt="new")
    filled.flush()
    stage.run(filled.lake, filled.config)  # 3 of 11 are more than a tenth: the members are read
    (shown,) = rows(filled.lake, "select sql from duckdb_views() where view_name='feature_once'")
    assert "batch/feature_once" not in shown["sql"]
    assert features(filled.lake).num_rows == 11 * 56


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_feature_column_that_came_without_a_new_engine_is_named(filled, eager, where):
    """Without the check a batch would lose the column, or the reader fail far from the cause."""
    folder = filled.lake.root / "landing" / "feature_binned"
    paths = sorted(folder.rglob("*.parquet"))
    path = paths[0 if where == "first" else -1]
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["binned_003"]), path)
    for config in (filled.config, eager):
        with pytest.raises(LakeCorruptError) as caught:
            stage.run(filled.lake, config)
        named = paths[1] if config is eager and where == "first" else path
        assert named.name in caught.value.problem
        assert "binned_003" in caught.value.problem
        assert "raise the ENGINE of radiomics" in caught.value.way_out
        assert "mpss run radiomics --force" in caught.value.way_out
    assert not filled.lake.snapshot.exists()


def test_a_batch_of_other_columns_is_named(filled, eager):
    stage.run(filled.lake, eager)
    filled.binned = (*filled.binned, "binned_006")
    filled.catalogue()
    filled.radiomics("s01", 1, salt="wider")
    filled.flush()
    with pytest.raises(LakeCorruptError, match=r"batch/feature_binned/.*binned_006 is absent"):
        stage.run(filled.lake, eager)
