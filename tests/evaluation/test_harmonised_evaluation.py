"""Features harmonised inside each outer split: nothing of the test rows is used, all is applied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.statistics_lake import COHORT, VENDORS, fill, outcome_row, study_key
from quick_evaluation import quick_evaluation
from scipy.stats import norm, rankdata

from mpss_lib.batch import write_record
from mpss_lib.config import SITE, Config, Sites
from mpss_lib.evaluation import evaluate
from mpss_lib.evaluation import stage as evaluation
from mpss_lib.evaluation.inputs import load
from mpss_lib.evaluation.models import winner_model, winners_of
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.scanners.combat import fit_combat
from mpss_lib.evaluation.scanners.harmonise import harmonised
from mpss_lib.evaluation.splits import draw
from mpss_lib.publication import stage as publication
from mpss_lib.publication.predict import StudyValues, group_models, predict
from mpss_lib.sections import EvaluationSettings, SiteSettings
from mpss_lib.selection.stage import run as select_run
from mpss_lib.tables import Lake

SETTINGS = EvaluationSettings(n_outer=4, n_inner=3, permutations=3, harmonise="combat",
                              min_scanner=5, final_coef="train+dev", winner="dev_r2")  # fmt: skip
N = 45


def problem(seed: int = 3, n: int = 80):
    rng = np.random.default_rng(seed)
    batch = tuple(rng.choice(["a", "b", "c"], n).tolist())
    age, sex = rng.normal(57, 10, n), rng.choice(["F", "M"], n)
    truth = rng.normal(size=(n, 5))
    shift = {"a": 0.0, "b": 3.0, "c": -2.0}
    features = {
        f"f{k}": truth[:, k] * (1 + 0.5 * (np.array(batch) == "b")) + [shift[b] for b in batch]
        for k in range(5)
    }
    outcome = np.exp(truth[:, 0] + 0.03 * (age - 57) + 0.5 * rng.normal(size=n))
    return features, {"age": age, "sex": sex}, outcome, batch


def test_each_outer_split_is_the_plain_evaluation_of_features_harmonised_by_its_other_rows():
    features, clinical, outcome, batch = problem()
    splits = draw(len(outcome), SETTINGS)
    found = evaluate(features, clinical, outcome, SETTINGS, scanners=batch)
    covariates = np.column_stack([clinical["age"], clinical["sex"] == "M"]).astype(float)
    x = np.column_stack(list(features.values()))
    plain = SETTINGS.model_copy(update={"harmonise": "none"})
    for k, one in enumerate(splits.each()):
        train = np.setdiff1d(np.arange(len(outcome)), one.test[0])
        combat = fit_combat(x[train], covariates[train], [batch[i] for i in train])
        own = combat.apply(x, covariates, batch)
        columns = {name: own[:, i] for i, name in enumerate(features)}
        want = evaluate(columns, clinical, outcome, plain, splits=one)
        np.testing.assert_array_equal(found.winner[:, k], want.winner[:, 0])
        np.testing.assert_allclose(found.r[:, k], want.r[:, 0], rtol=1e-12)
        np.testing.assert_allclose(found.coefficients[:, k], want.coefficients[:, 0], rtol=1e-9)
        np.testing.assert_allclose(found.predictions[:, k], want.predictions[:, 0], rtol=1e-9)
        np.testing.assert_array_equal(found.terms[k], want.terms[0])


def test_what_is_tested_fits_nothing():
    """Features of test rows may say what they like: the model of that split stays."""
    features, clinical, outcome, batch = problem()
    splits = draw(len(outcome), SETTINGS)
    test = splits.test[0]
    before = evaluate(features, clinical, outcome, SETTINGS, scanners=batch, splits=splits)
    spoilt = {name: values.copy() for name, values in features.items()}
    for values in spoilt.values():
        values[test] = 1e3 * values[test] + 77.0
    after = evaluate(spoilt, clinical, outcome, SETTINGS, scanners=batch, splits=splits)
    np.testing.assert_allclose(
        after.coefficients[:, 0], before.coefficients[:, 0], rtol=1e-6, atol=1e-9
    )


def test_it_helps_where_scanners_differ():
    features, clinical, outcome, batch = problem(n=240)
    settings = SETTINGS.model_copy(update={"outcome_transform": "log1p", "n_outer": 8})
    plain = evaluate(features, clinical, outcome, settings)
    with_combat = evaluate(features, clinical, outcome, settings, scanners=batch)
    assert np.nanmean(with_combat.r[0]) > np.nanmean(plain.r[0]) + 0.1


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    config = Config(evaluation=SETTINGS)
    lake = Lake(tmp_path_factory.mktemp("lake"))
    cohort = fill(lake, config, n=N, extra=3, vendors=True)
    select_run(COHORT, lake, config)
    with quick_evaluation():
        answer = evaluation.run(COHORT, lake, config)
    write_record("evaluation", answer["units"], lake, config, "test")
    return lake, config, cohort


def test_registered_models_are_kept_with_what_harmonises_them(home):
    """Rows alone give the model's own out-of-sample predictions of the training cohort."""
    lake, config, cohort = home
    address = config.address("evaluation")
    models = lake.rows("model", address, COHORT)
    scales = lake.rows("model_harmonisation", address, COHORT)
    terms = lake.rows("model_term", address, COHORT)
    site = {row["model_key"] for row in models if row["profile"] == SITE}
    assert {row["model_key"] for row in scales} <= site
    assert {row["scanner"] for row in scales} == {f"{v} M{k}" for k, v in enumerate(VENDORS)}
    registered = group_models(models, terms, SITE, scales)
    predicted = {
        (row["study_key"], row["outer"]): row["value"]
        for row in lake.rows("split_prediction", address, f"{COHORT}-MYO")
        if (row["profile"], row["configuration"]) == (SITE, "combined")
    }
    inputs = load(COHORT, lake, config)
    n_compared = 0
    for k, key in enumerate(inputs.studies):
        told = [value for (study, _), value in predicted.items() if study == key]
        row = outcome_row(cohort, int(key.removeprefix("study")))
        values = {n: v[k] for n, v in inputs.selected[SITE].columns_of("MYO").items()}
        study = StudyValues(key, {"MYO": values}, row, True, inputs.scanners[k].name)
        found = predict(study, registered, "MYO", "combined")
        if told:
            assert found.value == pytest.approx(np.mean(told), rel=1e-7)
            n_compared += 1
    assert n_compared > 15


