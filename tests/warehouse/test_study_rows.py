"""What a publish takes over of earlier ones, and what it never does."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fabricated_lake import row

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import TABLES
from mpss_lib.warehouse import planning, sources, stage, study_rows
from mpss_lib.warehouse.meta import META_NAMES
from mpss_lib.warehouse.reader import rows
from mpss_lib.warehouse.relations import read_relations

EAGER = {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1, "compact_from": 3}}
COUNTED = "select * from meta.study_rows order by path, study_key"


@pytest.fixture
def counted(monkeypatch):
    """The files that each publish counts and those whose columns it reads."""
    found = {"counted": [], "opened": []}
    count, check = study_rows._count, sources.check_columns

    def counting(lake, name, paths):
        found["counted"] += paths
        return count(lake, name, paths)

    def checking(table, schema, where="", **more):
        found["opened"].append(where)
        check(table, schema, where, **more)

    monkeypatch.setattr(study_rows, "_count", counting)
    monkeypatch.setattr(sources, "check_columns", checking)
    return found


def again(build, counted):
    for paths in counted.values():
        paths.clear()
    return stage.run(build.lake, build.config)


def landing(build, table, key):
    return build.lake.current_path(table, build.config.address("radiomics"), key)


def test_every_shown_file_was_counted_once(filled, counted):
    stage.run(filled.lake, filled.config)
    shown = {
        (row["table_name"], row["path"])
        for row in rows(filled.lake, "select * from meta.lake_file")
        if row["table_name"] in study_rows.COUNTED
    }
    assert len(counted["counted"]) == len(shown) == len(set(counted["counted"]))
    assert {path for _, path in shown} == set(counted["counted"])
    assert {p for name, p in shown if name != "prediction"} <= set(counted["opened"])


def test_the_next_publish_reads_what_is_new_only(filled, counted):
    stage.run(filled.lake, filled.config)
    before = rows(filled.lake, COUNTED)
    again(filled, counted)
    assert counted == {"counted": [], "opened": []}
    assert rows(filled.lake, COUNTED) == before
    filled.radiomics("s09", seed=99)
    filled.flush()
    again(filled, counted)
    assert {path.rsplit("study=")[1][:4] for path in counted["counted"]} == {"s09."}
    assert set(counted["opened"]) == set(counted["counted"])
    assert len(rows(filled.lake, COUNTED)) == len(before) + 2


def test_what_is_counted_is_what_the_snapshot_does_not_copy():
    """A table of a study that becomes a view is counted, or its check of the grain reads all."""
    views = {
        relation.name
        for relation in read_relations(base=META_NAMES)
        if relation.schema == "raw" and relation.stored == "view"
        if TABLES[relation.name].unit == "study"
    }
    assert views == set(study_rows.COUNTED)


def test_each_file_of_predictions_has_its_rows_counted(filled):
    """Every file stays: joined into a batch or not, each is held against its own keys."""
    eager = Config.model_validate(EAGER)
    for number, key in enumerate(("s01", "s02", "s16", "s01")):
        filled.predict(key, 100.0 + number)
        filled.flush(f"night {number}")
    stage.run(filled.lake, filled.config)
    sql = (
        "select landing_path, study_key, n_rows, n_keys from meta.study_rows"
        " where table_name = 'prediction' and is_shown order by all"
    )
    alone = rows(filled.lake, sql)
    assert [row["study_key"] for row in alone].count("s01") > 1
    stage.run(filled.lake, eager)
    assert rows(filled.lake, sql) == alone
    batches = "select distinct starts_with(path, 'batch/') from meta.study_rows"
    assert len(rows(filled.lake, f"{batches} where table_name = 'prediction'")) == 1


def test_a_prediction_that_stands_twice_in_its_file_stops_the_publish(filled):
    two = [row("prediction", study_key="s01", segment=name) for name in ("MYO", "LAD3")]
    file = filled.write("prediction", "s01", two, salt="two")
    filled.record("publication", "s01", "done", [file])
    filled.flush()
    path = filled.lake.root / file.path
    first = pq.read_table(path, partitioning=None).slice(0, 1)
    pq.write_table(pa.concat_tables([first, first]), path)
    with pytest.raises(LakeCorruptError, match=r"shown_once: 1 bad rows.*prediction.*s01"):
        stage.run(filled.lake, filled.config)


def test_rows_taken_over_are_those_of_a_fresh_count(filled):
    stage.run(filled.lake, filled.config)
    filled.radiomics("s09", seed=99)
    filled.flush()
    stage.run(filled.lake, filled.config)
    taken_over = rows(filled.lake, COUNTED)
    stage.rebuild(filled.lake, filled.config)
    assert rows(filled.lake, COUNTED) == taken_over


def test_a_file_altered_in_its_place_is_looked_at_again(filled, counted):
    stage.run(filled.lake, filled.config)
    path = landing(filled, "feature_binned", "s01")
    data = pq.read_table(path, partitioning=None)
    pq.write_table(pa.concat_tables([data.slice(1), data.slice(1, 1)]), path)
    with pytest.raises(LakeCorruptError, match=r"shown_once: 1 bad rows.*feature_binned.*s01"):
        again(filled, counted)
    assert counted["counted"] == counted["opened"] == [filled.lake.relative(path)]


def test_the_time_of_a_file_is_enough(filled, counted):
    stage.run(filled.lake, filled.config)
    path = landing(filled, "feature_once", "s01")
    os.utime(path, ns=(1, 1))
    again(filled, counted)
    assert counted["counted"] == [filled.lake.relative(path)]


def test_a_file_that_stopped_a_publish_stops_the_next(filled, counted):
    """What was found wanting is not taken for checked."""
    stage.run(filled.lake, filled.config)
    path = landing(filled, "feature_binned", "s02")
    data = pq.read_table(path, partitioning=None)
    twice = pa.concat_tables([data.slice(1), data.slice(1, 1)])  # as many rows as were recorded
    pq.write_table(twice, path)
    for _ in range(2):
        with pytest.raises(LakeCorruptError, match=r"shown_once.*feature_binned"):
            again(filled, counted)
        assert counted["counted"] == [filled.lake.relative(path)]


def test_other_checks_look_at_every_file_again(filled, counted, monkeypatch):
    stage.run(filled.lake, filled.config)
    everything = len(counted["counted"])
    monkeypatch.setattr(sources, "CHECKS", sources.CHECKS + 1)
    again(filled, counted)
    assert len(counted["counted"]) == everything


def test_a_rebuild_counts_everything_anew(filled, counted):
    stage.run(filled.lake, filled.config)
    everything = sorted(counted["counted"])
    counted["counted"].clear()
    stage.rebuild(filled.lake, filled.config)
    assert sorted(counted["counted"]) == everything


def test_what_a_batch_repeats_of_a_replaced_study_is_not_shown(filled, counted):
    eager = Config.model_validate(EAGER)
    stage.run(filled.lake, eager)
    filled.radiomics("s01", seed=7, salt="anew")
    filled.flush()
    stage.run(filled.lake, eager)
    found = rows(
        filled.lake,
        "select is_shown, starts_with(path, 'batch/') as is_batch from meta.study_rows"
        " where study_key = 's01' and table_name = 'feature_binned' order by all",
    )
    assert found == [
        {"is_shown": False, "is_batch": True},
        {"is_shown": True, "is_batch": False},
    ]


def test_a_study_in_two_shown_files_stops_the_publish(filled, monkeypatch):
    """Were a replaced study left in its batch, every one of its rows would come twice."""
    eager = Config.model_validate(EAGER)
    stage.run(filled.lake, eager)
    filled.radiomics("s01", seed=7, salt="anew")
    filled.flush()
    prefer = planning.prefer_batches

    def careless(current, batches):
        from dataclasses import replace

        readings = prefer(current, batches)
        for name in study_rows.COUNTED:
            whole = tuple(replace(s, without=frozenset()) for s in readings[name].batches)
            readings[name] = replace(readings[name], batches=whole)
        return readings

    monkeypatch.setattr(planning, "prefer_batches", careless)
    with pytest.raises(LakeCorruptError, match=r"shown_once.*feature_(once|binned).*s01"):
        stage.run(filled.lake, eager)


def test_a_row_without_its_key_stops_the_publish(filled):
    path = landing(filled, "feature_once", "s01")
    data = pq.read_table(path, partitioning=None)
    names = [None, *data["segment"].to_pylist()[1:]]
    place = data.schema.get_field_index("segment")
    pq.write_table(data.set_column(place, "segment", pa.array(names, pa.string())), path)
    with pytest.raises(LakeCorruptError, match=r"shown_once.*feature_once.*s01"):
        stage.run(filled.lake, filled.config)


def test_a_segment_without_its_partner_is_told_and_not_shown(filled):
    data = pq.read_table(landing(filled, "feature_once", "s01"), partitioning=None)
    is_other = [segment != "MYO" for segment in data["segment"].to_pylist()]
    file = filled.write("feature_once", "s01", data.filter(pa.array(is_other)), salt="part")
    filled.record("radiomics", "s01", "done", [file])
    filled.flush()
    stage.run(filled.lake, filled.config)
    shown = rows(
        filled.lake,
        "select distinct segment from feature.radiomics where study_key = 's01'",
    )
    assert len(shown) == 6
    assert {"segment": "MYO"} not in shown
    stage.check(filled.lake, filled.config, suites=["features"])
    [note] = [note for note in filled.lake.quarantined() if note["study_key"] == "s01"]
    assert "feature_binned.rows_once_whole" in note["problem"]


@pytest.mark.parametrize(("column", "n_tables"), [("ih_entropy", 1), ("morph_volume", 2)])
def test_a_summary_reads_the_files_that_it_needs(filled, column, n_tables):
    stage.run(filled.lake, filled.config)
    (plan,) = rows(
        filled.lake,
        f"explain (format json) select bins, avg({column}) from feature.radiomics group by bins",
    )
    assert plan["explain_value"].count('"Function": "READ_PARQUET"') == n_tables
