"""Results as rows of the lake tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpss_lib.config import CONFIGURATIONS, CORRECTED
from mpss_lib.evaluation.combine import correlation_p
from mpss_lib.evaluation.design import Floats
from mpss_lib.evaluation.elastic import cross_fit, penalised, scores
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.permutation import Null
from mpss_lib.evaluation.randomised import STATES, Evaluation
from mpss_lib.evaluation.seeds import SeedResult
from mpss_lib.evaluation.stepwise import INTERCEPT
from mpss_lib.prediction_quality import Estimate
from mpss_lib.sections import EvaluationSettings

Rows = list[dict[str, Any]]


def fit_rows(found: Evaluation, start: Mapping[str, str]) -> Rows:
    """Give one row for each inner split: what was screened and chosen, how well it fitted.

    A winner's row holds its coefficients too: all that ``register_model`` needs.
    """
    names = np.array(found.design.names, object)
    columns = np.array(found.design.column_names, object)
    rows: Rows = []
    for k, outer in enumerate(found.splits.outer):
        for inner in range(found.splits.train.shape[1]):
            for g, configuration in enumerate(CONFIGURATIONS):
                aic, llf = float(found.aic[k, inner, g]), float(found.llf[k, inner, g])
                state = STATES[found.states[k, inner, g]]
                is_winner = int(found.winner[g, k]) == inner
                named = _coefficients(found.coefficients[g, k], columns) if is_winner else {}
                rows.append(
                    {
                        **start,
                        "configuration": configuration,
                        "outer": outer,
                        "inner": inner,
                        "n_train": found.splits.train.shape[2],
                        "n_dev": found.splits.dev.shape[2],
                        "n_screened": int(found.n_screened[k, inner, g]),
                        "train_terms": names[found.train_terms[k, inner, g]].tolist(),
                        "terms": names[found.terms[k, inner, g]].tolist(),
                        "aic": known(aic),
                        "llf": known(llf),
                        "state": state,
                        "is_valid": state == "valid",
                        "is_winner": is_winner,
                        "coefficient_names": list(named),
                        "coefficients": list(named.values()),
                    }
                )
    return rows


def _coefficients(values: Floats, columns: npt.NDArray[Any]) -> dict[str, float]:
    """Intercept and coefficients of the columns that take part, by name."""
    used = np.flatnonzero(values[1:])
    named = zip(columns[used].tolist(), values[1:][used].tolist(), strict=True)
    return {INTERCEPT: float(values[0]), **dict(named)}


def result_rows(
    found: Evaluation,
    start: Mapping[str, str],
    settings: EvaluationSettings,
    *,
    is_rival: bool = False,
) -> Rows:
    """Give one row for each outer split: the winner and its correlation in the test rows.

    ``is_rival``: those of the other rule's winners.
    """
    n_test = found.splits.test.shape[1]
    winner, r = (found.rival_winner, found.rival_r) if is_rival else (found.winner, found.r)
    p_value = correlation_p(r, n_test, settings.p_side)
    rows: Rows = []
    for g, configuration in enumerate(CONFIGURATIONS):
        for k, outer in enumerate(found.splits.outer):
            is_valid = bool(np.isfinite(r[g, k]))
            inner = int(winner[g, k])
            n_terms = int(found.terms[k, inner, g].sum()) if inner >= 0 else 0
            rows.append(
                {
                    **start,
                    "configuration": configuration,
                    "outer": outer,
                    "n_test": n_test,
                    "inner": inner,
                    "n_terms": n_terms,
                    "r": float(r[g, k]) if is_valid else None,
                    "p_value": float(p_value[g, k]) if is_valid else None,
                    "is_valid": is_valid,
                    "is_underpowered": n_test < settings.min_test,
                }
            )
    return rows


def prediction_rows(found: Evaluation, inputs: Inputs, start: Mapping[str, str]) -> Rows:
    """Give one row for each patient of each test set."""
    return [
        {
            **start,
            "configuration": configuration,
            "outer": outer,
            "study_key": inputs.studies[row],
            "value": float(value),
            "outcome": float(found.outcome[row]),
        }
        for g, configuration in enumerate(CONFIGURATIONS)
        for k, outer in enumerate(found.splits.outer)
        if found.winner[g, k] >= 0
        for row, value in zip(
            found.splits.test[k].tolist(), found.predictions[g, k].tolist(), strict=True
        )
    ]


def better_rows(inputs: Inputs, segment: str, seed: int) -> Rows:
    """Score the elastic net on patients that neither tuning nor fit has seen."""
    design = inputs.design(CORRECTED, segment)
    n_features = len(inputs.selected[CORRECTED].features)
    outcome = inputs.outcomes[segment]
    rows: Rows = []
    for configuration in CONFIGURATIONS:
        columns = penalised(design, configuration, n_features).columns
        guess = cross_fit(columns, outcome, seed)
        rows += [
            {
                "cohort_hash": inputs.cohort,
                "segment": segment,
                "configuration": configuration,
                "metric": found.metric,
                "value": known(found.value),
                "low": known(found.low),
                "high": known(found.high),
                "n": found.n,
            }
            for found in scores(*guess, outcome, seed)
        ]
    return rows


def known(value: float | None) -> float | None:
    """Give the number, None where it is not finite: NULL in a table."""
    return value if value is not None and np.isfinite(value) else None


def figures(found: Estimate) -> dict[str, Any]:
    """Columns of a figure: ``value``, interval, ``std_error``, ``p_value``, ``method``."""
    return {
        "value": known(found.value),
        "low": known(found.low),
        "high": known(found.high),
        "std_error": known(found.std_error),
        "p_value": known(found.p_value),
        "method": found.method,
    }


def seed_rows(found: Sequence[SeedResult], starts: Sequence[Mapping[str, str]]) -> Rows:
    """Give one row for each seed and winner; ``starts`` of the profile and of its rival."""
    return [
        {
            **starts[one.winner // 3],
            "configuration": CONFIGURATIONS[one.winner % 3],
            "seed": one.seed,
            "fisher": one.fisher,
            "mean_r": one.mean_r,
            "median_r": known(one.median_r),
            "n_valid": one.n_valid,
        }
        for one in found
    ]


def null_rows(null: Null, start: Mapping[str, str], kind: str, winners: Sequence[str]) -> Rows:
    """Give one row for each permutation and configuration: that of each winner, "" for none."""
    return [
        {
            **start,
            "configuration": configuration,
            "kind": kind,
            "permutation": number,
            "fisher": float(null.fisher[k, g]),
            "mean_r": float(null.mean_r[k, g]),
            "pooled_rho": known(float(null.pooled_rho[k, g])),
        }
        for k, number in enumerate(null.numbers)
        for g, configuration in enumerate(winners)
        if configuration
    ]
