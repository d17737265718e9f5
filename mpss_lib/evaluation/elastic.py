"""A better model beside the published one: elastic net on log(1 + CAC), with 90 % intervals.

Hyperparameters are tuned by cross-validation inside the rows that a fit may see. Intervals are
CV+ (Barber, Candes, Ramdas, Tibshirani 2021): each patient's residual comes from the fold model
that has not seen the patient. Scores are tried on rows that neither tuning nor fit has seen.

A penalty on dummies against a reference level would depend on which level that is: a factor of
more than two levels gives a dummy for each, all penalised alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, nan

import numpy as np

from mpss_lib.contract import CLASS_LIMITS
from mpss_lib.evaluation.design import Design, Floats, Ints

FOLDS = 5
LEVEL = 0.90
L1_RATIOS = (0.2, 0.8)
N_ALPHAS = 25
MAX_ITER = 20_000
BOOTSTRAP = 200
_, HIGH, VERY_HIGH = CLASS_LIMITS
_STREAM = 1 << 21


@dataclass(frozen=True)
class Ensemble:
    """Fold models and the residuals that they left; on raw columns and log(1 + CAC).

    Parameters
    ----------
    intercepts : (folds,) float64
    coefficients : (folds, columns) float64
    fold : (n,) int64
        Fold whose model has not seen the patient.
    residuals : (n,) float64
        |log(1 + CAC) - prediction| of that model.
    alpha, l1_ratio : float
    """

    intercepts: Floats
    coefficients: Floats
    fold: Ints
    residuals: Floats
    alpha: float
    l1_ratio: float

    def predict(self, columns: Floats) -> Floats:
        """Mean prediction over the fold models.

        Parameters
        ----------
        columns : (rows, m) float64 array
            Raw, as for ``fit_ensemble``.

        Returns
        -------
        (rows,) float64 array
            log(1 + CAC).
        """
        mean: Floats = self.by_fold(columns).mean(axis=0)
        return mean

    def by_fold(self, columns: Floats) -> Floats:
        """Prediction of each fold model.

        Parameters
        ----------
        columns : (rows, m) float64 array

        Returns
        -------
        (folds, rows) float64 array
            log(1 + CAC).
        """
        answer: Floats = self.intercepts[:, None] + self.coefficients @ columns.T
        return answer

    def interval(self, columns: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
        """CV+ interval, log scale, of rows that no fold model has seen.

        Parameters
        ----------
        columns : (rows, m) float64 array
        level : float
            Nominal coverage.

        Returns
        -------
        low, high : (rows,) float64 arrays
            log(1 + CAC).
        """
        centre = self.by_fold(columns)[self.fold]
        spread = self.residuals[:, None]
        return cv_plus(centre - spread, centre + spread, level)


@dataclass(frozen=True)
class Score:
    """A measure of the out-of-sample predictions, with its 90 % bootstrap interval."""

    metric: str
    value: float
    low: float = nan
    high: float = nan
    n: int = 0


def cv_plus(lows: Floats, highs: Floats, level: float) -> tuple[Floats, Floats]:
    """Order statistics of the patients' ends (Barber et al. 2021, section 1.1).

    With too few patients for the level an end is infinite.

    Parameters
    ----------
    lows, highs : (patients, rows) float64 arrays
        Each patient's fold model less, and plus, that patient's residual.
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : (rows,) float64 arrays
    """
    n = lows.shape[0]
    upper = ceil(round(level * (n + 1), 9))
    lower = n + 1 - upper
    low = np.sort(lows, axis=0)[lower - 1] if lower >= 1 else np.full(lows.shape[1], -np.inf)
    high = np.sort(highs, axis=0)[upper - 1] if upper <= n else np.full(lows.shape[1], np.inf)
    return low, high


def fit_ensemble(columns: Floats, y: Floats, seed: int) -> Ensemble:
    """Tune on these rows, then fit each fold's model with the hyperparameters found.

    Parameters
    ----------
    columns : (n, m) float64, raw
    y : (n,) float64, log(1 + CAC)
    seed : int

    Returns
    -------
    Ensemble
    """
    from sklearn.linear_model import ElasticNet, ElasticNetCV

    x, _, _ = _standard(columns)
    tuned = ElasticNetCV(
        l1_ratio=list(L1_RATIOS), alphas=N_ALPHAS, cv=FOLDS, max_iter=MAX_ITER, tol=1e-3
    ).fit(x, y)
    fold = _folds(len(y), seed)
    intercepts, coefficients = np.zeros(FOLDS), np.zeros((FOLDS, columns.shape[1]))
    residuals = np.zeros(len(y))
    for k in range(FOLDS):
        train = fold != k
        part, middle, spread = _standard(columns[train])
        model = ElasticNet(
            alpha=float(tuned.alpha_), l1_ratio=float(tuned.l1_ratio_), max_iter=MAX_ITER, tol=1e-3
        ).fit(part, y[train])
        coefficients[k] = model.coef_ / spread
        intercepts[k] = float(model.intercept_) - coefficients[k] @ middle
        guess = intercepts[k] + columns[~train] @ coefficients[k]
        residuals[~train] = np.abs(y[~train] - guess)
    return Ensemble(
        intercepts, coefficients, fold, residuals, float(tuned.alpha_), float(tuned.l1_ratio_)
    )


def cross_fit(columns: Floats, score: Floats, seed: int) -> tuple[Floats, Floats, Floats]:
    """Out-of-sample predictions and intervals of every patient, on the scale of the score.

    Parameters
    ----------
    columns : (n, m) float64 array
        Raw.
    score : (n,) float64 array
        Agatston units.
    seed : int

    Returns
    -------
    value, low, high : (n,) float64 arrays
        Agatston units.
    """
    y = np.log1p(score)
    outer = _folds(len(y), seed + 1)
    value, low, high = np.empty(len(y)), np.empty(len(y)), np.empty(len(y))
    for k in range(FOLDS):
        test = outer == k
        ensemble = fit_ensemble(columns[~test], y[~test], seed)
        value[test] = ensemble.predict(columns[test])
        low[test], high[test] = ensemble.interval(columns[test])
    return to_score(value), to_score(low), to_score(high)


def to_score(log_values: Floats) -> Floats:
    """Back to the scale of the score, not below 0.

    Parameters
    ----------
    log_values : (n,) float64 array
        log(1 + CAC).

    Returns
    -------
    (n,) float64 array
        Agatston units.
    """
    answer: Floats = np.maximum(np.expm1(np.minimum(log_values, 700.0)), 0.0)
    return answer


@dataclass(frozen=True)
class Penalised:
    """Columns whose coefficients are penalised.

    Parameters
    ----------
    columns : (n, m) float64
    labels : tuple of m (term, level)
        The level of a number is ''.
    """

    columns: Floats
    labels: tuple[tuple[str, str], ...]


def penalised(design: Design, configuration: str, n_radiomics: int) -> Penalised:
    """Give the columns of a configuration to the elastic net.

    A factor of two levels is one dummy (its penalty is that of its opposite), one of more a dummy
    for each level. They stand in the order in which the patients have them: what the levels are
    called changes no bit of the columns.
    """
    terms = range(len(design.names))
    if configuration == "radiomics":
        terms = terms[:n_radiomics]
    if configuration == "clinical":
        terms = terms[n_radiomics:]
    columns: list[Floats] = [np.empty((design.codes.shape[1], 0))]
    labels: list[tuple[str, str]] = []
    for t in terms:
        name, levels, codes = design.names[t], design.levels[t], design.codes[t]
        if not levels:
            columns.append(codes[:, None])
            labels.append((name, ""))
            continue
        met = list(dict.fromkeys(codes.astype(np.int64).tolist()))
        own = met[1:] if len(met) == 2 else met
        columns.append((codes[:, None] == np.array(own)[None, :]).astype(np.float64))
        labels += [(name, levels[code]) for code in own]
    return Penalised(np.ascontiguousarray(np.hstack(columns)), tuple(labels))


def scores(value: Floats, low: Floats, high: Floats, outcome: Floats, seed: int) -> list[Score]:
    """Measure out-of-sample predictions against the scores.

    Parameters
    ----------
    value, low, high : (n,) float64 arrays
        Predictions and ends of their intervals, Agatston units.
    outcome : (n,) float64 array
        Agatston units.
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of Score
        Spearman, AUC above two limits, calibration, coverage in all and by calcium.
    """
    rng = np.random.default_rng([seed, _STREAM])
    n = len(outcome)
    draws = rng.integers(0, n, (BOOTSTRAP, n))
    measures: dict[str, Callable[[Floats, Floats], float]] = {
        "spearman": _spearman,
        "auc_at_least_100": lambda guess, y: _auc(guess, y >= HIGH),
        "auc_above_400": lambda guess, y: _auc(guess, y > VERY_HIGH),
    }
    found = []
    for name, measure in measures.items():
        again = np.array([measure(value[rows], outcome[rows]) for rows in draws])
        again = again[np.isfinite(again)]
        ends = np.quantile(again, [0.05, 0.95]).tolist() if len(again) else [nan, nan]
        found.append(Score(name, measure(value, outcome), ends[0], ends[1], n))
    slope, intercept = _calibration(np.log1p(value), np.log1p(outcome))
    found += [
        Score("calibration_slope", slope, n=n),
        Score("calibration_intercept", intercept, n=n),
    ]
    is_inside = (outcome >= low) & (outcome <= high)
    groups = {
        "coverage_90": np.ones(n, np.bool_),
        "coverage_90_no_calcium": outcome == 0,
        "coverage_90_above_400": outcome > VERY_HIGH,
    }
    return found + [
        Score(name, float(is_inside[rows].mean()) if rows.any() else nan, n=int(rows.sum()))
        for name, rows in groups.items()
    ]


def _standard(columns: Floats) -> tuple[Floats, Floats, Floats]:
    centre = columns.mean(axis=0)
    spread = columns.std(axis=0)
    spread = np.where(spread > 1e-12 * (np.abs(centre) + 1e-300), spread, 1.0)
    return (columns - centre) / spread, centre, spread


def _folds(n: int, seed: int) -> Ints:
    fold: Ints = np.random.default_rng([seed, _STREAM, n]).permutation(np.arange(n) % FOLDS)
    return fold


def _spearman(guess: Floats, y: Floats) -> float:
    from scipy.stats import rankdata

    if np.ptp(guess) == 0.0 or np.ptp(y) == 0.0:
        return nan
    return float(np.corrcoef(rankdata(guess), rankdata(y))[0, 1])


def _auc(guess: Floats, is_case: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    """Area under the ROC curve by ranks; NaN where one group is empty."""
    from scipy.stats import rankdata

    cases = int(is_case.sum())
    others = len(is_case) - cases
    if cases == 0 or others == 0:
        return nan
    total = float(rankdata(guess)[is_case].sum())
    return (total - cases * (cases + 1) / 2.0) / (cases * others)


def _calibration(guess: Floats, y: Floats) -> tuple[float, float]:
    """Slope and intercept of the outcome on the prediction, log scale; 1 and 0 are ideal."""
    spread = float(((guess - guess.mean()) ** 2).sum())
    if spread == 0.0:
        return nan, nan
    slope = float(((guess - guess.mean()) * (y - y.mean())).sum()) / spread
    return slope, float(y.mean() - slope * guess.mean())
