"""The loop over splits: screen on train rows, fit, score, take the winner, try the test rows."""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
from numba import njit

from mpss_lib.evaluation._kernels import (
    PERFECT,
    Flags,
    Floats,
    Ints,
    criterion,
    cross_products,
    start_model,
    stepwise_path,
    subtract_products,
)
from mpss_lib.evaluation._screen_kernels import Groups, rank_terms, screen, subset_ranks

VALID, INTERCEPT_ONLY, DEGENERATE = 0, 1, 2
MAX_LOGLIK, MAX_AIC, MIN_AIC, DEV_R2, COMMON_AIC = range(5)
COEF_DEV, COEF_TRAIN, COEF_BOTH = range(3)


@njit(cache=True, error_model="numpy", nogil=True)
def _compact(
    gram: Floats, cross: Floats, yy: float, own: Floats, columns: Ints, a: Floats, sub: Floats
) -> None:
    """Cross-products of the chosen columns and the outcome."""
    c = columns.shape[0]
    for i in range(c):
        for j in range(c):
            a[i, j] = gram[columns[i], columns[j]]
        a[i, c] = cross[columns[i]]
        a[c, i] = cross[columns[i]]
        sub[i] = own[columns[i]]
    a[c, c] = yy


@njit(cache=True, error_model="numpy", nogil=True)
def _centre_outcome(y: Floats, rows: Ints, centred: Floats, cross: Floats) -> tuple[float, float]:
    """Mean and centred sum of squares of the outcome; ``cross`` gets its products with columns."""
    n = rows.shape[0]
    mean = 0.0
    for r in range(n):
        mean += y[rows[r]]
    mean /= n
    cross[:] = 0.0
    yy = 0.0
    for r in range(n):
        yy += (y[rows[r]] - mean) ** 2
    for r in range(0, n - n % 4, 4):
        row0, row1, row2, row3 = centred[r], centred[r + 1], centred[r + 2], centred[r + 3]
        f0, f1 = y[rows[r]] - mean, y[rows[r + 1]] - mean
        f2, f3 = y[rows[r + 2]] - mean, y[rows[r + 3]] - mean
        for j in range(cross.shape[0]):
            cross[j] += (f0 * row0[j] + f1 * row1[j]) + (f2 * row2[j] + f3 * row3[j])
    for r in range(n - n % 4, n):
        row0, f0 = centred[r], y[rows[r]] - mean
        for j in range(cross.shape[0]):
            cross[j] += f0 * row0[j]
    if yy <= 1e-24 * n * mean * mean:
        yy = 0.0
    return mean, yy


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


