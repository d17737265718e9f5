"""Winning models as rows: enough to apply them in SQL, with no pickled object.

Final coefficients: on the rows that the profile names, see the paper's section 2.4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpss_lib.config import CONFIGURATIONS, CORRECTED, ELASTIC_NET
from mpss_lib.evaluation.design import Design, Floats, Ints, column_name
from mpss_lib.evaluation.elastic import FOLDS, Penalised, fit_ensemble, penalised
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.rows import Rows, known
from mpss_lib.evaluation.scanners.harmonise import harmonised
from mpss_lib.evaluation.scanners.scale_rows import scale_rows
from mpss_lib.evaluation.splits import Splits, draw
from mpss_lib.evaluation.stepwise import INTERCEPT, Model, fit
from mpss_lib.sections import EvaluationSettings


@dataclass(frozen=True)
class Winner:
    """The winning inner split of one outer split, as ``split_fit`` tells it.

    Parameters
    ----------
    configuration : str
    outer, inner : int
    terms : frozenset of str
        Of the final model.
    columns : frozenset of str
        Names of the columns that have a coefficient: of full rank with the intercept.
    """

    configuration: str
    outer: int
    inner: int
    terms: frozenset[str]
    columns: frozenset[str]


def winners_of(fits: Iterable[Mapping[str, Any]], profile: str) -> list[Winner]:
    """Winners of one profile among the rows of ``split_fit``, by configuration and outer split."""
    found = [
        Winner(
            row["configuration"],
            row["outer"],
            row["inner"],
            frozenset(row["terms"]),
            frozenset(row["coefficient_names"]) - {INTERCEPT},
        )
        for row in fits
        if row["is_winner"] and row["profile"] == profile
    ]
    return sorted(found, key=lambda one: (CONFIGURATIONS.index(one.configuration), one.outer))


def winner_model(
    winner: Winner, design: Design, outcome: Floats, splits: Splits, settings: EvaluationSettings
) -> Model:
    """Fit a winner by QR on the rows of its final coefficients, with standard errors.

    Parameters
    ----------
    winner : Winner
        Outer and inner run, terms and columns.
    design : Design
    outcome : (n,) float64 array
        On the scale that is fitted.
    splits : Splits
    settings : EvaluationSettings

    Returns
    -------
    Model
    """
    outer = splits.outer.index(winner.outer)
    design = harmonised(design, splits.test[outer])
    rows = _final_rows(splits, outer, winner.inner, settings)
    inside = np.array([name in winner.terms for name in design.names], np.bool_)
    used = [k for k, name in enumerate(design.column_names) if name in winner.columns]
    part = Design(
        design.names, design.levels, design.first,
        np.ascontiguousarray(design.columns[rows]), design.codes[:, rows],
    )  # fmt: skip
    return fit(part, outcome[rows], used, inside, settings.loglik_variance)


def _final_rows(splits: Splits, outer: int, inner: int, settings: EvaluationSettings) -> Ints:
    train, dev = splits.train[outer, inner], splits.dev[outer, inner]
    if settings.final_coef == "train+dev":
        train = np.sort(np.concatenate([train, dev]))
    rows: Ints = dev if settings.final_coef == "dev" else train
    return rows


def model_rows(
    winners: Sequence[Winner],
    inputs: Inputs,
    segment: str,
    profile: str,
    settings: EvaluationSettings,
) -> tuple[Rows, Rows, Rows]:
    """Rows of ``model``, ``model_term`` and ``model_harmonisation`` of one segment."""
    models: Rows = []
    terms: Rows = []
    scales: Rows = []
    design = inputs.design(profile, segment)
    outcome = transform(inputs.outcomes[segment], settings)
    splits = draw(len(outcome), settings)
    for winner in winners:
        model = winner_model(winner, design, outcome, splits, settings)
        test = splits.test[splits.outer.index(winner.outer)]
        row = _model_row(inputs, profile, segment, winner.configuration, winner.outer) | {
            "inner": winner.inner,
            "n_train": model.n,
            "outcome_transform": settings.outcome_transform,
            "intercept": model.coefficients[INTERCEPT],
            "test_studies": [inputs.studies[row] for row in test],
            "residuals": [],
        }
        models.append(row)
        terms += _term_rows(row["model_key"], model, inputs)
        if design.scanners:
            scales += scale_rows(row["model_key"], model.terms, design, test, inputs.scanners)
    return models, terms, scales


def elastic_rows(inputs: Inputs, segment: str, seed: int) -> tuple[Rows, Rows]:
    """Rows of ``model`` and ``model_term`` of the elastic net's fold models of one segment."""
    models: Rows = []
    terms: Rows = []
    design = inputs.design(CORRECTED, segment)
    n_features = len(inputs.selected[CORRECTED].features)
    y = np.log1p(inputs.outcomes[segment])
    studies = np.array(inputs.studies, object)
    for configuration in CONFIGURATIONS:
        given = penalised(design, configuration, n_features)
        found = fit_ensemble(given.columns, y, seed)
        for k in range(FOLDS):
            own = found.fold == k
            row = _model_row(inputs, ELASTIC_NET, segment, configuration, k) | {
                "inner": 0,
                "n_train": int((~own).sum()),
                "outcome_transform": "log1p",
                "intercept": float(found.intercepts[k]),
                "test_studies": studies[own].tolist(),
                "residuals": found.residuals[own].tolist(),
            }
            models.append(row)
            terms += _elastic_terms(row["model_key"], found.coefficients[k], given, design, inputs)
    return models, terms


def _model_row(
    inputs: Inputs, profile: str, segment: str, configuration: str, outer: int
) -> dict[str, Any]:
    """Key of a model and what it was made of; the elastic net takes the corrected selection."""
    chosen = inputs.selected[CORRECTED if profile == ELASTIC_NET else profile]
    return {
        "model_key": f"{inputs.cohort}-{profile}-{segment}-{configuration}-{outer:02d}",
        "cohort_hash": inputs.cohort,
        "profile": profile,
        "segment": segment,
        "configuration": configuration,
        "outer": outer,
        "bins": chosen.bins,
    }


def _elastic_terms(
    key: str, coefficients: Floats, given: Penalised, design: Design, inputs: Inputs
) -> Rows:
    """Rows of the columns that have a coefficient; a factor with all its levels."""
    found = dict(zip(given.labels, map(float, coefficients), strict=True))
    rows: Rows = []
    for name, levels in zip(design.names, design.levels, strict=True):
        mine = {level: b for (term, level), b in found.items() if term == name}
        if any(mine.values()):
            rows += [
                _term_row(key, name, level, mine.get(level), inputs) for level in levels or ("",)
            ]
    return rows


def _term_rows(key: str, model: Model, inputs: Inputs) -> Rows:
    """One row for each number, and for each level of a factor, the reference with 0."""
    rows: Rows = []
    for term in model.terms:
        for level in model.levels.get(term, ("",)):
            name = column_name(term, level)
            row = _term_row(key, term, level, model.coefficients.get(name), inputs)
            row["std_error"] = known(model.std_errors.get(name))
            row["p_value"] = known(model.pvalues.get(name))
            rows.append(row)
    return rows


def _term_row(
    key: str, term: str, level: str, coefficient: float | None, inputs: Inputs
) -> dict[str, Any]:
    """One row of ``model_term``; the level without a coefficient is the reference."""
    return {
        "model_key": key,
        "term": term,
        "source": "clinical" if term in inputs.clinical else "feature",
        "level": level,
        "is_reference": coefficient is None,
        "coefficient": 0.0 if coefficient is None else coefficient,
        "std_error": None,
        "p_value": None,
    }
