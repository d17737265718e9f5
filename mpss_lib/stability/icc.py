"""Intraclass correlations ICC(1) and ICC(3,1) with intervals, study by study.

McGraw and Wong 1996 (Psychological Methods 1, 30): ICC(1) of the one-way model, ICC(C,1) of the
two-way model, which Shrout and Fleiss 1979 call ICC(3,1), and their intervals by F. Studies are the
targets, perturbations the raters. ICC(1) counts a shift that a perturbation gives to every study as
error, ICC(3,1) does not.

Studies are added one at a time, so that memory does not grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import FloatArray

LEVEL = 0.95


@dataclass(frozen=True)
class Reliability:
    """Intraclass correlations of some features; arrays of the features' shape.

    Parameters
    ----------
    n_studies : int64 array
        With a finite value under every perturbation.
    n_raters : int
    icc1, icc3 : float64 arrays
        NaN with fewer than two studies, or where nothing varies at all.
    icc1_low, icc1_high, icc3_low, icc3_high : float64 arrays
        95 % interval.
    mean, sd_between, sd_within : float64 arrays
        Grand mean; of the studies' means; of the values of a study about its mean (pooled).
    """

    n_studies: np.ndarray
    n_raters: int
    icc1: FloatArray
    icc1_low: FloatArray
    icc1_high: FloatArray
    icc3: FloatArray
    icc3_low: FloatArray
    icc3_high: FloatArray
    mean: FloatArray
    sd_between: FloatArray
    sd_within: FloatArray


class Sums:
    """Sums over studies from which the mean squares follow.

    Values are taken as differences from the first study's mean, so that a feature with a large
    mean and a small spread keeps its digits.
    """

    def __init__(self, n_raters: int, shape: tuple[int, ...]) -> None:
        if n_raters < 2:
            raise WrongArgumentError(
                f"{n_raters} measurements of each study", way_out="give two perturbations or more"
            )
        self.n_raters = n_raters
        self._n = np.zeros(shape, np.int64)
        self._origin = np.full(shape, np.nan)
        self._means = np.zeros(shape)
        self._squares = np.zeros(shape)
        self._within = np.zeros(shape)
        self._raters = np.zeros((n_raters, *shape))

    def add(self, values: FloatArray) -> None:
        """Add a study.

        Parameters
        ----------
        values : (rater, ...) float64 array
            A feature that is not finite under one of them leaves the study out for that feature.
        """
        mean = values.mean(axis=0)
        is_there = np.isfinite(values).all(axis=0)
        self._origin = np.where(np.isnan(self._origin) & is_there, mean, self._origin)
        away = np.where(is_there, mean - self._origin, 0.0)
        inner = np.where(is_there, values - mean, 0.0)
        self._n += is_there
        self._means += away
        self._squares += away * away
        self._within += (inner * inner).sum(axis=0)
        self._raters += inner

    def reliability(self) -> Reliability:
        """Intraclass correlations of the studies that were added."""
        n, k = self._n.astype(np.float64), self.n_raters
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = self._means / n
            between = np.maximum(self._squares - self._means * middle, 0.0)
            raters = (self._raters * self._raters).sum(axis=0) / n
            bms = np.where(n > 1, k * between / (n - 1), np.nan)
            wms = self._within / (n * (k - 1))
            ems = np.maximum(self._within - raters, 0.0) / ((n - 1) * (k - 1))
            one = _with_interval(bms, wms, n - 1, n * (k - 1), k)
            three = _with_interval(bms, ems, n - 1, (n - 1) * (k - 1), k)
            return Reliability(
                self._n, k, *one, *three,
                self._origin + middle, np.sqrt(between / (n - 1)), np.sqrt(wms),
            )  # fmt: skip


def reliability(values: FloatArray) -> Reliability:
    """Intraclass correlations of values (study, rater, ...).

    Parameters
    ----------
    values : (study, rater, ...) float64 array

    Returns
    -------
    Reliability
    """
    sums = Sums(values.shape[1], values.shape[2:])
    for study in values:
        sums.add(study)
    return sums.reliability()


def _with_interval(
    between: FloatArray, error: FloatArray, df1: FloatArray, df2: FloatArray, k: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ICC and its interval from two mean squares (McGraw and Wong 1996, Tables 4 and 7).

    Where studies differ and no perturbation changes anything, all three are 1.
    """
    from scipy.stats import f

    ratio = np.where((error == 0) & (between > 0), np.inf, between / error)
    upper = 0.5 * (1.0 + LEVEL)
    known = np.isfinite(df1) & (df1 > 0)
    a, b = np.where(known, df1, 1.0), np.where(known, df2, 1.0)
    # Features have the same degrees of freedom but for a few: each pair is looked up once.
    pairs, place = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1, return_inverse=True)
    above = f.ppf(upper, pairs[0], pairs[1])[place].reshape(a.shape)
    below = f.ppf(upper, pairs[1], pairs[0])[place].reshape(a.shape)
    return _icc(ratio, k), _icc(ratio / above, k), _icc(ratio * below, k)


def _icc(ratio: FloatArray, k: int) -> FloatArray:
    """(F - 1) / (F + k - 1), 1 where F is infinite."""
    found: FloatArray = np.where(np.isinf(ratio), 1.0, (ratio - 1.0) / (ratio + k - 1.0))
    return found
