from __future__ import annotations

import shutil

import duckdb
import pytest
from oracles.statistics_lake import COHORT, fill, outcome_row, study_key
from quick_evaluation import quick_evaluation

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.batch import run_stage, write_record
from mpss_lib.config import Config, Sites
from mpss_lib.errors import PlatformFaultError, StudyRejectedError
from mpss_lib.evaluation import stage as evaluation
from mpss_lib.publication import stage
from mpss_lib.sections import EvaluationSettings
from mpss_lib.selection.stage import run as select_run
from mpss_lib.snapshot_file import asking
from mpss_lib.sql_files import sql_folder
from mpss_lib.tables import Lake

CONFIG = Config(evaluation=EvaluationSettings(n_outer=12, n_inner=3, permutations=0))
ADDRESS = CONFIG.address("publication")
N = 30
COLUMNS = ", ".join(stage.CLINICAL)
# The registered rows alone, applied in SQL.
APPLY = """
with study as (
    select
        once.*,
        binned.* exclude (study_key, segment, undefined_features)
    from feature_once as once
    inner join feature_binned as binned using (study_key, segment)
),
long_values as (
    unpivot (select segment, bins, columns(* exclude (study_key, segment, bins, n_voxels,
        undefined_features)) from study)
    on columns(* exclude (segment, bins)) into name term value value
),
clinical_values as (
    unpivot (select columns(* exclude (study_key)) from clinical_text)
    on columns(*) into name term value value
),
contributions as (
    select
        model_term.model_key,
        model_term.coefficient * case
            when source = 'feature' then long_values.value
            when level = '' then clinical_values.value::double
            else (clinical_values.value = level)::int::double
        end as contribution
    from model_term
    inner join model using (model_key)
    left join long_values
        on model_term.term = long_values.term
        and model.segment = long_values.segment
        and model.bins = long_values.bins
    left join clinical_values on model_term.term = clinical_values.term
),
scores as (
    select
        model.segment,
        model.configuration,
        model.intercept + coalesce(sum(contribution), 0) as score
    from model
    left join contributions using (model_key)
    where profile = 'site' and (not $training or list_contains(test_studies, $study))
    group by model.model_key, model.segment, model.configuration, model.intercept
)
select segment, configuration, avg(score), min(score), max(score), count(*)
from scores
group by all
"""


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sites")
    return Sites(folder / "vault.sqlite", folder, ArchiveSettings())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    cohort = fill(lake, CONFIG, n=N, extra=3)
    select_run(COHORT, lake, CONFIG)
    with quick_evaluation():
        answer = evaluation.run(COHORT, lake, CONFIG)
    write_record("evaluation", answer["units"], lake, CONFIG, "test")
    rows = [outcome_row(cohort, k) for k in range(N + 3)]
    rows[N + 1]["lvef"] = None
    rows[N + 2]["race"] = "martian"
    rows[N + 2]["sex"] = "X"
    with duckdb.connect(str(lake.snapshot)) as connection:
        connection.execute("create schema core")
        names = ["study_key", *stage.CLINICAL]
        marks = ", ".join("?" for _ in names)
        connection.execute(
            "create table core.clinical (study_key text, sex text, race text, age double,"
            " smoking boolean, diabetes boolean, hypertension boolean, hyperlipidemia boolean,"
            " family_history boolean, bmi double, lvef double)"
        )
        for row in rows:
            connection.execute(
                f"insert into core.clinical values ({marks})",
                [row[name] for name in names],
            )
        connection.execute(
            "create table core.study_state as select study_key, study_key <> 'study0001' as"
            " has_features, study_key = 'study0002' as has_reject, 'pass' as verdict,"
            " null::varchar as last_decision, null::varchar as reading,"
            " false as is_held_back from core.clinical"
        )
        rule = (sql_folder() / "2_core/core.predictable.sql").read_text()
        connection.execute(f"create table core.predictable as {rule}")
    return lake


def predictions(lake, sites, k):
    stage.run(study_key(k), lake, CONFIG, sites)
    rows = lake.rows("prediction", ADDRESS, study_key(k))
    return {(row["segment"], row["configuration"]): row for row in rows}


def test_a_study_of_the_training_cohort_is_predicted_out_of_sample(home, sites):
    rows = predictions(home, sites, 3)
    assert len(rows) == 21
    models = home.rows("model", CONFIG.address("evaluation"), COHORT)
    for (segment, configuration), row in rows.items():
        tested = sum(
            study_key(3) in m["test_studies"]
            for m in models
            if (m["profile"], m["segment"], m["configuration"]) == ("site", segment, configuration)
        )
        assert row["n_models"] == tested
        assert row["is_training_study"]
        assert (row["value"] is None) == bool(row["reason"])
        if tested:
            assert row["value_low"] <= row["value"] <= row["value_high"]
            assert row["berman_class"] in range(5)


