import datetime as dt
import os
import subprocess
import sys
from contextlib import closing

import duckdb
import pyarrow.parquet as pq
import pytest
from fabricated_lake import BINNED, ONCE, Builder

from mpss_lib import open_warehouse
from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.tables import digest_of
from mpss_lib.warehouse import stage

from_home = {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1}}


def ask(sql: str) -> list[tuple]:
    with closing(open_warehouse()) as connection:
        return connection.execute(sql).fetchall()


def test_an_empty_lake_is_published_with_every_relation(lake, config):
    counts = stage.run(lake, config)
    assert counts["studies"] == 0
    relations = ask("select schema_name || '.' || relation_name from meta.relation")
    for (name,) in relations:
        assert ask(f"select * from {name}") is not None
    assert ask("select count(*) from core.cohort_reason") == [(28,)]


def test_every_study_leaves_by_its_first_reason(filled, expected_reasons):
    counts = stage.run(filled.lake, filled.config)
    assert dict(ask("select study_key, reason from core.cohort_flow")) == expected_reasons
    assert (counts["studies"], counts["included"]) == (20, 3)


def test_the_flow_sums(filled):
    stage.run(filled.lake, filled.config)
    summary = ask(
        "select reason, n_studies, n_left from core.cohort_flow_summary order by position"
    )
    by_reason = {reason: (n, left) for reason, n, left in summary}
    assert sum(n for n, _ in by_reason.values()) == 20
    assert by_reason["included"] == (3, 3)
    assert by_reason["pull_quarantined"] == (1, 19)
    assert by_reason["patient_included"] == (1, 3)


def test_reviewed_is_stricter_than_pass(filled):
    strict = Config.model_validate({"warehouse": {"threads": 1}})
    stage.run(filled.lake, strict)
    assert ask("select study_key from core.cohort") == [("s19",)]
    pending = ask("select count(*) from core.cohort_flow where reason = 'review_pending'")
    assert pending == [(12,)]


def test_series_flow_gives_each_object_its_reason(filled):
    stage.run(filled.lake, filled.config)
    rows = ask(
        "select right(series_key, 2), is_chosen, reason from core.series_flow"
        " where study_key = 's04' order by series_key"
    )
    assert rows == [
        ("ac", False, "voxel_size"),
        ("ct", False, "modality"),
        ("ac", False, "not_corrected"),
    ]
    assert ask("select reason from core.series_flow where series_key = 's01ac'") == [("chosen",)]
    assert ask("select reason from core.series_flow where series_key = 's18ac'") == [
        ("intake_missing",)
    ]


def test_clinical_rows_keep_the_reason_of_their_link(filled):
    stage.run(filled.lake, filled.config)
    links = dict(ask("select record_key, link from core.clinical"))
    assert links["r01"] == "accession"
    assert links["r16"] == "patient_and_date"
    assert links["r15"] == links["r15b"] == "several_records"
    assert links["r99"] == "no_study"
    assert "r14" not in links


def test_features_are_one_wide_row(lake, config):
    build = Builder(lake, config, once=ONCE, binned=BINNED)
    build.catalogue()
    build.through("s01", "p01")
    build.flush()
    stage.run(lake, config)
    columns = [row[0] for row in ask("describe feature.radiomics")]
    assert len(columns) == 5 + 487
    assert ask("select count(*) from feature.radiomics where study_key = 's01'") == [(56,)]
    assert ask(
        "select count(*), count(distinct ibsi_code) from feature.radiomics_long"
        " where study_key = 's01' and segment = 'MYO' and bins = 64"
    ) == [(487, 487)]


