"""What the levels of a factor are called decides nothing in ``corrected`` and the elastic net."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.statistics_cohort import make_cohort

from mpss_lib.config import AS_PUBLISHED, CORRECTED, Config
from mpss_lib.evaluation import elastic, evaluate
from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.elastic import fit_ensemble, penalised
from mpss_lib.profiles import evaluation_profiles
from mpss_lib.sections import EvaluationSettings

RELABELINGS = 100


@pytest.fixture(scope="module")
def tables():
    cohort = make_cohort(11, n=120)
    radiomics = dict(list(cohort.radiomics["MYO"].items())[26:36])
    rng = np.random.default_rng(4)
    offset = {
        level: k for k, level in enumerate(rng.permutation(np.unique(cohort.clinical["race"])))
    }
    bump = np.array([offset[level] for level in cohort.clinical["race"]])
    return radiomics, cohort.clinical, cohort.scores["MYO"] * (1.0 + 0.4 * bump)


def settings_of(profile):
    whole = evaluation_profiles(Config(evaluation=EvaluationSettings()))[profile]
    return whole.model_copy(update={"n_outer": 4, "n_inner": 5})


FACTORS = ("sex", "race")


def new_names(clinical, rng):
    """By factor and level, the name that it is given: one of another level, by chance."""
    found = {}
    for name in FACTORS:
        levels = np.unique(clinical[name])
        found[name] = dict(zip(levels, rng.permutation(levels), strict=True))
    return found


def relabelled(clinical, rng):
    """Names of the levels of each factor, dealt out anew among them."""
    names = new_names(clinical, rng)
    return clinical | {
        name: np.array([names[name][level] for level in clinical[name]]) for name in FACTORS
    }


def test_a_hundred_relabelings_choose_the_same_models(tables):
    radiomics, clinical, score = tables
    settings = settings_of(CORRECTED)
    first = evaluate(radiomics, clinical, score, settings)
    assert first.terms[..., first.design.names.index("race")].any()
    for seed in range(RELABELINGS):
        other = relabelled(clinical, np.random.default_rng(seed))
        found = evaluate(radiomics, other, score, settings)
        assert np.array_equal(found.train_terms, first.train_terms)
        assert np.array_equal(found.terms, first.terms)
        assert np.array_equal(found.winner, first.winner)
        assert found.n_screened.tolist() == first.n_screened.tolist()
        assert found.llf == pytest.approx(first.llf, nan_ok=True)  # of the dev models
        assert found.predictions == pytest.approx(first.predictions, nan_ok=True)


def test_the_paper_does_depend_on_the_names(tables):
    """Why ``corrected`` screens by Kruskal-Wallis: by codes in alphabetical order it would."""
    radiomics, clinical, score = tables
    settings = settings_of(AS_PUBLISHED)
    counts = {
        tuple(
            evaluate(radiomics, relabelled(clinical, np.random.default_rng(seed)), score, settings)
            .n_screened.ravel()
            .tolist()
        )
        for seed in range(4)
    }
    assert len(counts) > 1


def test_a_hundred_relabelings_give_the_same_elastic_net(tables, monkeypatch):
    """The same coefficient for each level by whatever name, and the same predictions."""
    monkeypatch.setattr(elastic, "N_ALPHAS", 4)
    radiomics, clinical, score = tables

    def fitted(clinical):
        given = penalised(encode(radiomics | clinical), "combined", len(radiomics))
        found = fit_ensemble(given.columns, np.log1p(score), seed=3)
        by_label = dict(zip(given.labels, found.coefficients.T, strict=True))
        return by_label, found.predict(given.columns)

    first, predicted = fitted(clinical)
    races = [label for label in first if label[0] == "race"]
    assert len(races) == len(np.unique(clinical["race"])) > 2
    assert np.any([first[label] for label in races])
    for seed in range(RELABELINGS):
        names = new_names(clinical, np.random.default_rng(seed))
        found, guess = fitted(relabelled(clinical, np.random.default_rng(seed)))
        np.testing.assert_allclose(guess, predicted, rtol=1e-9)
        for (term, level), coefficients in first.items():
            other = found[term, names[term][level] if level else ""]
            np.testing.assert_allclose(other, coefficients, rtol=1e-9, atol=1e-12)


def test_a_level_is_shrunk_like_any_other():
    """Against a reference level the others would be: here all lie as far from the middle."""
    rng = np.random.default_rng(8)
    race = np.repeat(["a", "b", "c"], 60)
    y = np.repeat([-1.0, 0.0, 1.0], 60) + 0.05 * rng.normal(size=180)
    given = penalised(encode({"race": race}), "combined", 0)
    assert given.labels == (("race", "a"), ("race", "b"), ("race", "c"))
    found = fit_ensemble(given.columns, y, seed=0).coefficients.mean(axis=0)
    assert found[0] == pytest.approx(-found[2], abs=0.02)
    assert found[1] == pytest.approx(0.0, abs=0.02)


def test_a_factor_of_two_levels_is_one_column_of_either_name():
    codes = np.array(["M", "F", "F", "M"])
    given = penalised(encode({"sex": codes}), "combined", 0)
    other = penalised(encode({"sex": np.where(codes == "M", "F", "M")}), "combined", 0)
    assert (given.labels, other.labels) == ((("sex", "F"),), (("sex", "M"),))
    np.testing.assert_array_equal(given.columns, other.columns)
