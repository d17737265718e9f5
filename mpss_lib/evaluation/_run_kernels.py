"""The loop over splits: screen on train rows, fit, score, take the winner, try the test rows.

A record of arrays costs when it is handed on, and room costs when it is asked for: what is done for
each fit takes few records and gets its room from before, and the smallest steps are inlined.
"""

from __future__ import annotations

from math import inf, nan, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from mpss_lib.evaluation._kernels import Flags, Floats, Ints
from mpss_lib.evaluation._product_kernels import (
    centre_outcome,
    cross_products,
    pick_products,
    subtract_products,
)
from mpss_lib.evaluation._screen_kernels import Places, rank_outcome, screen
from mpss_lib.evaluation._split_kernels import (
    BOTH,
    DEV,
    TRAIN,
    FitRules,
    Products,
    Scratch,
    SplitFit,
    fit_split,
    make_scratch,
)


class Terms(NamedTuple):
    """Columns and the terms that own them.

    Parameters
    ----------
    x : (n, m) float64, columns, standardised
    first : (terms + 1,) int64, first column of each term
    levels : (terms,) int64, number of levels where the screen is Kruskal-Wallis, else 0
    order, closes : (terms, n) int32, bool
        Rows by ascending value (of a factor, by code), and whether the place is the last of equal
        values: what the screen ranks.
    configurations : (3, terms) bool, which terms are candidates in which
    """

    x: Floats
    first: Ints
    levels: Ints
    order: Places
    closes: Flags
    configurations: Flags


class Outcomes(NamedTuple):
    """One outcome, or many permuted ones.

    Parameters
    ----------
    values, order, closes : (p, n) float64, int32, bool
        As dealt; and in ascending order as the terms are.
    """

    values: Floats
    order: Places
    closes: Flags


class Rows(NamedTuple):
    """Row numbers of the splits: (outer, n_test), (outer, inner, n_train), (outer, inner, n_dev).

    The train and dev rows of an inner split are all but the test rows of its outer one.
    """

    test: Ints
    train: Ints
    dev: Ints


class Fits(NamedTuple):
    """What is kept of every inner split of the first outcome; without length: nothing is kept.

    Parameters
    ----------
    terms, train_terms : (outer, inner, 3, terms) bool
    numbers : (outer, inner, 3, 3) float64: AIC, log-likelihood, terms screened
    states : (outer, inner, 3) int64
    """

    terms: Flags
    train_terms: Flags
    numbers: Floats
    states: Ints


class Runs(NamedTuple):
    """What every outer split gives.

    Parameters
    ----------
    chosen : (p, outer, winners) int64, winning inner split, -1 where the run is invalid
        Of the 3 configurations; 6 where a rival rule takes its own winners, which are the last 3.
    correlations : (p, outer, winners) float64
    predictions : (p, outer, winners, n_test) float64
    coefficients : (outer, winners, 1 + m) float64
        Of the first outcome's winners, on standardised columns, the intercept first.
    """

    chosen: Ints
    correlations: Floats
    predictions: Floats
    coefficients: Floats


class _Outer(NamedTuple):
    """What the inner splits of one outer split share.

    ``strengths`` (p, inner, terms) of the screen. Over train and dev rows together: ``mean``,
    ``own`` (m,), ``gram`` (m, m), ``cross`` (p, m), ``y`` (p, 2: mean, sum of squares).
    ``best_score`` (p, winners) and ``best`` (p, winners, 1 + m), the coefficients, are of the best
    inner split so far.
    """

    strengths: Floats
    mean: Floats
    own: Floats
    gram: Floats
    cross: Floats
    y: Floats
    best_score: Floats
    best: Floats


