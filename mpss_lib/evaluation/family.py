"""Many tests that share their patients, judged together: Westfall and Young's step-down.

Seven segments and four questions are asked of the same patients with the same deals. For each deal
the largest statistic of the whole family says how large the largest is by chance, whatever the
tests share (Westfall & Young, Resampling-Based Multiple Testing, 1993, algorithm 4.1). Statistics
are brought to one scale by the mean and the spread of their own deals, the data among them.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.evaluation.design import Floats


def adjusted_p(observed: Floats, null: Floats) -> Floats:
    """P-value of each test for the family of all of them: the chance of one false alarm or more.

    Parameters
    ----------
    observed : (tests,) float64
        Large values speak against the null hypothesis.
    null : (deals, tests) float64
        The same statistics of each deal; a row is one deal in every test.

    Returns
    -------
    (tests,) float64
        At least the p-value of the test alone on this scale; NaN where nothing was dealt.
    """
    if not len(null):
        return np.full(len(observed), np.nan)
    whole = np.vstack([observed, null])
    spread = whole.std(axis=0)
    z = (whole - whole.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    order = np.argsort(-z[0], kind="stable")
    # The largest of the tests that are left when the ones with more extreme statistics are gone.
    largest = np.maximum.accumulate(z[:, order[::-1]], axis=1)[:, ::-1]
    reached = largest >= z[0, order] - 1e-12 * np.abs(z[0, order])
    adjusted = np.empty(len(observed))
    adjusted[order] = np.maximum.accumulate(reached.mean(axis=0))
    return adjusted
