"""S7, the rules: which numbers of grey levels are left, which one is taken, and why.

Three rules. ``published`` is that of the paper (section 3.2), ``stable`` takes the level that keeps
the most features which are both stable under perturbation and distinct, and ``ranks`` stands in for
it where stability was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

PUBLISHED, STABLE, RANKS = "published", "stable", "ranks"

PAPER_BINS = 64
"""What the paper chose."""

REFERENCE = (64, 128)
"""Levels against which the paper measures the others (section 3.2)."""

N_IDENTICAL, N_LOW_RANGE, N_FINE = 3, 4, 2
"""Of the coarsest levels, the first three are judged by identical features, the first four by low
dynamic range (the text says three and gives four numbers); the two finest by correlated pairs."""

STABILITY_MARGIN = 0.01
PAIR_FACTOR = 1.10
DISTINCT_SHARE = 0.95
"""A level with at least this share of the most stable and distinct features is as good."""


@dataclass(frozen=True)
class Level:
    """One grey level: what the rules look at and what they decide.

    Parameters
    ----------
    bins : int
    n_features : int
        Features that are judged: left after S4 at this level.
    n_identical : int
        Features with one value for all patients.
    n_low_range : int
        Features of low dynamic range (S5).
    low_range_change : float
        Their share against the mean share at 64 and 128: 0.22 is 22 % more; NaN where neither is
        there or they have none.
    rank_stability : float
        Mean |rho| of the features with themselves at the next finer level.
    n_correlated_pairs : int
        Pairs with |rho| of 0.9 or more.
    pairs_change : float
        Against the mean of 64 and 128.
    n_stable : int, optional
        Features with an ICC of 0.75 or more, None where stability was not measured.
    n_distinct : int, optional
        Of these, what S5 and S6 would leave.
    mean_icc : float
        Over the features; NaN where it was not measured.
    bootstrap_share : float
        Share of resampled cohorts that choose this level (NaN without resampling).
    rule : str
        ``published``, ``stable`` or ``ranks``.
    removed_by : str
        What speaks against it: ``identical``, ``low_range``, ``pairs``, ``ranks``, ``fewer``.
    is_survivor, is_chosen, is_runner_up : bool
    why : str
        Of the chosen level: why it was taken, and not the paper's where that is another.
    """

    bins: int
    n_features: int
    n_identical: int
    n_low_range: int
    low_range_change: float
    rank_stability: float
    n_correlated_pairs: int
    pairs_change: float
    n_stable: int | None = None
    n_distinct: int | None = None
    mean_icc: float = float("nan")
    bootstrap_share: float = float("nan")
    rule: str = PUBLISHED
    removed_by: str = ""
    is_survivor: bool = False
    is_chosen: bool = False
    is_runner_up: bool = False
    why: str = ""


Marks = Mapping[int, str]
"""What speaks against each level, "" where nothing does."""


def choose(levels: Sequence[Level], rule: str, preferred: int) -> list[Level]:
    """Mark the levels that a rule leaves, the one that is taken and the runner-up.

    Parameters
    ----------
    levels : sequence of Level
        From the coarsest on.
    rule : str
        ``published``, ``stable`` or ``ranks``.
    preferred : int
        Taken where the rule leaves it and others; 0 prefers none. Where ``stable`` leaves others
        only, the nearest one to it.
    """
    against: Marks = _RULES[rule](levels)
    left = [level for level in levels if not against[level.bins]]
    ranked = sorted(left, key=_ORDERS[rule])
    if rule == STABLE and preferred:
        ranked.sort(key=lambda x: abs(math.log2(x.bins / preferred)))
    best = next((level for level in left if level.bins == preferred), ranked[0])
    others = sorted(
        (level for level in levels if level.bins != best.bins),
        key=lambda x: (bool(against[x.bins]), *_ORDERS[rule](x)),
    )
    return [
        replace(
            level,
            rule=rule,
            removed_by=against[level.bins],
            is_survivor=not against[level.bins],
            is_chosen=level is best,
            is_runner_up=bool(others) and level is others[0],
            why=_why(best, levels, against, rule) if level is best else "",
        )
        for level in levels
    ]


def changes(shares: Mapping[int, float]) -> dict[int, float]:
    """Change of a share, or count, of each level against the mean of 64 and 128."""
    there = [shares[bins] for bins in REFERENCE if bins in shares]
    middle = float(np.mean(there)) if there else 0.0
    return {b: share / middle - 1.0 if middle else float("nan") for b, share in shares.items()}


def _by_paper(levels: Sequence[Level]) -> Marks:
    """Hold the coarse and the fine levels against 64 and 128, which are never judged themselves.

    A level goes where it is worse than both of them; where neither is there nothing goes.
    """
    against = dict.fromkeys((level.bins for level in levels), "")
    reference = [level for level in levels if level.bins in REFERENCE]
    judged = [level for level in levels if level.bins not in REFERENCE]
    if not reference:
        return against
    coarse = [level for level in judged if level.bins < REFERENCE[0]]
    few = coarse[:N_IDENTICAL]
    most = max(level.n_identical for level in levels if level not in few)
    low = max(level.n_low_range / max(level.n_features, 1) for level in reference)
    pairs = max(level.n_correlated_pairs for level in reference)
    for level in few:
        if level.n_identical > most:
            against[level.bins] = "identical"
    for level in coarse[:N_LOW_RANGE]:
        if level.n_low_range / max(level.n_features, 1) > low and not against[level.bins]:
            against[level.bins] = "low_range"
    for level in [level for level in judged if level.bins > REFERENCE[-1]][-N_FINE:]:
        if level.n_correlated_pairs > pairs:
            against[level.bins] = "pairs"
    return against


def _by_stability(levels: Sequence[Level]) -> Marks:
    """Leave the levels that keep about as many stable and distinct features as the best one."""
    counts = {level.bins: level.n_distinct or 0 for level in levels}
    least = DISTINCT_SHARE * max(counts.values())
    return {bins: "fewer" if count < least else "" for bins, count in counts.items()}


def _by_ranks(levels: Sequence[Level]) -> Marks:
    """Leave levels whose ranks agree with the next finer level's, without many more pairs.

    Coarse side: the fewest identical features, and ranks as stable as anywhere. Fine side: of
    those, no more than 1.1 times the correlated pairs of the coarsest.
    """
    fewest = min(level.n_identical for level in levels)
    steady = max(level.rank_stability for level in levels) - STABILITY_MARGIN
    coarse = [x for x in levels if x.n_identical == fewest and x.rank_stability >= steady]
    coarse = coarse or list(levels)
    limit = PAIR_FACTOR * coarse[0].n_correlated_pairs
    kept = {level.bins for level in coarse if level.n_correlated_pairs <= limit}
    judged = {level.bins for level in coarse}
    return {
        level.bins: ""
        if level.bins in kept
        else "pairs"
        if level.bins in judged
        else "identical"
        if level.n_identical > fewest
        else "ranks"
        for level in levels
    }


_RULES: Mapping[str, Callable[[Sequence[Level]], Marks]] = {
    PUBLISHED: _by_paper,
    STABLE: _by_stability,
    RANKS: _by_ranks,
}
_ORDERS: Mapping[str, Callable[[Level], tuple[float, ...]]] = {
    PUBLISHED: lambda level: (level.bins,),
    STABLE: lambda level: (-(level.n_distinct or 0), level.bins),
    RANKS: lambda level: (level.bins,),
}
"""Which of the levels that are left comes first."""


def _why(best: Level, levels: Sequence[Level], against: Marks, rule: str) -> str:
    """One sentence: why this level, and why not the paper's."""
    left = [level.bins for level in levels if not against[level.bins]]
    told = f"the rule leaves {', '.join(map(str, left))}"
    if rule == STABLE:
        told = f"they keep {best.n_distinct} features that are stable and distinct"
    if best.bins == PAPER_BINS:
        return f"{best.bins} bins, as in the paper: {told}"
    paper = next((level for level in levels if level.bins == PAPER_BINS), None)
    if paper is None:
        return f"{best.bins} bins: {told}; the paper's {PAPER_BINS} were not computed"
    if rule == STABLE:
        other = f"{PAPER_BINS} keep {paper.n_distinct}"
    elif rule == RANKS:
        other = (
            f"at {PAPER_BINS} the ranks agree with the next level's by"
            f" {paper.rank_stability:.3f} (here {best.rank_stability:.3f}) and"
            f" {paper.n_correlated_pairs} pairs are correlated (here {best.n_correlated_pairs})"
        )
    else:
        other = f"{PAPER_BINS} are not the preferred level"
    return f"{best.bins} bins and not the paper's {PAPER_BINS}: {told}, {other}"