@njit(cache=True, error_model="numpy", nogil=True)
def run_splits(
    terms: Terms, outcomes: Outcomes, rows: Rows, limits: Floats, rules: FitRules, fits: Fits,
    runs: Runs,
) -> None:  # fmt: skip
    """Every outer and inner split of one segment, for each outcome and configuration.

    ``limits``: |rho| of the screen, then the chi-squared limits for 1, 2, ... df. ``fits`` and
    ``runs`` are filled.
    """
    shared = _make_shared(terms, outcomes, rows, runs.chosen.shape[2])
    scratch = make_scratch(terms.x.shape[1], terms.levels.shape[0])
    for outer in range(rows.test.shape[0]):
        _open_outer(terms, outcomes, rows.train[outer], rows.dev[outer], limits, shared)
        runs.chosen[:, outer, :] = -1
        for inner in range(rows.train.shape[1]):
            _fit_inner(
                terms, outcomes, rows, rules, fits, runs.chosen, shared, scratch, outer, inner
            )
        _try_test(terms, outcomes, rows.test[outer], runs, shared, outer)


@njit(cache=True, error_model="numpy", nogil=True)
def _make_shared(terms: Terms, outcomes: Outcomes, rows: Rows, n_winners: int) -> _Outer:
    m, n_terms = terms.x.shape[1], terms.levels.shape[0]
    p, n_inner = outcomes.values.shape[0], rows.train.shape[1]
    return _Outer(
        np.empty((p, n_inner, n_terms)), np.empty(m), np.empty(m), np.empty((m, m)),
        np.empty((p, m)), np.empty((p, 2)), np.empty((p, n_winners)),
        np.zeros((p, n_winners, 1 + m)),
    )  # fmt: skip


@njit(cache=True, error_model="numpy", nogil=True)
def _open_outer(
    terms: Terms, outcomes: Outcomes, train: Ints, dev: Ints, limits: Floats, shared: _Outer
) -> None:
    """Screen all inner splits of an outer one; products over their rows, which are the same."""
    n, m = terms.x.shape
    n_inner, n_train = train.shape
    shared.best_score[:] = -inf
    shared.best[:] = 0.0
    both = np.concatenate((train[0], dev[0]))
    centred = np.empty((both.shape[0], m))
    is_train = np.zeros((n, n_inner), np.int32)
    for inner in range(n_inner):
        for r in range(n_train):
            is_train[train[inner, r], inner] = 1
    doubled = np.zeros((n, n_inner), np.int32)
    squares = np.empty(n_inner)
    cross_products(terms.x, both, np.arange(m), shared.mean, centred, shared.own, shared.gram)
    for p in range(outcomes.values.shape[0]):
        rank_outcome(outcomes.order[p], outcomes.closes[p], is_train, n_train, doubled, squares)
        screen(
            terms.order, terms.closes, terms.levels, doubled, squares, n_train, limits,
            shared.strengths[p],
        )  # fmt: skip
        shared.y[p, 0], shared.y[p, 1] = centre_outcome(
            outcomes.values[p], both, centred, shared.cross[p]
        )