def test_another_study_is_predicted_by_every_model(home, sites):
    row = predictions(home, sites, N)[("MYO", "combined")]
    assert not row["is_training_study"]
    assert row["n_models"] > 6
    assert row["reason"] == ""


def test_missing_and_unknown_clinical_values_give_reasons(home, sites):
    rows = predictions(home, sites, N + 1)
    assert {r["reason"] for k, r in rows.items() if k[1] == "radiomics"} == {""}
    reasons = {r["reason"] for k, r in rows.items() if k[1] != "radiomics"}
    assert reasons <= {"", "missing:lvef"}
    assert "missing:lvef" in reasons
    strange = {r["reason"] for r in predictions(home, sites, N + 2).values()}
    assert strange <= {"", "unknown_category:race", "unknown_category:sex"}
    assert len(strange) > 1


def test_a_study_without_features_gives_reasons(home, sites):
    stage.run("nofeatures", home, CONFIG, sites)
    rows = home.rows("prediction", ADDRESS, "nofeatures")
    assert {row["reason"] for row in rows} == {"no_features", "no_clinical_row"}
    assert all(row["value"] is None and row["berman_class"] is None for row in rows)


def test_sql_alone_gives_the_same_predictions(home, sites):
    address = CONFIG.address("radiomics")
    evaluation_address = CONFIG.address("evaluation")
    for k in (5, N):
        rows = predictions(home, sites, k)
        with duckdb.connect() as connection:
            files = {
                "feature_once": home.current_path("feature_once", address, study_key(k)),
                "feature_binned": home.current_path("feature_binned", address, study_key(k)),
                "model": home.current_path("model", evaluation_address, COHORT),
                "model_term": home.current_path("model_term", evaluation_address, COHORT),
            }
            for name, path in files.items():
                connection.execute(
                    f"create view {name} as from read_parquet('{path}', hive_partitioning = false)"
                )
            connection.execute(f"attach '{home.snapshot}' as mpss (read_only)")
            texts = ", ".join(
                f"{name}::int::varchar as {name}"
                if name
                in {"smoking", "diabetes", "hypertension", "hyperlipidemia", "family_history"}
                else f"{name}::varchar as {name}"
                for name in stage.CLINICAL
            )
            connection.execute(
                f"create table clinical_text as select study_key, {texts} from"
                f" mpss.core.clinical where study_key = '{study_key(k)}'"
            )
            found = connection.execute(APPLY, {"training": k < N, "study": study_key(k)}).fetchall()
        assert len(found) >= 14
        for segment, configuration, mean, low, high, count in found:
            row = rows[(segment, configuration)]
            assert (row["n_models"], row["reason"]) == (count, "")
            assert [row["value"], row["value_low"], row["value_high"]] == pytest.approx(
                [mean, low, high], rel=1e-9, abs=1e-9
            )


def test_a_batch_of_studies_and_its_repetition(home, sites):
    keys = stage.predictable(home)
    assert study_key(1) not in keys
    assert study_key(2) not in keys
    first = run_stage("publication", keys, home, CONFIG, sites)
    again = run_stage("publication", keys, home, CONFIG, sites)
    assert first.done + first.skipped == len(keys) == again.skipped


def test_without_a_model_the_study_is_rejected(tmp_path, sites):
    lake = Lake(tmp_path)
    assert stage.predictable(lake) == []
    with pytest.raises(StudyRejectedError) as caught:
        stage.run(study_key(0), lake, CONFIG, sites)
    assert caught.value.reasons == ("no_model",)


def test_where_nothing_is_published_nobody_has_no_clinical_row(home, sites, tmp_path):
    """Was: another study than the models' own got 14 reasons ``no_clinical_row``, unlooked for."""
    lake = Lake(tmp_path / "lake")
    shutil.copytree(home.root, lake.root)
    lake.snapshot.unlink()
    with pytest.raises(StudyRejectedError, match="no snapshot is published") as caught:
        stage.run(study_key(N), lake, CONFIG, sites, force=True)
    assert caught.value.reasons == ("no_snapshot",)
    counts = run_stage("publication", [study_key(N), study_key(3)], lake, CONFIG, sites, force=True)
    assert (counts.rejected, counts.done) == (1, 1)  # the models' own: its cohort has its values
    shutil.copy(home.snapshot, lake.snapshot)
    assert stage.run(study_key(N), lake, CONFIG, sites, force=True).status == "done"


def test_a_broken_snapshot_is_the_platforms_fault(home, sites, tmp_path):
    broken = tmp_path / "warehouse.duckdb"
    broken.write_bytes(b"no database")
    with pytest.raises(PlatformFaultError, match="cannot be opened"), asking(broken):
        pass
    with (
        pytest.raises(PlatformFaultError, match=r"cannot be asked.*of_an_older_layout"),
        asking(home.snapshot) as snapshot,
    ):
        snapshot.execute("select 1 from meta.of_an_older_layout")
