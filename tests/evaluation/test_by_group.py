"""Performance in groups of patients: the figures of each group, by other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from mpss_lib.config import CONFIGURATIONS
from mpss_lib.evaluation.added_value.by_group import JUDGED, LEAST, PAIR, group_rows
from mpss_lib.evaluation.added_value.pooled import Pooled
from mpss_lib.evaluation.group_tables import added_table, judged_groups, performance_table
from mpss_lib.prediction_quality import areas

START = {"cohort_hash": "c", "profile": "corrected", "segment": "MYO"}
N, WHOLE = 150, 160
ROWS = np.delete(np.arange(WHOLE), np.arange(0, WHOLE, 16))
"""Patients with a prediction: ten of the cohort have none."""


@pytest.fixture(scope="module")
def pooled():
    rng = np.random.default_rng(5)
    truth = rng.normal(size=N)
    value = np.stack([truth + spread * rng.normal(size=N) for spread in (3.0, 1.5, 0.8)])
    score = np.expm1(np.clip(4.0 + 1.5 * truth + rng.normal(size=N), 0.0, None))
    return Pooled(
        rows=ROWS, n_runs=np.full((3, N), 5), value=value + 4.0, probability={},
        outcome=np.log1p(score), score=score, is_log=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def groupings():
    sex = tuple(np.random.default_rng(6).choice(["F", "M"], WHOLE))
    race = tuple("few" if k in (1, 2, 3) else "many" for k in range(WHOLE))
    return {"sex": sex, "race": race}


@pytest.fixture(scope="module")
def rows(pooled, groupings):
    return group_rows(pooled, START, groupings, seed=1)


@pytest.mark.parametrize("name", ["F", "M"])
def test_figures_of_a_group_are_those_of_its_patients_alone(pooled, groupings, rows, name):
    own = np.array(groupings["sex"])[ROWS] == name
    outcome, is_event = pooled.outcome[own], pooled.score[own] >= 100
    mine = {
        (r["configuration"], r["compared_with"], r["measure"]): r
        for r in rows
        if (r["grouping"], r["group_name"]) == ("sex", name)
    }
    assert {(r["n"], r["n_events"]) for r in mine.values()} == {(own.sum(), is_event.sum())}
    rho, area = {}, {}
    for g, configuration in enumerate(CONFIGURATIONS):
        guess = pooled.value[g, own]
        rho[configuration] = spearmanr(guess, outcome).statistic
        area[configuration] = roc_auc_score(is_event, guess)
        fit = sm.OLS(outcome, sm.add_constant(guess)).fit()
        gap = sm.OLS(outcome - guess, np.ones(own.sum())).fit()
        found = [mine[configuration, "", measure]["value"] for measure in JUDGED]
        told = [rho[configuration], area[configuration], gap.params[0], fit.params[1]]
        assert found == pytest.approx(told)
        low, high = fit.conf_int()[1]
        row = mine[configuration, "", "calibration_slope"]
        assert [row["low"], row["high"]] == pytest.approx([low, high])
    row = mine[*PAIR, "spearman"]
    assert row["value"] == pytest.approx(rho["combined"] - rho["clinical"])
    assert row["low"] < row["value"] < row["high"]
    row = mine[*PAIR, "auc_at_least_100"]
    assert row["value"] == pytest.approx(area["combined"] - area["clinical"])
    alone = areas(pooled.value[:, own], is_event)  # against the definition: test_prediction_quality
    new, old = map(CONFIGURATIONS.index, PAIR)
    assert row["std_error"] == alone.difference(new, old).std_error


def test_a_small_group_is_counted_and_not_judged(rows):
    few = [row for row in rows if row["group_name"] == "few"]
    assert len(few) == len(CONFIGURATIONS) * len(JUDGED) + 2
    assert {(row["n"], row["value"]) for row in few} == {(3, None)}
    assert LEAST > 3
    assert judged_groups(rows) == {"sex": (["F", "M"], []), "race": (["many"], ["few"])}


def test_groups_together_are_everybody_with_a_prediction(rows):
    for grouping in ("sex", "race"):
        counted = {r["group_name"]: r["n"] for r in rows if r["grouping"] == grouping}
        assert sum(counted.values()) == N


def test_the_tables_have_a_row_for_each_group(rows):
    every = [row | {"segment": s} for row in rows for s in ("MYO", "LAD3")]
    titles = ["race: few", "race: many", "sex: F", "sex: M"]
    for made in (performance_table(every, "MYO"), added_table(every)):
        assert sorted(row[0].text for row in made.rows) == titles


def test_every_grouping_is_on_the_lake(evaluated):
    lake, config, cohort, _ = evaluated
    found = lake.rows("group_performance", config.address("evaluation"), cohort)
    assert {row["grouping"] for row in found} == {"sex", "race", "vendor", "scanner"}
    vendors = {row["group_name"] for row in found if row["grouping"] == "vendor"}
    assert vendors == {"Acme", "Bolt", "Corr"}
