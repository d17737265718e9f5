from __future__ import annotations

import csv
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import added_value as oracle
from scipy.optimize import minimize
from scipy.stats import spearmanr

from mpss_lib.evaluation.added_value import classes, decision, groups, resampling, sample_size
from mpss_lib.evaluation.added_value.pooled import EVENTS
from mpss_lib.evaluation.added_value.probability import logistic_maps, probability
from mpss_lib.evaluation.added_value.recalibration import recalibration
from mpss_lib.prediction_quality import areas
from mpss_lib.sections import SEGMENTS

REFERENCE = Path(__file__).parents[1] / "reference" / "added_value"
CONFIGURATIONS = ("radiomics", "clinical", "combined")


@pytest.fixture(scope="module")
def r_values():
    with (REFERENCE / "values.csv").open() as file:
        return {row["name"]: float(row["value"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def cohort():
    with (REFERENCE / "cohort.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("event", list(EVENTS))
def test_areas_are_those_of_proc(event, cohort, r_values):
    is_event = EVENTS[event](cohort["score"])
    assert is_event.sum() == r_values[f"events.{event}"]
    found = areas(np.array([cohort[name] for name in CONFIGURATIONS]), is_event)
    for k, name in enumerate(CONFIGURATIONS):
        one = found.estimate(k)
        wanted = [r_values[f"{what}.{event}.{name}"] for what in ("auc", "auc_low", "auc_high")]
        assert_allclose([one.value, one.low, one.high], wanted, rtol=1e-10)
    for k, name in enumerate(CONFIGURATIONS[:2]):
        one = found.difference(2, k)
        wanted = [r_values[f"{what}.{event}.combined.{name}"] for what in ("auc_z", "auc_p")]
        assert_allclose([one.value / one.std_error, one.p_value], wanted, rtol=1e-9)


def test_areas_that_cannot_be_told_are_nan():
    markers = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])
    assert np.isnan(areas(markers, np.zeros(3, bool)).area).all()
    one_event = areas(markers, np.array([False, False, True]))
    assert one_event.area.tolist() == [1.0, 0.5]
    assert isnan(one_event.estimate(0).low)
    assert isnan(one_event.difference(0, 1).p_value)
    same = areas(np.vstack([markers[0], markers[0]]), np.array([True, False, True]))
    assert isnan(same.difference(0, 1).p_value)
    rng = np.random.default_rng(0)
    twice = np.tile(rng.normal(size=20), (2, 1))
    assert areas(twice, rng.random(20) < 0.5).difference(0, 1).p_value == 1.0


@pytest.mark.parametrize("event", list(EVENTS))
def test_logistic_maps_are_those_of_glm(event, cohort, r_values):
    is_event = EVENTS[event](cohort["score"])
    is_used = np.arange(len(is_event)) < 90
    [[intercept, slope]] = logistic_maps(cohort["combined"][None], is_event, is_used[None])
    assert intercept == pytest.approx(r_values[f"platt_intercept.{event}"], abs=1e-8)
    assert slope == pytest.approx(r_values[f"platt_slope.{event}"], abs=1e-8)
    p = 1 / (1 + np.exp(0.5 - 0.8 * cohort["combined"]))
    found = dict(zip(("slope", "intercept"), recalibration(p, is_event), strict=True))
    for name, one in found.items():
        assert one.value == pytest.approx(r_values[f"recalibration_{name}.{event}"], rel=1e-8)
        assert one.std_error == pytest.approx(
            r_values[f"recalibration_{name}_se.{event}"], rel=1e-6
        )


def test_a_logistic_map_is_the_least_loss_whatever_the_scale():
    """Heavy tails, separation, a constant prediction, no event at all: finite, and the optimum."""
    rng = np.random.default_rng(5)
    n = 60
    y = rng.random(n) < 0.3
    runs = np.array([
        rng.standard_cauchy(n), y * 2.0 - 1.0, np.full(n, 7.0), 1e6 + rng.normal(size=n),
        1e-8 * rng.normal(size=n),
    ])  # fmt: skip
    use = rng.random(runs.shape) < 0.8
    for is_event in (y, np.zeros(n, bool), np.ones(n, bool)):
        maps = logistic_maps(runs, is_event, use)
        assert np.isfinite(maps).all()
        for k, own in enumerate(use):
            x, happened = runs[k][own], is_event[own]
            events = happened.sum()
            target = np.where(happened, (events + 1) / (events + 2), 1 / (own.sum() - events + 2))
            scale = np.std(x) if np.ptp(x) > 0 else 1.0

            def loss(b, x=x, target=target, scale=scale):
                form = b[0] + b[1] * (x - np.median(x)) / scale
                return np.sum(np.logaddexp(0, form) - target * form)

            p = probability(maps[k], x)
            mine = -np.sum(target * np.log(p) + (1 - target) * np.log1p(-p))
            assert mine <= minimize(loss, [0.0, 0.0], tol=1e-10).fun + 1e-6


def test_a_map_never_sees_the_rows_that_are_tested():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(1, 50)), rng.random(50) < 0.4
    use = (np.arange(50) < 35)[None]
    before = logistic_maps(x, y, use)
    y[35:] = ~y[35:]
    assert (logistic_maps(x, y, use) == before).all()
    y[:5] = ~y[:5]
    assert (logistic_maps(x, y, use) != before).any()


def test_resamples_by_counts_are_the_resampled_patients(cohort, r_values):
    counts = np.vstack([np.ones(120), cohort["weight"]])
    x, score = cohort["combined"], cohort["score"]
    rho = resampling.spearman(counts, x, score)
    assert_allclose(rho, [r_values["spearman"], r_values["spearman_resample"]], rtol=1e-11)
    slope, intercept = resampling.calibration(counts, x, np.log1p(score))
    assert slope[1] == pytest.approx(r_values["line_slope_resample"], rel=1e-10)
    assert intercept[1] == pytest.approx(r_values["line_intercept_resample"], rel=1e-10)
    r2 = resampling.explained(counts, x, np.log1p(score))
    assert r2[1] == pytest.approx(r_values["r2_resample"], rel=1e-10)


def test_draws_are_those_of_the_seed_and_keep_the_size():
    counts = resampling.draw_counts(30, 7, 50)
    assert (counts.sum(axis=1) == 30).all()
    assert (counts == resampling.draw_counts(30, 7, 50)).all()
    assert (counts != resampling.draw_counts(30, 8, 50)).any()
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 6, (2, 30)).astype(float)
    again = [np.repeat(np.arange(30), row.astype(int)) for row in counts]
    wanted = [spearmanr(x[rows], y[rows]).statistic for rows in again]
    assert_allclose(resampling.spearman(counts, x, y), wanted, rtol=1e-10)


