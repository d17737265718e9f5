"""Winning models as rows: enough to apply them in SQL, with no pickled object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpss_lib.config import CONFIGURATIONS, CORRECTED, ELASTIC_NET
from mpss_lib.evaluation.design import Design, Floats, Ints, encode
from mpss_lib.evaluation.elastic import FOLDS, design_of, fit_ensemble
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.rows import Rows, known
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
    """Fit a winner by QR on the rows of its final coefficients, with standard errors."""
    rows = _final_rows(splits, splits.outer.index(winner.outer), winner.inner, settings)
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
) -> tuple[Rows, Rows]:
    """Rows of ``model`` and ``model_term`` of one segment."""
    models: Rows = []
    terms: Rows = []
    chosen = inputs.selected[profile]
    design = encode({**chosen.columns_of(segment), **inputs.clinical})
    outcome = transform(inputs.outcomes[segment], settings)
    splits = draw(len(outcome), settings)
    for winner in winners:
        model = winner_model(winner, design, outcome, splits, settings)
        start = f"{inputs.cohort}-{profile}-{segment}"
        key = f"{start}-{winner.configuration}-{winner.outer:02d}"
        test = splits.test[splits.outer.index(winner.outer)]
        models.append(
            {
                "model_key": key,
                "cohort_hash": inputs.cohort,
                "profile": profile,
                "segment": segment,
                "configuration": winner.configuration,
                "outer": winner.outer,
                "inner": winner.inner,
                "bins": chosen.bins,
                "n_train": model.n,
                "outcome_transform": settings.outcome_transform,
                "intercept": model.coefficients[INTERCEPT],
                "test_studies": [inputs.studies[row] for row in test],
                "residuals": [],
            }
        )
        terms += _term_rows(key, model, inputs)
    return models, terms


def elastic_rows(inputs: Inputs, segment: str, seed: int) -> tuple[Rows, Rows]:
    """Rows of ``model`` and ``model_term`` of the elastic net's fold models of one segment."""
    models: Rows = []
    terms: Rows = []
    chosen = inputs.selected[CORRECTED]
    design = encode({**chosen.columns_of(segment), **inputs.clinical})
    y = np.log1p(inputs.outcomes[segment])
    studies = np.array(inputs.studies, object)
    for configuration in CONFIGURATIONS:
        used = design_of(design, configuration, len(chosen.features))
        found = fit_ensemble(design.columns[:, used], y, seed)
        for k in range(FOLDS):
            key = f"{inputs.cohort}-{ELASTIC_NET}-{segment}-{configuration}-{k:02d}"
            own = found.fold == k
            models.append(
                {
                    "model_key": key,
                    "cohort_hash": inputs.cohort,
                    "profile": ELASTIC_NET,
                    "segment": segment,
                    "configuration": configuration,
                    "outer": k,
                    "inner": 0,
                    "bins": chosen.bins,
                    "n_train": int((~own).sum()),
                    "outcome_transform": "log1p",
                    "intercept": float(found.intercepts[k]),
                    "test_studies": studies[own].tolist(),
                    "residuals": found.residuals[own].tolist(),
                }
            )
            terms += _elastic_terms(key, found.coefficients[k], used, design, inputs)
    return models, terms


def _elastic_terms(
    key: str, coefficients: Floats, used: Ints, design: Design, inputs: Inputs
) -> Rows:
    """Rows of the columns that have a coefficient; a factor with all its levels."""
    labels = design.labels
    known = {labels[c]: float(b) for c, b in zip(used, coefficients, strict=True)}
    levels = dict(zip(design.names, design.levels, strict=True))
    rows: Rows = []
    for name in design.names:
        mine = {level: b for (term, level), b in known.items() if term == name}
        if not any(mine.values()):
            continue
        rows += [
            {
                "model_key": key,
                "term": name,
                "source": "feature" if name not in inputs.clinical else "clinical",
                "level": level,
                "is_reference": level not in mine,
                "coefficient": mine.get(level, 0.0),
                "std_error": None,
                "p_value": None,
            }
            for level in levels[name] or ("",)
        ]
    return rows


def _term_rows(key: str, model: Model, inputs: Inputs) -> Rows:
    """One row for each number, and for each level of a factor, the reference with 0."""
    rows: Rows = []
    for term in model.terms:
        for level in model.levels.get(term, ("",)):
            name = f"{term}={level}" if level else term
            is_reference = name not in model.coefficients
            rows.append(
                {
                    "model_key": key,
                    "term": term,
                    "source": "feature" if term not in inputs.clinical else "clinical",
                    "level": level,
                    "is_reference": is_reference,
                    "coefficient": model.coefficients.get(name, 0.0),
                    "std_error": known(model.std_errors.get(name)),
                    "p_value": known(model.pvalues.get(name)),
                }
            )
    return rows
