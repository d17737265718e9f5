from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kruskal, rankdata, spearmanr

from mpss_lib.evaluation._screen_kernels import rank_outcome, screen
from mpss_lib.evaluation.randomised import _ascending

N, N_TRAIN, N_SPLITS = 40, 23, 7


@st.composite
def tables(draw):
    """Terms with many, some and no ties, an outcome, and train rows of several splits."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    values = np.vstack(
        [
            rng.normal(size=N),
            np.round(rng.normal(size=N), 1),
            rng.integers(0, 2, N),
            np.repeat(rng.normal(size=2), [N - 1, 1]),
            rng.integers(0, 4, N),
        ]
    )
    outcome = np.where(rng.random(N) < draw(st.floats(0, 1)), 0.0, rng.exponential(size=N))
    train = np.array([rng.permutation(N)[:N_TRAIN] for _ in range(N_SPLITS)])
    return values, outcome, train


def strengths(values, outcome, train):
    """Of the kernels; the last term is a factor of four levels, every limit is 1."""
    is_train = np.zeros((N, N_SPLITS), np.int32)
    for split, rows in enumerate(train):
        is_train[rows, split] = 1
    order, closes = _ascending(outcome[None])
    doubled, squares = np.zeros((N, N_SPLITS), np.int32), np.zeros(N_SPLITS)
    rank_outcome(order[0], closes[0], is_train, N_TRAIN, doubled, squares)
    found = np.full((N_SPLITS, len(values)), np.nan)
    levels = np.array([0] * (len(values) - 1) + [4])
    screen(*_ascending(values), levels, doubled, squares, N_TRAIN, np.ones(4), found)
    return found, doubled


@given(tables())
def test_screen_is_spearman_and_kruskal_of_each_train_set(table):
    values, outcome, train = table
    found, doubled = strengths(values, outcome, train)
    for split, rows in enumerate(train):
        y = outcome[rows]
        assert (doubled[rows, split] == 2 * rankdata(y)).all()
        assert doubled[:, split].sum() == N_TRAIN * (N_TRAIN + 1)
        for term, column in enumerate(values):
            x = column[rows]
            wanted = 0.0
            if np.ptp(x) > 0 and np.ptp(y) > 0:
                if term < len(values) - 1:
                    wanted = abs(spearmanr(x, y).statistic)
                else:
                    wanted = kruskal(*[y[x == level] for level in np.unique(x)]).statistic
            assert found[split, term] == pytest.approx(wanted, abs=1e-12)
