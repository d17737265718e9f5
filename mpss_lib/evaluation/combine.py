"""One answer from the runs: Fisher as published, and tests that hold their level beside it.

Fisher as in the paper's section 2.4.2 (``fisher``); each other test names its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mpss_lib.evaluation.design import Flags, Floats, Ints

SMALLEST_P = 1e-300
"""A p-value that underflows counts as this one, so that its logarithm is finite."""

LEVEL = 0.01


@dataclass(frozen=True)
class Test:
    """A test of one segment and configuration; ``p_error`` is the Monte Carlo error of p."""

    statistic: float
    df: int
    threshold: float
    p_value: float
    p_error: float = 0.0


def correlation_p(r: npt.ArrayLike, n: int, side: Literal["two", "one"] = "two") -> Floats:
    """P-values of Pearson correlations by Student's t; NaN stays NaN.

    One-sided: the alternative is a positive correlation.

    Parameters
    ----------
    r : array of any shape, or a scalar
    n : int
        Pairs of each.
    side : {"two", "one"}

    Returns
    -------
    float64 array of the shape of ``r``, or a scalar
        NaN throughout where there are fewer than three pairs.
    """
    from scipy.stats import t as t_dist

    values = np.asarray(r, np.float64)
    if n < 3:
        return np.full(values.shape, nan)
    with np.errstate(divide="ignore"):
        t = values * np.sqrt((n - 2) / (1.0 - values * values))
    tail = t_dist.sf(np.abs(t), n - 2)
    p: Floats = 2.0 * tail if side == "two" else np.where(values > 0, tail, 1.0 - tail)
    return p


def fisher(p_values: Floats, is_valid: Flags, rule: Literal["p1", "drop"] = "p1") -> Test:
    """Fisher's X = -2 sum(ln p), against chi-squared with two degrees of freedom for each run.

    Over overlapping test sets it is anti-conservative: 3-6 % false alarms at nominal 1 %.

    Parameters
    ----------
    p_values : (runs,) float64
    is_valid : (runs,) bool
    rule : {"p1", "drop"}
        An invalid run counts as p = 1, or is left out with its degrees of freedom.

    Returns
    -------
    Test
        X, degrees of freedom, limit at ``LEVEL``, p.
    """
    from scipy.stats import chi2

    x = float(-2.0 * np.log(np.maximum(p_values[is_valid], SMALLEST_P)).sum() + 0.0)
    df = 2 * (len(p_values) if rule == "p1" else int(is_valid.sum()))
    if df == 0:
        return Test(0.0, 0, nan, 1.0)
    return Test(x, df, float(chi2.isf(LEVEL, df)), float(chi2.sf(x, df)))


def permutation_test(observed: float, null: Floats) -> Test:
    """Share of the permuted values (with the observed one) that reach the observed value.

    (1 + those that reach it) / (1 + deals): Phipson and Smyth 2010.

    Parameters
    ----------
    observed : float
    null : (deals,) float64 array
        What is not finite is left out.

    Returns
    -------
    Test
        With the standard error of p; NaN where nothing is left.
    """
    usable = null[np.isfinite(null)]
    if len(usable) == 0 or not np.isfinite(observed):
        return Test(observed, 0, nan, nan, nan)
    total = len(usable) + 1
    p = (1 + int((usable >= observed - 1e-12 * abs(observed)).sum())) / total
    threshold = float(np.quantile(usable, 1 - LEVEL, method="higher"))
    return Test(float(observed), 0, threshold, p, sqrt(p * (1 - p) / total))


def mean_prediction(predictions: Floats, test: Ints, n: int) -> Floats:
    """Mean out-of-sample prediction of each patient over the test sets it was in.

    Parameters
    ----------
    predictions : (outer, n_test) float64 array
        NaN where a run has no winner.
    test : (outer, n_test) int64 array
        Patients of each test set.
    n : int
        Patients.

    Returns
    -------
    (n,) float64 array
        NaN for who has no prediction.
    """
    usable = np.isfinite(predictions)
    count = np.bincount(test[usable], minlength=n)
    total = np.bincount(test[usable], weights=predictions[usable], minlength=n)
    return np.where(count > 0, total / np.maximum(count, 1), nan)


def pooled_spearman(predictions: Floats, test: Ints, outcome: Floats) -> Test:
    """One-sided Spearman test of the patients' mean out-of-sample predictions.

    One test over all patients: no run is counted twice. Its t approximation takes the predictions
    for given, but a patient's outcome also shapes those of the others: in pairs of patients the
    same product enters twice, and the spread of rho without any signal is up to sqrt(2) wider. The
    permutation of the same rho has no such fault.

    Parameters
    ----------
    predictions : (outer, n_test) float64 array
    test : (outer, n_test) int64 array
    outcome : (n,) float64 array

    Returns
    -------
    Test
    """
    rho, n = pooled_rho(predictions, test, outcome)
    if not np.isfinite(rho):
        return Test(nan, max(n - 2, 0), nan, nan)
    return Test(rho, n - 2, _critical_r(n), float(correlation_p(rho, n, "one")))


def pooled_rho(predictions: Floats, test: Ints, outcome: Floats) -> tuple[float, int]:
    """Spearman's rho of mean out-of-sample prediction and outcome, NaN where one is constant.

    Parameters
    ----------
    predictions : (outer, n_test) float64 array
    test : (outer, n_test) int64 array
    outcome : (n,) float64 array

    Returns
    -------
    rho : float
    n : int
        Patients who have a prediction.
    """
    from scipy.stats import rankdata

    mean = mean_prediction(predictions, test, len(outcome))
    known = np.isfinite(mean)
    n = int(known.sum())
    if n < 3 or np.ptp(mean[known]) == 0.0 or np.ptp(outcome[known]) == 0.0:
        return nan, n
    return float(np.corrcoef(rankdata(mean[known]), rankdata(outcome[known]))[0, 1]), n


def nadeau_bengio(r: Floats, n_test: int, n_rest: int) -> Test:
    """One-sided t test of the mean Fisher-z over the runs, variance corrected for their overlap.

    Nadeau and Bengio (2003): variance x (1 / runs + n_test / n_rest).

    Parameters
    ----------
    r : (runs,) float64 array
        What is not finite is left out.
    n_test, n_rest : int
        Patients of a test set, and all others.

    Returns
    -------
    Test
        NaN where fewer than three runs are left or they do not differ.
    """
    from scipy.stats import t as t_dist

    usable = r[np.isfinite(r)]
    k = len(usable)
    if k < 3:
        return Test(nan, max(k - 1, 0), nan, nan)
    z = np.arctanh(np.clip(usable, -0.999999, 0.999999))
    spread = float(z.var(ddof=1)) * (1.0 / k + n_test / n_rest)
    if spread <= 0.0:
        return Test(nan, k - 1, nan, nan)
    t = float(z.mean()) / sqrt(spread)
    return Test(t, k - 1, float(t_dist.isf(LEVEL, k - 1)), float(t_dist.sf(t, k - 1)))


def _critical_r(n: int) -> float:
    from scipy.stats import t as t_dist

    t = float(t_dist.isf(LEVEL, n - 2))
    return t / sqrt(n - 2 + t * t)


def median(values: Any) -> float:
    """Median of the finite values, NaN where there is none."""
    usable = np.asarray(values, np.float64)
    usable = usable[np.isfinite(usable)]
    return float(np.median(usable)) if len(usable) else nan
