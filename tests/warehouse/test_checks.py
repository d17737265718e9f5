import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fabricated_lake import row

from mpss_lib.errors import LakeCorruptError, SettingsError
from mpss_lib.warehouse import checks, planning, stage
from mpss_lib.warehouse.expectations.suites import SUITES, TABLES_OF
from mpss_lib.warehouse.reader import rows


def test_a_broken_grain_stops_the_publish(filled):
    """Two units that both say they are the same study."""
    file = filled.write("quality_verdict", "x01", [verdict("s01")])
    filled.record("quality", "x01", "done", [file])
    filled.flush()
    with pytest.raises(LakeCorruptError, match=r"raw\.quality_verdict\.grain.*s01"):
        stage.run(filled.lake, filled.config)
    assert not filled.lake.snapshot.exists()


def verdict(key: str) -> dict:
    return {"study_key": key, "verdict": "pass", "flags": [], "not_assessable": []}


def test_a_wrong_column_type_stops_the_publish(filled):
    for path in (filled.lake.root / "landing/volume").rglob("*.parquet"):
        data = pq.read_table(path, partitioning=None)
        index = data.schema.get_field_index("nz")
        data = data.set_column(index, "nz", data["nz"].cast(pa.float64()))
        pq.write_table(data, path)
    with pytest.raises(LakeCorruptError, match=r"study=s01\..*: column nz is double, wanted int64"):
        stage.run(filled.lake, filled.config)


def broken(filled) -> dict[str, dict]:
    """Expectations that are not met, after a check and a publish."""
    stage.check(filled.lake, filled.config)
    stage.run(filled.lake, filled.config)
    asked = "select * from quality.expectation_result where not is_met"
    return {row["expectation"]: row for row in rows(filled.lake, asked)}


def test_single_bad_rows_are_told_and_the_rest_is_published(filled):
    filled.predict("s16", float("nan"), cohort="dead")
    filled.predict("nobody", 1.0, cohort="dead")
    filled.flush()
    found = broken(filled)
    told = json.loads(found["prediction.prediction_of_known_study"]["examples"])
    assert told == [{"study_key": "nobody"}]
    assert found["prediction.prediction_of_known_study"]["consequence"] == "quarantine"
    assert found["prediction.prediction_of_known_study"]["kind"] == "ExpectSqlToReturnNoRows"
    told = json.loads(found["clinical.linked"]["examples"])
    assert [row["record_key"] for row in told] == ["r15", "r15b"]
    assert found["clinical.linked"]["consequence"] == "warn"


def test_a_study_with_a_part_of_its_features_is_held_back(filled):
    path = filled.lake.current_path("feature_binned", filled.config.address("radiomics"), "s01")
    half = pq.read_table(path, partitioning=None).slice(0, 30)
    file = filled.write("feature_binned", "s01", half, salt="half")
    filled.record("radiomics", "s01", "done", [file])
    filled.flush()
    found = broken(filled)["feature_binned.rows_whole"]
    assert found["consequence"] == "quarantine"
    assert json.loads(found["examples"]) == [{"study_key": "s01", "value": 30}]
    assert "s01" in {note["study_key"] for note in filled.lake.quarantined()}


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("raw.study.x", ""),
        ("raw.study.x", "-- suite: study"),
        ("raw.study.x", "-- consequence: warn"),
        ("raw.study.x", "-- suite: weather\n-- consequence: warn"),
        ("raw.study.x", "-- suite: study\n-- consequence: report"),
        ("core.cohort.x", "-- suite: snapshot\n-- consequence: quarantine"),
        ("core.cohort.x", "-- suite: study\n-- consequence: warn"),
        ("raw.weather.x", "-- suite: study\n-- consequence: warn"),
    ],
)
def test_a_wrong_head_is_named(tmp_path, name, head):
    (tmp_path / f"{name}.sql").write_text(f"-- it is so\n{head}\nselect 1 as a,\n")
    with pytest.raises(SettingsError, match=rf"checks/{name}\.sql: suite is .*consequence is"):
        checks.read_checks(tmp_path)


def test_every_query_of_a_suite_names_its_rows_and_reads_what_is_there():
    found = [check for check in checks.read_checks() if check.suite != checks.SNAPSHOT]
    assert {check.suite for check in found} == set(SUITES)
    assert all(check.table in TABLES_OF[check.suite] for check in found)
    named = {(check.suite, check.as_rule().name) for check in found}
    assert len(named) == len(found), "queries of a suite are told apart by the name of their rule"


def test_a_relation_that_cannot_be_built_is_named(filled, monkeypatch):
    monkeypatch.setattr(planning, "source_of", lambda *_: "(select 1 as study_key where false)")
    with pytest.raises(LakeCorruptError, match=r"cannot be built|column .* is absent"):
        stage.run(filled.lake, filled.config)


def test_a_column_that_came_later_is_null_in_older_files(filled):
    names = {"cohort_hash": "dead", "profile": "corrected", "configuration": "combined"}
    fit = {"coefficient_names": ["(intercept)"], "coefficients": [1.5]}
    for segment, more in (("MYO", fit), ("LAD3", fit)):
        one = row("split_fit", **names, segment=segment, outer=0, inner=0, **more)
        file = filled.write("split_fit", f"dead-{segment}", [one])
        if segment == "MYO":
            path = filled.lake.root / file.path
            data = pq.read_table(path, partitioning=None)
            pq.write_table(data.drop_columns([*fit]), path)
        filled.record("evaluation", f"dead-{segment}", "done", [file])
    filled.flush()
    stage.check(filled.lake, filled.config)
    stage.run(filled.lake, filled.config)
    asked = "select segment, coefficient_names, coefficients from evaluation.split_fit order by 1"
    assert rows(filled.lake, asked) == [
        {"segment": "LAD3", **fit},
        {"segment": "MYO", "coefficient_names": None, "coefficients": None},
    ]


def test_only_old_files_without_a_later_column_are_published(filled):
    one = row("split_fit", cohort_hash="dead", profile="p", segment="MYO", configuration="c")
    file = filled.write("split_fit", "dead-MYO", [one])
    path = filled.lake.root / file.path
    data = pq.read_table(path, partitioning=None)
    pq.write_table(data.drop_columns(["coefficient_names", "coefficients"]), path)
    filled.record("evaluation", "dead-MYO", "done", [file])
    filled.flush()
    stage.check(filled.lake, filled.config)
    stage.run(filled.lake, filled.config)
    [found] = rows(filled.lake, "select coefficients from evaluation.split_fit")
    assert found == {"coefficients": None}


def test_a_later_column_of_another_type_stops_the_publish(filled):
    one = row("split_fit", cohort_hash="dead", profile="p", segment="MYO", configuration="c")
    file = filled.write("split_fit", "dead-MYO", [one])
    path = filled.lake.root / file.path
    data = pq.read_table(path, partitioning=None).drop_columns(["coefficients"])
    pq.write_table(data.append_column("coefficients", pa.array([1.0])), path)
    filled.record("evaluation", "dead-MYO", "done", [file])
    filled.flush()
    with pytest.raises(LakeCorruptError, match=r"split_fit .*: column coefficients is double"):
        stage.run(filled.lake, filled.config)
