"""Loops of stepwise regression and of the randomised evaluation.

Regression works on the centred cross-products ``a`` of the columns and, last, the outcome. The
symmetric sweep of column k puts it into the model: then ``a[y, y]`` is the residual sum of
squares, ``a[k, y]`` the coefficient and ``-a[k, k]`` the diagonal of the inverse. A term owns the
columns ``first[t]:first[t + 1]``; all of them enter and leave together.
"""

from __future__ import annotations

from math import exp, inf, lgamma, log, log1p
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TIE = 1e-10
"""Two candidates whose AIC differs by less are a tie: the first one wins."""

PERFECT = 1e-13
"""A residual below this share of the outcome's sum of squares is a perfect fit."""


class StepRules(NamedTuple):
    """When a term enters and when it leaves.

    Parameters
    ----------
    sse : bool
        The value of a term is the p-value of its partial F test; else the change of AIC.
    p_enter, p_remove : float
        Largest value that enters, smallest that leaves.
    max_steps : int
    tol : float
        Share of a column's sum of squares below which it is a combination of those inside.
    mse : bool
        The variance of the likelihood is RSS / df instead of RSS / n.
    """

    sse: bool
    p_enter: float
    p_remove: float
    max_steps: int
    tol: float
    mse: bool


@njit(cache=True, error_model="numpy", nogil=True)
def _sweep(a: Floats, k: int, sign: float) -> None:
    """Put column ``k`` into the model (``sign`` 1) or take it out (-1), in place."""
    size = a.shape[0]
    pivot = a[k, k]
    for i in range(size):
        if i != k:
            f = a[i, k] / pivot
            for j in range(size):
                a[i, j] -= f * a[k, j]
            a[i, k] = sign * f
    for j in range(size):
        a[k, j] = sign * a[k, j] / pivot
    a[k, k] = -1.0 / pivot


@njit(cache=True, error_model="numpy", nogil=True)
def log_f_tail(ratio: float, df: float, q: float) -> float:
    """Logarithm of the p-value of a partial F test.

    ``ratio`` is RSS with the term over RSS without it, so that p = I_ratio(df / 2, q / 2), the
    regularised incomplete beta function (continued fraction of Lentz; DLMF 8.17.22).
    """
    if ratio <= 0.0:
        return -inf
    if ratio >= 1.0:
        return 0.0
    a, b, x = 0.5 * df, 0.5 * q, ratio
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)
    mirrored = x > (a + 1.0) / (a + b + 2.0)
    if mirrored:
        a, b, x = b, a, 1.0 - x
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > 1e-300 else 1e-300)
    h = d
    for m in range(1, 400):
        for odd in range(2):
            if odd == 0:
                t = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
            else:
                t = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
            d = 1.0 + t * d
            d = 1.0 / (d if abs(d) > 1e-300 else 1e-300)
            c = 1.0 + t / c
            c = c if abs(c) > 1e-300 else 1e-300
            h *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    tail = front - log(a) + log(h)
    return log1p(-exp(tail)) if mirrored else tail


@njit(cache=True, error_model="numpy", nogil=True)
def _gains(
    a: Floats,
    own: Floats,
    first: Ints,
    tol: float,
    swept: Flags,
    chosen: Flags,
    which: bool,
    inside: bool,
    gain: Floats,
    rank: Ints,
) -> None:
    """Drop of RSS (rise, for terms ``inside``) and rank that go with each term asked about.

    Asked about are the terms whose place in ``chosen`` is ``which``. A column that is a
    combination of those inside does not count. One call for all terms: a call for each would cost
    more than its sums.
    """
    y = a.shape[0] - 1
    sign = -1.0 if inside else 1.0
    for t in range(chosen.shape[0]):
        if chosen[t] != which:
            continue
        begin, q = first[t], first[t + 1] - first[t]
        if q == 1:
            pivot = a[begin, begin]
            usable = inside or (own[begin] > 0.0 and pivot > tol * own[begin])
            gain[t], rank[t] = 0.0, 0
            if usable:
                gain[t], rank[t] = sign * a[begin, y] * a[begin, y] / pivot, 1
            continue
        w = np.empty((q, q + 1))
        for i in range(q):
            for j in range(q):
                w[i, j] = sign * a[begin + i, begin + j]
            w[i, q] = a[begin + i, y]
        gain[t], rank[t] = 0.0, 0
        for i in range(q):
            if inside:
                usable = swept[begin + i]
            else:
                usable = own[begin + i] > 0.0 and w[i, i] > tol * own[begin + i]
            if not usable:
                continue
            rank[t] += 1
            gain[t] += w[i, q] * w[i, q] / w[i, i]
            for k in range(i + 1, q):
                f = w[k, i] / w[i, i]
                for j in range(i, q + 1):
                    w[k, j] -= f * w[i, j]


