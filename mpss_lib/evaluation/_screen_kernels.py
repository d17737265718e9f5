"""The screen: how strongly each term goes with the outcome on the train rows, by ranks."""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt
from numba import njit

from mpss_lib.evaluation._kernels import Floats, Ints

Groups = npt.NDArray[np.int32]


@njit(cache=True, error_model="numpy", nogil=True)
def subset_ranks(group: Groups, n_groups: int, rows: Ints, count: Ints, ranks: Floats) -> float:
    """Centred mid-ranks of the values of ``rows``; answers the sum of their squares.

    ``group[row]`` numbers the distinct values of all rows in ascending order, so that counting
    replaces sorting; ``count`` is space for one number more than there are groups.
    """
    n = rows.shape[0]
    shift = 0.5 * (n + 1)
    count[: n_groups + 1] = 0
    for r in range(n):
        count[group[rows[r]] + 1] += 1
    ties = 0.0
    for k in range(n_groups):
        size = count[k + 1]
        ties += float(size) * (size * size - 1)
        count[k + 1] += count[k]
    for r in range(n):
        k = group[rows[r]]
        ranks[r] = 0.5 * (count[k] + count[k + 1] + 1) - shift
    squares: float = (float(n) * (n * n - 1.0) - ties) / 12.0
    return squares


@njit(cache=True, error_model="numpy", nogil=True)
def rank_terms(
    groups: Groups,
    n_groups: Ints,
    levels: Ints,
    rows: Ints,
    begin: int,
    count: Ints,
    ranks: Floats,
    sizes: Floats,
) -> None:
    """Centred mid-ranks over ``rows`` of the terms from ``begin`` on, or the codes of factors.

    ``ranks`` has shape (rows, terms), ``sizes`` gets the sums of squares (1 for a factor).
    """
    for t in range(begin, groups.shape[0]):
        if levels[t] > 0:
            for r in range(rows.shape[0]):
                ranks[r, t] = groups[t, rows[r]]
            sizes[t] = 1.0
        else:
            sizes[t] = subset_ranks(groups[t], n_groups[t], rows, count, ranks[:, t])


@njit(cache=True, error_model="numpy", nogil=True)
def screen(
    ranks_y: Floats,
    size_y: float,
    ranks_x: Floats,
    sizes: Floats,
    levels: Ints,
    limits: Floats,
    n: int,
) -> Floats:
    """Strength of each term on the train rows; below 1 where it does not pass the screen.

    ``ranks_x`` has shape (rows, terms), ``sizes`` and ``size_y`` are sums of squares. A number
    gives |rho| / limit; a factor (``levels`` > 0) the Kruskal-Wallis H / limit, its limit standing
    in ``limits`` by levels present.
    """
    n_terms = ranks_x.shape[1]
    out = np.zeros(n_terms)
    if size_y <= 0.0:
        return out
    # Row by row, so that the loop over terms vectorises; centred ranks are multiples of 1/2, their
    # products and sums exact.
    for r in range(n):
        f, row = ranks_y[r], ranks_x[r]
        for t in range(n_terms):
            out[t] += f * row[t]
    for t in range(n_terms):
        if sizes[t] <= 0.0:
            out[t] = 0.0
            continue
        if levels[t] == 0:
            out[t] = abs(out[t]) / sqrt(size_y * sizes[t]) / limits[0]
            continue
        total = np.zeros(levels[t])
        count = np.zeros(levels[t])
        for r in range(n):
            total[int(ranks_x[r, t])] += ranks_y[r]
            count[int(ranks_x[r, t])] += 1.0
        out[t] = 0.0
        h = 0.0
        present = 0
        for level in range(levels[t]):
            if count[level] > 0.0:
                h += total[level] * total[level] / count[level]
                present += 1
        if present > 1:
            out[t] = h * (n - 1) / size_y / limits[present - 1]
    return out