@njit(cache=True, error_model="numpy", nogil=True)
def run_splits(
    x: Floats,
    groups: Groups,
    n_groups: Ints,
    levels: Ints,
    first: Ints,
    outcomes: Floats,
    outcome_groups: Groups,
    n_outcome_groups: Ints,
    deals: Ints,
    n_kept: int,
    configurations: Flags,
    test: Ints,
    train: Ints,
    dev: Ints,
    limits: Floats,
    sse: bool,
    p_enter: float,
    p_remove: float,
    max_steps: int,
    tol: float,
    mse: bool,
    winner: int,
    final_coef: int,
    keep_intercept_only: bool,
    is_kept: bool,
    terms: Flags,
    train_terms: Flags,
    numbers: Floats,
    states: Ints,
    chosen: Ints,
    correlations: Floats,
    predictions: Floats,
    coefficients: Floats,
) -> None:
    """Every outer and inner split of one segment, for each outcome and configuration.

    Parameters
    ----------
    x : (n, m) columns, standardised
    groups, n_groups : (terms, n) and (terms,): the distinct values that the screen ranks, numbered
        in ascending order (of a factor, its codes), and how many there are
    levels : (terms,) number of levels where the screen is Kruskal-Wallis, else 0
    first : (terms + 1,) first column of each term
    outcomes, outcome_groups, n_outcome_groups : (p, n), (p, n), (p,), the same of the outcome;
        more than one for permuted outcomes
    deals, n_kept : (p, n) and int; the terms from ``n_kept`` on are dealt out together with the
        outcome, row r taking the values of row ``deals[p, r]`` (p >= 1 row, unread where
        ``n_kept`` is the number of terms; the outcomes are given as dealt)
    configurations : (3, terms)
    test : (outer, n_test); train, dev : (outer, inner, rows), together all rows but the test
    limits : |rho| of the screen, then the chi-squared limits for 1, 2, ... df
    is_kept : whether terms, train_terms (outer, inner, 3, terms), numbers (outer, inner, 3, 3:
        AIC, log-likelihood, terms screened) and states (outer, inner, 3) of the first outcome
        are filled
    chosen : (p, outer, 3) winning inner split, -1 where the run is invalid
    correlations : (p, outer, 3); predictions : (p, outer, 3, n_test)
    coefficients : (outer, 3, 1 + m) of the first outcome's winners, on standardised columns
    """
    n, m = x.shape
    n_terms = first.shape[0] - 1
    n_outcomes = outcomes.shape[0]
    n_train, n_dev, n_test = train.shape[2], dev.shape[2], test.shape[1]
    n_both = n_train + n_dev
    ranks_x = np.empty((n_train, n_terms))
    ranks_y = np.empty(n_train)
    sizes = np.empty(n_terms)
    count = np.zeros(n + 1, np.int64)
    # Places of the three: 0 train, 1 dev, 2 both.
    grams = np.zeros((3, m, m))
    owns = np.zeros((3, m))
    means = np.zeros((3, m))
    cross = np.zeros((3, m))
    y_means = np.zeros(3)
    y_ss = np.zeros(3)
    kept_dev = np.zeros((n_dev, m))
    kept_both = np.zeros((n_both, m))
    best_score = np.empty((n_outcomes, 3))
    best_coef = np.zeros((n_outcomes, 3, 1 + m))
    y_test = np.empty(n_test)
    guess = np.empty(n_test)
    both = np.empty(n_both, np.int64)
    last_kept = first[n_kept]
    is_dealt = n_kept < n_terms
    dealt_both = np.empty(n_both, np.int64)
    # What belongs to an outcome over both, and to the columns that are dealt with it.
    both_cross = np.empty((n_outcomes, m))
    both_y = np.empty((n_outcomes, 2))
    n_tails = n_outcomes if is_dealt else 0
    tail_gram = np.empty((n_tails, m - last_kept, m))
    tail_mean = np.empty((n_tails, m - last_kept))
    tail_own = np.empty((n_tails, m - last_kept))
    no_path = np.empty((0, 3))
    for outer in range(test.shape[0]):
        best_score[:] = -inf
        best_coef[:] = 0.0
        chosen[:, outer, :] = -1
        for r in range(n_train):
            both[r] = train[outer, 0, r]
        for r in range(n_dev):
            both[n_train + r] = dev[outer, 0, r]
        cross_products(x, both, 0, means[2], kept_both, owns[2], grams[2])
        for p in range(n_outcomes):
            if is_dealt:
                for r in range(n_both):
                    dealt_both[r] = deals[p, both[r]]
                cross_products(x, dealt_both, last_kept, means[2], kept_both, owns[2], grams[2])
                tail_gram[p] = grams[2, last_kept:]
                tail_mean[p] = means[2, last_kept:]
                tail_own[p] = owns[2, last_kept:]
            both_y[p] = _centre_outcome(outcomes[p], both, kept_both, both_cross[p])
        for inner in range(train.shape[1]):
            rank_terms(groups, n_groups, levels, train[outer, inner], 0, count, ranks_x, sizes)
            cross_products(x, dev[outer, inner], 0, means[1], kept_dev, owns[1], grams[1])
            if not is_dealt:
                subtract_products(n_train, n_dev, means, owns, grams)
            for p in range(n_outcomes):
                if is_dealt:
                    dealt_train = deals[p][train[outer, inner]]
                    dealt_dev = deals[p][dev[outer, inner]]
                    rank_terms(groups, n_groups, levels, dealt_train, n_kept, count, ranks_x, sizes)
                    cross_products(x, dealt_dev, last_kept, means[1], kept_dev, owns[1], grams[1])
                    means[2, last_kept:] = tail_mean[p]
                    owns[2, last_kept:] = tail_own[p]
                    for i in range(last_kept, m):
                        grams[2, i] = tail_gram[p, i - last_kept]
                        grams[2, :, i] = tail_gram[p, i - last_kept]
                    subtract_products(n_train, n_dev, means, owns, grams)
                size_y = subset_ranks(
                    outcome_groups[p], n_outcome_groups[p], train[outer, inner], count, ranks_y
                )
                strength = screen(ranks_y, size_y, ranks_x, sizes, levels, limits, n_train)
                y_means[1], y_ss[1] = _centre_outcome(
                    outcomes[p], dev[outer, inner], kept_dev, cross[1]
                )
                y_means[2], y_ss[2] = both_y[p]
                cross[2] = both_cross[p]
                y_means[0] = (n_both * y_means[2] - n_dev * y_means[1]) / n_train
                apart = n_train * n_dev / n_both * (y_means[0] - y_means[1])
                y_ss[0] = y_ss[2] - y_ss[1] - apart * (y_means[0] - y_means[1])
                if y_ss[0] <= 1e-13 * y_ss[2]:
                    y_ss[0] = 0.0
                for j in range(m):
                    cross[0, j] = cross[2, j] - cross[1, j] - apart * (means[0, j] - means[1, j])
                ordered = np.argsort(-strength, kind="mergesort")
                for g in range(3):
                    candidates = np.empty(n_terms, np.int64)
                    n_cand = 0
                    n_cols = 0
                    for k in range(n_terms):
                        t = ordered[k]
                        if strength[t] > 1.0 and configurations[g, t]:
                            candidates[n_cand] = t
                            n_cand += 1
                            n_cols += first[t + 1] - first[t]
                    columns = np.empty(n_cols, np.int64)
                    begin = np.zeros(n_cand + 1, np.int64)
                    n_cols = 0
                    for k in range(n_cand):
                        for j in range(first[candidates[k]], first[candidates[k] + 1]):
                            columns[n_cols] = j
                            n_cols += 1
                        begin[k + 1] = n_cols
                    a = np.empty((n_cols + 1, n_cols + 1))
                    sub = np.empty(n_cols)
                    inside = np.zeros(n_cand, np.bool_)
                    swept = np.zeros(n_cols, np.bool_)
                    _compact(grams[0], cross[0], y_ss[0], owns[0], columns, a, sub)
                    if y_ss[0] > 0.0:
                        stepwise_path(
                            a, sub, begin, inside, swept, n_train, y_ss[0], sse, p_enter,
                            p_remove, max_steps, tol, mse, no_path,
                        )  # fmt: skip
                    from_train = inside.copy()
                    b = np.empty((n_cols + 1, n_cols + 1))
                    _compact(grams[1], cross[1], y_ss[1], owns[1], columns, b, sub)
                    swept_dev = np.zeros(n_cols, np.bool_)
                    fits_dev = y_ss[1] > 0.0 and start_model(
                        b, sub, begin, inside, swept_dev, n_dev, tol
                    )
                    aic, llf = nan, nan
                    if fits_dev:
                        stepwise_path(
                            b, sub, begin, inside, swept_dev, n_dev, y_ss[1], sse, p_enter,
                            p_remove, max_steps, tol, mse, no_path,
                        )  # fmt: skip
                        used = 1 + swept_dev.sum()
                        rss = max(b[n_cols, n_cols], PERFECT * y_ss[1])
                        aic = criterion(rss, used, n_dev, mse)
                        aic += n_dev * (1.0 + np.log(2.0 * np.pi)) - n_dev * np.log(n_dev)
                        llf = used - 0.5 * aic
                    model = from_train if winner == DEV_R2 else inside
                    state = DEGENERATE
                    if fits_dev or (winner == DEV_R2 and y_ss[1] > 0.0):
                        state = VALID if model.any() else INTERCEPT_ONLY
                    score = -inf
                    is_good = state == VALID or (state == INTERCEPT_ONLY and keep_intercept_only)
                    if is_good:
                        # The final coefficients: the dev fit is there, another one is made.
                        coef, frame = b, 1
                        if winner == DEV_R2 or final_coef != COEF_DEV:
                            frame = 1
                            if final_coef == COEF_TRAIN:
                                frame = 0
                            if final_coef == COEF_BOTH:
                                frame = 2
                            size = n_both
                            if frame == 0:
                                size = n_train
                            if frame == 1:
                                size = n_dev
                            coef = np.empty((n_cols + 1, n_cols + 1))
                            _compact(
                                grams[frame], cross[frame], y_ss[frame], owns[frame], columns,
                                coef, sub,
                            )  # fmt: skip
                            swept_dev[:] = False
                            is_good = y_ss[frame] > 0.0 and start_model(
                                coef, sub, begin, model, swept_dev, size, tol
                            )
                            if not is_good:
                                state = DEGENERATE
                    if is_good:
                        if winner == MAX_LOGLIK:
                            score = llf
                        elif winner == MAX_AIC:
                            score = aic
                        elif winner == MIN_AIC:
                            score = -aic
                        elif winner == DEV_R2:
                            # The train coefficients, tried on the dev rows.
                            shift = y_means[0] - y_means[1]
                            for i in range(n_cols):
                                if swept[i]:
                                    apart = means[1, columns[i]] - means[0, columns[i]]
                                    shift += a[i, n_cols] * apart
                            loss = y_ss[1] + n_dev * shift * shift
                            for i in range(n_cols):
                                if swept[i]:
                                    loss -= 2.0 * a[i, n_cols] * cross[1, columns[i]]
                                    for j in range(n_cols):
                                        if swept[j]:
                                            loss += (
                                                a[i, n_cols] * a[j, n_cols]
                                                * grams[1, columns[i], columns[j]]
                                            )  # fmt: skip
                            score = 1.0 - loss / y_ss[1]
                        else:
                            c = np.empty((n_cols + 1, n_cols + 1))
                            _compact(grams[2], cross[2], y_ss[2], owns[2], columns, c, sub)
                            swept_both = np.zeros(n_cols, np.bool_)
                            if y_ss[2] > 0.0 and start_model(
                                c, sub, begin, model, swept_both, n_both, tol
                            ):
                                score = -criterion(
                                    max(c[n_cols, n_cols], PERFECT * y_ss[2]),
                                    1 + swept_both.sum(), n_both, mse,
                                )  # fmt: skip
                        if score > best_score[p, g]:
                            best_score[p, g] = score
                            chosen[p, outer, g] = inner
                            best_coef[p, g, :] = 0.0
                            constant = y_means[frame]
                            for i in range(n_cols):
                                if swept_dev[i]:
                                    best_coef[p, g, 1 + columns[i]] = coef[i, n_cols]
                                    constant -= coef[i, n_cols] * means[frame, columns[i]]
                            best_coef[p, g, 0] = constant
                    if is_kept and p == 0:
                        for k in range(n_cand):
                            terms[outer, inner, g, candidates[k]] = model[k]
                            train_terms[outer, inner, g, candidates[k]] = from_train[k]
                        numbers[outer, inner, g, 0] = aic
                        numbers[outer, inner, g, 1] = llf
                        numbers[outer, inner, g, 2] = n_cand
                        states[outer, inner, g] = state
        for p in range(n_outcomes):
            for g in range(3):
                if p == 0:
                    coefficients[outer, g, :] = best_coef[p, g]
                if chosen[p, outer, g] < 0:
                    correlations[p, outer, g] = nan
                    predictions[p, outer, g, :] = nan
                    continue
                for r in range(n_test):
                    row = test[outer, r]
                    y_test[r] = outcomes[p, row]
                    guess[r] = best_coef[p, g, 0]
                    dealt_row = deals[p, row] if is_dealt else row
                    for j in range(m):
                        if best_coef[p, g, 1 + j] != 0.0:
                            source = row if j < last_kept else dealt_row
                            guess[r] += best_coef[p, g, 1 + j] * x[source, j]
                    predictions[p, outer, g, r] = guess[r]
                correlations[p, outer, g] = _pearson(guess, y_test)
