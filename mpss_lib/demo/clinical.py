"""Clinical rows and calcium scores of an invented cohort, with a designed signal.

A latent risk ``lat`` follows from the clinical values; a latent heterogeneity ``H`` per artery is
what the pictures show. Both make the coronary artery calcium. Older and riskier patients look
smoother (the suppressor ``kappa``): this hides most of the effect of the picture while it is looked
at alone and reveals it next to the clinical values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mpss_lib.contract import CLASS_LIMITS, NO_CALCIUM
from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import FloatArray

ARTERIES = ("LAD", "LCX", "RCA")
RACES = ("White", "Black", "Asian", "Other")
RACE_SHARES = (0.58, 0.30, 0.05, 0.07)
AGENTS = ("exercise", "adenosine", "dipyridamole", "regadenoson")
AGENT_COUNTS = (186, 264, 7, 2)
MALE_SHARE = 232 / 461

CAC_BINS: tuple[tuple[int, float, float], ...] = (
    (178, 0.0, 0.0),
    (32, NO_CALCIUM, CLASS_LIMITS[0]),
    (77, *CLASS_LIMITS[:2]),
    (80, *CLASS_LIMITS[1:]),
    (38, CLASS_LIMITS[2], 1000.0),
    (23, 1000.0, 3500.0),
)
"""Patients of 428, and the bounds (low, high] of their total Agatston score."""

VESSEL_SHARES = (0.47, 0.18, 0.28, 0.07)
"""Usual share of LAD, LCX, RCA and LM in the total score."""

AMPLITUDE = (0.05, 0.22)
"""Relative SD of the perfusion in a territory: of the smoothest and of the roughest heart."""


@dataclass(frozen=True)
class Signal:
    """Strength of the designed signal.

    Parameters
    ----------
    gamma : float
        Effect of the heterogeneity on calcium.
    kappa : float
        Suppressor: how much smoother the riskier patients look.
    clinical : float
        Effect of the clinical values on calcium.
    """

    gamma: float
    kappa: float
    clinical: float

    def told(self) -> str:
        """Say what a perfect analysis would find."""
        if self.gamma == 0.0:
            return "nothing about calcium, whatever is found is chance"
        hidden = (
            "mostly hidden from radiomics alone by the risk factors"
            if self.kappa
            else "openly seen"
        )
        return f"rough perfusion goes with calcium beyond the clinical terms, {hidden}"


SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        "paper": Signal(2.4, 0.8, 0.8),
        "none": Signal(0.0, 0.0, 0.7),
        "open": Signal(0.9, 0.0, 1.0),
    }
)
"""``paper`` gives the pattern of the published Table 3 through the images of 428 patients;
``none`` and ``open`` are the two controls (``tests/bench/demo_signal.py``)."""

DEFAULT_SIGNAL = "paper"


@dataclass(frozen=True)
class Person:
    """One invented patient: what the registry says, and the latent truth behind it."""

    sex: str
    race: str
    age: int
    height_m: float
    weight_kg: float
    bmi: float
    lvef: float
    smoking: bool
    diabetes: bool
    hypertension: bool
    hyperlipidemia: bool
    family_history: bool
    stress_agent: str
    cac: Mapping[str, float]
    amplitude: Mapping[str, float]
    body: float
    latent: Mapping[str, float]

    @property
    def cac_total(self) -> float:
        """Total Agatston score: sum of LM, LAD, LCX and RCA."""
        return round(sum(self.cac.values()), 1)


def draw_people(n: int, rng: np.random.Generator, signal: Signal) -> list[Person]:
    """Draw an invented cohort.

    Parameters
    ----------
    n : int
        Number of patients; sexes and calcium classes have the paper's shares of it.
    rng : numpy.random.Generator
    signal : Signal

    Returns
    -------
    list of Person
    """
    if n < 1:
        raise WrongArgumentError(f"{n} patients", way_out="ask for at least one")
    clinical = _draw_clinical(n, rng)
    risk = signal.clinical * _risk(clinical)
    shared = rng.standard_normal(n)
    rough = math.sqrt(0.6) * shared[:, None] + math.sqrt(0.4) * rng.standard_normal((n, 3))
    latent = risk + 0.5 * signal.gamma * _standardised(rough.mean(axis=1))
    latent += 0.8 * rng.standard_normal(n)
    total = _total_cac(latent, rng)
    vessels = _vessel_cac(total, rough, signal, rng)
    seen = rough - signal.kappa * _standardised(risk)[:, None]
    seen /= math.sqrt(1.0 + signal.kappa**2)
    body = 0.6 * rng.standard_normal(n) + 0.4 * clinical["z_bmi"] + 0.1 * clinical["male"]
    return [
        _person(clinical, i, vessels[i], seen[i], float(body[i]), risk[i], rough[i])
        for i in range(n)
    ]


def _draw_clinical(n: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    male = np.zeros(n)
    male[: round(n * MALE_SHARE)] = 1.0
    rng.shuffle(male)
    age = np.clip(rng.normal(57.0, 12.0, n), 25.0, 90.0)
    bmi = np.clip(np.exp(rng.normal(math.log(29.5), 0.2, n)), 16.0, 60.0)
    z_age, z_bmi = (age - 57.0) / 12.0, (bmi - 30.0) / 6.0
    race = rng.choice(len(RACES), n, p=RACE_SHARES).astype(np.float64)
    height = np.where(male == 1.0, rng.normal(1.76, 0.07, n), rng.normal(1.62, 0.065, n))
    logits = {
        "hypertension": 0.45 + 0.7 * z_age + 0.35 * z_bmi + 0.4 * (race == 1),
        "hyperlipidemia": 0.05 + 0.55 * z_age + 0.15 * z_bmi,
        "diabetes": -1.3 + 0.3 * z_age + 0.5 * z_bmi,
        "smoking": -0.4 + 0.3 * male,
        "family_history": np.full(n, math.log(0.38 / 0.62)),
    }
    flags = {
        name: (rng.random(n) < 1.0 / (1.0 + np.exp(-logit))).astype(np.float64)
        for name, logit in logits.items()
    }
    agents = np.asarray(AGENT_COUNTS) / sum(AGENT_COUNTS)
    values = {
        "male": male,
        "age": age,
        "bmi": bmi,
        "z_age": z_age,
        "z_bmi": z_bmi,
        "race": race,
        "height": np.clip(height, 1.4, 2.05),
        "lvef": np.clip(rng.normal(66.0 - 3.0 * male, 8.5), 40.0, 88.0),
        "agent": rng.choice(len(AGENTS), n, p=agents).astype(np.float64),
    }
    return values | flags


def _risk(clinical: Mapping[str, FloatArray]) -> FloatArray:
    return (
        0.62 * clinical["z_age"]
        + 0.30 * clinical["male"]
        + 0.42 * clinical["hyperlipidemia"]
        + 0.28 * clinical["hypertension"]
        + 0.25 * clinical["smoking"]
        + 0.15 * clinical["diabetes"]
        + 0.08 * clinical["family_history"]
    )


def bin_counts(n: int) -> list[int]:
    """Patients in each calcium class: the paper's shares of ``n``, by largest remainder."""
    whole = sum(count for count, _, _ in CAC_BINS)
    exact = [count * n / whole for count, _, _ in CAC_BINS]
    counts = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])
    for i in order[: n - sum(counts)]:
        counts[i] += 1
    return counts


