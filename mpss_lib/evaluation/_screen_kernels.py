"""The screen: how strongly each term goes with the outcome on the train rows, by ranks.

The rows are brought into ascending order once; a walk along that order, which counts the train rows
met so far, gives the ranks within any train set without sorting. All inner splits of an outer one
walk together, one lane each. Everything summed is a whole number, or a half of one: no rounding.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt
from numba import njit

from mpss_lib.evaluation._kernels import Flags, Floats, Ints

Places = npt.NDArray[np.int32]


@njit(cache=True, error_model="numpy", nogil=True)
def rank_outcome(
    order: Places, closes: Flags, is_train: Places, n: int, doubled: Places, squares: Floats
) -> None:
    """Twice the mid-ranks of the outcome within the ``n`` train rows of each split.

    ``order`` (rows,) names the rows by ascending outcome, ``closes`` tells where equal
    values end. ``is_train`` (rows, splits) holds 0 or 1; ``doubled`` (rows, splits) gets the ranks,
    0 outside the train rows, ``squares`` (splits,) the centred sums of squares of the ranks.
    """
    n_splits = is_train.shape[1]
    below = np.zeros(n_splits, np.int32)
    size = np.zeros(n_splits, np.int32)
    ties = np.zeros(n_splits)
    begin = 0
    for k in range(order.shape[0]):
        row = is_train[order[k]]
        for i in range(n_splits):
            size[i] += row[i]
        if closes[k]:
            for other in range(begin, k + 1):
                row, out = is_train[order[other]], doubled[order[other]]
                for i in range(n_splits):
                    out[i] = row[i] * (2 * below[i] + size[i] + 1)
            for i in range(n_splits):
                ties[i] += float(size[i]) * (float(size[i]) * float(size[i]) - 1.0)
                below[i] += size[i]
                size[i] = 0
            begin = k + 1
    for i in range(n_splits):
        squares[i] = (float(n) * (float(n) * n - 1.0) - ties[i]) / 12.0


@njit(cache=True, error_model="numpy", nogil=True)
def screen(
    order: Places,
    closes: Flags,
    levels: Ints,
    doubled: Places,
    squares: Floats,
    n: int,
    limits: Floats,
    strength: Floats,
) -> None:
    """Strength of each term; below 1 where a term does not pass the screen.

    ``order`` and ``closes`` (terms, rows) as for the outcome, whose doubled ranks and sums of
    squares are ``doubled`` (rows, splits) and ``squares`` (splits,). ``strength`` (splits, terms)
    gets |rho| / limit of a number; of a factor (``levels`` > 0) the Kruskal-Wallis H / limit, its
    limit standing in ``limits`` by levels present.
    """
    n_splits = doubled.shape[1]
    below = np.empty(n_splits, np.int32)
    size = np.empty(n_splits, np.int32)
    total = np.empty(n_splits, np.int32)
    products = np.empty(n_splits)
    ties = np.empty(n_splits)
    present = np.empty(n_splits, np.int64)
    shift = 0.5 * (n + 1)
    for t in range(order.shape[0]):
        below[:] = 0
        size[:] = 0
        total[:] = 0
        products[:] = 0.0
        ties[:] = 0.0
        present[:] = 0
        was_closed = True
        for k in range(order.shape[1]):
            row = doubled[order[t, k]]
            if was_closed and closes[t, k] and levels[t] == 0:
                for i in range(n_splits):
                    below[i] += row[i] > 0
                    products[i] += float(below[i]) * float(row[i])
                continue
            for i in range(n_splits):
                size[i] += row[i] > 0
                total[i] += row[i]
            was_closed = closes[t, k]
            if not was_closed:
                continue
            for i in range(n_splits):
                count = float(size[i])
                if levels[t] == 0:
                    products[i] += (below[i] + 0.5 * (count + 1.0)) * total[i]
                    ties[i] += count * (count * count - 1.0)
                elif size[i] > 0:
                    centred = 0.5 * total[i] - shift * count
                    products[i] += centred * centred / count
                    present[i] += 1
                below[i] += size[i]
                size[i] = 0
                total[i] = 0
        for i in range(n_splits):
            strength[i, t] = 0.0
            own = (float(n) * (float(n) * n - 1.0) - ties[i]) / 12.0
            if squares[i] <= 0.0 or own <= 0.0:
                continue
            if levels[t] == 0:
                joint = 0.5 * products[i] - n * shift * shift
                strength[i, t] = abs(joint) / sqrt(squares[i] * own) / limits[0]
            elif present[i] > 1:
                strength[i, t] = products[i] * (n - 1) / squares[i] / limits[present[i] - 1]