def test_a_plain_connection_from_another_folder_reads_it(filled, tmp_path_factory):
    stage.run(filled.lake, filled.config)
    code = (
        "import duckdb, sys;"
        "c = duckdb.connect(sys.argv[1], read_only=True);"
        "print(c.execute('select count(*) from feature.radiomics').fetchone()[0])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, os.fspath(filled.lake.snapshot)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(answer.stdout) == 11 * 56


def test_a_file_that_no_record_names_stays_invisible(filled):
    filled.radiomics("s09", 9)
    filled.done = {}
    stage.run(filled.lake, filled.config)
    assert ask("select count(*) from feature.radiomics where study_key = 's09'") == [(0,)]


def test_the_newest_record_names_the_current_file(filled):
    filled.radiomics("s01", 101, salt="other")
    filled.flush()
    stage.run(filled.lake, filled.config)
    assert ask("select count(*) from feature.radiomics where study_key = 's01'") == [(56,)]
    digest = digest_of(["feature_binned", "s01", "other"])
    assert ask(
        "select input_digest from meta.lineage"
        " where table_name = 'feature_binned' and unit_key = 's01'"
    ) == [(digest,)]


def test_a_missing_file_stops_the_publish_and_keeps_the_old_snapshot(filled):
    stage.run(filled.lake, filled.config)
    before = filled.lake.snapshot.read_bytes()
    next((filled.lake.root / "landing/volume").rglob("study=s01.*")).unlink()
    with pytest.raises(LakeCorruptError, match=r"study=s01"):
        stage.run(filled.lake, filled.config)
    assert filled.lake.snapshot.read_bytes() == before
    assert not list(filled.lake.root.glob(".tmp-*"))


def test_a_reader_keeps_its_snapshot_and_the_next_one_sees_the_new(filled):
    stage.run(filled.lake, filled.config)
    with closing(open_warehouse()) as old:
        filled.radiomics("s09", 9)
        filled.flush()
        stage.run(filled.lake, filled.config)
        count = "select sequence, (select count(*) from feature.radiomics) from meta.snapshot"
        assert old.execute(count).fetchall() == [(1, 616)]
        with closing(open_warehouse()) as new:
            assert new.execute(count).fetchall() == [(2, 672)]


@pytest.mark.parametrize("left", [b"", None, b"00000000000000000002\n"])
def test_the_number_of_a_snapshot_never_goes_back(filled, left):
    """A publisher that is killed while it counts, or a lock file that somebody removed."""
    for _ in range(2):
        stage.run(filled.lake, filled.config)
    lock = filled.lake.root / "warehouse.lock"
    lock.unlink() if left is None else lock.write_bytes(left)
    assert stage.run(filled.lake, filled.config)["sequence"] == 3
    assert stage.run(filled.lake, filled.config)["sequence"] == 4


def test_the_snapshot_says_which_duckdb_opens_it(filled):
    stage.run(filled.lake, filled.config)
    assert ask("select duckdb_version from meta.snapshot") == [(duckdb.__version__,)]


def test_the_snapshot_cannot_be_written(filled):
    stage.run(filled.lake, filled.config)
    with closing(open_warehouse()) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("create table core.x as select 1")


def test_another_setting_is_built_beside_and_published_by_activate(filled):
    stage.run(filled.lake, filled.config)
    thick = Config.model_validate(from_home | {"segmentation": {"wall_mm": 12.0}})
    other = type(filled)(filled.lake, thick)
    other.catalogue()
    other.segmentation("s01")
    other.quality("s01", "hold")
    other.radiomics("s01", 55)
    other.flush()
    count = "select count(distinct study_key) from feature.radiomics"
    stage.run(filled.lake, thick)
    assert ask(count) == [(11,)]
    versions = [
        (row["stage"], row["n_units"], row["is_active"], row["is_of_settings"])
        for row in stage.status(filled.lake, thick)
        if row["stage"] == "segmentation"
    ]
    assert sorted(versions, key=lambda v: v[1]) == [
        ("segmentation", 1, False, True),
        ("segmentation", 15, True, False),
    ]
    stage.activate("radiomics", filled.lake, thick)
    stage.run(filled.lake, thick)
    assert ask(count) == [(1,)]
    stage.activate("all", filled.lake, filled.config)
    stage.run(filled.lake, filled.config)
    assert ask(count) == [(11,)]


def test_reviews_outlive_a_change_of_the_quality_settings(filled):
    stage.run(filled.lake, filled.config)
    strict = Config.model_validate(from_home | {"quality": {"limits_version": "site-2"}})
    other = type(filled)(filled.lake, strict)
    other.quality("s19", "review")
    other.flush()
    stage.activate("quality", filled.lake, strict)
    stage.run(filled.lake, strict)
    assert ask("select last_decision from quality.board") == [("accept",)]


def test_prediction_latest_and_history(filled):
    filled.predict("s01", 50.0)
    filled.flush("week 2")
    filled.predict("s01", 50.0)  # the same file again: nothing new
    filled.flush("week 3")
    stage.run(filled.lake, filled.config)
    assert ask("select study_key, value from result.prediction_latest") == [("s01", 50.0)]
    history = ask(
        "select value, valid_to is null, valid_from < valid_to"
        " from result.prediction_history order by valid_from"
    )
    assert history == [(100.0, False, True), (50.0, True, None)]
    assert ask("select count(*) from result.prediction") == [(2,)]


def test_a_prediction_from_before_a_column_came_is_shown(filled):
    for path in (filled.lake.root / "landing/prediction").rglob("*.parquet"):
        data = pq.read_table(path, partitioning=None)
        pq.write_table(data.drop_columns(["is_training_study", "berman_class"]), path)
    stage.run(filled.lake, filled.config)
    assert ask("select value, berman_class from result.prediction_latest") == [(100.0, None)]


def test_a_home_of_an_earlier_release_is_published_on_until_it_is_done_again(filled):
    """Columns that came with pull's engine 2 and intake's 3 are null in its files."""
    for table, names in (("instance", ["detail", "series_order", "said"]), ("volume", ["flags"])):
        for path in (filled.lake.root / "landing" / table).rglob("*.parquet"):
            data = pq.read_table(path, partitioning=None)
            pq.write_table(data.drop_columns(names), path)
    stage.run(filled.lake, filled.config)
    assert ask("select count(*) from core.cohort_flow where is_included") == [(3,)]
    assert ask("select count(*) from core.series_flow where is_chosen") != [(0,)]


def test_the_days_between_study_and_ct_follow_the_setting(filled):
    near = Config.model_validate(from_home | {"cohort": {"accept": "pass", "cac_max_days": 200}})
    stage.run(filled.lake, near)
    assert ask("select reason from core.cohort_flow where study_key = 's12'") == [("included",)]
    assert ask("select study_date_shifted from core.study where study_key = 's16'") == [
        (dt.date(2019, 3, 4),)
    ]
