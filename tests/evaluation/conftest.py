"""Random regression problems of every kind that has broken a stepwise loop before."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.statistics_lake import COHORT, fill
from quick_evaluation import quick_evaluation

from mpss_lib.config import Config
from mpss_lib.evaluation import stage
from mpss_lib.sections import EvaluationSettings
from mpss_lib.selection.stage import run as select_run
from mpss_lib.tables import Lake

KINDS = (
    "plain", "autoregressive", "near_collinear", "exact_collinear", "duplicate", "factor",
    "rare_level", "factor_collinear", "constant", "tight", "wide", "heavy_tail", "scaled", "null",
    "near_perfect",
)  # fmt: skip


def make_problem(seed: int, kind: str | None = None):  # noqa: C901 -- one branch for each kind
    """Columns, outcome and start terms."""
    rng = np.random.default_rng(seed)
    kind = kind or KINDS[seed % len(KINDS)]
    n, p = int(rng.integers(30, 80)), int(rng.integers(3, 9))
    if kind == "tight":
        n = p + 3
    if kind == "wide":
        n, p = 12, 15
    x = rng.normal(size=(n, p))
    if kind == "autoregressive":
        for j in range(1, p):
            x[:, j] = 0.9 * x[:, j - 1] + np.sqrt(1 - 0.81) * x[:, j]
    if kind == "near_collinear":
        x[:, 1] = x[:, 0] + 10.0 ** -rng.uniform(1, 3) * rng.normal(size=n)
    if kind == "exact_collinear":
        x[:, 2] = 2 * x[:, 0] - x[:, 1] + 1
    if kind == "constant":
        x[:, 0] = 3.25
        x[:, 1] = 0.0
        x[0, 1] = 1.0
    if kind == "scaled":
        x = x * 10.0 ** rng.integers(-4, 5, p) + 1e5 * (rng.random(p) < 0.3)
    columns = {f"x{j}": x[:, j] for j in range(p)}
    if kind == "duplicate":
        columns["copy"] = x[:, 0].copy()
    if kind in ("factor", "rare_level", "factor_collinear"):
        count = int(rng.integers(3, 6))
        level = rng.integers(0, count, n)
        if kind == "rare_level":
            level = np.minimum(level, count - 2)
            level[0] = count - 1
        columns["group"] = np.array(list("abcdef"))[level]
        if kind == "factor_collinear":
            columns["shadow"] = (level == 1).astype(float)
    z = standard(x)
    y = z[:, : min(3, p)] @ rng.normal(size=min(3, p)) + rng.normal(size=n)
    if kind == "factor":
        y = y + level * rng.normal()
    if kind == "null":
        y = rng.normal(size=n)
    if kind == "near_perfect":
        y = z[:, 0] + 1e-3 * rng.normal(size=n)
    if kind == "heavy_tail":
        y = np.maximum(0, np.exp(2 * rng.normal(size=n)) - 1) + 3 * np.maximum(0, z[:, 0])
    start = ()
    if kind not in (
        "tight",
        "wide",
        "exact_collinear",
        "constant",
        "duplicate",
        "factor_collinear",
    ):
        start = tuple(rng.permutation(list(columns))[: int(rng.integers(0, 3))])
    return columns, y, start


def standard(x: np.ndarray) -> np.ndarray:
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """A small cohort, selected and evaluated: (lake, config, cohort hash, answer)."""
    config = Config(
        evaluation=EvaluationSettings(
            n_outer=6, n_inner=3, permutations=5, permutation_chunk=3, split_seeds=2
        )
    )
    lake = Lake(tmp_path_factory.mktemp("lake"))
    fill(lake, config, n=30, vendors=True)
    select_run(COHORT, lake, config)
    with quick_evaluation(has_figures=True):
        return lake, config, COHORT, stage.run(COHORT, lake, config)


@pytest.fixture
def problem():
    return make_problem
