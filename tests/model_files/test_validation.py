from __future__ import annotations

import json

import numpy as np
import pytest
import statsmodels.api as sm
from model_files.conftest import CONFIG
from sklearn.metrics import roc_auc_score

from mpss_lib.config import ELASTIC_NET, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.model_files.case_mix import differences, membership_auc
from mpss_lib.model_files.content import Cohort, ModelFileError, Term
from mpss_lib.model_files.export import correlations, export_model
from mpss_lib.model_files.refitting import refit
from mpss_lib.model_files.validation import validate
from mpss_lib.prediction_quality import calibration
from mpss_lib.sections import RadiomicsSettings, SegmentationSettings


@pytest.fixture(scope="module")
def model(origin):
    return export_model("MYO", "combined", ELASTIC_NET, origin.lake, origin.config)


@pytest.fixture(scope="module")
def judged(model, elsewhere):
    return validate(model, elsewhere.lake, elsewhere.config)


def test_a_model_is_judged_on_other_patients(model, judged, elsewhere):
    """Every figure again, from the query's predictions alone and by other libraries."""
    from mpss_lib.model_files.as_sql import prediction_sql

    assert (judged.n_cohort, judged.n, judged.left_out) == (110, 110, {})
    rows = elsewhere.ask(
        f"select p.prediction, c.cac_total from ({prediction_sql(model)}) as p"
        " join core.cohort as c using (study_key) order by study_key"
    )
    score, outcome = np.array(rows).T
    fit = sm.OLS(np.log1p(outcome), sm.add_constant(np.log1p(score))).fit()
    low, high = fit.conf_int()[1]
    found = judged.calibration["calibration_slope"]
    assert [found.value, found.low, found.high] == pytest.approx([fit.params[1], low, high])
    low, high = fit.conf_int()[0]
    found = judged.calibration["calibration_intercept"]
    assert [found.value, found.low, found.high] == pytest.approx([fit.params[0], low, high])
    gap = sm.OLS(np.log1p(outcome) - np.log1p(score), np.ones(len(score))).fit()
    found = judged.calibration["calibration_in_the_large"]
    assert [found.value, found.low] == pytest.approx([gap.params[0], gap.conf_int()[0][0]])
    assert judged.refits["intercept"].intercept == pytest.approx(gap.params[0])
    both = judged.refits["intercept and slope"]
    assert [both.intercept, both.slope] == pytest.approx(list(fit.params))
    for name, is_case in (
        ("auc_above_0", outcome > 0), ("auc_at_least_100", outcome >= 100),
        ("auc_above_400", outcome > 400),
    ):  # fmt: skip
        assert judged.discrimination[name].value == pytest.approx(roc_auc_score(is_case, score))
    json.dumps(judged.as_json(), allow_nan=False)


def test_who_trained_the_model_is_left_out(model, origin):
    with pytest.raises(WrongArgumentError, match=r"0 patients of 60 .*training_study 60"):
        validate(model, origin.lake, origin.config)


def test_a_refit_is_judged_on_patients_that_it_has_not_seen():
    rng = np.random.default_rng(3)
    guess = rng.normal(size=300)
    outcome = 2.0 + 0.5 * guess + 0.3 * rng.normal(size=300)
    before = calibration(guess, outcome)
    shifted = refit(guess, outcome, 1, with_slope=False)
    both = refit(guess, outcome, 1, with_slope=True)
    assert before["calibration_in_the_large"].value == pytest.approx(2.0, abs=0.1)
    assert abs(shifted.in_the_large) < 0.02
    assert shifted.slope == 1.0
    assert shifted.slope_after == pytest.approx(0.5, abs=0.1)  # the intercept alone mends no slope
    assert both.slope_after == pytest.approx(1.0, abs=0.1)
    assert both.rmse < shifted.rmse
    noise = refit(guess, rng.normal(size=300), 1, with_slope=True)
    assert noise.slope_after < 1.0  # what was fitted to chance does not hold


