"""One inner split of one configuration: fit on train, fit on dev from there, score."""

from __future__ import annotations

from math import inf, nan
from typing import NamedTuple

import numpy as np
from numba import njit

from mpss_lib.evaluation._kernels import (
    PERFECT,
    Flags,
    Floats,
    Ints,
    StepRules,
    criterion,
    start_model,
    stepwise_path,
)
from mpss_lib.evaluation._product_kernels import compact_products

TRAIN, DEV, BOTH = range(3)
"""Places of the three sets of rows."""

VALID, INTERCEPT_ONLY, DEGENERATE = range(3)
MAX_LOGLIK, MAX_AIC, MIN_AIC, DEV_R2, COMMON_AIC = range(5)


class FitRules(NamedTuple):
    """How a split is fitted and judged.

    Parameters
    ----------
    steps : StepRules
    winner : int
        What the score is: ``MAX_LOGLIK``, ...
    rival : int
        Another rule that takes its own winner among the same fits, -1 for none. Its score is made
        of the dev fit alone.
    final : int
        Rows of the final coefficients: ``TRAIN``, ``DEV`` or ``BOTH``.
    keep_intercept_only : bool
        A model without terms may win.
    """

    steps: StepRules
    winner: int
    rival: int
    final: int
    keep_intercept_only: bool


class Products(NamedTuple):
    """Centred cross-products of some columns over the three sets of rows.

    Parameters
    ----------
    sizes : tuple of int, rows of each
    means : (3, columns + 1) float64, the outcome's last
    owns : (3, columns) float64
        Sums of squares of the columns, 0 where a column is constant.
    grams : (3, columns + 1, columns + 1) float64
        The outcome last: of it only the last row is filled.
    """

    sizes: tuple[int, int, int]
    means: Floats
    owns: Floats
    grams: Floats


class Scratch(NamedTuple):
    """Room for one fit after the other: a fit takes what it needs from the start of each row.

    Parameters
    ----------
    grams : (3, (m + 1) ** 2) float64
    own : (m,) float64
    flags : (4, m or terms) bool
    no_path : (0, 3) float64
    """

    grams: Floats
    own: Floats
    flags: Flags
    no_path: Floats


class SplitFit(NamedTuple):
    """What one split of one configuration gives, in scratch room: until the next is fitted.

    Parameters
    ----------
    model, train_model : (candidates,) bool, the terms of the final and of the train model
    state : int
    score, rival_score : float
        -inf where it cannot win.
    aic, llf : float, of the dev fit
    fitted : (columns + 1, columns + 1) float64
        Swept cross-products of the final fit: the last column holds the coefficients.
    swept : (columns,) bool
        Columns that have a coefficient.
    frame : int
        Set of rows of the final fit.
    """

    model: Flags
    train_model: Flags
    state: int
    score: float
    rival_score: float
    aic: float
    llf: float
    fitted: Floats
    swept: Flags
    frame: int


@njit(cache=True, error_model="numpy", nogil=True)
def make_scratch(n_columns: int, n_terms: int) -> Scratch:
    """Make room for fits of up to so many columns and terms."""
    return Scratch(
        np.empty((3, (n_columns + 1) ** 2)), np.empty(n_columns),
        np.empty((4, max(n_columns, n_terms)), np.bool_), np.empty((0, 3)),
    )  # fmt: skip


