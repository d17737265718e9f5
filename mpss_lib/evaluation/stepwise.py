"""Stepwise linear regression with the rules of MATLAB's ``stepwiselm`` (upper scope: linear).

The best available term is added while one passes; only when none can be added, the worst term is
removed if it fails; until neither happens. The intercept always stays. A factor is one term.

``criterion="aic"``: the value of a term is AIC(with) - AIC(without); the smallest value enters if
it is at most ``p_enter``, the largest leaves if it is at least ``p_remove``. ``"sse"``: the value
is the p-value of the partial F test of the whole term.

The rules: documentation of MATLAB's ``stepwiselm``, which the paper names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mpss_lib.errors import DegenerateStartError, WrongArgumentError
from mpss_lib.evaluation._kernels import StepRules, start_model, stepwise_path
from mpss_lib.evaluation.design import Design, Floats, Ints, column_name, encode

INTERCEPT = "(intercept)"


@dataclass(frozen=True)
class Step:
    """One step: the term, whether it was added, and its value (change of AIC, or p-value)."""

    term: str
    is_added: bool
    value: float


@dataclass(frozen=True)
class Model:
    """A linear model of chosen terms, fitted by QR.

    Parameters
    ----------
    terms : tuple of str
        In the order of the candidate columns.
    coefficients, std_errors, pvalues : dict
        By ``(intercept)``, the name of a number, or ``name=level`` of a factor.
    aic, llf : float
        Akaike criterion (variance not counted as a parameter) and log-likelihood.
    pvalue : float
        F test against the intercept alone; NaN for the intercept alone.
    path : tuple of Step
    n, df_resid : int
        Rows and residual degrees of freedom.
    levels : dict
        Levels of the factors in the model, the reference first.
    """

    terms: tuple[str, ...]
    coefficients: dict[str, float]
    std_errors: dict[str, float]
    pvalues: dict[str, float]
    aic: float
    llf: float
    pvalue: float
    n: int
    df_resid: int
    levels: dict[str, tuple[str, ...]]
    path: tuple[Step, ...] = ()

    def predict(self, columns: Mapping[str, Any]) -> Floats:
        """Predict the outcome of rows.

        Parameters
        ----------
        columns : mapping of term to (rows,) sequence
            At least the model's terms; others are not looked at.

        Returns
        -------
        (rows,) float64 array
            On the scale that was fitted.

        Raises
        ------
        WrongArgumentError
            If a term is missing or a factor has a level that the fit has not seen.
        """
        missing = [term for term in self.terms if term not in columns]
        if missing:
            raise WrongArgumentError(
                f"columns {missing} of the model are missing",
                way_out="give a column for each of Model.terms",
            )
        n = len(next(iter(columns.values()))) if columns else 1
        design = encode({term: columns[term] for term in self.terms}, self.levels)
        beta = np.array([self.coefficients[column_name(*label)] for label in design.labels])
        start: Floats = np.full(n, self.coefficients[INTERCEPT])
        return start + design.columns @ beta if self.terms else start


def stepwise(
    columns: Mapping[str, Any],
    y: Any,
    start: Sequence[str] = (),
    criterion: Literal["aic", "sse"] = "aic",
    p_enter: float = 0.05,
    p_remove: float = 0.2,
    *,
    max_steps: int = 1000,
    rank_tol: float = 1e-10,
    loglik_variance: Literal["ml", "mse"] = "ml",
) -> Model:
    """Choose terms step by step and fit them.

    Parameters
    ----------
    columns : ordered mapping of str to (n,) array
        Candidates; numbers, or text for a factor (one term; the first level in sorted order is
        the reference).
    y : (n,) array
        Outcome.
    start : sequence of str
        Terms of the start model; none by default.
    criterion : {"aic", "sse"}
    p_enter, p_remove : float
        Thresholds of the criterion's value; ``p_enter < p_remove``.
    max_steps : int
    rank_tol : float
        A column whose residual sum of squares on the model is below this share of its own is a
        combination of the model's columns: a term that adds no rank is not eligible, nor is one
        that would leave no residual degree of freedom.
    loglik_variance : {"ml", "mse"}
        Variance of the likelihood: RSS / n or RSS / df.

    Raises
    ------
    DegenerateStartError
        If the start model leaves no residual degree of freedom or is rank deficient.
    WrongArgumentError
        If an argument cannot be used.
    """
    design = encode(columns)
    outcome = _outcome(y, design)
    _check_rules(design, start, criterion, p_enter, p_remove)
    gram, own = _cross_products(design, outcome)
    inside = np.array([name in set(start) for name in design.names], np.bool_)
    swept = np.zeros(len(own), np.bool_)
    n, tss = len(outcome), float(gram[-1, -1])
    if not start_model(gram, own, design.first, inside, swept, n, rank_tol):
        raise DegenerateStartError(
            f"start model of {len(start)} terms on {n} rows: no residual degree of freedom, or"
            " one term is a combination of the others",
            way_out="start from fewer terms",
        )
    steps = np.zeros((max_steps, 3))
    rules = StepRules(
        criterion == "sse", float(p_enter), float(p_remove), max_steps, rank_tol,
        loglik_variance == "mse",
    )  # fmt: skip
    count = stepwise_path(gram, own, design.first, inside, swept, n, tss, rules, steps)
    path = tuple(
        Step(design.names[int(term)], added == 1.0, value)
        for term, added, value in steps[:count].tolist()
    )
    return fit(design, outcome, np.flatnonzero(swept), inside, loglik_variance, path)


def _check_rules(
    design: Design, start: Sequence[str], criterion: str, p_enter: float, p_remove: float
) -> None:
    if not p_enter < p_remove:
        raise WrongArgumentError(
            f"p_enter {p_enter} is not below p_remove {p_remove}",
            way_out="a term that enters must be allowed to stay",
        )
    unknown = [term for term in start if term not in design.names]
    if unknown or criterion not in ("aic", "sse"):
        raise WrongArgumentError(
            f"unknown start terms {unknown} or criterion {criterion!r}",
            way_out="start terms are names of columns; the criterion is 'aic' or 'sse'",
        )


def fit(
    design: Design,
    outcome: Floats,
    used: Any,
    inside: Any,
    loglik_variance: str = "ml",
    path: tuple[Step, ...] = (),
) -> Model:
    """Fit chosen columns by QR, with standard errors and p-values.

    Parameters
    ----------
    design : Design
    outcome : (n,) float64
    used : (k,) int
        Columns that take part: of full rank with the intercept. Other columns of the terms get
        coefficient 0.
    inside : (terms,) bool
        Terms of the model.
    loglik_variance : {"ml", "mse"}
    path : tuple of Step
        How it was found.

    Returns
    -------
    Model
    """
    from scipy.stats import t as t_dist

    used = np.asarray(used, np.int64)
    found = _least_squares(design, outcome, used)
    llf = found.log_likelihood(loglik_variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        tails = 2.0 * t_dist.sf(np.abs(found.estimates / found.errors), found.df)
    labels = [INTERCEPT, *(column_name(*design.labels[c]) for c in used)]
    kept = tuple(np.array(design.names, object)[np.asarray(inside)].tolist())
    zeros = {column_name(*design.labels[c]): 0.0 for c in design.columns_of(kept)}
    nans = dict.fromkeys(zeros, float("nan"))
    return Model(
        terms=kept,
        coefficients=zeros | dict(zip(labels, found.estimates.tolist(), strict=True)),
        std_errors=nans | dict(zip(labels, found.errors.tolist(), strict=True)),
        pvalues=nans | dict(zip(labels, tails.tolist(), strict=True)),
        aic=-2.0 * llf + 2.0 * (len(used) + 1),
        llf=llf,
        pvalue=found.p_value,
        n=found.n,
        df_resid=int(found.df),
        levels={
            name: levels
            for name, levels in zip(design.names, design.levels, strict=True)
            if levels and name in kept
        },
        path=path,
    )


@dataclass(frozen=True)
class _LeastSquares:
    """Estimates on raw columns, the intercept first, and the sums of squares.

    Numpy floats: a perfect fit of few rows divides by zero and must give inf, not an error.
    """

    estimates: Floats
    errors: Floats
    rss: np.float64
    explained: np.float64
    n: int
    df: np.float64

    @property
    def p_value(self) -> float:
        """F test against the intercept alone; NaN for the intercept alone."""
        from scipy.stats import f as f_dist

        k = len(self.estimates) - 1
        if not k:
            return float("nan")
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(f_dist.sf(self.explained / k / (self.rss / self.df), k, self.df))

    def log_likelihood(self, variance: str) -> float:
        """Log-likelihood; infinite where nothing is left over."""
        if self.rss == 0.0:
            return float("inf")
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma2 = self.rss / (self.df if variance == "mse" else self.n)
            return float(-0.5 * (self.n * np.log(2.0 * np.pi * sigma2) + self.rss / sigma2))


def _least_squares(design: Design, outcome: Floats, used: Ints) -> _LeastSquares:
    """Solve by QR of the standardised columns, centred."""
    x, centre, scale = design.standardised()
    x = x[:, used]
    shift = x.mean(axis=0)
    n, k = x.shape
    mean = float(outcome.mean())
    q, r = np.linalg.qr(x - shift)
    effects = q.T @ (outcome - mean)
    beta = np.linalg.solve(r, effects)
    residual = outcome - mean - (x - shift) @ beta
    rss, df = np.float64(residual @ residual), np.float64(n - 1 - k)
    inverse = np.linalg.solve(r, np.eye(k))
    to_raw = 1.0 / scale[used]
    covariance = (inverse @ inverse.T) * np.outer(to_raw, to_raw)
    raw = beta * to_raw
    centre_raw = centre[used] + shift * scale[used]
    estimates = np.concatenate([[mean - raw @ centre_raw], raw])
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = rss / df
        errors = np.sqrt(variance * np.diag(covariance))
        error0 = np.sqrt(variance * (1.0 / n + centre_raw @ covariance @ centre_raw))
    explained = np.float64(effects @ effects)
    return _LeastSquares(estimates, np.concatenate([[error0], errors]), rss, explained, n, df)


def _outcome(y: Any, design: Design) -> Floats:
    outcome = np.asarray(y, np.float64)
    n = outcome.shape[0] if outcome.ndim == 1 else 0
    if n < 2 or (design.names and n != len(design.columns)) or not np.isfinite(outcome).all():
        raise WrongArgumentError(
            f"outcome of shape {outcome.shape} for {len(design.columns)} rows",
            way_out="give at least 2 finite values, one for each row",
        )
    if np.ptp(outcome) <= 1e-14 * np.abs(outcome).max():
        raise WrongArgumentError(
            f"the outcome is {outcome[0]:g} in every row", way_out="give an outcome that varies"
        )
    return outcome


def _cross_products(design: Design, outcome: Floats) -> tuple[Floats, Floats]:
    """Centred cross-products with the outcome last, and each column's own (0 where constant)."""
    x, _, _ = design.standardised()
    own = np.where(np.ptp(design.columns, axis=0) > 0.0, (x * x).sum(axis=0), 0.0)
    if not design.names:
        x = np.empty((len(outcome), 0))
        own = np.empty(0)
    both = np.column_stack([x, outcome - outcome.mean()])
    # einsum, not BLAS: equal columns get equal sums, so that an exact tie stays one.
    return np.ascontiguousarray(np.einsum("ri,rj->ij", both, both)), own