def _total_cac(latent: FloatArray, rng: np.random.Generator) -> FloatArray:
    values: list[FloatArray] = []
    for count, (_, low, high) in zip(bin_counts(latent.size), CAC_BINS, strict=True):
        if high == 0.0:
            values.append(np.zeros(count))
        else:
            drawn = np.exp(rng.uniform(math.log(low), math.log(high), count))
            values.append(np.clip(np.sort(drawn), low + 0.1, high))
    total = np.empty(latent.size)
    total[np.argsort(latent, kind="stable")] = np.concatenate(values)
    return np.round(total, 1)


def _vessel_cac(
    total: FloatArray, rough: FloatArray, signal: Signal, rng: np.random.Generator
) -> FloatArray:
    """Score of LAD, LCX, RCA and LM: (n, 4) float64 array; rows sum to the total."""
    n = total.size
    score = np.log(VESSEL_SHARES) + 0.88 * rng.standard_normal((n, 4))
    score[:, :3] += 0.6 * signal.gamma * rough
    weights = np.exp(score - score.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    floor = 0.22 - 0.05 * np.log1p(total)
    is_kept = (weights >= floor[:, None]) | (weights == weights.max(axis=1, keepdims=True))
    weights = np.where(is_kept, weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    vessels = np.round(weights * total[:, None], 1)
    largest = vessels.argmax(axis=1)
    rows = np.arange(n)
    vessels[rows, largest] += total - vessels.sum(axis=1)
    rounded: FloatArray = np.round(vessels, 1)
    return rounded


def _person(
    clinical: Mapping[str, FloatArray],
    i: int,
    vessels: FloatArray,
    seen: FloatArray,
    body: float,
    risk: float,
    rough: FloatArray,
) -> Person:
    height = round(float(clinical["height"][i]), 2)
    weight = round(float(clinical["bmi"][i]) * height**2, 1)
    return Person(
        sex="M" if clinical["male"][i] else "F",
        race=RACES[int(clinical["race"][i])],
        age=int(clinical["age"][i]),
        height_m=height,
        weight_kg=weight,
        bmi=round(weight / height**2, 1),
        lvef=float(round(clinical["lvef"][i])),
        smoking=bool(clinical["smoking"][i]),
        diabetes=bool(clinical["diabetes"][i]),
        hypertension=bool(clinical["hypertension"][i]),
        hyperlipidemia=bool(clinical["hyperlipidemia"][i]),
        family_history=bool(clinical["family_history"][i]),
        stress_agent=AGENTS[int(clinical["agent"][i])],
        cac=dict(zip(("lad", "lcx", "rca", "lm"), vessels.tolist(), strict=True)),
        amplitude=dict(zip(ARTERIES, map(amplitude_of, seen.tolist()), strict=True)),
        body=body,
        latent={"risk": float(risk)}
        | {f"H_{name}": float(value) for name, value in zip(ARTERIES, rough, strict=True)},
    )


def amplitude_of(seen: float) -> float:
    """Amplitude of a standard normal heterogeneity: its quantile, stretched over the range."""
    low, high = AMPLITUDE
    return round(low + (high - low) * 0.5 * (1.0 + math.erf(seen / math.sqrt(2.0))), 6)


def _standardised(values: FloatArray) -> FloatArray:
    spread = float(values.std())
    centred: FloatArray = values - values.mean()
    return centred / spread if spread > 0 else centred
