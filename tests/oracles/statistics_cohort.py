"""Tables of a synthetic cohort, with no images: clinical values, scores and 56 features.

The recipe: a clinical risk drives the total score; hidden heterogeneity of each region adds
``gamma`` of its own; the radiomic factor that carries it is suppressed by ``kappa`` times the
clinical risk (riskier patients look smoother), so that it shows next to clinical terms only.
``gamma`` 0: no image signal. ``kappa`` 0: an open one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEGMENTS = ("MYO", "LAD3", "LCX3", "RCA3", "LAD17", "LCX17", "RCA17")
CLASS_COUNTS = (178, 32, 77, 80, 38, 23)
CLASS_LIMITS = (
    (0.0, 0.0),
    (0.5, 10.0),
    (10.0, 100.0),
    (100.0, 400.0),
    (400.0, 1000.0),
    (1000.0, 3500.0),
)
N_FEATURES = 56


@dataclass(frozen=True)
class Cohort:
    clinical: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    radiomics: dict[str, dict[str, np.ndarray]]


def standardise(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def logistic(rng: np.random.Generator, logit: np.ndarray) -> np.ndarray:
    return rng.random(len(logit)) < 1.0 / (1.0 + np.exp(-logit))


def make_clinical(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    male = np.zeros(n, bool)
    male[rng.permutation(n)[: round(n * 232 / 461)]] = True
    age = np.clip(rng.normal(57, 12, n), 25, 90)
    bmi = np.clip(np.exp(rng.normal(np.log(29.5), 0.2, n)), 16, 60)
    za, zb = (age - 57) / 12, (bmi - 30) / 6
    race = rng.choice(4, n, p=[0.58, 0.30, 0.05, 0.07])
    return {
        "sex": np.where(male, "M", "F"),
        "race": np.array(["white", "black", "asian", "other"])[race],
        "age": age,
        "smoking": logistic(rng, -0.4 + 0.3 * male).astype(float),
        "diabetes": logistic(rng, -1.3 + 0.3 * za + 0.5 * zb).astype(float),
        "hypertension": logistic(rng, 0.45 + 0.7 * za + 0.35 * zb + 0.4 * (race == 1)).astype(
            float
        ),
        "hyperlipidemia": logistic(rng, 0.05 + 0.55 * za + 0.15 * zb).astype(float),
        "family_history": (rng.random(n) < 0.38).astype(float),
        "bmi": bmi,
        "lvef": np.clip(rng.normal(66 - 3 * male, 8.5), 40, 88),
    }


def spread_classes(n: int) -> np.ndarray:
    """Class of the k-th lowest risk, in the proportions of the study."""
    edges = np.round(np.cumsum(CLASS_COUNTS) * n / sum(CLASS_COUNTS)).astype(int)
    return np.searchsorted(edges, np.arange(n), side="right")


def make_scores(
    rng: np.random.Generator, total_risk: np.ndarray, artery: dict[str, np.ndarray], gamma: float
) -> dict[str, np.ndarray]:
    n = len(total_risk)
    classes = spread_classes(n)
    ordered = np.zeros(n)
    for k, (low, high) in enumerate(CLASS_LIMITS[1:], start=1):
        here = np.flatnonzero(classes == k)
        ordered[here] = np.sort(np.exp(rng.uniform(np.log(low), np.log(high), len(here))))
    total = np.empty(n)
    total[np.argsort(total_risk, kind="stable")] = ordered
    logits = np.log([0.47, 0.18, 0.28, 0.07]) + 0.88 * rng.normal(size=(n, 4))
    for k, name in enumerate(("LAD", "LCX", "RCA")):
        logits[:, k] += 0.6 * gamma * artery[name]
    weights = np.exp(logits)
    weights /= weights.sum(axis=1, keepdims=True)
    small = weights < (0.22 - 0.05 * np.log1p(total))[:, None]
    small[np.arange(n), weights.argmax(axis=1)] = False
    weights[small] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    parts = {name: weights[:, k] * total for k, name in enumerate(("LAD", "LCX", "RCA"))}
    return {s: total if s == "MYO" else parts[s[:3]] for s in SEGMENTS}


def make_features(
    rng: np.random.Generator,
    hidden: np.ndarray,
    kappa: float,
    risk: np.ndarray,
    zb: np.ndarray,
    male: np.ndarray,
) -> dict[str, np.ndarray]:
    n = len(hidden)
    loadings_rng = np.random.default_rng(20210129)
    loadings = loadings_rng.normal(size=(7, N_FEATURES)) * (
        loadings_rng.random((7, N_FEATURES)) < 0.45
    )
    loadings[0] *= 0.55
    loadings[0, 30:34] = (0.9, 0.8, 0.7, -0.6)
    factors = rng.normal(size=(n, 7))
    factors[:, 0] = (hidden - kappa * standardise(risk)) / np.sqrt(1 + kappa**2)
    factors[:, 1] = 0.6 * factors[:, 1] + 0.4 * zb + 0.1 * male
    x = standardise(factors @ loadings + 0.55 * rng.normal(size=(n, N_FEATURES)))
    x[:, ::2] = np.exp(0.6 * x[:, ::2])
    return {f"feature_{k:02d}": x[:, k] for k in range(N_FEATURES)}


def make_cohort(
    seed: int, n: int = 428, gamma: float = 1.2, kappa: float = 0.8, c: float = 0.7
) -> Cohort:
    rng = np.random.default_rng(seed)
    clinical = make_clinical(rng, n)
    male = (clinical["sex"] == "M").astype(float)
    za, zb = (clinical["age"] - 57) / 12, (clinical["bmi"] - 30) / 6
    risk = c * (
        0.62 * za
        + 0.30 * male
        + 0.42 * clinical["hyperlipidemia"]
        + 0.28 * clinical["hypertension"]
        + 0.25 * clinical["smoking"]
        + 0.15 * clinical["diabetes"]
        + 0.08 * clinical["family_history"]
    )
    shared = rng.normal(size=n)
    artery = {
        name: np.sqrt(0.6) * shared + np.sqrt(0.4) * rng.normal(size=n)
        for name in ("LAD", "LCX", "RCA")
    }
    hidden = {s: artery[s[:3]] for s in SEGMENTS if s != "MYO"}
    hidden["MYO"] = standardise(sum(artery.values()))
    total = risk + 0.5 * gamma * hidden["MYO"] + 0.8 * rng.normal(size=n)
    scores = make_scores(rng, total, artery, gamma)
    radiomics = {s: make_features(rng, hidden[s], kappa, risk, zb, male) for s in SEGMENTS}
    return Cohort(clinical, scores, radiomics)