def test_a_new_study_is_harmonised_by_its_scanner_and_a_stranger_is_taken_as_it_is(home):
    lake, config, cohort = home
    address = config.address("evaluation")
    tables = [lake.rows(n, address, COHORT) for n in ("model", "model_term", "model_harmonisation")]
    registered = group_models(tables[0], tables[1], SITE, tables[2])
    unscaled = group_models(tables[0], tables[1], SITE)
    inputs = load(COHORT, lake, config)
    values = {n: v[0] for n, v in inputs.selected[SITE].columns_of("MYO").items()}
    known = StudyValues("new", {"MYO": values}, outcome_row(cohort, 0), False, "Acme M0")
    stranger = replace(known, scanner="Zeta Z1")
    one, other = (predict(s, registered, "MYO", "radiomics").value for s in (known, stranger))
    assert one != pytest.approx(other)
    assert other == predict(stranger, unscaled, "MYO", "radiomics").value
    blank = replace(known, clinical={**outcome_row(cohort, 0), "lvef": None})
    assert predict(blank, registered, "MYO", "radiomics").reason == "missing:lvef"
    odd = replace(known, clinical={**outcome_row(cohort, 0), "race": "martian"})
    assert predict(odd, registered, "MYO", "radiomics").reason == "unknown_category:race"


def test_the_refit_by_qr_and_the_stage_s_coefficients_are_one_model(home):
    lake, config, _ = home
    inputs = load(COHORT, lake, config)
    settings = config.evaluation
    design = inputs.design(SITE, "MYO")
    y = transform(inputs.outcomes["MYO"], settings)
    splits = draw(len(y), settings)
    fits = lake.rows("split_fit", config.address("evaluation"), f"{COHORT}-MYO")
    winners = winners_of(fits, SITE)
    assert winners
    told = {(row["configuration"], row["outer"]): row for row in fits
            if row["is_winner"] and row["profile"] == SITE}  # fmt: skip
    for winner in winners:
        model = winner_model(winner, design, y, splits, settings)
        row = told[winner.configuration, winner.outer]
        for name, b in zip(row["coefficient_names"], row["coefficients"], strict=True):
            assert model.coefficients[name] == pytest.approx(b, rel=1e-6, abs=1e-7)


def test_the_stage_predicts(home, tmp_path):
    lake, config, _ = home
    sites = Sites(tmp_path / "vault.sqlite", tmp_path, SiteSettings())
    publication.run(study_key(1), lake, config, sites)
    rows = lake.rows("prediction", config.address("publication"), study_key(1))
    assert {row["profile"] for row in rows} == {SITE}
    assert any(row["value"] is not None for row in rows)


def test_the_conditional_test_takes_features_harmonised_over_the_cohort(home):
    lake, config, _ = home
    inputs = load(COHORT, lake, config)
    left = inputs.remainder(SITE, "MYO", config.evaluation)
    assert left is not None
    whole = harmonised(inputs.design(SITE, "MYO")).columns
    scores = norm.ppf((rankdata(whole[:, 0]) - 3 / 8) / (len(whole) + 1 / 4))  # Blom
    first = scores - left.arm @ (left.arm.T @ scores)
    np.testing.assert_allclose(left.design.columns[:, 0], first, atol=1e-9)
