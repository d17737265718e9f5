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
    start_model,
    stepwise_path,
)
from mpss_lib.evaluation._product_kernels import (
    centre_outcome,
    compact_products,
    cross_products,
    pick_products,
    subtract_products,
)
from mpss_lib.evaluation._screen_kernels import Places, rank_outcome, screen

VALID, INTERCEPT_ONLY, DEGENERATE = 0, 1, 2
MAX_LOGLIK, MAX_AIC, MIN_AIC, DEV_R2, COMMON_AIC = range(5)
COEF_DEV, COEF_TRAIN, COEF_BOTH = range(3)


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
    order: Places,
    closes: Flags,
    levels: Ints,
    first: Ints,
    outcomes: Floats,
    outcome_order: Places,
    outcome_closes: Flags,
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
    order, closes : (terms, n) rows by ascending value (of a factor, by code), and whether the
        place is the last of equal values: what the screen ranks
    levels : (terms,) number of levels where the screen is Kruskal-Wallis, else 0
    first : (terms + 1,) first column of each term
    outcomes, outcome_order, outcome_closes : (p, n) each, the same of the outcome; more than one
        for permuted outcomes
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
    n_both, n_inner = n_train + n_dev, train.shape[1]
    zero = first[0]  # a literal would have the callees compiled once more
    all_columns = np.empty(m, np.int64)
    for j in range(m):
        all_columns[j] = j
    is_train = np.empty((n, n_inner), np.int32)
    doubled = np.empty((n, n_inner), np.int32)
    dealt_doubled = np.empty((n, n_inner), np.int32)
    squares = np.empty(n_inner)
    strengths = np.empty((n_outcomes, n_inner, n_terms))
    # Over train and dev together; a frame for each outcome if columns are dealt out with it, of
    # which only the rows and columns of ``gram`` that are dealt are filled, but in the first.
    last_kept = first[n_kept]
    is_dealt = n_kept < n_terms
    n_frames = n_outcomes if is_dealt else 1
    both_gram = np.empty((n_frames, m, m))
    both_own = np.empty((n_frames, m))
    both_mean = np.empty((n_frames, m))
    both_cross = np.empty((n_outcomes, m))
    both_y = np.empty((n_outcomes, 2))
    kept_both = np.empty((n_both, m))
    both = np.empty(n_both, np.int64)
    dealt_both = np.empty(n_both, np.int64)
    dealt_dev = np.empty(n_dev, np.int64)
    y_means = np.zeros(3)
    y_ss = np.zeros(3)
    best_score = np.empty((n_outcomes, 3))
    best_coef = np.zeros((n_outcomes, 3, 1 + m))
    y_test = np.empty(n_test)
    guess = np.empty(n_test)
    place = np.zeros(n_terms, np.int64)
    passing = np.empty(n_terms, np.int64)
    no_path = np.empty((0, 3))
    for outer in range(test.shape[0]):
        best_score[:] = -inf
        best_coef[:] = 0.0
        chosen[:, outer, :] = -1
        for r in range(n_train):
            both[r] = train[outer, 0, r]
        for r in range(n_dev):
            both[n_train + r] = dev[outer, 0, r]
        is_train[:] = 0
        for inner in range(n_inner):
            for r in range(n_train):
                is_train[train[outer, inner, r], inner] = 1
        doubled[:] = 0
        cross_products(
            x, both, all_columns, zero, both_mean[0], kept_both, both_own[0], both_gram[0]
        )
        for p in range(n_outcomes):
            rank_outcome(outcome_order[p], outcome_closes[p], is_train, n_train, doubled, squares)
            if is_dealt:
                for r in range(n):
                    for inner in range(n_inner):
                        dealt_doubled[deals[p, r], inner] = doubled[r, inner]
                for r in range(n_both):
                    dealt_both[r] = deals[p, both[r]]
                cross_products(
                    x, dealt_both, all_columns, last_kept, both_mean[p], kept_both, both_own[p],
                    both_gram[p],
                )  # fmt: skip
            screen(
                order, closes, levels, n_kept, doubled, dealt_doubled, squares, n_train, limits,
                strengths[p],
            )  # fmt: skip
            both_y[p, 0], both_y[p, 1] = centre_outcome(outcomes[p], both, kept_both, both_cross[p])
        for inner in range(n_inner):
            # Only the columns that pass the screen for some outcome are looked at.
            wanted = np.empty(m, np.int64)
            n_wanted = n_fixed = zero
            for t in range(n_terms):
                is_wanted = False
                for p in range(n_outcomes):
                    is_wanted |= strengths[p, inner, t] > 1.0
                if is_wanted:
                    place[t] = n_wanted
                    for j in range(first[t], first[t + 1]):
                        wanted[n_wanted] = j
                        n_wanted += 1
                if t < n_kept:
                    n_fixed = n_wanted
            wanted = wanted[:n_wanted]
            # Places of the three: 0 train, 1 dev, 2 both.
            grams = np.empty((3, n_wanted, n_wanted))
            owns = np.empty((3, n_wanted))
            means = np.empty((3, n_wanted))
            cross = np.empty((3, n_wanted))
            kept_dev = np.empty((n_dev, n_wanted))
            cross_products(
                x, dev[outer, inner], wanted, zero, means[1], kept_dev, owns[1], grams[1]
            )
            pick_products(
                wanted, zero, both_mean[0], both_own[0], both_gram[0], means[2], owns[2],
                grams[2],
            )  # fmt: skip
            if not is_dealt:
                subtract_products(n_train, n_dev, means, owns, grams)
            for p in range(n_outcomes):
                if is_dealt:
                    for r in range(n_dev):
                        dealt_dev[r] = deals[p, dev[outer, inner, r]]
                    cross_products(
                        x, dealt_dev, wanted, n_fixed, means[1], kept_dev, owns[1], grams[1]
                    )
                    pick_products(
                        wanted, n_fixed, both_mean[p], both_own[p], both_gram[p], means[2],
                        owns[2], grams[2],
                    )  # fmt: skip
                    subtract_products(n_train, n_dev, means, owns, grams)
                y_means[1], y_ss[1] = centre_outcome(
                    outcomes[p], dev[outer, inner], kept_dev, cross[1]
                )
                y_means[2], y_ss[2] = both_y[p, 0], both_y[p, 1]
                y_means[0] = (n_both * y_means[2] - n_dev * y_means[1]) / n_train
                apart = n_train * n_dev / n_both * (y_means[0] - y_means[1])
                y_ss[0] = y_ss[2] - y_ss[1] - apart * (y_means[0] - y_means[1])
                if y_ss[0] <= 1e-13 * y_ss[2]:
                    y_ss[0] = 0.0
                for j in range(n_wanted):
                    cross[2, j] = both_cross[p, wanted[j]]
                    cross[0, j] = cross[2, j] - cross[1, j] - apart * (means[0, j] - means[1, j])
                strength = strengths[p, inner]
                n_passing = 0
                for t in range(n_terms):
                    if strength[t] > 1.0:
                        # Strongest first, equal ones in canonical order.
                        k = n_passing
                        while k > 0 and strength[passing[k - 1]] < strength[t]:
                            passing[k] = passing[k - 1]
                            k -= 1
                        passing[k] = t
                        n_passing += 1
                for g in range(3):
                    candidates = np.empty(n_terms, np.int64)
                    n_cand = 0
                    n_cols = 0
                    for k in range(n_passing):
                        t = passing[k]
                        if configurations[g, t]:
                            candidates[n_cand] = t
                            n_cand += 1
                            n_cols += first[t + 1] - first[t]
                    columns = np.empty(n_cols, np.int64)
                    begin = np.zeros(n_cand + 1, np.int64)
                    n_cols = 0
                    for k in range(n_cand):
                        t = candidates[k]
                        for j in range(first[t + 1] - first[t]):
                            columns[n_cols] = place[t] + j
                            n_cols += 1
                        begin[k + 1] = n_cols
                    a = np.empty((n_cols + 1, n_cols + 1))
                    sub = np.empty(n_cols)
                    inside = np.zeros(n_cand, np.bool_)
                    swept = np.zeros(n_cols, np.bool_)
                    compact_products(grams[0], cross[0], y_ss[0], owns[0], columns, a, sub)
                    if y_ss[0] > 0.0:
                        stepwise_path(
                            a, sub, begin, inside, swept, n_train, y_ss[0], sse, p_enter,
                            p_remove, max_steps, tol, mse, no_path,
                        )  # fmt: skip
                    from_train = inside.copy()
                    b = np.empty((n_cols + 1, n_cols + 1))
                    compact_products(grams[1], cross[1], y_ss[1], owns[1], columns, b, sub)
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
                            compact_products(
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
                            compact_products(grams[2], cross[2], y_ss[2], owns[2], columns, c, sub)
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
                                    best_coef[p, g, 1 + wanted[columns[i]]] = coef[i, n_cols]
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
                    for j in range(1 + m):
                        coefficients[outer, g, j] = best_coef[p, g, j]
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
