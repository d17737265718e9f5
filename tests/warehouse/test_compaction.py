import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.tables import sha256_of
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.maintenance import DAY_S, remove_orphans
from mpss_lib.warehouse.reader import open_snapshot, rows

FEATURES = "select * from feature.radiomics order by study_key, segment, bins"


@pytest.fixture
def eager() -> Config:
    return Config.model_validate(
        {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1, "compact_from": 3}}
    )


def batches(lake, table: str) -> list:
    return sorted((lake.root / "batch" / table).rglob("seq=*.parquet"))


def features(lake) -> pa.Table:
    with open_snapshot(lake) as connection:
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


def test_row_groups_are_one_segment_at_one_grey_level(filled, eager):
    stage.run(filled.lake, eager)
    (path,) = batches(filled.lake, "feature_binned")
    groups = pq.ParquetFile(path)
    assert groups.num_row_groups == 56
    first = groups.read_row_group(0, columns=["bins", "segment", "study_key"]).to_pydict()
    assert set(first["bins"]) == {4}
    assert set(first["segment"]) == {"LAD17"}
    assert first["study_key"] == sorted(first["study_key"])


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


def test_reviews_and_predictions_are_never_joined(filled, eager):
    stage.run(filled.lake, eager)
    assert not batches(filled.lake, "review")
    assert not batches(filled.lake, "prediction")
