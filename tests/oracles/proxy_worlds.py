"""Worlds in which radiomics know nothing beyond the clinical terms, in ways that deceive a test.

Every feature is a noisy proxy of age (or of age, BMI and their products), half of them on an
exponential scale. Calcium follows age in a straight line, convexly, in a step, or by products of
age with BMI and sex. Given the clinical terms the features are noise.
"""

from __future__ import annotations

import numpy as np
from oracles.statistics_cohort import (
    N_FEATURES,
    Cohort,
    make_clinical,
    make_scores,
    standardise,
)

WORLDS = ("linear", "convex", "threshold", "interaction")


def make_world(world: str, seed: int, n: int = 428) -> Cohort:
    """A cohort of one segment, MYO."""
    rng = np.random.default_rng([seed, 77, WORLDS.index(world)])
    clinical = make_clinical(rng, n)
    male = (clinical["sex"] == "M") - 0.5
    za, zb = (clinical["age"] - 57) / 12, (clinical["bmi"] - 30) / 6
    risk = {
        "linear": za,
        "convex": np.exp(za),
        "threshold": (clinical["age"] > 65).astype(float),
        "interaction": za * zb + 1.5 * za * male,
    }[world]
    total = standardise(risk) + 0.7 * rng.normal(size=n)
    nobody = {name: np.zeros(n) for name in ("LAD", "LCX", "RCA")}
    scores = make_scores(rng, total, nobody, 0.0)
    proxies = [za, zb, za * zb, za * male] if world == "interaction" else [za]
    known = np.column_stack([standardise(one) for one in proxies])
    weights = rng.normal(size=(known.shape[1], N_FEATURES))
    x = standardise(known @ (weights / np.linalg.norm(weights, axis=0)))
    x = standardise(x + 0.7 * rng.normal(size=(n, N_FEATURES)))
    x[:, ::2] = np.exp(0.6 * x[:, ::2])
    features = {f"feature_{k:02d}": x[:, k] for k in range(N_FEATURES)}
    return Cohort(clinical, {"MYO": scores["MYO"]}, {"MYO": features})
