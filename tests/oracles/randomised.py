"""The randomised evaluation from its definition: scipy, the slow stepwise, plain loops."""

from __future__ import annotations

import numpy as np
from oracles.stepwise import Problem, dummies, stepwise
from scipy.stats import kruskal, pearsonr, spearmanr

RANK_TOL = 1e-10


def part(columns, rows):
    return {name: values[rows] for name, values in columns.items()}


def screened(columns, y, settings):
    kept = []
    for name, values in columns.items():
        if values.dtype.kind in "OUST":
            if settings.categorical_screen == "kruskal":
                groups = [y[values == level] for level in sorted(set(values))]
                p = kruskal(*groups).pvalue if len(groups) > 1 else 1.0
                kept += [name] if p < settings.screen_p else []
                continue
            values = np.unique(values, return_inverse=True)[1].astype(float)
        if np.ptp(values) > 0 and np.ptp(y) > 0 and spearmanr(values, y).pvalue < settings.screen_p:
            kept.append(name)
    return kept


def is_degenerate(columns, y, terms):
    problem = Problem(columns, y)
    rank = problem.space(frozenset(terms)).shape[1]
    alone = [problem.space(frozenset([term])).shape[1] for term in terms]
    return len(y) - 1 - rank <= 0 or rank < sum(alone) or 0 in alone


def fit(columns, y, terms, rows):
    """Least squares with the columns that the whole table defines; unseen levels get nothing."""
    x = [column for name in terms for column in dummies(columns[name])]
    x = np.column_stack([np.ones(len(y)), *x])
    beta = np.linalg.lstsq(x[rows], y[rows], rcond=1e-12)[0]
    return x @ beta


def criteria(y, fitted, rank, variance):
    rss, n = float(((y - fitted) ** 2).sum()), len(y)
    sigma2 = rss / (n if variance == "ml" else n - 1 - rank)
    llf = -0.5 * (n * np.log(2 * np.pi * sigma2) + rss / sigma2)
    return -2 * llf + 2 * (1 + rank), llf


def one_fit(columns, y, train, dev, settings):
    both = np.concatenate([train, dev])
    names = screened(part(columns, train), y[train], settings)
    candidates = {name: columns[name] for name in names}
    rule = {"criterion": settings.criterion, "p_enter": settings.p_enter,
            "p_remove": settings.p_remove, "variance": settings.loglik_variance}  # fmt: skip
    train_terms = stepwise(part(candidates, train), y[train], **rule)[0] if names else []
    on_dev = part(candidates, dev)
    answer = {"train_terms": set(train_terms), "n_screened": len(names), "llf": None}
    answer["terms"] = set(train_terms)
    degenerate = is_degenerate(on_dev, y[dev], train_terms)
    terms = train_terms
    if not degenerate:
        terms = stepwise(on_dev, y[dev], start=train_terms, **rule)[0] if names else []
        rank = Problem(on_dev, y[dev]).space(frozenset(terms)).shape[1]
        fitted = fit(columns, y, terms, dev)[dev]
        answer["aic"], answer["llf"] = criteria(y[dev], fitted, rank, settings.loglik_variance)
    if settings.winner == "dev_r2":
        terms, degenerate = train_terms, False
    answer["terms"] = set(terms)
    rows = {"dev": dev, "train": train, "train+dev": both}[settings.final_coef]
    if degenerate or not terms or is_degenerate(part(candidates, rows), y[rows], terms):
        return answer | {"score": None}
    answer["prediction"] = fit(columns, y, terms, rows)
    if settings.winner == "max_loglik":
        score = answer["llf"]
    elif settings.winner in ("max_aic", "min_aic"):
        score = answer["aic"] * (1 if settings.winner == "max_aic" else -1)
    elif settings.winner == "dev_r2":
        guess = fit(columns, y, terms, train)[dev]
        score = 1 - ((y[dev] - guess) ** 2).sum() / ((y[dev] - y[dev].mean()) ** 2).sum()
    else:
        rank = Problem(part(candidates, both), y[both]).space(frozenset(terms)).shape[1]
        fitted = fit(columns, y, terms, both)[both]
        score = -criteria(y[both], fitted, rank, settings.loglik_variance)[0]
    return answer | {"score": score}


def evaluate_slowly(radiomics, clinical, score, settings, splits):
    y = np.log1p(score) if settings.outcome_transform == "log1p" else score
    out = {"fits": {}, "winner": {}, "r": {}}
    for g, columns in enumerate((radiomics, clinical, {**radiomics, **clinical})):
        for k in range(len(splits.outer)):
            fits = [
                one_fit(columns, y, splits.train[k, i], splits.dev[k, i], settings)
                for i in range(settings.n_inner)
            ]
            out["fits"] |= {(g, k, i): found for i, found in enumerate(fits)}
            scores = [-np.inf if f["score"] is None else f["score"] for f in fits]
            winner = int(np.argmax(scores)) if max(scores) > -np.inf else -1
            out["winner"][g, k] = winner
            test = splits.test[k]
            out["r"][g, k] = (
                pearsonr(fits[winner]["prediction"][test], y[test])[0] if winner >= 0 else np.nan
            )
    return out
