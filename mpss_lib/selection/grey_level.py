"""S7: the number of bins, chosen once for all segments, blind to the outcome.

Here each level is measured; ``level_rules`` decides. Which rule it is says
``selection.grey_level``: the paper's, or stability under perturbation. Where that was not measured
for the cohort, the stability of ranks between neighbouring levels stands in for it, and the rows
say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mpss_lib.sections import SelectionSettings
from mpss_lib.selection.level_rules import RANKS, STABLE, Level, changes, choose
from mpss_lib.selection.steps import Flags, Floats, Ints, correlations, drop_correlated
from mpss_lib.stable_features import GOOD_ICC

PAIR_RHO = 0.9


@dataclass(frozen=True)
class Material:
    """What S0-S5 say of one grey level.

    Parameters
    ----------
    ranks : (segment, feature, patient) float64
        Standard ranks of the features that are left after S4.
    names : sequence of str
        These features.
    n_identical : int
    is_low : (feature,) bool
        Whether S5 would drop it.
    icc : (feature,) float64, optional
        Median over the segments; None where stability was not measured.
    """

    ranks: Floats
    names: Sequence[str]
    n_identical: int
    is_low: Flags
    icc: Floats | None = None


def judge(
    levels: Mapping[int, Material], dependent: frozenset[str], settings: SelectionSettings
) -> list[Level]:
    """Measure each level, choose one, and say how often resampled cohorts would.

    Parameters
    ----------
    levels : mapping of bins to Material
    dependent : frozenset of str
        Features that depend on the bins: only these say something of the ranks' stability.
    settings : SelectionSettings
    """
    rule: str = settings.grey_level
    if rule == STABLE and any(level.icc is None for level in levels.values()):
        rule = RANKS
    chosen = choose(_describe(levels, dependent, rule, settings), rule, settings.preferred_bins)
    shares = _bootstrap_shares(levels, dependent, rule, settings)
    return [replace(x, bootstrap_share=shares.get(x.bins, float("nan"))) for x in chosen]


def _describe(
    levels: Mapping[int, Material],
    dependent: frozenset[str],
    rule: str,
    settings: SelectionSettings,
) -> list[Level]:
    bins = sorted(levels)
    ranks = {b: levels[b].ranks for b in bins}
    names = {b: levels[b].names for b in bins}
    steady = [_stability(ranks, names, dependent, a, b) for a, b in pairwise(bins)]
    steady.append(steady[-1] if steady else 1.0)
    pairs = {b: _pairs(ranks[b]) for b in bins}
    low = {b: int(levels[b].is_low.sum()) for b in bins}
    more_low = changes({b: low[b] / max(len(names[b]), 1) for b in bins})
    more_pairs = changes({b: float(n) for b, n in pairs.items()})
    return [
        Level(
            bins=b,
            n_features=len(names[b]),
            n_identical=levels[b].n_identical,
            n_low_range=low[b],
            low_range_change=more_low[b],
            rank_stability=steady[k],
            n_correlated_pairs=pairs[b],
            pairs_change=more_pairs[b],
            n_stable=_n_stable(levels[b]),
            n_distinct=_n_distinct(levels[b], settings) if rule == STABLE else None,
            mean_icc=_mean_icc(levels[b]),
        )
        for k, b in enumerate(bins)
    ]


def _n_stable(level: Material) -> int | None:
    return None if level.icc is None else int((level.icc >= GOOD_ICC).sum())


def _mean_icc(level: Material) -> float:
    known = np.array([]) if level.icc is None else level.icc[np.isfinite(level.icc)]
    return float(known.mean()) if known.size else float("nan")


def _n_distinct(level: Material, settings: SelectionSettings) -> int:
    """Stable features that S5 and S6 would leave at this level."""
    if level.icc is None:
        return 0
    kept = [int(k) for k in np.flatnonzero((level.icc >= GOOD_ICC) & ~level.is_low)]
    gone = drop_correlated(
        correlations(level.ranks[:, kept]),
        [level.names[k] for k in kept],
        settings.correlation,
        settings.closure,
    )
    return len(kept) - len(gone)


def _bootstrap_shares(
    levels: Mapping[int, Material],
    dependent: frozenset[str],
    rule: str,
    settings: SelectionSettings,
) -> dict[int, float]:
    """Share of resampled cohorts that choose each level; empty without resampling.

    Resampled patients keep their ranks of the full cohort, ranked again by weight: equal values
    stay ties. The sets of features, their ranges and their ICC are those of the full cohort.
    """
    if settings.bootstrap == 0:
        return {}
    n = next(iter(levels.values())).ranks.shape[2]
    rng = np.random.default_rng(settings.seed)
    orders = {b: np.argsort(x.ranks, axis=2, kind="stable") for b, x in levels.items()}
    bounds = {b: _tie_bounds(x.ranks, orders[b]) for b, x in levels.items()}
    votes: Counter[int] = Counter()
    for _ in range(settings.bootstrap):
        weights = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
        again = {
            b: replace(x, ranks=_weighted_ranks(orders[b], bounds[b], weights))
            for b, x in levels.items()
        }
        found = choose(_describe(again, dependent, rule, settings), rule, settings.preferred_bins)
        votes[next(level.bins for level in found if level.is_chosen)] += 1
    return {b: votes[b] / settings.bootstrap for b in levels}


def _stability(
    ranks: Mapping[int, Floats],
    kept: Mapping[int, Sequence[str]],
    dependent: frozenset[str],
    coarse: int,
    fine: int,
) -> float:
    """Mean |rho| between a level and the next: median over segments, mean over features."""
    place = {name: k for k, name in enumerate(kept[fine])}
    pairs = [
        (k, place[name])
        for k, name in enumerate(kept[coarse])
        if name in dependent and name in place
    ]
    if not pairs:
        return 0.0
    here, there = np.array(pairs).T
    rho = np.abs((ranks[coarse][:, here] * ranks[fine][:, there]).sum(axis=2))
    return float(np.median(rho, axis=0).mean())


def _pairs(ranks: Floats) -> int:
    strength = np.median(np.abs(np.matmul(ranks, ranks.transpose(0, 2, 1))), axis=0)
    return int(np.triu(strength >= PAIR_RHO, 1).sum())


def _tie_bounds(values: Floats, order: Ints) -> tuple[Ints, Ints]:
    """First and last position, in the order, of the tie group of each position."""
    ordered = np.take_along_axis(values, order, axis=2)
    n = ordered.shape[2]
    fresh = np.ones(ordered.shape, np.bool_)
    fresh[..., 1:] = ordered[..., 1:] > ordered[..., :-1] + 1e-12
    ends = np.ones(ordered.shape, np.bool_)
    ends[..., :-1] = fresh[..., 1:]
    position = np.arange(n)
    start = np.maximum.accumulate(np.where(fresh, position, 0), axis=2)
    stop = np.minimum.accumulate(np.where(ends, position, n)[..., ::-1], axis=2)[..., ::-1]
    return start, stop


def _weighted_ranks(order: Ints, bounds: tuple[Ints, Ints], weights: Floats) -> Floats:
    """Rank a resample in which patient ``p`` stands ``weights[p]`` times, as standard ranks."""
    running = np.zeros((*order.shape[:2], order.shape[2] + 1))
    np.cumsum(weights[order], axis=2, out=running[..., 1:])
    start, stop = bounds
    before = np.take_along_axis(running, start, axis=2)
    after = np.take_along_axis(running, stop + 1, axis=2)
    ranks = np.empty(order.shape)
    np.put_along_axis(ranks, order, 0.5 * (before + after + 1.0), axis=2)
    ranks = (ranks - 0.5 * (weights.sum() + 1.0)) * np.sqrt(weights)
    norm = np.sqrt((ranks * ranks).sum(axis=2, keepdims=True))
    answer: Floats = ranks / np.where(norm > 0.0, norm, 1.0)
    return answer