CHANGES = {
    "segmentation.wall_mm 10.4 there, 12.0 here": Config(
        segmentation=SegmentationSettings(wall_mm=12.0)
    ),
    "radiomics.slice_axis 0 there, 2 here": Config(radiomics=RadiomicsSettings(slice_axis=2)),
    r"grey level \d+ there, \[7, 11\] here": Config(radiomics=RadiomicsSettings(bins=(7, 11))),
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_file_of_other_features_is_refused_by_name(model, elsewhere, said):
    with pytest.raises(ModelFileError, match=said):
        validate(model, elsewhere.lake, CHANGES[said])


def test_another_engine_unit_or_snapshot_is_refused_by_name(model, elsewhere):
    def refused(changed, said):
        with pytest.raises(ModelFileError, match=said):
            validate(changed, elsewhere.lake, elsewhere.config)

    engines = {**model.makers.engines, "radiomics": "0"}
    makers = model.makers.model_copy(update={"engines": engines})
    refused(model.model_copy(update={"makers": makers}), "radiomics engine 0 there")
    terms = [
        term.model_copy(update={"unit": "pounds"}) if term.name == "bmi" else term
        for term in model.terms
    ]
    terms.append(Term(name="glcm_99", source="feature", kind="number", unit=""))
    changed = model.model_copy(update={"terms": tuple(terms)})
    refused(changed, "feature glcm_99 is missing here")
    if any(term.name == "bmi" for term in model.terms):
        refused(changed, "bmi in pounds .* there, in kg/m2")
    outcome = model.outcome.model_copy(update={"unit": "volume score"})
    refused(model.model_copy(update={"outcome": outcome}), "scores in volume score there")
    other = CONFIG.model_copy(update={"radiomics": RadiomicsSettings(ivh_bins=500)})
    with pytest.raises(ModelFileError, match=r"in the snapshot"):
        validate(model, elsewhere.lake, other)


def test_the_case_mix_is_that_of_the_two_cohorts(model, judged, origin, elsewhere):
    """Standardised differences again from the two sites' rows."""
    numbers = [t.name for t in model.terms if t.kind == "number" and t.source == "clinical"]
    categories = [t.name for t in model.terms if t.kind == "category"]
    assert numbers
    assert categories
    found = {(one.term, one.level): one for one in judged.differences}
    for name in numbers:
        here = np.array(elsewhere.ask(f"select {name} from core.cohort"))[:, 0]
        there = np.array(origin.ask(f"select {name} from core.cohort"))[:, 0]
        want = (here.mean() - there.mean()) / np.sqrt((here.var(ddof=1) + there.var(ddof=1)) / 2)
        assert found[name, ""].smd == pytest.approx(want, abs=1e-12)
    assert {term for term, _ in found} == {term.name for term in model.terms}


def test_the_membership_model_is_that_of_linear_discriminant_analysis(model):
    """AUC Phi(D / sqrt 2): cohorts one SD apart in one of three correlated numbers."""
    rng = np.random.default_rng(4)
    mix = np.array([[1, 0.6, 0], [0.6, 1, 0.3], [0, 0.3, 1.0]])
    there = rng.multivariate_normal(np.zeros(3), mix, 3000)
    here = rng.multivariate_normal([1.0, 0, 0], mix, 3000)
    terms = tuple(
        Term(name=name, source="clinical", kind="number", unit="", mean=float(column.mean()),
             sd=float(column.std(ddof=1)))
        for name, column in zip("abc", there.T, strict=True)
    )  # fmt: skip
    cohort = Cohort(
        cohort_hash="c", n=3000, smallest_cell=10, linear_mean=0.0, linear_sd=1.0,
        correlations=correlations(dict(zip("abc", there.T, strict=True))),
    )  # fmt: skip
    made = model.model_copy(update={"terms": terms, "cohort": cohort})
    gap = np.array([1.0, 0, 0])
    distance = np.sqrt(gap @ np.linalg.inv(mix) @ gap)
    from scipy.stats import norm

    found = membership_auc(made, dict(zip("abc", here.T, strict=True)), 3000)
    assert found == pytest.approx(norm.cdf(distance / np.sqrt(2)), abs=0.01)
    same = rng.multivariate_normal(np.zeros(3), mix, 200)
    assert membership_auc(made, dict(zip("abc", same.T, strict=True)), 200) < 0.56
    assert differences(made, {"a": [None, 1.0, 2.0], "b": [0.0] * 3, "c": [0.0] * 3})[0].n_missing


def test_the_commands_write_judge_and_print(origin, elsewhere, model, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from mpss_lib import cli
    from mpss_lib.runtime.home import Home

    def run(site, *words):
        home = Home(tmp_path, site.lake, site.config, None)
        monkeypatch.setattr(Home, "open", classmethod(lambda cls: home))
        return CliRunner().invoke(cli.app, ["model", *words], catch_exceptions=False).output

    path = tmp_path / "m.json"
    assert "60 patients" in run(origin, "export", "MYO", "combined", "--output", str(path))
    assert "core.predictable" in run(elsewhere, "sql", str(path))
    told = run(elsewhere, "validate", str(path))
    assert "110 of 110 patients judged" in told
    assert "membership AUC" in told
    written = json.loads((tmp_path / "m.validation.json").read_text())
    assert written["calibration"]["calibration_slope"]["low"] is not None
    assert json.loads(run(elsewhere, "validate", str(path), "--json")) == written