def test_what_has_no_spread_is_nan():
    counts = resampling.draw_counts(12, 1, 5)
    y = np.arange(12.0)
    for constant in (np.full(12, 0.1), np.full(12, 1e9)):
        assert np.isnan(resampling.spearman(counts, constant, y)).all()
        assert np.isnan(resampling.calibration(counts, constant, y)[0]).all()
        assert np.isnan(resampling.explained(counts, y, constant)).all()
    assert isnan(resampling.estimate(1.0, np.array([nan, 2.0])).low)


def test_net_benefit_is_that_of_the_definition():
    rng = np.random.default_rng(4)
    p, y = np.round(rng.random(80), 2), rng.random(80) < 0.4
    found = decision.contributions(p, y).mean(axis=0)
    wanted = [oracle.net_benefit(p, y, limit) for limit in decision.THRESHOLDS]
    assert_allclose(found, wanted, atol=1e-14)
    share = y.mean()
    every = decision.of_all(y).mean(axis=0)
    wanted = [share - (1 - share) * t / (1 - t) for t in decision.THRESHOLDS]
    assert_allclose(every, wanted, atol=1e-14)


def test_moves_between_classes():
    reference, new = np.array([0, 1, 2, 3, 4, 2]), np.array([1, 1, 3, 2, 4, 1])
    is_event = np.array([False, False, True, True, True, False])
    found = classes.moves(np.ones((1, 6)), is_event, reference, new)
    assert found.events.tolist() == [0.0]
    assert found.others.tolist() == [0.0]
    twice = classes.moves(np.array([[1.0, 1, 2, 0, 1, 3]]), is_event, reference, new)
    assert_allclose([twice.events[0], twice.others[0]], [2 / 3, (-1 + 3) / 5])
    counts = classes.table(reference, reference, new)
    assert counts.sum() == 6
    assert counts[2, 2, 3] == counts[2, 2, 1] == 1


def test_groups_of_a_calibration_curve(r_values):
    p = np.linspace(0.05, 0.9, 163)
    y = np.arange(163) % 3 == 0
    found = groups.of_event(p, y)
    assert [one.n for one in found] == [17, 17, 17, 16, 16, 16, 16, 16, 16, 16]
    assert sum(one.n * one.observed for one in found) == pytest.approx(y.sum())
    assert [one.predicted for one in found] == sorted(one.predicted for one in found)
    assert len(groups.of_event(p[:32], y[:32])) == 2
    ends = [r_values[f"wilson_{end}.7.of.23"] for end in ("low", "high")]
    assert_allclose(groups.wilson(7 / 23, 23), ends, rtol=1e-9)
    assert groups.of_outcome(np.ones(3), np.array([1.0, 2.0, 6.0]))[0].observed == 3.0


def test_sample_sizes_of_the_literature():
    """The example of Riley et al. and of the R package pmsampsize: 623, 662 and 221."""
    found = sample_size.needed(24, 0.174, 0.288)
    assert (found.shrinkage, found.optimism, found.prevalence) == (623, 662, 221)
    assert found.most == 662
    assert sample_size.needed(24, 1.0) is None
    assert isnan(sample_size.least_correlation(3))


