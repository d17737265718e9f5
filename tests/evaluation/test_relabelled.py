"""What the levels of a factor are called decides nothing in ``corrected``."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.statistics_cohort import make_cohort

from mpss_lib.config import AS_PUBLISHED, CORRECTED, Config
from mpss_lib.evaluation import evaluate
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


def relabelled(clinical, rng):
    """Names of the levels of each factor, dealt out anew among them."""
    found = dict(clinical)
    for name in ("sex", "race"):
        levels = np.unique(clinical[name])
        names = dict(zip(levels, rng.permutation(levels), strict=True))
        found[name] = np.array([names[level] for level in clinical[name]])
    return found


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
