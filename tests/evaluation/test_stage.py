from __future__ import annotations

import shutil

import pyarrow.parquet as pq
import pytest
from oracles.statistics_lake import COHORT, fill, outcome_row, study_key
from quick_evaluation import N_INNER, N_OUTER, quick_evaluation

from mpss_lib.batch import write_record
from mpss_lib.config import STAGES, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation import inputs as inputs_module
from mpss_lib.evaluation import stage
from mpss_lib.evaluation.inputs import load
from mpss_lib.sections import SEGMENTS, EvaluationSettings
from mpss_lib.selection.stage import run as select_run
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import current_paths, read_ledger

CONFIG = Config(
    evaluation=EvaluationSettings(
        n_outer=6, n_inner=3, permutations=5, permutation_chunk=3, split_seeds=2
    )
)
ADDRESS = CONFIG.address("evaluation")


@pytest.fixture(autouse=True)
def quick():
    with quick_evaluation():
        yield


@pytest.fixture
def done(evaluated):
    lake, config, _, answer = evaluated
    assert config == CONFIG
    return lake, answer


def test_every_split_fit_and_run_is_a_row(done):
    lake, answer = done
    assert answer["split_fit"] == 7 * 3 * (2 * N_OUTER * N_INNER + 6 * 3)
    assert answer["split_result"] == 7 * 3 * (3 * N_OUTER + 6)
    fits = lake.rows("split_fit", ADDRESS, f"{COHORT}-LAD17")
    results = lake.rows("split_result", ADDRESS, f"{COHORT}-LAD17")
    winners = {
        (r["profile"], r["configuration"], r["outer"]): r["inner"] for r in fits if r["is_winner"]
    }
    for row in results:
        key = (row["profile"], row["configuration"], row["outer"])
        if row["profile"] != "as_published_loglik":  # other winners of the fits of as_published
            assert winners.get(key, -1) == row["inner"]
        assert row["is_underpowered"]
        assert row["is_valid"] == (row["r"] is not None)
    assert {row["state"] for row in fits} <= {"valid", "intercept_only", "degenerate"}


def test_doing_it_again_makes_nothing_anew(done):
    lake, answer = done
    again = stage.run(COHORT, lake, CONFIG)
    assert again["done"] == 0
    assert [u.files for u in again["units"]] == [u.files for u in answer["units"]]


def test_steps_of_the_dag_give_the_same_as_run(done, tmp_path):
    _, answer = done
    lake = Lake(tmp_path)
    fill(lake, CONFIG, n=30, vendors=True)
    select_run(COHORT, lake, CONFIG)
    stage.evaluate(COHORT, "RCA3", lake, in_parts(3, 3))
    resumed = stage.evaluate(COHORT, "RCA3", lake, CONFIG)
    assert (resumed["done"], resumed["skipped"]) == (1, 3)
    assert stage.evaluate(COHORT, "RCA3", lake, CONFIG)["done"] == 0
    hashes = {f.path: f.content_sha256 for u in answer["units"] for f in u.files}
    for unit in resumed["units"]:
        for file in unit.files:
            assert hashes[file.path] == file.content_sha256


def test_tests_of_every_segment_and_configuration(done):
    lake, _ = done
    rows = lake.rows("combined_test", ADDRESS, COHORT)
    published = [r for r in rows if r["profile"] == "as_published" and r["test"] == "fisher"]
    assert len(published) == 21
    assert {row["df"] for row in published} == {2 * N_OUTER}
    rivals = {r["test"] for r in rows if r["profile"] == "as_published_loglik"}
    assert rivals == {"fisher", "nadeau_bengio", "permutation_fisher", "permutation_mean_r"}
    added = [row for row in rows if row["test"] == "conditional_mean_r"]
    assert {(row["profile"], row["configuration"]) for row in added} == {
        ("corrected", "combined"),
        ("site", "combined"),
    }
    assert len(added) == 7 * 2
    family = {"permutation_mean_r", "conditional_mean_r"}
    for row in rows:
        assert (row["p_adjusted"] is not None) == (row["test"] in family)
        assert row["p_adjusted"] is None or 1 / 6 <= row["p_adjusted"] <= 1.0
    permuted = [row for row in rows if row["test"].startswith("permutation")]
    assert len(permuted) == 3 * 21 * 3 + 2 * 21
    assert all(row["p_value"] * 6 == pytest.approx(round(row["p_value"] * 6)) for row in permuted)


