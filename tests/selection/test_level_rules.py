"""Which grey level is left and taken, by each rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss_lib.sections import BINS, SelectionSettings
from mpss_lib.selection import grey_level
from mpss_lib.selection.level_rules import PUBLISHED, RANKS, STABLE, Level, changes, choose
from mpss_lib.selection.steps import standard_ranks


def level(bins: int, identical=4, low=5, pairs=180, rank=0.9, distinct=40) -> Level:
    return Level(bins, 118, identical, low, 0.0, rank, pairs, 0.0, n_distinct=distinct)


def marks(found: list[Level]) -> dict[int, str]:
    return {x.bins: x.removed_by for x in found}


def taken(found: list[Level]) -> int:
    return next(x.bins for x in found if x.is_chosen)


PAPERS = [
    level(4, identical=9, low=6),
    level(8, identical=7, low=6),
    level(16, identical=5, low=7),
    level(32, low=7),
    level(64),
    level(128),
    level(256, pairs=200),
    level(512, pairs=220),
]
"""Levels as section 3.2 of the paper describes them."""


def test_the_papers_description_leaves_64_and_128_and_prefers_64():
    found = choose(PAPERS, PUBLISHED, 64)
    assert marks(found) == {
        4: "identical", 8: "identical", 16: "identical", 32: "low_range",
        64: "", 128: "", 256: "pairs", 512: "pairs",
    }  # fmt: skip
    assert taken(found) == 64
    assert [x.bins for x in found if x.is_runner_up] == [128]
    assert "as in the paper" in found[4].why


def test_a_preference_acts_only_where_the_rule_leaves_several():
    assert taken(choose(PAPERS, PUBLISHED, 128)) == 128
    assert taken(choose(PAPERS, PUBLISHED, 32)) == 64
    assert taken(choose(PAPERS, PUBLISHED, 0)) == 64


def paper_by_hand(levels: list[Level]) -> set[int]:
    """The rule again, from the sentences of section 3.2, without the code's names."""
    by = {x.bins: x for x in levels}
    left = set(by)
    for b in (4, 8, 16):
        if all(by[b].n_identical > by[o].n_identical for o in (32, 64, 128, 256, 512)):
            left.discard(b)
    for b in (4, 8, 16, 32):
        share = by[b].n_low_range / by[b].n_features
        if all(share > by[o].n_low_range / by[o].n_features for o in (64, 128)):
            left.discard(b)
    for b in (256, 512):
        if all(by[b].n_correlated_pairs > by[o].n_correlated_pairs for o in (64, 128)):
            left.discard(b)
    return left


@given(
    st.lists(
        st.tuples(st.integers(3, 6), st.integers(0, 9), st.integers(150, 220)),
        min_size=8,
        max_size=8,
    )
)
def test_the_published_rule_is_what_the_text_says(numbers):
    levels = [level(b, i, low, p) for b, (i, low, p) in zip(BINS, numbers, strict=True)]
    found = choose(levels, PUBLISHED, 64)
    assert {x.bins for x in found if x.is_survivor} == paper_by_hand(levels)
    assert taken(found) == 64


def test_without_64_and_128_the_published_rule_has_nothing_to_compare_with():
    found = choose([level(16, identical=9), level(32)], PUBLISHED, 64)
    assert marks(found) == {16: "", 32: ""}
    assert "the paper's 64 were not computed" in found[0].why


def test_changes_are_against_the_mean_of_64_and_128():
    found = changes({4: 6.1, 64: 4.0, 128: 6.0, 512: 5.0})
    assert found[4] == pytest.approx(0.22)
    assert found[512] == 0.0
    assert np.isnan(changes({4: 1.0, 8: 2.0})[4])


def test_stability_decides_where_it_was_measured():
    levels = [replace(x, n_distinct=n) for x, n in zip(PAPERS, (10, 30, 50, 45, 44, 20, 9, 8))]  # noqa: B905
    found = choose(levels, STABLE, 64)
    assert taken(found) == 16
    assert marks(found)[64] == "fewer"
    assert found[2].why == (
        "16 bins and not the paper's 64: they keep 50 features that are stable and distinct,"
        " 64 keep 44"
    )
    near = [replace(x, n_distinct=n) for x, n in zip(PAPERS, (10, 30, 50, 45, 48, 20, 9, 8))]  # noqa: B905
    assert taken(choose(near, STABLE, 64)) == 64
    assert taken(choose(near, STABLE, 256)) == 64
    assert taken(choose(near, STABLE, 0)) == 16


def test_ranks_stand_in_for_stability():
    levels = [replace(x, n_identical=4) for x in PAPERS]
    levels[2] = replace(levels[2], rank_stability=0.96)
    found = choose(levels, RANKS, 64)
    assert taken(found) == 16
    assert marks(found)[64] == "ranks"
    assert "at 64 the ranks agree" in found[2].why


@given(st.integers(0, 10**6), st.sampled_from([PUBLISHED, STABLE, RANKS]), st.sampled_from([0, 64]))
def test_one_level_is_taken_and_it_is_a_survivor(seed, rule, preferred):
    rng = np.random.default_rng(seed)
    levels = [
        level(b, *(int(n) for n in rng.integers((3, 0, 100), (6, 9, 200))), float(rng.random()),
              int(rng.integers(60)))
        for b in BINS
    ]  # fmt: skip
    found = choose(levels, rule, preferred)
    assert sum(x.is_chosen for x in found) == sum(x.is_runner_up for x in found) == 1
    for x in found:
        assert x.is_survivor == (x.removed_by == "")
        assert x.rule == rule
        assert not x.is_chosen or (x.is_survivor and x.why.startswith(f"{x.bins} bins"))


def material(seed: int, icc=None) -> grey_level.Material:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, 6, 30))
    values[:, 1] = values[:, 0] + 1e-3 * rng.normal(size=(2, 30))  # two of them are one
    low = np.array([False] * 5 + [True])
    return grey_level.Material(standard_ranks(values), list("abcdef"), 4, low, icc)


def test_distinct_features_are_stable_ones_that_the_later_steps_would_leave():
    """Of six, one is unstable, one unmeasured, one of low range, and two are doubles."""
    icc = np.array([0.9, 0.8, 0.74, np.nan, 0.75, 0.99])
    levels = {b: material(b, icc) for b in (32, 64)}
    asked = SelectionSettings(grey_level="stable", bootstrap=3)
    found = grey_level.judge(levels, frozenset("abcdef"), asked)
    assert [x.rule for x in found] == [STABLE, STABLE]
    assert [x.n_stable for x in found] == [4, 4]
    assert [x.n_distinct for x in found] == [2, 2]
    assert found[0].mean_icc == pytest.approx(np.nanmean(icc))
    assert sum(x.bootstrap_share for x in found) == pytest.approx(1.0)


def test_a_level_that_was_not_measured_makes_the_ranks_decide():
    levels = {32: material(1, np.ones(6)), 64: material(2)}
    asked = SelectionSettings(grey_level="stable", bootstrap=0)
    found = grey_level.judge(levels, frozenset("abcdef"), asked)
    assert {x.rule for x in found} == {RANKS}
    assert {x.n_distinct for x in found} == {None}
