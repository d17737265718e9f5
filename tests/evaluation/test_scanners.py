"""What the scanner explains, and models tried on the vendor that they have not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from oracles.statistics_lake import COHORT, VENDORS, fill, study_key
from statsmodels.stats.anova import anova_lm

from mpss_lib.config import ELASTIC_NET, Config
from mpss_lib.evaluation.scanners.explained import explained
from mpss_lib.evaluation.scanners.held_out import HeldOut, figures, held_out
from mpss_lib.evaluation.scanners.labels import POOLED, Scanner, pooled, scanners_of
from mpss_lib.evaluation.splits import draw
from mpss_lib.sections import EvaluationSettings
from mpss_lib.study_inputs import UNKNOWN
from mpss_lib.tables import Lake


def study(seed: int, effect: float = 1.0, n: int = 90):
    rng = np.random.default_rng(seed)
    scanner = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    covariates = np.column_stack([rng.normal(size=n), rng.random(n) < 0.4])
    shift = effect * (scanner == "b")
    features = rng.normal(size=(n, 4)) + covariates[:, :1] + shift[:, None] * [1, 0, 0.5, 0]
    return features, covariates, scanner


@pytest.mark.parametrize("seed", range(4))
def test_the_analysis_is_that_of_statsmodels(seed):
    features, covariates, scanner = study(seed)
    found = explained(features, covariates, list(scanner))
    for k, one in enumerate(found):
        frame = pd.DataFrame(
            {"y": features[:, k], "z": covariates[:, 0], "w": covariates[:, 1], "s": scanner}
        )
        table = anova_lm(smf.ols("y ~ z + w + C(s)", frame).fit(), typ=2)
        ss, df = table.loc["C(s)", ["sum_sq", "df"]]
        sse, rest = table.loc["Residual", ["sum_sq", "df"]]
        mse = sse / rest
        assert one.f_statistic == pytest.approx(table.loc["C(s)", "F"])
        assert one.p_value == pytest.approx(table.loc["C(s)", "PR(>F)"])
        assert one.eta_squared == pytest.approx(ss / (ss + sse))
        assert one.epsilon_squared == pytest.approx((ss - df * mse) / (ss + sse))
        omega = (ss - df * mse) / (ss + (90 - df) * mse)
        assert one.omega_squared == pytest.approx(omega)
        assert (one.n, one.n_scanners, one.df_scanner, one.df_residual) == (90, 3, df, rest)


def test_what_chance_gives_away_is_taken_off():
    """Nothing is there: eta squared says 2 / 87 on average, the other two nothing."""
    found = [one for seed in range(150) for one in explained(*study(seed, effect=0.0))]
    means = {
        name: np.mean([getattr(one, name) for one in found])
        for name in ("eta_squared", "epsilon_squared", "omega_squared")
    }
    error = np.std([one.eta_squared for one in found]) / np.sqrt(len(found) / 4)
    assert means["eta_squared"] == pytest.approx(2 / 87, abs=3 * error)
    assert means["epsilon_squared"] == pytest.approx(0.0, abs=3 * error)
    assert means["omega_squared"] == pytest.approx(0.0, abs=3 * error)


def test_a_scanner_that_the_clinical_terms_name_explains_nothing():
    features, _, scanner = study(1)
    dummies = (scanner[:, None] == np.array(["a", "b", "c"])).astype(float)
    (one, *_) = explained(features, dummies, list(scanner))
    assert one.df_scanner == 0
    assert np.isnan(one.epsilon_squared)


def test_one_scanner_and_a_constant_feature_have_no_figure():
    features, covariates, scanner = study(2)
    features[:, 1] = 3.0
    found = explained(features, covariates, list(scanner))
    assert np.isnan(found[1].eta_squared)
    assert np.isfinite(found[0].p_adjusted)
    alone = explained(features, covariates, ["a"] * 90)
    assert {one.n_scanners for one in alone} == {1}
    assert np.isnan([one.eta_squared for one in alone]).all()


def test_small_scanners_are_taken_together():
    names = ["a"] * 12 + ["b"] * 10 + ["c"] * 9 + ["d"]
    assert pooled(names, 10) == ("a",) * 12 + ("b",) * 10 + (POOLED,) * 10


def test_the_scanner_is_that_of_the_chosen_volume(tmp_path):
    lake, config = Lake(tmp_path), Config()
    fill(lake, config, n=4, extra=0, vendors=True)
    keys = [study_key(2), study_key(0), "study9999"]
    assert scanners_of(lake, config, keys) == (
        Scanner("Corr", "M2"), Scanner("Acme", "M0"), Scanner(UNKNOWN, UNKNOWN),
    )  # fmt: skip


def test_each_vendor_is_held_out_once_and_trains_nothing():
    vendors = ["x"] * 30 + ["y"] * 60 + ["z"] * 5
    found = held_out(vendors)
    assert [one.vendor for one in found] == ["x", "y", "z"]
    assert [one.is_possible for one in found] == [True, True, False]
    settings = EvaluationSettings(n_inner=7)
    for number, one in enumerate(found[:2]):
        splits = one.splits(settings, number)
        assert splits.n == 95
        assert splits.test.tolist() == [one.test.tolist()]
        for train, dev in zip(splits.train[0], splits.dev[0], strict=True):
            assert sorted([*train, *dev]) == one.rest.tolist()
        assert len({tuple(row) for row in splits.dev[0].tolist()}) == 7
        n_dev = draw(len(one.rest), settings).dev.shape[2]
        assert splits.dev.shape[2] >= n_dev  # a quarter of all others, none is set aside again
    assert held_out(["x"] * 50) == []


def test_figures_of_a_vendor():
    rng = np.random.default_rng(1)
    score = np.expm1(np.maximum(0.0, rng.normal(2.0, 3.0, 200)))
    guess = 0.5 * np.log1p(score) + rng.normal(size=200)
    found = figures(guess, score, is_log=True)
    slope = np.polyfit(guess, np.log1p(score), 1)[0]
    assert found["calibration_slope"].value == pytest.approx(slope)
    assert found["calibration_in_the_large"].value == pytest.approx(
        (np.log1p(score) - guess).mean()
    )
    assert found["spearman"].low < found["spearman"].value < found["spearman"].high
    nothing = figures(None, score, is_log=True)
    assert list(nothing) == list(found)
    assert np.isnan(nothing["auc_above_0"].value)


def test_the_evaluation_writes_what_the_scanner_explains_and_each_vendor(evaluated):
    lake, config, cohort, _ = evaluated
    address = config.address("evaluation")
    effects = lake.rows("scanner_effect", address, cohort)
    assert {row["n_scanners"] for row in effects} == {3}
    chosen = lake.rows("selected_feature", config.address("selection"), cohort)
    assert {row["feature"] for row in effects} == {row["feature"] for row in chosen}
    assert all(-1 < row["epsilon_squared"] <= row["eta_squared"] <= 1 for row in effects)
    rows = lake.rows("held_out_vendor", address, f"{COHORT}-MYO")
    assert {row["vendor"] for row in rows} == set(VENDORS)
    assert {row["n_test"] for row in rows} == {10}
    assert {row["n_train"] for row in rows} == {20}
    told = [row for row in rows if row["profile"] == ELASTIC_NET and row["metric"] == "spearman"]
    assert len(told) == 9
    assert any(row["value"] is not None for row in told)
    again = HeldOut("Acme", np.arange(0, 30, 3), np.array([k for k in range(30) if k % 3]))
    assert again.is_possible
