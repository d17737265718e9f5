"""How the patients here differ from those that a model was made with, by what its file tells.

Differences of a term are standardised (Austin 2009, Stat. Med. 28:3083). The model of membership is
linear discriminant analysis on means and pooled covariances: with a squared Mahalanobis distance D2
between the cohorts, less what chance gives (Lachenbruch 1975), its AUC is Phi(D / sqrt 2); .5: none
can tell where a patient is from (Debray et al. 2015, J. Clin. Epidemiol. 68:279).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import erf, nan, sqrt
from typing import Any

import numpy as np

from mpss_lib.model_files.content import ModelFile, Term
from mpss_lib.model_files.distribution import Floats


@dataclass(frozen=True)
class Difference:
    """One term (and level), there and here; ``smd`` NaN where a count is withheld.

    Mean and SD of a number; share of a level, ``sd`` its binomial one.
    """

    term: str
    level: str
    there: float
    here: float
    smd: float
    n_missing: int


def differences(model: ModelFile, values: Mapping[str, list[Any]]) -> list[Difference]:
    """Compare each term; ``values`` has each term's column, None where it is missing."""
    found: list[Difference] = []
    for term in model.terms:
        known = [value for value in values[term.name] if value is not None and value == value]
        n_missing = len(values[term.name]) - len(known)
        if term.kind == "number":
            found.append(_number(term, np.array(known, np.float64), n_missing))
        else:
            found += _levels(term, known, n_missing)
    return found


def _number(term: Term, here: Floats, n_missing: int) -> Difference:
    if len(here) < 2 or term.mean is None or term.sd is None:
        return Difference(term.name, "", term.mean or nan, nan, nan, n_missing)
    mean = float(here.mean())
    spread = sqrt((term.sd**2 + float(here.var(ddof=1))) / 2.0)
    smd = (mean - term.mean) / spread if spread > 0 else nan
    return Difference(term.name, "", term.mean, mean, smd, n_missing)


def _levels(term: Term, known: list[Any], n_missing: int) -> list[Difference]:
    texts = ["yes" if value else "no" for value in known] if term.kind == "flag" else known
    total = sum(term.counts[level] or 0 for level in term.counts)
    is_whole = all(count is not None for count in term.counts.values())
    levels = ("yes",) if term.kind == "flag" else term.levels
    found = []
    for level in levels:
        count = term.counts.get(level, 0)
        there = count / total if is_whole and count is not None and total else nan
        here = texts.count(level) / len(texts) if texts else nan
        spread = sqrt((there * (1 - there) + here * (1 - here)) / 2.0)
        smd = (here - there) / spread if spread > 0 else 0.0 if here == there else nan
        found.append(Difference(term.name, level, there, here, smd, n_missing))
    return found


def membership_auc(model: ModelFile, values: Mapping[str, Floats], n_here: int) -> float:
    """AUC of telling the two cohorts apart by the numeric terms; NaN where that is not defined.

    Parameters
    ----------
    model : ModelFile
    values : mapping of term to (n_here,) float64, complete cases
    n_here : int

    Returns
    -------
    float
        .5 to 1.
    """
    names = [
        term.name
        for term in model.terms
        if term.kind == "number" and term.sd and term.name in model.cohort.correlations
    ]
    n, p = model.cohort.n + n_here, len(names)
    if not names or n_here < 2 or n - p - 3 <= 0:
        return nan
    told = [model.term(name) for name in names]
    mean = np.array([term.mean for term in told], np.float64)
    sd = np.array([term.sd for term in told], np.float64)
    order = [list(model.cohort.correlations).index(name) for name in names]
    rows = np.array([model.cohort.correlations[name] for name in names])[:, order]
    here = np.array([values[name] for name in names])
    pooled = (model.cohort.n - 1) * rows * np.outer(sd, sd) + (n_here - 1) * np.atleast_2d(
        np.cov(here)
    )
    gap = (here.mean(axis=1) - mean) / sd
    distance = float(gap @ np.linalg.pinv(pooled / (n - 2) / np.outer(sd, sd), rcond=1e-8) @ gap)
    by_chance = p * n / (model.cohort.n * n_here)
    squared = max((n - p - 3) / (n - 2) * distance - by_chance, 0.0)
    return 0.5 * (1.0 + erf(sqrt(squared) / 2.0))
