"""Do radiomics add to clinical terms? A test of the features given the clinical terms.

Dealing out the radiomic rows tests whether they are independent of clinical terms *and* score:
where features are noisy proxies of age and calcium is not linear in age, that is rightly rejected
although the features know nothing beyond age. Here a flexible clinical arm (restricted cubic
splines of the numbers, dummies, products) takes its part out of both: out of every feature, blind
to the score, and out of the score. Features enter by their normal scores: what is left of a skewed
one would bend and widen with age. The randomised evaluation then asks whether what is left of the
features predicts what is left of the score. Either arm being right is enough for the two
remainders to be uncorrelated if nothing is there (the generalised covariance measure of Shah &
Peters, Ann Statist 48 (2020) 1514).

The deals are those of Freedman & Lane (J Bus Econ Stat 1 (1983) 292; the method of choice of
Winkler et al., NeuroImage 92 (2014) 381): the score's remainder is dealt out anew among the
patients and the clinical arm is fitted to every deal again, so that a deal has as few degrees of
freedom as the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mpss_lib.evaluation.design import FACTOR_KINDS, Design, Floats, Ints, encode
from mpss_lib.sections import EvaluationSettings

PATIENTS_A_COLUMN = 5
"""A spline or a product is left out of the arm where there are fewer patients for each column."""

LEAST_DF = 10
"""Degrees of freedom that the arm must leave for there to be a test."""

PLACES: Mapping[int, tuple[float, ...]] = {
    3: (0.10, 0.50, 0.90),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.50, 0.725, 0.95),
}
"""Quantiles at which the knots stand (Harrell, Regression Modeling Strategies, table 2.3)."""

EXPLAINED = 1e-8
"""A feature of which less than this share of its spread is left is wholly clinical."""

DEMOGRAPHIC = ("sex", "age", "bmi", "lvef")
"""Terms whose products are in the arm by default: body and age shape image and calcium together."""


@dataclass(frozen=True)
class Remainder:
    """What the clinical arm leaves.

    Parameters
    ----------
    design : Design
        Of the features' normal scores; (n, features) columns, orthogonal to the arm.
    outcome : (n,) float64, orthogonal to the arm
    arm : (n, q) float64
        Orthonormal columns of the clinical arm, the intercept among them.
    """

    design: Design
    outcome: Floats
    arm: Floats

    @property
    def df(self) -> int:
        """Degrees of freedom that are left."""
        return int(self.arm.shape[0] - self.arm.shape[1])

    def dealt(self, deals: Ints) -> Floats:
        """Outcomes of deals, the arm taken out of each again.

        Parameters
        ----------
        deals : (p, n) int64 array
            Permutations of the patients.

        Returns
        -------
        (p, n) float64 array
        """
        return np.ascontiguousarray(_without(self.outcome[deals].T, self.arm).T)


def remainder(
    features: Mapping[str, Floats],
    clinical: Mapping[str, Any],
    outcome: Floats,
    settings: EvaluationSettings,
) -> Remainder | None:
    """Take the clinical arm out of features and outcome; None where it leaves too little.

    Parameters
    ----------
    features : mapping of str to (n,) float64
    clinical : mapping of str to (n,) array
        Numbers, or text for a factor.
    outcome : (n,) float64
        On the scale that is fitted.
    settings : EvaluationSettings

    Returns
    -------
    Remainder or None
    """
    columns = clinical_arm(clinical, settings)
    if len(outcome) - columns.shape[1] < LEAST_DF or not features:
        return None
    x = np.column_stack([_normal_scores(values) for values in features.values()])
    left = _without(x, columns)
    spread = np.linalg.norm(x - x.mean(axis=0), axis=0)
    left[:, np.linalg.norm(left, axis=0) <= EXPLAINED * spread] = 0.0  # rounding is no feature
    design = encode({name: left[:, k] for k, name in enumerate(features)})
    return Remainder(design, _without(outcome, columns), columns)


def clinical_arm(clinical: Mapping[str, Any], settings: EvaluationSettings) -> Floats:
    """Orthonormal columns of the flexible clinical arm, (n, q), the intercept among them.

    Every term stands in it as it is. Splines of the numbers with more values than knots, then
    products of pairs of terms, follow as long as there are ``PATIENTS_A_COLUMN`` for each column.
    Products of ``DEMOGRAPHIC`` terms are those of their splines: calcium may bend along both.

    Parameters
    ----------
    clinical : mapping of name to (n,) array
        Numbers, or text for a factor.
    settings : EvaluationSettings
        ``arm_knots`` of the splines.

    Returns
    -------
    (n, q) float64 array
        Orthonormal columns, the intercept among them.
    """
    plain = {name: _plain(np.asarray(values)) for name, values in clinical.items()}
    bends = {
        name: _bends(values[:, 0], settings.arm_knots)
        for name, values in plain.items()
        if np.asarray(clinical[name]).dtype.kind not in FACTOR_KINDS
    }
    whole = {
        name: np.hstack([values, bends[name]]) if name in bends else values
        for name, values in plain.items()
    }
    n = len(next(iter(plain.values())))
    columns = [np.ones((n, 1)), *plain.values()]
    for block in (*bends.values(), *_products(plain, whole, settings)):
        if (sum(one.shape[1] for one in columns) + block.shape[1]) * PATIENTS_A_COLUMN <= n:
            columns.append(block)
    return _orthonormal(np.hstack(columns))


def _products(
    plain: Mapping[str, Floats], whole: Mapping[str, Floats], settings: EvaluationSettings
) -> list[Floats]:
    """Blocks of products of two terms, (n, columns) each, of the demographic ones first."""
    first = [name for name in plain if name in DEMOGRAPHIC]
    pairs = {frozenset(pair): pair for pair in combinations(first, 2)}
    found = [_times(whole[a], whole[b]) for a, b in pairs.values()]
    found += [
        _times(plain[a], plain[b])
        for a, b in combinations(plain, 2)
        if frozenset((a, b)) not in pairs and settings.arm_products == "all"
    ]
    return [] if settings.arm_products == "none" else found


def _normal_scores(values: Floats) -> Floats:
    """Give expected normal order statistics by Blom, (n,); equal values share theirs."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores: Floats = ndtri((rankdata(values) - 0.375) / (len(values) + 0.25))
    return scores


