"""S7: the number of bins, chosen once for all segments, blind to the outcome.

Coarse side: keep the levels with the fewest constant features whose ranks are stable towards the
next finer level. Fine side: of those, keep the levels without many more correlated pairs than the
coarsest of them. The preferred level is taken if it is among those that are left, else the
smallest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mpss_lib.sections import SelectionSettings
from mpss_lib.selection.steps import Floats, Ints

STABILITY_MARGIN = 0.01
PAIR_FACTOR = 1.10
PAIR_RHO = 0.9


@dataclass(frozen=True)
class Level:
    """One grey level: what the rule looks at and what it decides.

    ``n_low_range`` is reported, the rule does not use it. ``bootstrap_share`` is the share of
    resampled cohorts that choose this level (NaN without resampling).
    """

    bins: int
    n_identical: int
    n_low_range: int
    rank_stability: float
    n_correlated_pairs: int
    bootstrap_share: float = float("nan")
    is_survivor: bool = False
    is_chosen: bool = False
    is_runner_up: bool = False


def choose(levels: Sequence[Level], settings: SelectionSettings) -> list[Level]:
    """Mark survivors, the chosen level and the runner-up."""
    fewest = min(level.n_identical for level in levels)
    stable = max(level.rank_stability for level in levels) - STABILITY_MARGIN
    coarse = [x for x in levels if x.n_identical == fewest and x.rank_stability >= stable]
    coarse = coarse or list(levels)
    limit = PAIR_FACTOR * coarse[0].n_correlated_pairs
    kept = [level.bins for level in coarse if level.n_correlated_pairs <= limit]
    chosen = settings.preferred_bins if settings.preferred_bins in kept else kept[0]
    others = [level for level in levels if level.bins != chosen]
    ranked = sorted(others, key=lambda x: (x.bins not in kept, x.n_identical, -x.rank_stability))
    runner_up = ranked[0].bins if ranked else -1
    return [
        replace(
            level,
            is_survivor=level.bins in kept,
            is_chosen=level.bins == chosen,
            is_runner_up=level.bins == runner_up,
        )
        for level in levels
    ]


def describe(
    ranks: Mapping[int, Floats],
    kept: Mapping[int, Sequence[str]],
    dependent: frozenset[str],
    counts: Mapping[int, tuple[int, int]],
) -> list[Level]:
    """Measure each level.

    Parameters
    ----------
    ranks : mapping of bins to (segment, feature, patient) float64
        Standard ranks of the features kept after S4 at that level.
    kept : mapping of bins to feature names, in the order of ``ranks``
    dependent : frozenset of str
        Features that depend on the bins: only these say something of stability.
    counts : mapping of bins to (identical, low range)
    """
    bins = sorted(ranks)
    stability = [_stability(ranks, kept, dependent, a, b) for a, b in _steps(bins)]
    stability.append(stability[-1] if stability else 1.0)
    return [
        Level(b, counts[b][0], counts[b][1], t, _pairs(ranks[b]))
        for b, t in zip(bins, stability, strict=True)
    ]


def bootstrap_shares(
    ranks: Mapping[int, Floats],
    kept: Mapping[int, Sequence[str]],
    dependent: frozenset[str],
    counts: Mapping[int, tuple[int, int]],
    settings: SelectionSettings,
) -> dict[int, float]:
    """Share of resampled cohorts that choose each level; empty without resampling.

    Resampled patients keep their ranks of the full cohort, ranked again by weight: equal values
    stay ties. The sets of features are those of the full cohort.
    """
    if settings.bootstrap == 0:
        return {}
    n = next(iter(ranks.values())).shape[2]
    rng = np.random.default_rng(settings.seed)
    orders = {b: np.argsort(values, axis=2, kind="stable") for b, values in ranks.items()}
    bounds = {b: _tie_bounds(values, orders[b]) for b, values in ranks.items()}
    votes: Counter[int] = Counter()
    for _ in range(settings.bootstrap):
        weights = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
        again = {b: _weighted_ranks(orders[b], bounds[b], weights) for b in ranks}
        levels = choose(describe(again, kept, dependent, counts), settings)
        votes[next(level.bins for level in levels if level.is_chosen)] += 1
    return {b: votes[b] / settings.bootstrap for b in ranks}


def _steps(bins: Sequence[int]) -> list[tuple[int, int]]:
    return list(pairwise(bins))


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