def test_the_seed_of_the_settings_is_the_first_of_the_seeds(done):
    lake, _ = done
    tests = lake.rows("combined_test", ADDRESS, COHORT)
    x = {
        (r["profile"], r["segment"], r["configuration"]): (r["statistic"], r["n_valid"])
        for r in tests
        if r["test"] == "fisher"
    }
    for segment in SEGMENTS:
        rows = lake.rows("split_seed", ADDRESS, f"{COHORT}-{segment}")
        assert len(rows) == 2 * 3 * 2
        first, second = (
            {
                (r["profile"], segment, r["configuration"]): (r["fisher"], r["n_valid"])
                for r in rows
                if r["seed"] == CONFIG.evaluation.seed + k
            }
            for k in range(2)
        )
        assert {key: x[key] for key in first} == first
        assert set(first) == set(second)
        assert first != second


def test_clinical_runs_of_one_artery_agree_whatever_the_segment(done):
    lake, _ = done

    def clinical(segment: str) -> list[float | None]:
        rows = lake.rows("split_result", ADDRESS, f"{COHORT}-{segment}")
        return [row["r"] for row in rows if row["configuration"] == "clinical"]

    assert clinical("LAD3") == clinical("LAD17")
    assert clinical("LAD3") != clinical("RCA3")


def test_registered_models_predict_what_the_runs_predicted(done):
    lake, _ = done
    inputs = load(COHORT, lake, CONFIG)
    models = lake.rows("model", ADDRESS, COHORT)
    terms: dict[str, list[dict[str, object]]] = {}
    for row in lake.rows("model_term", ADDRESS, COHORT):
        terms.setdefault(row["model_key"], []).append(row)
    stored = {
        (r["profile"], s, r["configuration"], r["outer"], r["study_key"]): r["value"]
        for s in SEGMENTS
        for r in lake.rows("split_prediction", ADDRESS, f"{COHORT}-{s}")
    }
    place = {study: k for k, study in enumerate(inputs.studies)}
    for model in [m for m in models if m["profile"] != "elastic_net"]:
        columns = inputs.selected[model["profile"]].columns_of(model["segment"])
        columns = columns | inputs.clinical
        for study in model["test_studies"]:
            value = model["intercept"]
            for term in terms[model["model_key"]]:
                x = columns[term["term"]][place[study]]
                hit = x == term["level"] if term["level"] else x
                value += term["coefficient"] * float(hit)
            key = (
                model["profile"],
                model["segment"],
                model["configuration"],
                model["outer"],
                study,
            )
            assert value == pytest.approx(stored[key], rel=1e-6, abs=1e-6)


def test_missing_values_leave_the_study_out_of_every_segment(tmp_path):
    lake = Lake(tmp_path)
    cohort = fill(lake, CONFIG, n=30)
    rows = [outcome_row(cohort, k) for k in range(30)]
    rows[4]["bmi"] = None
    rows[7]["cac_lcx"] = None
    address = CONFIG.address("warehouse")
    lake.landing_path("cohort_outcome", address, COHORT, "x").unlink()
    lake.write("cohort_outcome", address, COHORT, "y", rows)
    select_run(COHORT, lake, CONFIG)
    inputs = load(COHORT, lake, CONFIG)
    assert inputs.left_out == {
        study_key(4): "missing:bmi",
        study_key(7): "missing:cac_lcx",
    }
    assert all(len(values) == 28 for values in inputs.outcomes.values())
    strict = Config(evaluation=EvaluationSettings(missing="error"))
    with pytest.raises(WrongArgumentError, match="missing:bmi"):
        load(COHORT, lake, strict)


def test_summarise_before_evaluate_is_refused(tmp_path):
    lake = Lake(tmp_path)
    fill(lake, CONFIG, n=20)
    select_run(COHORT, lake, CONFIG)
    with pytest.raises(WrongArgumentError, match="MYO is not evaluated"):
        stage.summarise(COHORT, lake, CONFIG)