def _plain(values: Any) -> Floats:
    """Give a number as one column of spread 1, a factor as its dummies; (n, columns)."""
    found: Floats = encode({"x": values}).standardised()[0]
    return found


def _bends(x: Floats, n_knots: int) -> Floats:
    """Columns of a restricted cubic spline beside the linear one, (n, knots - 2), of spread 1.

    Cubic between the knots, linear beyond the outer ones (Harrell, formula 2.25). A number that
    takes few values has none.
    """
    knots = np.quantile(x, PLACES[n_knots])
    if len(np.unique(x)) <= n_knots or len(np.unique(knots)) < n_knots:
        return np.empty((len(x), 0))

    def cube(knot: float) -> Floats:
        return np.asarray(np.maximum(x - knot, 0.0) ** 3)

    before, last = knots[-2], knots[-1]
    gap = last - before
    columns = [
        cube(t) - cube(before) * (last - t) / gap + cube(last) * (before - t) / gap
        for t in knots[:-2]
    ]
    return np.column_stack([(column - column.mean()) / column.std() for column in columns])


def _times(a: Floats, b: Floats) -> Floats:
    """Every column of ``a`` times every one of ``b``, (n, columns)."""
    return np.asarray((a[:, :, None] * b[:, None, :]).reshape(len(a), -1))


def _orthonormal(columns: Floats) -> Floats:
    """Orthonormal columns of the same space, without what is a combination of others."""
    scale = np.linalg.norm(columns, axis=0)
    u, s, _ = np.linalg.svd(columns[:, scale > 0.0] / scale[scale > 0.0], full_matrices=False)
    return np.ascontiguousarray(u[:, s > 1e-8 * s[0]])


def _without(values: Floats, arm: Floats) -> Floats:
    """Residuals of least squares on the arm; (n,) or (n, columns)."""
    return np.asarray(values - arm @ (arm.T @ values))
