"""How much of each feature's variance the scanner explains, after the clinical terms.

One-way analysis of covariance for each feature: sums of squares with the clinical terms alone and
with the scanners beside them. ``eta_squared`` = SS / (SS + SSE) is biased upwards;
``epsilon_squared`` = (SS - df MSE) / (SS + SSE) (Kelley 1935) and ``omega_squared`` =
(SS - df MSE) / (SS + (n - df) MSE) (Hays 1963; both partial, as in Olejnik & Algina 2003) take what
chance gives away. Below 0 they stand as they are: nothing is explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from mpss_lib.evaluation.design import Floats

LARGE = 0.14
"""An effect of this size is large (Cohen 1988, 14 % of the variance)."""

_RANK_TOL = 1e-9


@dataclass(frozen=True)
class Explained:
    """What the scanner explains of one feature; NaN where there is one scanner, or no variance."""

    n: int
    n_scanners: int
    df_scanner: int
    df_residual: int
    eta_squared: float
    epsilon_squared: float
    omega_squared: float
    f_statistic: float
    p_value: float
    p_adjusted: float


def explained(features: Floats, covariates: Floats, scanners: Sequence[str]) -> list[Explained]:
    """Analyse each feature.

    Parameters
    ----------
    features : (n, k) float64
    covariates : (n, m) float64
        Without a constant; columns that depend on others count once.
    scanners : sequence of n str

    Returns
    -------
    list of Explained
        ``p_adjusted`` by Benjamini & Hochberg over the features.
    """
    from scipy.stats import f as f_dist
    from scipy.stats import false_discovery_control

    n, k = features.shape
    levels = sorted(set(scanners))
    given = _basis(np.column_stack([np.ones(n), _standard(covariates)]))
    dummies = np.array([[name == level for level in levels] for name in scanners], np.float64)
    added = _basis(dummies - given @ (given.T @ dummies))
    df, rest = added.shape[1], n - given.shape[1] - added.shape[1]
    y = _standard(features)
    y -= given @ (given.T @ y)
    total = (y * y).sum(axis=0)
    ss = ((added.T @ y) ** 2).sum(axis=0)
    is_told = (total > _RANK_TOL * n) & (df > 0) & (rest > 0)
    if not is_told.any():
        return [_nothing(n, len(levels), df, rest)] * k
    sse = np.where(is_told, np.maximum(total - ss, 1e-300), nan)
    mse = sse / rest
    statistic = ss / df / mse
    p = np.where(is_told, f_dist.sf(statistic, df, rest), 1.0)
    columns = (
        ss / (ss + sse), (ss - df * mse) / (ss + sse), (ss - df * mse) / (ss + (n - df) * mse),
        statistic, np.where(is_told, p, nan), np.where(is_told, false_discovery_control(p), nan),
    )  # fmt: skip
    return [
        Explained(n, len(levels), df, rest, *map(float, row)) for row in zip(*columns, strict=True)
    ]


def _nothing(n: int, n_scanners: int, df: int, rest: int) -> Explained:
    return Explained(n, n_scanners, df, rest, nan, nan, nan, nan, nan, nan)


def _standard(columns: Floats) -> Floats:
    centred: Floats = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    scaled: Floats = centred / np.where(spread > 0.0, spread, 1.0)
    return scaled


def _basis(columns: Floats) -> Floats:
    """Orthonormal basis of the columns' span, (n, rank)."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    basis: Floats = left[:, singular > _RANK_TOL * max(float(singular.max(initial=0.0)), 1.0)]
    return basis
