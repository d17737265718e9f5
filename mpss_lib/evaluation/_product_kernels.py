"""Centred cross-products of columns and outcome: of all, of some, of a part of the rows."""

from __future__ import annotations

import numpy as np
from numba import njit

from mpss_lib.evaluation._kernels import Floats, Ints


@njit(cache=True, error_model="numpy", nogil=True)
def cross_products(
    x: Floats,
    rows: Ints,
    columns: Ints,
    mean: Floats,
    centred: Floats,
    own: Floats,
    gram: Floats,
) -> None:
    """Means, centred rows, and centred cross-products of some columns of ``x`` over ``rows``.

    Column j of what is filled is ``columns[j]`` of ``x``. ``own`` is the diagonal, 0 where the
    column is constant in these rows.
    """
    n, m = rows.shape[0], columns.shape[0]
    mean[:] = 0.0
    for r in range(n):
        source, row0 = x[rows[r]], centred[r]
        for j in range(m):
            row0[j] = source[columns[j]]
            mean[j] += row0[j]
    for j in range(m):
        mean[j] /= n
    for r in range(n):
        row0 = centred[r]
        for j in range(m):
            row0[j] -= mean[j]
    gram[:m, :m] = 0.0
    for r in range(0, n - n % 4, 4):
        # Four rows at a time, a quarter of the traffic to and from ``gram``; rows as views and
        # columns from 0, else the check for negative indices keeps the loop from vectorising.
        row0, row1, row2, row3 = centred[r], centred[r + 1], centred[r + 2], centred[r + 3]
        for i in range(m):
            f0, f1, f2, f3 = row0[i], row1[i], row2[i], row3[i]
            out = gram[i]
            for j in range(i + 1):
                out[j] += (f0 * row0[j] + f1 * row1[j]) + (f2 * row2[j] + f3 * row3[j])
    for r in range(n - n % 4, n):
        row0 = centred[r]
        for i in range(m):
            out = gram[i]
            for j in range(i + 1):
                out[j] += row0[i] * row0[j]
    for i in range(m):
        for j in range(i):
            gram[j, i] = gram[i, j]
        raw = gram[i, i] + n * mean[i] * mean[i]
        own[i] = gram[i, i] if gram[i, i] > 1e-24 * raw else 0.0


@njit(cache=True, error_model="numpy", nogil=True)
def pick_products(
    columns: Ints,
    mean: Floats,
    own: Floats,
    gram: Floats,
    few_mean: Floats,
    few_own: Floats,
    few_gram: Floats,
) -> None:
    """Copy what belongs to some of the columns."""
    m = columns.shape[0]
    for i in range(m):
        few_mean[i] = mean[columns[i]]
        few_own[i] = own[columns[i]]
        source, out = gram[columns[i]], few_gram[i]
        for j in range(m):
            out[j] = source[columns[j]]


@njit(cache=True, error_model="numpy", nogil=True)
def subtract_products(n1: int, n2: int, means: Floats, owns: Floats, grams: Floats) -> None:
    """Cross-products over ``n1`` rows from those over all and over the other ``n2``.

    ``means``, ``owns`` and ``grams`` as ``Products`` has them: place 2 holds all rows and place 1
    the others, place 0 is filled but for the outcome: a0 = a2 - a1 - n1 n2 / (n1 + n2) d d' with d
    the difference of the means (Chan, Golub, LeVeque 1983). A column that is constant in the ``n1``
    rows leaves what rounding leaves of a2: below 1e-13 of it ``own`` is 0.
    """
    m = owns.shape[1]
    total = n1 + n2
    weight = n1 * n2 / total
    apart = np.empty(m)
    for i in range(m):
        means[0, i] = (total * means[2, i] - n2 * means[1, i]) / n1
        apart[i] = means[0, i] - means[1, i]
    for i in range(m):
        d = weight * apart[i]
        all_rows, others, out = grams[2, i], grams[1, i], grams[0, i]
        for j in range(m):
            out[j] = all_rows[j] - others[j] - d * apart[j]
        owns[0, i] = out[i] if out[i] > 1e-13 * all_rows[i] else 0.0


@njit(cache=True, error_model="numpy", nogil=True)
def compact_products(gram: Floats, own: Floats, columns: Ints, a: Floats, few_own: Floats) -> None:
    """Cross-products of the chosen columns and the outcome, which is the last of ``gram``."""
    c, y = columns.shape[0], gram.shape[0] - 1
    for i in range(c):
        for j in range(c):
            a[i, j] = gram[columns[i], columns[j]]
        a[i, c] = gram[y, columns[i]]
        a[c, i] = gram[y, columns[i]]
        few_own[i] = own[columns[i]]
    a[c, c] = gram[y, y]


@njit(cache=True, error_model="numpy", nogil=True)
def centre_outcome(y: Floats, rows: Ints, centred: Floats, cross: Floats) -> tuple[float, float]:
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