@pytest.mark.parametrize("part", ["HEART", "MYO-0", ""])
def test_unknown_segments_are_refused(done, part):
    with pytest.raises(WrongArgumentError, match="is no segment"):
        stage.evaluate(COHORT, part, done[0], CONFIG)


def test_univariate_rows(done):
    lake, _ = done
    rows = lake.rows("univariate", ADDRESS, COHORT)
    selected = load(COHORT, lake, CONFIG).selected
    assert len(rows) == 7 * 2 * sum(len(chosen.features) for chosen in selected.values())
    assert all(0 <= row["p_value"] <= row["p_adjusted"] <= 1 for row in rows)


@pytest.fixture
def counted(monkeypatch):
    """Count the whole evaluations and the readings of the inputs."""
    counts = {"evaluated": 0, "loaded": 0, "features": 0}

    def counting(name, work):
        def counted(*given, **named):
            counts[name] += 1
            return work(*given, **named)

        return counted

    monkeypatch.setattr(stage, "evaluate_columns", counting("evaluated", stage.evaluate_columns))
    monkeypatch.setattr(stage, "load", counting("loaded", stage.load))
    monkeypatch.setattr(
        inputs_module, "read_features", counting("features", inputs_module.read_features)
    )
    return counts


def selected_lake(root, n=30):
    lake = Lake(root)
    fill(lake, CONFIG, n=n, vendors=True)
    select_run(COHORT, lake, CONFIG)
    return lake


def test_each_profile_and_segment_is_evaluated_once(tmp_path, counted):
    stage.run(COHORT, selected_lake(tmp_path), CONFIG)
    assert counted == {"evaluated": 7 * 3, "loaded": 1, "features": 1}


def test_steps_of_the_dag_evaluate_once_too(done, tmp_path, counted):
    """Each task reads its inputs once, the features of both profiles together."""
    _, answer = done
    lake = selected_lake(tmp_path)
    for segment in SEGMENTS:
        stage.evaluate(COHORT, segment, lake, CONFIG)
    assert counted == {"evaluated": 7 * 3, "loaded": 7, "features": 7}
    stage.univariate(COHORT, lake, CONFIG)
    stage.summarise(COHORT, lake, CONFIG)
    made = stage.register_model(COHORT, lake, CONFIG)
    assert counted == {"evaluated": 7 * 3, "loaded": 10, "features": 10}
    [unit] = made["units"]
    assert unit.files == answer["units"][-1].files


def test_coefficients_of_the_winners_give_the_stored_predictions(done):
    lake, _ = done
    inputs = load(COHORT, lake, CONFIG)
    place = {study: k for k, study in enumerate(inputs.studies)}
    for segment in SEGMENTS:
        winners = {
            (row["profile"], row["configuration"], row["outer"]): row
            for row in lake.rows("split_fit", ADDRESS, f"{COHORT}-{segment}")
            if row["is_winner"]
        }
        guesses = lake.rows("split_prediction", ADDRESS, f"{COHORT}-{segment}")
        assert guesses
        for row in guesses:
            fit = winners[row["profile"], row["configuration"], row["outer"]]
            columns = inputs.selected[row["profile"]].columns_of(segment) | inputs.clinical
            k = place[row["study_key"]]
            value = 0.0
            for name, coefficient in zip(
                fit["coefficient_names"], fit["coefficients"], strict=True
            ):
                term, _, level = name.partition("=")
                x = 1.0 if name == "(intercept)" else columns[term][k]
                value += coefficient * float(x == level if level else x)
            assert value == pytest.approx(row["value"], rel=1e-6, abs=1e-6)


def test_only_winners_have_coefficients(done):
    for row in done[0].rows("split_fit", ADDRESS, f"{COHORT}-MYO"):
        assert bool(row["coefficients"]) == row["is_winner"]
        assert {name.partition("=")[0] for name in row["coefficient_names"][1:]} <= set(
            row["terms"]
        )


def without_coefficients(path):
    """The same fits as a version before wrote them."""
    data = pq.read_table(path, partitioning=None)
    pq.write_table(data.drop_columns(["coefficient_names", "coefficients"]), path)