@njit(cache=True, error_model="numpy", nogil=True)
def _fit_inner(
    terms: Terms, outcomes: Outcomes, rows: Rows, rules: FitRules, fits: Fits, chosen: Ints,
    shared: _Outer, scratch: Scratch, outer: int, inner: int,
) -> None:  # fmt: skip
    """Fit one inner split for each outcome and configuration; keep the best coefficients."""
    dev = rows.dev[outer, inner]
    is_kept = fits.states.shape[0] > 0
    wanted, place = _wanted_columns(terms, shared.strengths[:, inner])
    centred = np.empty((dev.shape[0], wanted.shape[0]))
    products = _make_products(rows.train.shape[2], dev.shape[0], wanted.shape[0])
    sizes, means, owns, grams = products.sizes, products.means, products.owns, products.grams
    cross_products(terms.x, dev, wanted, means[DEV], centred, owns[DEV], grams[DEV])
    pick_products(
        wanted, shared.mean, shared.own, shared.gram, means[BOTH], owns[BOTH], grams[BOTH]
    )
    subtract_products(sizes[TRAIN], sizes[DEV], means, owns, grams)
    passing = np.empty(terms.levels.shape[0], np.int64)
    places = np.empty((3, terms.x.shape[1] + 1), np.int64)
    for p in range(outcomes.values.shape[0]):
        _add_outcome(
            outcomes.values[p], dev, centred, wanted, shared.y[p], shared.cross[p], products
        )
        n_passing = _rank_passing(shared.strengths[p, inner], passing)
        for g in range(3):
            count, n_columns = _candidates(
                passing[:n_passing], terms.configurations[g], terms.first, place, places
            )
            candidates, columns = places[0, :count], places[1, :n_columns]
            first = places[2, : count + 1]
            found = fit_split(products, columns, first, rules, scratch)
            if found.score > shared.best_score[p, g]:
                shared.best_score[p, g] = found.score
                chosen[p, outer, g] = inner
                _keep_best(found, means[found.frame], columns, wanted, shared.best[p, g])
            if found.rival_score > -inf and found.rival_score > shared.best_score[p, 3 + g]:
                shared.best_score[p, 3 + g] = found.rival_score
                chosen[p, outer, 3 + g] = inner
                _keep_best(found, means[found.frame], columns, wanted, shared.best[p, 3 + g])
            if is_kept and p == 0:
                _keep_fit(found, candidates, fits, outer, inner, g)


@njit(cache=True, error_model="numpy", nogil=True)
def _keep_best(found: SplitFit, means: Floats, columns: Ints, wanted: Ints, best: Floats) -> None:
    """Put intercept and coefficients on all columns into ``best``."""
    size = columns.shape[0]
    best[:] = 0.0
    constant = means[wanted.shape[0]]
    for i in range(size):
        if found.swept[i]:
            slope = found.fitted[i, size]
            best[1 + wanted[columns[i]]] = slope
            constant -= slope * means[columns[i]]
    best[0] = constant


@njit(cache=True, error_model="numpy", nogil=True)
def _keep_fit(
    found: SplitFit, candidates: Ints, fits: Fits, outer: int, inner: int, g: int
) -> None:
    for k in range(candidates.shape[0]):
        fits.terms[outer, inner, g, candidates[k]] = found.model[k]
        fits.train_terms[outer, inner, g, candidates[k]] = found.train_model[k]
    fits.numbers[outer, inner, g, 0] = found.aic
    fits.numbers[outer, inner, g, 1] = found.llf
    fits.numbers[outer, inner, g, 2] = candidates.shape[0]
    fits.states[outer, inner, g] = found.state


@njit(cache=True, error_model="numpy", nogil=True)
def _wanted_columns(terms: Terms, strengths: Floats) -> tuple[Ints, Ints]:
    """Columns that pass the screen for some outcome: no others are looked at.

    Returns the columns and the place of each wanted term's first one among them. ``strengths``:
    (p, terms).
    """
    n_terms = terms.levels.shape[0]
    wanted = np.empty(terms.x.shape[1], np.int64)
    place = np.zeros(n_terms, np.int64)
    n_wanted = 0
    for t in range(n_terms):
        is_wanted = False
        for p in range(strengths.shape[0]):
            is_wanted |= strengths[p, t] > 1.0
        if is_wanted:
            place[t] = n_wanted
            for j in range(terms.first[t], terms.first[t + 1]):
                wanted[n_wanted] = j
                n_wanted += 1
    return wanted[:n_wanted], place


