from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from scipy.stats import spearmanr

from mpss_lib.errors import WrongArgumentError
from mpss_lib.sections import SelectionSettings
from mpss_lib.selection import select, steps

BINS = (32, 64, 128)
FAST = SelectionSettings(bootstrap=0)


@pytest.fixture(scope="module")
def chosen(values, catalogue):
    return select(values, catalogue, SelectionSettings(bootstrap=4), bins=BINS)


def test_counts_of_the_paper_until_the_correlations(chosen):
    """487 -> 215 -> 166 -> 162 -> 121 -> 118 -> 113 with the planted values."""
    assert list(chosen.counts.values())[:9] == [487, 215, 166, 166, 162, 162, 121, 118, 113]


def test_every_feature_stands_in_the_ledger_once(chosen, catalogue):
    names = [entry.feature for entry in chosen.ledger]
    assert sorted(names) == sorted(row["sera_name"] for row in catalogue)
    selected = [entry.feature for entry in chosen.ledger if entry.step == "selected"]
    assert tuple(selected) == chosen.features
    assert len(selected) == chosen.counts["S6_correlated"]


def test_doubles_of_zone_matrices_keep_the_first(chosen):
    pairs = {e.feature: e.partner for e in chosen.ledger if e.step == "S4_same_ranks"}
    assert pairs == {f"gldzm_{k:02d}_3D": f"glszm_{k:02d}_3D" for k in range(3)}


def test_averaged_matrices_have_the_wider_ranges(chosen):
    gone = [e.feature for e in chosen.ledger if e.step == "S3_variety"]
    assert len(gone) == 41
    assert all("merged" in name for name in gone)


def test_preferred_level_is_taken_among_the_survivors(chosen):
    assert chosen.bins == 64
    marks = {level.bins: level for level in chosen.grey_levels}
    assert marks[64].is_survivor
    assert marks[64].is_chosen
    assert sum(level.is_runner_up for level in chosen.grey_levels) == 1
    assert sum(level.bootstrap_share for level in chosen.grey_levels) == pytest.approx(1.0)


def test_no_outcome_can_be_given():
    names = ["values", "catalogue", "settings", "bins", "stability"]
    assert list(inspect.signature(select).parameters) == names


def test_order_of_the_patients_does_not_matter(values, catalogue, chosen):
    again = select(values[::-1], catalogue, FAST, bins=BINS)
    assert again.features == chosen.features
    assert again.bins == chosen.bins


def test_choosing_again_removes_nothing(values, catalogue, chosen):
    kept = [k for k, row in enumerate(catalogue) if row["sera_name"] in set(chosen.features)]
    again = select(values[..., kept], [catalogue[k] for k in kept], FAST, bins=BINS)
    assert again.features == chosen.features


def test_signed_range_drops_negative_means_and_absolute_does_not(values, catalogue):
    absolute = SelectionSettings(bootstrap=0, dynamic_range="abs_mean")
    counts = select(values, catalogue, absolute, bins=BINS).counts
    assert counts["S5_dynamic_range"] == counts["S4_same_ranks"]


def test_a_patient_without_a_segment_is_left_out(values, catalogue, chosen):
    broken = values.copy()
    broken[3, 1] = np.nan
    assert select(broken, catalogue, FAST, bins=BINS).n_patients == chosen.n_patients - 1


def test_an_undefined_feature_leaves_at_its_own_step(values, catalogue):
    broken = values.copy()
    place = next(k for k, row in enumerate(catalogue) if row["sera_name"] == "ngtdm_02_3D")
    broken[0, 0, :, place] = np.nan
    found = select(broken, catalogue, FAST, bins=BINS)
    entry = next(e for e in found.ledger if e.feature == "ngtdm_02_3D")
    assert entry.step == "S1_undefined"
    assert entry.statistic == pytest.approx(1 / values[:, :, 0, 0].size)


@pytest.mark.parametrize("rows", ["per_segment", "pooled"])
def test_rows_setting_runs(values, catalogue, rows):
    assert select(values, catalogue, SelectionSettings(bootstrap=0, rows=rows), bins=BINS).features


@pytest.mark.parametrize("shape", [(4, 2, 3, 487), (40, 2, 3, 486), (40, 2, 487)])
def test_wrong_shapes_are_named(catalogue, shape):
    with pytest.raises(WrongArgumentError):
        select(np.zeros(shape), catalogue, FAST, bins=BINS)


def random_correlations(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(30, 3))
    x = factors @ rng.normal(size=(3, n)) + 0.4 * rng.normal(size=(30, n))
    return np.corrcoef(x.T)[None]


@given(seed=st.integers(0, 10_000), n=st.integers(2, 30))
@settings(max_examples=50)
def test_transitive_closure_keeps_one_of_each_component(seed, n):
    rho = random_correlations(seed, n)
    names = [f"f{k}" for k in range(n)]
    gone = steps.drop_correlated(rho, names, 0.8, "transitive")
    near = np.abs(rho[0]) >= 0.8
    assert n - len(gone) == connected_components(near)[0]
    direct = steps.drop_correlated(rho, names, 0.8, "direct")
    kept = [k for k, name in enumerate(names) if name not in {e.feature for e in direct}]
    assert (near[np.ix_(kept, kept)].sum(axis=1) == 1).all()
    assert len(direct) <= len(gone)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_a_copy_of_a_feature_never_changes_the_number_kept(seed):
    rho = random_correlations(seed, 12)[0]
    more = np.vstack([rho, rho[4]])
    more = np.column_stack([more, np.append(rho[:, 4], 1.0)])
    names = [f"f{k}" for k in range(13)]
    alone = 12 - len(steps.drop_correlated(rho[None], names[:12], 0.8, "transitive"))
    assert 13 - len(steps.drop_correlated(more[None], names, 0.8, "transitive")) == alone


def test_ranks_give_spearman_and_survive_monotone_transforms():
    rng = np.random.default_rng(2)
    values = np.round(rng.normal(size=(2, 6, 40)), 1)
    rho = steps.correlations(steps.standard_ranks(values))
    for segment in range(2):
        assert rho[segment] == pytest.approx(spearmanr(values[segment].T).statistic)
    again = steps.correlations(steps.standard_ranks(np.exp(3 * values)))
    assert again == pytest.approx(rho, abs=1e-12)


def test_unstable_features_go_unless_too_few_would_be_left():
    names = [f"f{k}" for k in range(14)]
    icc = dict.fromkeys(names, 0.75) | {"f3": 0.7499, "f4": float("nan")}
    del icc["f5"]
    gone, told = steps.drop_unstable(icc, names, 0.75)
    assert [entry.feature for entry in gone] == ["f3", "f4", "f5"]
    assert told == []
    few, told = steps.drop_unstable(icc | {"f0": 0.1, "f1": 0.1}, names, 0.75)
    assert few == []
    assert told == ["S2b: only 9 features have an ICC of 0.75: none was dropped"]
    assert steps.drop_unstable(None, names, 0.75) == ([], [])
    assert steps.drop_unstable(icc, names, 0.0) == ([], [])
