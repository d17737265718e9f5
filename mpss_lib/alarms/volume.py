"""Changes of the number of studies, and of the share of a verdict, that chance does not make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp
from statistics import mean, median

NIGHTS_OF_A_WEEK = 7
LEAST_WEEKS = 4
LEAST_RECENT, LEAST_BEFORE = 20, 50
CHANCE = 1e-4
"""A change that chance makes more often than so is none: it is asked every night."""

CHANCE_OF_A_WEEK = 1e-6
"""Smaller: holidays make weeks that no Poisson count of the usual mean makes."""


@dataclass(frozen=True)
class Fall:
    """New studies of the last week, and of a usual one."""

    n_now: int
    usual: float


def silent_nights(by_night: Sequence[int], least: int) -> int:
    """Count the last nights without a study where they are too many.

    Parameters
    ----------
    by_night : sequence of int
        New studies of each night, newest first.
    least : int
        So many nights at least; 0: never.

    Returns
    -------
    int
        0 where there are fewer, where there was as long a silence before, or where a Poisson count
        of the usual mean is 0 as often by chance: a small site has empty nights.
    """
    lengths = [len(list(run)) for is_empty, run in groupby(by_night, key=_is_none) if is_empty]
    if not least or not by_night or by_night[0] or not any(by_night):
        return 0
    n_empty, before = lengths[0], by_night[lengths[0] :]
    chance = exp(-n_empty * mean(before))
    is_longest = n_empty > max(lengths[1:], default=0)
    return n_empty if n_empty >= least and is_longest and chance < CHANCE else 0


def _is_none(n: int) -> bool:
    return n == 0


def fall_in_volume(by_night: Sequence[int], fewer_than: float) -> Fall | None:
    """Compare the last seven nights with the weeks before.

    Parameters
    ----------
    by_night : sequence of int
        New studies of each night, newest first.
    fewer_than : float
        Share of the usual week below which it is told; 0: never.

    Returns
    -------
    Fall or None
        None where there are fewer than four weeks before, where the week is usual, or where a
        Poisson count of the usual mean is as low by chance.
    """
    weeks = [
        sum(by_night[start : start + NIGHTS_OF_A_WEEK])
        for start in range(0, len(by_night) - NIGHTS_OF_A_WEEK + 1, NIGHTS_OF_A_WEEK)
    ]
    if not fewer_than or len(weeks) <= LEAST_WEEKS:
        return None
    now, usual = weeks[0], float(median(weeks[1:]))
    if now >= fewer_than * usual:
        return None
    from scipy.stats import poisson

    return Fall(now, usual) if poisson.cdf(now, usual) < CHANCE_OF_A_WEEK else None


def shift_of(
    recent: Mapping[str, int], before: Mapping[str, int], verdict: str, least: float
) -> tuple[float, float] | None:
    """Compare the share of a verdict with that of the time before.

    Parameters
    ----------
    recent, before : mapping of verdict to number of studies
    verdict : str
    least : float
        Smallest change of the share that is told.

    Returns
    -------
    (float, float) or None
        The two shares; None where there are too few studies, where the change is smaller, or where
        chance makes it (Fisher's exact test, two-sided).
    """
    n_recent, n_before = sum(recent.values()), sum(before.values())
    if n_recent < LEAST_RECENT or n_before < LEAST_BEFORE:
        return None
    k_recent, k_before = recent.get(verdict, 0), before.get(verdict, 0)
    shares = k_recent / n_recent, k_before / n_before
    if abs(shares[0] - shares[1]) < least:
        return None
    from scipy.stats import fisher_exact

    table = [[k_recent, n_recent - k_recent], [k_before, n_before - k_before]]
    return shares if fisher_exact(table).pvalue < CHANCE else None