@njit(cache=True, error_model="numpy", nogil=True)
def _make_products(n_train: int, n_dev: int, size: int) -> Products:
    grams = np.empty((3, size + 1, size + 1))
    sizes = (n_train, n_dev, n_train + n_dev)
    return Products(sizes, np.empty((3, size + 1)), np.empty((3, size)), grams)


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _add_outcome(
    y: Floats, dev: Ints, centred: Floats, wanted: Ints, both_y: Floats, both_cross: Floats,
    products: Products,
) -> None:  # fmt: skip
    """Fill what the products hold of the outcome; ``both_y``, ``both_cross``: over all rows."""
    means, last = products.means, wanted.shape[0]
    n_train, n_dev, n_both = products.sizes
    in_train, in_dev, in_both = (
        products.grams[TRAIN, last], products.grams[DEV, last], products.grams[BOTH, last]
    )  # fmt: skip
    dev_mean, in_dev[last] = centre_outcome(y, dev, centred, in_dev[:last])
    train_mean = (n_both * both_y[0] - n_dev * dev_mean) / n_train
    means[TRAIN, last], means[DEV, last], means[BOTH, last] = train_mean, dev_mean, both_y[0]
    apart = n_train * n_dev / n_both * (train_mean - dev_mean)
    in_both[last] = both_y[1]
    in_train[last] = both_y[1] - in_dev[last] - apart * (train_mean - dev_mean)
    if in_train[last] <= 1e-13 * both_y[1]:
        in_train[last] = 0.0
    for j in range(last):
        in_both[j] = both_cross[wanted[j]]
        in_train[j] = in_both[j] - in_dev[j] - apart * (means[TRAIN, j] - means[DEV, j])


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _rank_passing(strength: Floats, passing: Ints) -> int:
    """Terms that pass the screen, strongest first, equal ones in canonical order."""
    count = 0
    for t in range(strength.shape[0]):
        if strength[t] > 1.0:
            k = count
            while k > 0 and strength[passing[k - 1]] < strength[t]:
                passing[k] = passing[k - 1]
                k -= 1
            passing[k] = t
            count += 1
    return count


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _candidates(
    passing: Ints, allowed: Flags, first: Ints, place: Ints, places: Ints
) -> tuple[int, int]:
    """Fill ``places``: terms of one configuration that pass, their columns, where each begins.

    Returns the numbers of terms and of columns.
    """
    count = n_columns = 0
    places[2, 0] = 0
    for k in range(passing.shape[0]):
        t = passing[k]
        if allowed[t]:
            for j in range(first[t + 1] - first[t]):
                places[1, n_columns] = place[t] + j
                n_columns += 1
            places[0, count] = t
            count += 1
            places[2, count] = n_columns
    return count, n_columns


@njit(cache=True, error_model="numpy", nogil=True)
def _try_test(
    terms: Terms, outcomes: Outcomes, test: Ints, runs: Runs, shared: _Outer, outer: int
) -> None:
    """Predict the test rows with the winners and correlate."""
    n_test, m = test.shape[0], terms.x.shape[1]
    y = np.empty(n_test)
    for p in range(outcomes.values.shape[0]):
        for g in range(runs.chosen.shape[2]):
            best, guess = shared.best[p, g], runs.predictions[p, outer, g]
            if p == 0:
                runs.coefficients[outer, g] = best
            if runs.chosen[p, outer, g] < 0:
                runs.correlations[p, outer, g] = nan
                guess[:] = nan
                continue
            for r in range(n_test):
                row = test[r]
                y[r] = outcomes.values[p, row]
                guess[r] = best[0]
                for j in range(m):
                    if best[1 + j] != 0.0:
                        guess[r] += best[1 + j] * terms.x[row, j]
            runs.correlations[p, outer, g] = _pearson(guess, y)


@njit(cache=True, error_model="numpy", nogil=True)
def _pearson(x: Floats, y: Floats) -> float:
    """Pearson correlation, NaN where one of them does not vary or there are fewer than 3."""
    n = x.shape[0]
    if n < 3:
        return nan
    mx, my = x.mean(), y.mean()
    sxx = syy = sxy = 0.0
    for i in range(n):
        sxx += (x[i] - mx) ** 2
        syy += (y[i] - my) ** 2
        sxy += (x[i] - mx) * (y[i] - my)
    if sxx <= 1e-24 * n * (1e-300 + mx * mx) or syy <= 1e-24 * n * (1e-300 + my * my):
        return nan
    return max(-1.0, min(1.0, sxy / sqrt(sxx * syy)))