def test_the_least_correlation_is_found_with_its_power():
    """By simulation: 80 % of cohorts whose correlation is the least one are told apart from 0."""
    rng = np.random.default_rng(11)
    n, cohorts = 428, 1500
    rho = sample_size.least_correlation(n)
    r = 2 * np.sin(np.pi * rho / 6)  # Pearson's, of normal pairs with this rank correlation
    x = rng.normal(size=(cohorts, n))
    y = r * x + np.sqrt(1 - r * r) * rng.normal(size=(cohorts, n))
    found = np.array([spearmanr(a, b).pvalue for a, b in zip(x, y, strict=True)])
    assert abs((found < 0.05).mean() - 0.80) < 3 * np.sqrt(0.8 * 0.2 / cohorts)
    assert sample_size.least_difference(0.1) == pytest.approx(0.280, abs=5e-4)


# --------------------------------------------------------------------------- on the lake


@pytest.fixture
def lake_rows(evaluated):
    lake, config, cohort, _ = evaluated
    address = config.address("evaluation")
    return lambda table, key="": lake.rows(table, address, f"{cohort}{key}")


def test_pooled_predictions_are_means_over_the_runs_that_had_not_seen_the_patient(lake_rows):
    rows = lake_rows("pooled_prediction")
    for segment in ("MYO", "LCX17"):
        told: dict[tuple[str, ...], dict[int, dict[int, float]]] = {}
        for row in lake_rows("split_prediction", f"-{segment}"):
            run = told.setdefault((row["profile"], row["configuration"]), {})
            run.setdefault(row["outer"], {})[row["study_key"]] = row["value"]
        for row in (one for one in rows if one["segment"] == segment):
            runs = [*told[row["profile"], row["configuration"]].values()]
            mine = [run[row["study_key"]] for run in runs if row["study_key"] in run]
            assert row["n_runs"] == len(mine)
            assert row["value"] == pytest.approx(sum(mine) / len(mine), rel=1e-12)
            assert 0.0 < row["p_above_400"] < 1.0


def test_measures_are_those_of_the_pooled_predictions(lake_rows):
    guesses = [
        row
        for row in lake_rows("pooled_prediction")
        if (row["profile"], row["segment"]) == ("corrected", "MYO")
    ]
    of = {name: [r for r in guesses if r["configuration"] == name] for name in CONFIGURATIONS}
    assert len({tuple(row["study_key"] for row in mine) for mine in of.values()}) == 1
    found = {
        (row["configuration"], row["compared_with"], row["measure"]): row
        for row in lake_rows("added_value")
        if (row["profile"], row["segment"]) == ("corrected", "MYO")
    }
    value = {name: np.array([row["value"] for row in mine]) for name, mine in of.items()}
    outcome = np.array([row["outcome"] for row in of["clinical"]])
    score = np.array([row["score"] for row in of["clinical"]])
    assert_allclose(np.expm1(outcome), score, rtol=1e-12)
    rho = {name: spearmanr(one, outcome).statistic for name, one in value.items()}
    for name, wanted in rho.items():
        assert found[name, "", "spearman"]["value"] == pytest.approx(wanted)
        row = found[name, "", "brier_at_least_100"]
        p = np.array([row["p_at_least_100"] for row in of[name]])
        assert row["value"] == pytest.approx(np.mean((p - (score >= 100)) ** 2))
        assert row["n_events"] == (score >= 100).sum()
    row = found["combined", "clinical", "spearman"]
    assert row["value"] == pytest.approx(rho["combined"] - rho["clinical"])
    assert row["low"] < row["value"] < row["high"]
    counts = resampling.draw_counts(len(score), 20210129)
    again = [np.repeat(np.arange(len(score)), line.astype(int)) for line in counts[:60]]
    least = [spearmanr(value["combined"][k], outcome[k]).statistic for k in again]
    assert np.std(least) == pytest.approx(found["combined", "", "spearman"]["std_error"], rel=0.4)


def test_every_segment_and_profile_is_judged(lake_rows):
    rows = lake_rows("added_value")
    measured = {(row["profile"], row["segment"]) for row in rows}
    profiles = {row["profile"] for row in rows}
    assert measured == {(profile, segment) for profile in profiles for segment in SEGMENTS}
    assert {"as_published", "corrected"} <= profiles
    curves = lake_rows("decision_curve")
    every = {row["configuration"] for row in curves}
    assert every == {*CONFIGURATIONS, "treat_all"}
    mine = {
        (r["configuration"], r["compared_with"]): r["net_benefit"]
        for r in curves
        if (r["profile"], r["segment"], r["event"], r["threshold"])
        == ("corrected", "LAD3", "any", 0.2)
    }
    difference = mine["combined", ""] - mine["clinical", ""]
    assert mine["combined", "clinical"] == pytest.approx(difference, abs=1e-12)
    moved = [r for r in lake_rows("reclassification") if r["profile"] == "corrected"]
    patients = {(r["segment"], r["study_key"]) for r in lake_rows("pooled_prediction")
                if r["profile"] == "corrected"}  # fmt: skip
    assert sum(row["n"] for row in moved) == len(patients)