@njit(cache=True, error_model="numpy", nogil=True)
def _take_in(a: Floats, own: Floats, begin: int, end: int, tol: float, swept: Flags) -> int:
    """Sweep in each column of ``begin:end`` that is not a combination of those inside."""
    rank = 0
    for k in range(begin, end):
        if not swept[k] and own[k] > 0.0 and a[k, k] > tol * own[k]:
            _sweep(a, k, 1.0)
            swept[k] = True
            rank += 1
    return rank


@njit(cache=True, error_model="numpy", nogil=True)
def start_model(
    a: Floats, own: Floats, first: Ints, inside: Flags, swept: Flags, n: int, tol: float
) -> bool:
    """Sweep in the start terms; False if rank is deficient or no residual df is left."""
    gains = np.empty(inside.shape[0])
    ranks = np.empty(inside.shape[0], np.int64)
    _gains(a, own, first, tol, swept, inside, True, False, gains, ranks)
    used = 1
    for t in range(inside.shape[0]):
        if inside[t]:
            rank = _take_in(a, own, first[t], first[t + 1], tol, swept)
            if rank == 0 or rank < ranks[t]:
                return False
            used += rank
    return n - used > 0


@njit(cache=True, error_model="numpy", nogil=True)
def criterion(rss: float, k: int, n: int, mse: bool) -> float:
    """AIC without the constants n (1 + ln 2 pi) - n ln n: ``k`` coefficients, intercept included.

    With ``mse`` the variance of the likelihood is RSS / df instead of RSS / n.
    """
    if mse:
        return n * log(rss / (n - k)) + n * log(n) + k
    return n * log(rss) + 2.0 * k


@njit(cache=True, error_model="numpy", nogil=True)
def term_value(
    with_it: float, without: float, used: int, q: int, n: int, rules: StepRules
) -> float:
    """Value of a term of rank ``q``: the change of AIC that it makes, or the logarithm of its p.

    ``with_it`` and ``without`` are the residual sums of squares, ``used`` the coefficients of the
    model that has the term.
    """
    value: float
    if rules.sse:
        value = log_f_tail(with_it / without, n - used, q)
    else:
        value = criterion(with_it, used, n, rules.mse) - criterion(without, used - q, n, rules.mse)
    return value


@njit(cache=True, error_model="numpy", nogil=True)
def _best_entry(
    inside: Flags, gains: Floats, ranks: Ints, rss: float, floor: float, used: int, n: int,
    rules: StepRules,
) -> tuple[int, float]:  # fmt: skip
    """Term whose entry has the smallest value, -1 where none may enter, and the value.

    Of terms of one column the one with the largest gain is the best; only its value is computed.
    """
    best, best_value, single, single_gain = -1, inf, -1, 0.0
    for t in range(inside.shape[0]):
        if inside[t]:
            continue
        gain, q = gains[t], ranks[t]
        if q == 0 or n - used - q <= 0:
            continue
        if q == 1:
            ahead = n * (gain - single_gain) > TIE * (rss - single_gain)
            if single < 0 or ahead:
                single, single_gain = t, gain
            continue
        value = term_value(max(rss - gain, floor), rss, used + q, q, n, rules)
        if value < best_value - TIE:
            best, best_value = t, value
    if single >= 0:
        q = ranks[single]
        value = term_value(max(rss - single_gain, floor), rss, used + q, q, n, rules)
        ahead = value < best_value - TIE
        if best < 0 or ahead or (single < best and value < best_value + TIE):
            best, best_value = single, value
    return best, best_value


