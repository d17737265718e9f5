import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fabricated_lake import row

from mpss_lib.errors import LakeCorruptError, SettingsError
from mpss_lib.warehouse import checks, snapshot, stage
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


def test_single_bad_rows_are_reported_and_the_rest_is_published(filled):
    filled.predict("s16", float("nan"), cohort="dead")
    filled.predict("nobody", 1.0, cohort="dead")
    filled.flush()
    counts = stage.run(filled.lake, filled.config)
    assert counts["bad_rows"] >= 3
    found = {
        row["check_name"]: row
        for row in rows(filled.lake, "select * from quality.check_result where n_bad > 0")
    }
    told = json.loads(found["raw.prediction.known_study"]["examples"])
    assert told == [{"study_key": "nobody"}]
    assert found["core.clinical.unlinked"]["severity"] == "report"


def test_a_study_with_a_part_of_its_features_is_reported(filled):
    path = filled.lake.current_path("feature_binned", filled.config.address("radiomics"), "s01")
    half = pq.read_table(path, partitioning=None).slice(0, 30)
    file = filled.write("feature_binned", "s01", half, salt="half")
    filled.record("radiomics", "s01", "done", [file])
    filled.flush()
    stage.run(filled.lake, filled.config)
    (found,) = rows(
        filled.lake,
        "select examples from quality.check_result where check_name = 'raw.feature_binned.rows'",
    )
    assert json.loads(found["examples"]) == [{"study_key": "s01", "n_rows": 30, "n_expected": 56}]


def test_a_check_without_severity_is_named(tmp_path):
    (tmp_path / "core.study.x.sql").write_text("-- Bad rows.\nselect 1 as a,\n")
    with pytest.raises(SettingsError, match="severity"):
        checks.read_checks(tmp_path)


def test_a_relation_that_cannot_be_built_is_named(filled, monkeypatch):
    monkeypatch.setattr(snapshot, "source_of", lambda *_: "(select 1 as study_key where false)")
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
    stage.validate(filled.lake, filled.config)
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
    stage.validate(filled.lake, filled.config)
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
