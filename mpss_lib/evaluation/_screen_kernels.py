"""The screen: how strongly each term goes with the outcome on the train rows, by ranks."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit

from mpss_lib.evaluation._kernels import Flags, Floats, Ints


@njit(cache=True, error_model="numpy", nogil=True)
def mid_ranks(order: Ints, fresh: Flags, place: Ints, n: int, ranks: Floats) -> None:
    """Centred mid-ranks of the ``n`` members of a subset, walking the order of all rows.

    ``fresh[k]`` says that row ``order[k]`` has another value than the one before; ``place[row]``
    is the position in ``ranks`` of a member row, -1 for the others.
    """
    before = 0
    start = 0
    total = order.shape[0]
    shift = 0.5 * (n + 1)
    while start < total:
        stop = start + 1
        if stop == total or fresh[stop]:
            if place[order[start]] >= 0:
                before += 1
                ranks[place[order[start]]] = before - shift
            start = stop
            continue
        size = 1 if place[order[start]] >= 0 else 0
        while stop < total and not fresh[stop]:
            if place[order[stop]] >= 0:
                size += 1
            stop += 1
        rank = before + 0.5 * (size + 1) - shift
        for k in range(start, stop):
            if place[order[k]] >= 0:
                ranks[place[order[k]]] = rank
        before += size
        start = stop


@njit(cache=True, error_model="numpy", nogil=True)
def rank_terms(
    screened_as: Floats,
    orders: Ints,
    fresh: Flags,
    levels: Ints,
    rows: Ints,
    place: Ints,
    begin: int,
    ranks: Floats,
    sizes: Floats,
) -> None:
    """Centred mid-ranks over ``rows`` of the terms from ``begin`` on, or the codes of factors.

    ``ranks`` has shape (rows, terms).
    """
    n = rows.shape[0]
    for t in range(begin, orders.shape[0]):
        if levels[t] > 0:
            for r in range(n):
                ranks[r, t] = screened_as[t, rows[r]]
            sizes[t] = 1.0
            continue
        mid_ranks(orders[t], fresh[t], place, n, ranks[:, t])
        sizes[t] = 0.0
        for r in range(n):
            sizes[t] += ranks[r, t] * ranks[r, t]


@njit(cache=True, error_model="numpy", nogil=True)
def screen(
    ranks_y: Floats, ranks_x: Floats, sizes: Floats, levels: Ints, limits: Floats, n: int
) -> Floats:
    """Strength of each term on the train rows; below 1 where it does not pass the screen.

    ``ranks_x`` has shape (rows, terms). A number gives |rho| / limit; a factor (``levels`` > 0)
    the Kruskal-Wallis H / limit, its limit standing in ``limits`` by levels present.
    """
    n_terms = ranks_x.shape[1]
    out = np.zeros(n_terms)
    ss = 0.0
    for r in range(n):
        ss += ranks_y[r] * ranks_y[r]
    if ss <= 0.0:
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
            out[t] = abs(out[t]) / sqrt(ss * sizes[t]) / limits[0]
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
            out[t] = h * (n - 1) / ss / limits[present - 1]
    return out