@njit(cache=True, error_model="numpy", nogil=True)
def _is_aliased(own: Floats, first: Ints, inside: Flags, swept: Flags) -> bool:
    """Whether a term inside has a column that is a combination of the others."""
    for t in range(inside.shape[0]):
        if inside[t]:
            for k in range(first[t], first[t + 1]):
                if not swept[k] and own[k] > 0.0:
                    return True
    return False


@njit(cache=True, error_model="numpy", nogil=True)
def _take_out(
    a: Floats, own: Floats, first: Ints, inside: Flags, swept: Flags, term: int, aliased: bool,
    tol: float,
) -> int:  # fmt: skip
    """Sweep a term out; columns that were combinations of it may come back. Returns lost rank."""
    lost = 0
    for k in range(first[term], first[term + 1]):
        if swept[k]:
            _sweep(a, k, -1.0)
            swept[k] = False
            lost += 1
    if aliased:
        for t in range(inside.shape[0]):
            if inside[t] and t != term:
                lost -= _take_in(a, own, first[t], first[t + 1], tol, swept)
    return lost


@njit(cache=True, error_model="numpy", nogil=True)
def _worst_inside(
    a: Floats, own: Floats, first: Ints, inside: Flags, swept: Flags, gains: Floats, ranks: Ints,
    rss: float, used: int, n: int, aliased: bool, rules: StepRules,
) -> tuple[int, float]:  # fmt: skip
    """Term inside with the largest value, -1 where none may leave, and the value."""
    y = a.shape[0] - 1
    worst, worst_value = -1, -inf
    for t in range(inside.shape[0]):
        if not inside[t]:
            continue
        rise, q = gains[t], ranks[t]
        if aliased:
            b = a.copy()
            q = _take_out(b, own, first, inside, swept.copy(), t, aliased, rules.tol)
            rise = b[y, y] - rss
            if q <= 0:
                continue
        value = term_value(rss, rss + rise, used, q, n, rules)
        if value > worst_value + TIE:
            worst, worst_value = t, value
    return worst, worst_value


@njit(cache=True, error_model="numpy", nogil=True)
def _note(path: Floats, step: int, term: int, added: float, value: float, sse: bool) -> None:
    if step < path.shape[0]:
        path[step, 0], path[step, 1] = term, added
        path[step, 2] = exp(value) if sse else value


@njit(cache=True, error_model="numpy", nogil=True)
def stepwise_path(
    a: Floats, own: Floats, first: Ints, inside: Flags, swept: Flags, n: int, tss: float,
    rules: StepRules, path: Floats,
) -> int:  # fmt: skip
    """Add the best term while one passes; only then remove the worst; until neither.

    ``path`` (max steps kept, 3) gets term, 1 added or 0 removed, value: the change of AIC, or
    the p-value. Returns the number of steps.
    """
    y = a.shape[0] - 1
    gains = np.empty(inside.shape[0])
    ranks = np.empty(inside.shape[0], np.int64)
    enters = log(rules.p_enter) if rules.sse else rules.p_enter
    leaves = log(rules.p_remove) if rules.sse else rules.p_remove
    floor = PERFECT * tss
    used = 1 + swept.sum()  # a literal would have the callees compiled once more
    for step in range(rules.max_steps):
        rss = max(a[y, y], floor)
        term, value = -1, inf
        if rss > floor:
            _gains(a, own, first, rules.tol, swept, inside, False, False, gains, ranks)
            term, value = _best_entry(inside, gains, ranks, rss, floor, used, n, rules)
        if term >= 0 and value <= enters:
            used += _take_in(a, own, first[term], first[term + 1], rules.tol, swept)
            inside[term] = True
            _note(path, step, term, 1.0, value, rules.sse)
            continue
        aliased = _is_aliased(own, first, inside, swept)
        _gains(a, own, first, rules.tol, swept, inside, True, True, gains, ranks)
        term, value = _worst_inside(
            a, own, first, inside, swept, gains, ranks, rss, used, n, aliased, rules
        )
        if term < 0 or value < leaves:
            return step
        used -= _take_out(a, own, first, inside, swept, term, aliased, rules.tol)
        inside[term] = False
        _note(path, step, term, 0.0, value, rules.sse)
    return rules.max_steps
