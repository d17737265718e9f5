"""ComBat: features of several scanners brought to one location and scale, covariates kept.

Johnson, Li & Rabinovic 2007 (Biostatistics 8:118), parametric empirical Bayes; for images Fortin et
al. 2017 (NeuroImage 161:149) and 2018 (NeuroImage 167:104). Feature k of patient i on
scanner s is taken as alpha_k + z_i beta_k + sigma_k (gamma_sk + delta_sk^(1/2) e); gamma and delta
are drawn towards what the scanner does to the features on average. The outcome is never seen. It is
fitted to some rows and applied to others: a scanner that was not fitted leaves the values as they
are, on the scale of all scanners together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.evaluation.design import Floats

LEAST_ROWS = 3
"""Rows of a scanner below which it is not fitted: a variance of two says nothing."""

_TOLERANCE = 1e-10
_MOST_STEPS = 10_000


@dataclass(frozen=True)
class Combat:
    """What was fitted: harmonised = factor x value + offset + covariates @ weights.

    Parameters
    ----------
    scanners : tuple of str
        Those that were fitted.
    factor, offset : (scanner, feature) float64
    weights : (scanner, covariate, feature) float64
    """

    scanners: tuple[str, ...]
    factor: Floats
    offset: Floats
    weights: Floats

    def apply(self, features: Floats, covariates: Floats, scanners: Sequence[str]) -> Floats:
        """Harmonise rows; rows of other scanners stay as they are.

        Parameters
        ----------
        features : (n, features) float64 array
        covariates : (n, covariates) float64 array
        scanners : sequence of str
            Of each row.

        Returns
        -------
        (n, features) float64 array
        """
        found = np.array(features, np.float64)
        names = np.array(scanners, object)
        for s, name in enumerate(self.scanners):
            own = names == name
            found[own] = (
                found[own] * self.factor[s] + self.offset[s] + covariates[own] @ self.weights[s]
            )
        return found


def fit_combat(features: Floats, covariates: Floats, scanners: Sequence[str]) -> Combat:
    """Fit to rows.

    Parameters
    ----------
    features : (n, k) float64
    covariates : (n, m) float64
        What is kept; without a constant.
    scanners : sequence of n str

    Returns
    -------
    Combat
        Of no scanner, so that nothing changes, where fewer than two have 3 rows, or where there
        are fewer than two features that vary: there is nothing to learn from.
    """
    count = Counter(scanners)
    fitted = tuple(sorted(name for name, rows in count.items() if rows >= LEAST_ROWS))
    names = np.array(scanners, object)
    use = np.isin(names, fitted)
    y, z, names = features[use], covariates[use], names[use]
    is_varying = np.ptp(y, axis=0) > 0.0 if len(y) else np.zeros(features.shape[1], np.bool_)
    if len(fitted) < 2 or is_varying.sum() < 2:
        shape = (0, features.shape[1])
        weights = np.zeros((0, covariates.shape[1], features.shape[1]))
        return Combat((), np.zeros(shape), np.zeros(shape), weights)
    batch = (names[:, None] == np.array(fitted, object)[None, :]).astype(np.float64)
    beta, alpha, sigma = _model(y, z, batch)
    is_varying &= sigma > 0.0
    gamma, delta = np.zeros((2, len(fitted), features.shape[1]))
    delta += 1.0
    standard = (y - alpha - z @ beta) / np.where(sigma > 0.0, sigma, 1.0)
    for s in range(len(fitted)):
        own = standard[batch[:, s] == 1.0][:, is_varying]
        gamma[s, is_varying], delta[s, is_varying] = _shrunk(own)
    factor = 1.0 / np.sqrt(delta)
    return Combat(
        fitted,
        factor,
        alpha * (1.0 - factor) - gamma * sigma * factor,
        beta[None] * (1.0 - factor)[:, None, :],
    )


def _model(y: Floats, z: Floats, batch: Floats) -> tuple[Floats, Floats, Floats]:
    """Weights of the covariates, mean over the scanners' rows, and pooled SD (divided by n)."""
    middle, spread = z.mean(axis=0), z.std(axis=0)
    spread = np.where(spread > 0.0, spread, 1.0)
    design = np.hstack([batch, (z - middle) / spread])
    found = np.linalg.lstsq(design, y, rcond=1e-10)[0]
    beta = found[batch.shape[1] :] / spread[:, None]
    alpha = batch.mean(axis=0) @ found[: batch.shape[1]] - middle @ beta
    rest = y - design @ found
    return beta, alpha, np.sqrt((rest * rest).mean(axis=0))


def _shrunk(own: Floats) -> tuple[Floats, Floats]:
    """Location and variance of one scanner, (feature,) each: the posterior means.

    Both depend on each other: iterated until neither changes (their equations 3.1).
    """
    n = len(own)
    mean, variance = own.mean(axis=0), own.var(axis=0, ddof=1)
    variance = np.where(variance > 0.0, variance, 1.0)
    centre, between = mean.mean(), mean.var(ddof=1)
    m, s2 = variance.mean(), variance.var(ddof=1)
    shape, rate = (2.0 * s2 + m * m) / s2, (m * s2 + m**3) / s2  # inverse gamma, by moments
    gamma, delta = mean, variance
    for _ in range(_MOST_STEPS):
        new_gamma = (between * n * mean + delta * centre) / (between * n + delta)
        left = ((own - new_gamma) ** 2).sum(axis=0)
        new_delta = (0.5 * left + rate) / (0.5 * n + shape - 1.0)
        change = max(
            float(np.abs(new_gamma - gamma).max()), float(np.abs(new_delta / delta - 1.0).max())
        )
        gamma, delta = new_gamma, new_delta
        if change < _TOLERANCE:
            break
    return gamma, delta