def test_fits_of_a_version_before_are_registered_too(done, tmp_path, counted):
    """That version was interrupted between evaluate and register_model."""
    _, answer = done
    lake = selected_lake(tmp_path)
    for segment in SEGMENTS:
        stage.evaluate(COHORT, segment, lake, CONFIG)
    counted["evaluated"] = 0
    old = lake.current_path("split_fit", ADDRESS, f"{COHORT}-LCX3")
    without_coefficients(old)
    before = old.read_bytes()
    assert {r["coefficients"] for r in lake.rows("split_fit", ADDRESS, f"{COHORT}-LCX3")} == {None}
    [unit] = stage.register_model(COHORT, lake, CONFIG)["units"]
    assert unit.files == answer["units"][-1].files
    assert counted["evaluated"] == 3
    assert old.read_bytes() == before


def test_models_of_a_version_before_are_not_made_again(done, tmp_path, counted):
    lake = Lake(tmp_path / "lake")
    shutil.copytree(done[0].root, lake.root)
    for segment in SEGMENTS:
        without_coefficients(lake.current_path("split_fit", ADDRESS, f"{COHORT}-{segment}"))
    again = stage.run(COHORT, lake, CONFIG)
    assert again["done"] == 0
    assert counted["evaluated"] == 0


def test_register_before_evaluate_is_refused(tmp_path):
    lake = selected_lake(tmp_path, n=20)
    with pytest.raises(WrongArgumentError, match=r"MYO is not evaluated.*run evaluate"):
        stage.register_model(COHORT, lake, CONFIG)


def test_fits_of_other_inputs_are_not_registered(done, tmp_path):
    """A score was corrected after evaluate: what was fitted to the old one is not a model."""
    lake = Lake(tmp_path / "lake")
    shutil.copytree(done[0].root, lake.root)
    address = CONFIG.address("warehouse")
    rows = lake.rows("cohort_outcome", address, COHORT)
    rows[3]["cac_total"] += 1.0
    lake.current_path("cohort_outcome", address, COHORT).unlink()
    lake.write("cohort_outcome", address, COHORT, "y", rows)
    with pytest.raises(WrongArgumentError, match="not evaluated with these inputs"):
        stage.register_model(COHORT, lake, CONFIG)


def in_parts(permutations, chunk):
    settings = CONFIG.evaluation.model_copy(
        update={"permutations": permutations, "permutation_chunk": chunk}
    )
    return CONFIG.model_copy(update={"evaluation": settings})


def current_numbers(lake):
    """How often each permutation stands in a file that is current, as a snapshot would read it."""
    paths = current_paths(lake, read_ledger(lake), {s: CONFIG.address(s) for s in STAGES})
    rows = [
        row
        for path in paths["permutation"]
        for row in pq.read_table(lake.root / path, partitioning=None).to_pylist()
        if row["segment"] == "MYO" and row["profile"] == "corrected" and row["kind"] == "outcome"
    ]
    return sorted(row["permutation"] for row in rows if row["configuration"] == "clinical")


def test_a_permutation_is_current_once_whatever_the_parts(done, tmp_path):
    """Other parts are made of the same numbers; one run, its summary and the snapshot agree."""
    lake = Lake(tmp_path / "lake")
    shutil.copytree(done[0].root, lake.root)
    write_record("evaluation", done[1]["units"], lake, CONFIG, "night")
    expected = lake.current_path("combined_test", ADDRESS, COHORT).read_bytes()
    for permutations, chunk in ((5, 5), (5, 2), (5, 4), (3, 1), (5, 3)):
        config = in_parts(permutations, chunk)
        answer = stage.run(COHORT, lake, config)
        [tests] = [f for u in answer["units"] for f in u.files if f.table == "combined_test"]
        write_record("evaluation", answer["units"], lake, config, "night")
        assert current_numbers(lake) == list(range(permutations))
        of_them = pq.read_table(lake.root / tests.path, partitioning=None).to_pylist()
        p_values = [row["p_value"] for row in of_them if row["test"].startswith("permutation")]
        steps = permutations + 1
        assert all(p * steps == pytest.approx(round(p * steps)) for p in p_values)
        assert stage.run(COHORT, lake, config)["done"] == 0
    assert (lake.root / tests.path).read_bytes() == expected
