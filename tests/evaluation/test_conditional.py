"""The clinical arm, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.statistics_cohort import make_cohort
from scipy.interpolate import CubicSpline
from scipy.stats import norm, rankdata

from mpss_lib.evaluation.conditional import (
    LEAST_DF,
    PATIENTS_A_COLUMN,
    PLACES,
    clinical_arm,
    remainder,
)
from mpss_lib.evaluation.permutation import observed_remainder
from mpss_lib.evaluation.splits import draw
from mpss_lib.sections import EvaluationSettings

SETTINGS = EvaluationSettings()


def is_spanned(values, arm):
    """Whether least squares on the arm leaves nothing of (centred) values."""
    left = values - arm @ np.linalg.lstsq(arm, values, rcond=None)[0]
    return np.linalg.norm(left) < 1e-7 * np.linalg.norm(values - np.mean(values, axis=0))


def natural_spline(x, knots, values):
    """Scipy's natural cubic spline through (knots, values), going on in straight lines."""
    spline = CubicSpline(knots, values, bc_type="natural")
    inside = np.clip(x, knots[0], knots[-1])
    return spline(inside) + spline(inside, 1) * (x - inside)


@pytest.fixture(scope="module")
def cohort():
    return make_cohort(2)


@pytest.mark.parametrize("n_knots", [3, 4, 5])
@pytest.mark.parametrize("name", ["age", "bmi", "lvef"])
def test_every_natural_spline_of_the_numbers_is_in_the_arm(cohort, n_knots, name):
    """And no other cubic: the spaces are the same, so that Harrell's columns are right."""
    x = cohort.clinical[name]
    knots = np.quantile(x, PLACES[n_knots])
    settings = EvaluationSettings(arm_knots=n_knots, arm_products="none")
    arm = clinical_arm({name: x}, settings)
    assert arm.shape[1] == n_knots
    for k in range(n_knots):
        assert is_spanned(natural_spline(x, knots, np.eye(n_knots)[k]), arm)
    assert not is_spanned((x - x.mean()) ** 3, arm)


def test_terms_and_products_of_the_arm(cohort):
    clinical = cohort.clinical
    male = clinical["sex"] == "M"
    plain = clinical_arm(clinical, EvaluationSettings(arm_products="none"))
    some = clinical_arm(clinical, SETTINGS)
    every = clinical_arm(clinical, EvaluationSettings(arm_products="all"))
    assert plain.shape[1] == 1 + 3 * 3 + 1 + 3 + 5
    assert some.shape[1] == plain.shape[1] + 3 * 3 + 3 * 9
    assert every.shape[1] > 60
    for name in ("smoking", "diabetes", "hypertension", "hyperlipidemia", "family_history"):
        assert is_spanned(clinical[name], plain)
    for level in np.unique(clinical["race"]):
        assert is_spanned((clinical["race"] == level).astype(float), plain)
    lines = (clinical["age"] * clinical["bmi"], clinical["age"] * male)
    knots = {name: np.quantile(clinical[name], PLACES[4]) for name in ("age", "bmi")}
    bent = [natural_spline(clinical[k], knots[k], np.array([0.0, 1.0, 0.0, 2.0])) for k in knots]
    for product in (*lines, bent[0] * bent[1], bent[1] * male):
        assert not is_spanned(product, plain)
        assert is_spanned(product, some)
    smoker = clinical["smoking"] * (clinical["race"] == "black")
    assert not is_spanned(smoker, some)
    assert is_spanned(smoker, every)


def test_what_levels_are_called_does_not_matter(cohort):
    names = {"white": "d", "black": "c", "asian": "b", "other": "a"}
    other = dict(cohort.clinical)
    other["race"] = np.array([names[level] for level in other["race"]])
    first, second = clinical_arm(cohort.clinical, SETTINGS), clinical_arm(other, SETTINGS)
    assert first @ first.T == pytest.approx(second @ second.T, abs=1e-9)


@pytest.mark.parametrize("n", [24, 40, 80, 120, 428])
def test_few_patients_have_a_smaller_arm_with_every_term(n):
    small = make_cohort(5, n=n)
    arm = clinical_arm(small.clinical, SETTINGS)
    least = clinical_arm(small.clinical, EvaluationSettings(arm_products="none")).shape[1]
    for name in ("age", "bmi", "lvef", "smoking"):
        assert is_spanned(small.clinical[name], arm)
    assert arm.shape[1] * PATIENTS_A_COLUMN <= n or arm.shape[1] == least <= 14


def test_no_test_where_the_arm_leaves_too_little():
    small = make_cohort(5, n=20)
    y = np.log1p(small.scores["MYO"])
    q = clinical_arm(small.clinical, SETTINGS).shape[1]
    assert q > 20 - LEAST_DF
    assert remainder(small.radiomics["MYO"], small.clinical, y, SETTINGS) is None


def test_remainders_are_orthogonal_to_the_arm_and_know_no_score(cohort):
    y = np.log1p(cohort.scores["MYO"])
    left = remainder(cohort.radiomics["MYO"], cohort.clinical, y, SETTINGS)
    assert left.df == 428 - left.arm.shape[1]
    scale = np.linalg.norm(left.design.columns, axis=0)
    assert np.abs(left.arm.T @ left.design.columns / scale).max() < 1e-10
    assert np.abs(left.arm.T @ left.outcome).max() < 1e-9
    other = remainder(cohort.radiomics["MYO"], cohort.clinical, y[::-1].copy(), SETTINGS)
    assert np.array_equal(left.design.columns, other.design.columns)


def test_features_that_are_clinical_alone_predict_nothing(cohort):
    """Whatever the arm explains wholly is no feature, however calcium follows age."""
    clinical = cohort.clinical
    features = {name: 3.0 - 2.0 * clinical[name] for name in ("smoking", "diabetes")}
    features["male"] = (clinical["sex"] == "M").astype(float)
    settings = EvaluationSettings(n_outer=3, n_inner=2)
    left = remainder(features, clinical, np.maximum(clinical["age"] - 60.0, 0.0) ** 2, settings)
    assert not left.design.columns.any()
    found, r = observed_remainder(left, settings, draw(428, settings))
    assert np.isnan(r).all()
    assert found.mean_r[0, 0] == 0.0


def test_the_scale_of_a_feature_does_not_matter(cohort):
    """Normal scores: any monotone change of a feature leaves what is left of it."""
    y = np.log1p(cohort.scores["MYO"])
    features = cohort.radiomics["MYO"]
    bent = {name: np.exp(2.0 * values / np.abs(values).max()) for name, values in features.items()}
    first = remainder(features, cohort.clinical, y, SETTINGS).design.columns
    second = remainder(bent, cohort.clinical, y, SETTINGS).design.columns
    assert first == pytest.approx(second, abs=1e-9)
    values = features["feature_01"]
    expected = norm.ppf((rankdata(values) - 0.375) / 428.25)
    arm = clinical_arm(cohort.clinical, SETTINGS)
    expected -= arm @ np.linalg.lstsq(arm, expected, rcond=None)[0]
    assert first[:, 1] == pytest.approx(expected, abs=1e-9)
