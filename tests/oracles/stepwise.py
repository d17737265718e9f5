"""Stepwise regression with statsmodels, one OLS for each candidate: slow, from the definition."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm

RANK_TOL = 1e-10
TIE = 1e-10


def dummies(values: np.ndarray) -> list[np.ndarray]:
    if values.dtype.kind not in "OUST":
        return [values.astype(float)]
    return [(values == level).astype(float) for level in sorted(set(values))[1:]]


class Problem:
    """Candidate terms; a model is a set of terms, its space the independent columns of them."""

    def __init__(self, columns: dict[str, np.ndarray], y: np.ndarray) -> None:
        self.names = list(columns)
        self.y = y
        self.parts = {
            name: [self._scaled(column) for column in dummies(values)]
            for name, values in columns.items()
        }
        self.known: dict[frozenset[str], tuple[object, int]] = {}

    @staticmethod
    def _scaled(column: np.ndarray) -> np.ndarray:
        centred = column - column.mean()
        size = np.sqrt(centred @ centred)
        return centred / size if size > 1e-12 * np.abs(column).max(initial=0.0) else centred * 0

    def space(self, terms: frozenset[str]) -> np.ndarray:
        kept: list[np.ndarray] = []
        for name in self.names:
            for column in self.parts[name] if name in terms else ():
                rest = column
                for _ in range(2):
                    for q in kept:
                        rest = rest - (rest @ q) * q
                if rest @ rest > RANK_TOL:
                    kept.append(rest / np.sqrt(rest @ rest))
        return np.column_stack(kept) if kept else np.empty((len(self.y), 0))

    def fit(self, terms: frozenset[str]):
        if terms not in self.known:
            x = self.space(terms)
            result = sm.OLS(self.y, np.column_stack([np.ones(len(self.y)), x])).fit()
            self.known[terms] = (result, x.shape[1])
        return self.known[terms]


def aic(fit, variance: str) -> float:
    result, rank = fit
    if variance == "ml":
        return result.aic
    n, df = len(result.resid), len(result.resid) - 1 - rank
    return n * np.log(2 * np.pi * result.ssr / df) + df + 2 * (1 + rank)


def value_of(small, big, criterion: str, variance: str) -> tuple[float, float]:
    """Value (change of AIC, or log p) of the term that ``big`` has more, and a tie breaker."""
    (few, _), (many, _) = small, big
    if criterion == "aic":
        return aic(big, variance) - aic(small, variance), 0.0
    f, p, _ = many.compare_f_test(few)
    return (np.log(p) if p > 0 else -np.inf), -f


def stepwise(  # noqa: C901 -- the loop as the help page words it
    columns, y, start=(), criterion="aic", p_enter=0.05, p_remove=0.2, variance="ml", max_steps=200
):
    problem = Problem(columns, np.asarray(y, float))
    n, tss = len(y), float(((y - np.mean(y)) ** 2).sum())
    model = frozenset(start)
    if criterion == "sse":
        p_enter, p_remove = np.log(p_enter), np.log(p_remove)
    for _ in range(max_steps):
        now = problem.fit(model)
        options = []
        for name in problem.names if now[0].ssr > 1e-13 * tss else ():
            if name in model:
                continue
            bigger = problem.fit(model | {name})
            grown = bigger[1] - now[1]
            if grown > 0 and n - 1 - bigger[1] > 0:
                options.append((*value_of(now, bigger, criterion, variance), name))
        best = first_best(options)
        if best is not None and best[0] <= p_enter:
            model = model | {best[2]}
            continue
        options = []
        for name in problem.names:
            if name in model:
                smaller = problem.fit(model - {name})
                if smaller[1] < now[1]:
                    value, tie = value_of(smaller, now, criterion, variance)
                    options.append((-value, -tie, name))
        worst = first_best(options)
        if worst is None or -worst[0] < p_remove:
            break
        model = model - {worst[2]}
    result = problem.fit(model)[0]
    return [name for name in problem.names if name in model], float(result.llf)


def first_best(options):
    """Smallest value; the first of those that are equal within the tie tolerance."""
    best = None
    for option in options:
        if (
            best is None
            or option[0] < best[0] - TIE
            or (option[0] == best[0] and option[1] < best[1])
        ):
            best = option
    return best
