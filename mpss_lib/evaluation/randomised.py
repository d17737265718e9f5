"""The randomised evaluation: 50 test sets, 20 train and dev sets in each, one winner each.

The paper's section 2.4.2; where it contradicts itself the profile decides (``profiles``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation import _split_kernels
from mpss_lib.evaluation._kernels import StepRules
from mpss_lib.evaluation._run_kernels import Fits, Outcomes, Rows, Runs, Terms, run_splits
from mpss_lib.evaluation.combine import correlation_p
from mpss_lib.evaluation.design import Design, Flags, Floats, Ints, encode
from mpss_lib.evaluation.scanners.harmonise import harmonised
from mpss_lib.evaluation.splits import Splits, draw
from mpss_lib.sections import EvaluationSettings

STATES = ("valid", "intercept_only", "degenerate")
_WINNER = {
    "max_loglik": _split_kernels.MAX_LOGLIK,
    "max_aic": _split_kernels.MAX_AIC,
    "min_aic": _split_kernels.MIN_AIC,
    "dev_r2": _split_kernels.DEV_R2,
    "common_aic": _split_kernels.COMMON_AIC,
}
_FINAL = {
    "dev": _split_kernels.DEV,
    "train": _split_kernels.TRAIN,
    "train+dev": _split_kernels.BOTH,
}


@dataclass(frozen=True)
class Evaluation:
    """Every split, fit and run of one segment; the axis of length 3 is ``CONFIGURATIONS``.

    Parameters
    ----------
    design : Design
    outcome : (n,) float64, after the outcome transform
    splits : Splits
    r, p_value : (3, outer) float64
        Correlation of prediction and outcome in the test rows; NaN where the run is invalid.
    winner : (3, outer) int64
        Winning inner split, -1 where none is usable.
    predictions : (3, outer, n_test) float64
    coefficients : (3, outer, 1 + m) float64
        Intercept and coefficients of the winners, on raw columns.
    rival_r : (3 or 0, outer) float64
        As ``r``, of the winners that another rule takes among the same fits; none without it.
    rival_winner : (3 or 0, outer) int64
    terms, train_terms : (outer, inner, 3, terms) bool
        Of the final model and of the train model.
    states : (outer, inner, 3) int64, see ``STATES``
    aic, llf : (outer, inner, 3) float64, of the dev fit
    n_screened : (outer, inner, 3) int64
    """

    design: Design
    outcome: Floats
    splits: Splits
    r: Floats
    p_value: Floats
    winner: Ints
    predictions: Floats
    coefficients: Floats
    rival_r: Floats
    rival_winner: Ints
    terms: Flags
    train_terms: Flags
    states: Ints
    aic: Floats
    llf: Floats
    n_screened: Ints

    @property
    def is_valid(self) -> Flags:
        """(3, outer): whether the run gave a correlation."""
        return np.isfinite(self.r)

    def winning_terms(self, configuration: int, outer: int) -> Flags:
        """Terms of a winner; none where there is no winner.

        Parameters
        ----------
        configuration, outer : int

        Returns
        -------
        (terms,) bool array
        """
        inner = int(self.winner[configuration, outer])
        if inner < 0:
            return np.zeros(len(self.design.names), np.bool_)
        chosen: Flags = self.terms[outer, inner, configuration]
        return chosen


def evaluate(
    radiomics: Mapping[str, Any],
    clinical: Mapping[str, Any],
    outcome: Any,
    settings: EvaluationSettings | None = None,
    *,
    splits: Splits | None = None,
    rival: str = "",
    scanners: tuple[str, ...] = (),
) -> Evaluation:
    """Evaluate one segment in the three configurations.

    Parameters
    ----------
    radiomics, clinical : ordered mapping of str to (n,) array
        Terms; text is a factor.
    outcome : (n,) float
        Calcium score.
    settings : EvaluationSettings, optional
    splits : Splits, optional
        Drawn from the settings' seed by default.
    rival : str, optional
        ``max_loglik``, ``max_aic`` or ``min_aic``: take its winners among the same fits too.
    scanners : tuple of n str, optional
        Who made the features: with them they are harmonised for each outer split.

    Raises
    ------
    WrongArgumentError
        If a value is not finite, lengths differ, or there are too few patients.
    """
    settings = settings or EvaluationSettings()
    design = replace(
        encode({**radiomics, **clinical}), scanners=scanners, n_harmonised=len(radiomics)
    )
    y = transform(outcome, settings)
    splits = draw(len(y), settings) if splits is None else splits
    if len(y) != len(design.columns) or splits.n != len(y) or not np.isfinite(y).all():
        raise WrongArgumentError(
            f"{len(y)} outcomes, {len(design.columns)} rows, splits of {splits.n}",
            way_out="give one finite outcome for each row, and splits of that many patients",
        )
    raw = run(design, len(radiomics), y[None, :], settings, splits, rival=rival)
    return _as_evaluation(raw, design, y, splits, settings)


def transform(outcome: Any, settings: EvaluationSettings) -> Floats:
    """Bring the outcome to the scale that is fitted: as it is, or log(1 + CAC).

    Parameters
    ----------
    outcome : (n,) sequence of numbers
        Agatston units.
    settings : EvaluationSettings

    Returns
    -------
    (n,) float64 array
    """
    y = np.asarray(outcome, np.float64)
    return np.log1p(y) if settings.outcome_transform == "log1p" else y


@dataclass(frozen=True)
class Raw:
    """What the kernel fills; the first axis of the last three is the outcome.

    ``coefficients`` are on the columns of the design as they are, or as they were harmonised.
    """

    terms: Flags
    train_terms: Flags
    numbers: Floats
    states: Ints
    coefficients: Floats
    chosen: Ints
    correlations: Floats
    predictions: Floats


def run(
    design: Design,
    n_radiomics: int,
    outcomes: Floats,
    settings: EvaluationSettings,
    splits: Splits,
    *,
    is_kept: bool = True,
    configurations: Sequence[int] = (0, 1, 2),
    rival: str = "",
) -> Raw:
    """Run the kernel for one or many (permuted) outcomes.

    Configurations that are not asked for have no candidates, hence no valid run. With a ``rival``
    rule its winners follow those of the three configurations. Where the design names scanners its
    features are harmonised for each outer split, by what the rows that are not tested show: each
    outer split is then a run of its own, which shares nothing with the others.

    Parameters
    ----------
    design : Design
    n_radiomics : int
        Terms that are features: they stand first.
    outcomes : (p, n) float64 array
        On the scale that is fitted.
    settings : EvaluationSettings
    splits : Splits
    is_kept : bool
        Keep every inner fit, not only what the winners give.
    configurations : sequence of int
        Which of ``CONFIGURATIONS``.
    rival : str
        Name of another rule, empty for none.

    Returns
    -------
    Raw
    """
    how = (is_kept, configurations, rival)
    if not design.scanners:
        return _run(design, n_radiomics, outcomes, settings, splits, *how)
    return _together(
        [
            _run(harmonised(design, one.test[0]), n_radiomics, outcomes, settings, one, *how)
            for one in splits.each()
        ]
    )


def _together(runs: Sequence[Raw]) -> Raw:
    """Put runs of single outer splits side by side."""
    return Raw(
        **{
            field.name: np.concatenate(
                [getattr(one, field.name) for one in runs], axis=_OUTER_AXIS.get(field.name, 0)
            )
            for field in fields(Raw)
        }
    )


_OUTER_AXIS = {"chosen": 1, "correlations": 1, "predictions": 1}
"""Axis of the outer splits in ``Raw``, where it is not the first."""


def _run(
    design: Design,
    n_radiomics: int,
    outcomes: Floats,
    settings: EvaluationSettings,
    splits: Splits,
    is_kept: bool,
    configurations: Sequence[int],
    rival: str,
) -> Raw:
    x, centre, scale = design.standardised()
    levels = _levels(design, settings)
    n_terms, n_outer = len(design.names), len(splits.outer)
    allowed = _allowed(n_terms, n_radiomics, configurations)
    shape = (n_outer, settings.n_inner, 3) if is_kept else (0, 0, 3)
    runs = (len(outcomes), n_outer, 6 if rival else 3)
    raw = Raw(
        terms=np.zeros((*shape, n_terms), np.bool_),
        train_terms=np.zeros((*shape, n_terms), np.bool_),
        numbers=np.zeros((*shape, 3)),
        states=np.zeros(shape, np.int64),
        coefficients=np.zeros((n_outer, runs[2], 1 + x.shape[1])),
        chosen=np.zeros(runs, np.int64),
        correlations=np.zeros(runs),
        predictions=np.zeros((*runs, splits.test.shape[1])),
    )
    run_splits(
        Terms(x, design.first, levels, *_ascending(design.codes), allowed),
        Outcomes(np.ascontiguousarray(outcomes), *_ascending(outcomes)),
        Rows(splits.test, splits.train, splits.dev),
        _limits(splits, settings, levels),
        _rules(settings, rival),
        Fits(raw.terms, raw.train_terms, raw.numbers, raw.states),
        Runs(raw.chosen, raw.correlations, raw.predictions, raw.coefficients),
    )
    _to_raw_columns(raw.coefficients, centre, scale)
    return raw


def _to_raw_columns(coefficients: Floats, centre: Floats, scale: Floats) -> None:
    """Bring intercepts and coefficients (..., 1 + m) from standardised to raw columns."""
    coefficients[..., 1:] /= scale
    coefficients[..., 0] -= coefficients[..., 1:] @ centre


def _as_evaluation(
    raw: Raw, design: Design, y: Floats, splits: Splits, settings: EvaluationSettings
) -> Evaluation:
    r, winner = raw.correlations[0].T, raw.chosen[0].T
    own = np.ascontiguousarray(r[:3])
    return Evaluation(
        design=design,
        outcome=y,
        splits=splits,
        r=own,
        p_value=correlation_p(own, splits.test.shape[1], settings.p_side),
        winner=np.ascontiguousarray(winner[:3]),
        predictions=np.ascontiguousarray(raw.predictions[0, :, :3].transpose(1, 0, 2)),
        coefficients=raw.coefficients[:, :3].transpose(1, 0, 2).copy(),
        rival_r=np.ascontiguousarray(r[3:]),
        rival_winner=np.ascontiguousarray(winner[3:]),
        terms=raw.terms,
        train_terms=raw.train_terms,
        states=raw.states,
        aic=raw.numbers[..., 0],
        llf=raw.numbers[..., 1],
        n_screened=raw.numbers[..., 2].astype(np.int64),
    )


def _allowed(n_terms: int, n_radiomics: int, configurations: Sequence[int]) -> Flags:
    """(3, terms): which terms are candidates in which configuration."""
    allowed = np.zeros((3, n_terms), np.bool_)
    allowed[0, :n_radiomics] = 0 in configurations
    allowed[1, n_radiomics:] = 1 in configurations
    allowed[2] = 2 in configurations
    return allowed


def _rules(settings: EvaluationSettings, rival: str) -> _split_kernels.FitRules:
    steps = StepRules(
        settings.criterion == "sse", settings.p_enter, settings.p_remove, settings.max_steps,
        settings.rank_tol, settings.loglik_variance == "mse",
    )  # fmt: skip
    return _split_kernels.FitRules(
        steps,
        _WINNER[settings.winner],
        _WINNER[rival] if rival else -1,
        _FINAL[settings.final_coef],
        settings.intercept_only == "keep",
    )


def _levels(design: Design, settings: EvaluationSettings) -> Ints:
    """Levels of the factors that Kruskal-Wallis screens, else 0."""
    kruskal = settings.categorical_screen == "kruskal"
    return np.array([len(levels) if kruskal else 0 for levels in design.levels], np.int64)


def _ascending(values: Floats) -> tuple[npt.NDArray[np.int32], Flags]:
    """Places by ascending value of each row of ``values``, and where a run of equal ones ends."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    closes = np.ones(values.shape, np.bool_)
    closes[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    return order.astype(np.int32), closes


def _limits(splits: Splits, settings: EvaluationSettings, levels: Ints) -> Floats:
    """Limit of |rho| of the screen (t approximation), then chi-squared limits by df."""
    from scipy.stats import chi2
    from scipy.stats import t as t_dist

    df = splits.train.shape[2] - 2
    t = float(t_dist.isf(settings.screen_p / 2.0, df))
    dfs = np.arange(1, max(int(levels.max(initial=0)), 2))
    return np.concatenate([[t / np.sqrt(df + t * t)], chi2.isf(settings.screen_p, dfs)])