@njit(cache=True, error_model="numpy", nogil=True)
def fit_split(
    products: Products, columns: Ints, first: Ints, rules: FitRules, scratch: Scratch
) -> SplitFit:
    """Fit one configuration on train and on dev rows, make its final coefficients, score it.

    ``columns`` are the candidates' columns among those of ``products``, those of candidate t at
    ``first[t]:first[t + 1]``.
    """
    steps, y = rules.steps, products.grams.shape[1] - 1
    train_ss, dev_ss = products.grams[TRAIN, y, y], products.grams[DEV, y, y]
    n_terms, n_columns = first.shape[0] - 1, columns.shape[0]
    own, no_path = scratch.own, scratch.no_path
    model, train_model = scratch.flags[0, :n_terms], scratch.flags[1, :n_terms]
    in_train, swept = scratch.flags[2, :n_columns], scratch.flags[3, :n_columns]
    model[:] = False
    in_train[:] = False
    swept[:] = False
    a = _gather(products, TRAIN, columns, scratch, 0)
    if train_ss > 0.0:
        stepwise_path(
            a, own, first, model, in_train, products.sizes[TRAIN], train_ss, steps, no_path
        )
    train_model[:] = model
    fitted = _gather(products, DEV, columns, scratch, 1)
    fits_dev = dev_ss > 0.0 and start_model(
        fitted, own, first, model, swept, products.sizes[DEV], steps.tol
    )
    aic, llf = nan, nan
    if fits_dev:
        stepwise_path(fitted, own, first, model, swept, products.sizes[DEV], dev_ss, steps, no_path)
        aic, llf = _likelihood(fitted, swept, products.sizes[DEV], dev_ss, steps.mse)
    by_r2 = rules.winner == DEV_R2
    if by_r2:
        model = train_model
    state = DEGENERATE
    if fits_dev or (by_r2 and dev_ss > 0.0):
        state = VALID if model.any() else INTERCEPT_ONLY
    is_good = state == VALID or (state == INTERCEPT_ONLY and rules.keep_intercept_only)
    frame, score, rival_score = DEV, -inf, -inf
    if is_good and (by_r2 or rules.final != DEV):
        # The dev fit is there, any other one is made.
        frame = rules.final
        fitted = _gather(products, frame, columns, scratch, 1)
        swept[:] = False
        is_good = products.grams[frame, y, y] > 0.0 and start_model(
            fitted, own, first, model, swept, products.sizes[frame], steps.tol
        )
        if not is_good:
            state = DEGENERATE
    if is_good:
        rival_score = _dev_score(rules.rival, aic, llf)
        if rules.winner <= MIN_AIC:
            score = _dev_score(rules.winner, aic, llf)
        elif by_r2:
            score = _dev_r2(products, columns, a, in_train)
        else:
            score = _common_aic(products, columns, first, model, steps, scratch)
    return SplitFit(model, train_model, state, score, rival_score, aic, llf, fitted, swept, frame)


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _dev_score(rule: int, aic: float, llf: float) -> float:
    """Score of a fit by what it is on the dev rows."""
    score = -inf
    if rule == MAX_LOGLIK:
        score = llf
    elif rule == MAX_AIC:
        score = aic
    elif rule == MIN_AIC:
        score = -aic
    return score


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _gather(products: Products, frame: int, columns: Ints, scratch: Scratch, place: int) -> Floats:
    """Cross-products of the candidates' columns and the outcome; the columns' own in ``own``."""
    size = columns.shape[0] + 1
    a = scratch.grams[place, : size * size].reshape((size, size))
    compact_products(products.grams[frame], products.owns[frame], columns, a, scratch.own)
    return a


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _likelihood(fitted: Floats, swept: Flags, n: int, tss: float, mse: bool) -> tuple[float, float]:
    """AIC and log-likelihood of a fit, with their constants."""
    used = 1 + swept.sum()
    aic = criterion(max(fitted[-1, -1], PERFECT * tss), used, n, mse)
    aic += n * (1.0 + np.log(2.0 * np.pi)) - n * np.log(n)
    return aic, used - 0.5 * aic


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _dev_r2(products: Products, columns: Ints, a: Floats, swept: Flags) -> float:
    """Share of the dev rows' variance that the train coefficients explain."""
    means, gram = products.means, products.grams[DEV]
    size, y = columns.shape[0], gram.shape[0] - 1
    shift = means[TRAIN, y] - means[DEV, y]
    for i in range(size):
        if swept[i]:
            shift += a[i, size] * (means[DEV, columns[i]] - means[TRAIN, columns[i]])
    loss = gram[y, y] + products.sizes[DEV] * shift * shift
    for i in range(size):
        if swept[i]:
            loss -= 2.0 * a[i, size] * gram[y, columns[i]]
            for j in range(size):
                if swept[j]:
                    loss += a[i, size] * a[j, size] * gram[columns[i], columns[j]]
    share: float = 1.0 - loss / gram[y, y]
    return share


@njit(cache=True, error_model="numpy", nogil=True)
def _common_aic(
    products: Products, columns: Ints, first: Ints, model: Flags, steps: StepRules,
    scratch: Scratch,
) -> float:  # fmt: skip
    """AIC, its sign changed, of the terms fitted anew on train and dev rows together."""
    y = products.grams.shape[1] - 1
    n, tss = products.sizes[BOTH], products.grams[BOTH, y, y]
    fitted = _gather(products, BOTH, columns, scratch, 2)
    swept = np.zeros(columns.shape[0], np.bool_)
    if tss > 0.0 and start_model(fitted, scratch.own, first, model, swept, n, steps.tol):
        rss = max(fitted[-1, -1], PERFECT * tss)
        score: float = -criterion(rss, 1 + swept.sum(), n, steps.mse)
        return score
    return -inf
