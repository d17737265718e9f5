"""One feature at a time: Spearman against raw and five-class calcium, false discoveries held.

Benjamini and Hochberg 1995 (J. R. Stat. Soc. B 57:289); the question is the paper's section 2.4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mpss_lib.contract import score_class
from mpss_lib.evaluation.combine import correlation_p
from mpss_lib.evaluation.design import Floats

Q = 0.05


@dataclass(frozen=True)
class Association:
    """Spearman correlation of one feature with the outcome (``raw`` or ``class5``)."""

    outcome: str
    feature: str
    n: int
    rho: float
    p_value: float
    p_adjusted: float
    is_discovery: bool


def associations(columns: Mapping[str, Floats], score: Floats) -> list[Association]:
    """Correlate each feature with the raw score and with its class.

    Benjamini-Hochberg at .05 over the features of one segment and outcome. A constant feature
    has rho NaN and p 1.

    Parameters
    ----------
    columns : mapping of feature to (n,) float64 array
    score : (n,) float64 array
        Agatston units.

    Returns
    -------
    list of Association
        Two for each feature: raw and five classes.
    """
    from scipy.stats import false_discovery_control, rankdata

    names = list(columns)
    features = np.array([columns[name] for name in names]).reshape(len(names), len(score))
    ranks = rankdata(features, axis=1) if names else features
    answer = []
    classes = np.array([score_class(one) for one in score.tolist()], np.float64)
    for outcome, y in (("raw", score), ("class5", classes)):
        rho = _correlate(ranks, np.asarray(rankdata(y), np.float64))
        p = np.where(np.isfinite(rho), correlation_p(rho, len(score)), 1.0)
        adjusted = false_discovery_control(p) if names else p
        answer += [
            Association(outcome, name, len(score), float(r), float(a), float(b), bool(b <= Q))
            for name, r, a, b in zip(names, rho, p, adjusted, strict=True)
        ]
    return answer


def _correlate(ranks: Floats, y: Floats) -> Floats:
    x = ranks - ranks.mean(axis=1, keepdims=True)
    y = y - y.mean()
    norm = np.sqrt((x * x).sum(axis=1) * (y @ y))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho: Floats = np.where(norm > 0.0, np.clip(x @ y / norm, -1.0, 1.0), np.nan)
    return rho
