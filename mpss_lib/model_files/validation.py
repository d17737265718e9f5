"""A model file judged on the cohort of this home: is it calibrated, does it discriminate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import numpy as np

from mpss_lib.config import Config
from mpss_lib.contract import CLASS_LIMITS
from mpss_lib.errors import WrongArgumentError
from mpss_lib.model_files.as_sql import prediction_sql, scanner_sql
from mpss_lib.model_files.case_mix import Difference, differences, membership_auc
from mpss_lib.model_files.content import SCHEMA_VERSION, ModelFile
from mpss_lib.model_files.distribution import Floats
from mpss_lib.model_files.likeness import refuse_other_features
from mpss_lib.model_files.refitting import Refit, refit
from mpss_lib.prediction_quality import Estimate, auc, calibration, spearman
from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.snapshot_file import asking
from mpss_lib.tables import Lake

LEAST = 20
"""Patients below which a validation says nothing."""

AS_THEY_ARE = "as they are"
"""Stands for scanners that a model that harmonises does not know."""

_, HIGH, VERY_HIGH = CLASS_LIMITS


@dataclass(frozen=True)
class Validation:
    """What a model is worth on other patients.

    Parameters
    ----------
    model : ModelFile
    n_cohort, n : int
        Patients of the cohort, and those with prediction and score.
    left_out : dict of reason to number of patients
    scanners : dict of str to int
        Of a model that harmonises: who was judged, by the scanner whose formulas were taken;
        ``AS_THEY_ARE`` where it knows no such scanner.
    calibration, discrimination : dict of str to Estimate
        Calibration on the scale that was fitted.
    refits : dict of str to Refit
    observed_mean, predicted_mean : float
        Scores.
    differences : list of Difference
    linear : (float, float)
        Mean and SD of the prediction, scale that was fitted.
    membership : float
    """

    model: ModelFile
    n_cohort: int
    n: int
    left_out: dict[str, int]
    scanners: dict[str, int]
    calibration: dict[str, Estimate]
    discrimination: dict[str, Estimate]
    refits: dict[str, Refit]
    observed_mean: float
    predicted_mean: float
    differences: list[Difference]
    linear: tuple[float, float]
    membership: float

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not defined is null."""
        model = self.model
        return {
            "schema_version": SCHEMA_VERSION,
            "model": {
                "cohort_hash": model.cohort.cohort_hash,
                "segment": model.segment,
                "configuration": model.configuration,
                "profile": model.profile,
            },
            "scale": "log1p(score)" if model.outcome.transform == "log1p" else "score",
            "n_cohort": self.n_cohort,
            "n_judged": self.n,
            "left_out": self.left_out,
            "scanners": self.scanners,
            "calibration": _plain(self.calibration),
            "discrimination": _plain(self.discrimination),
            "refit": {name: _known(asdict(one)) for name, one in self.refits.items()},
            "mean_score": {"observed": self.observed_mean, "predicted": self.predicted_mean},
            "case_mix": {
                "terms": [_known(asdict(one)) for one in self.differences],
                "prediction": {
                    "mean_there": model.cohort.linear_mean, "sd_there": model.cohort.linear_sd,
                    "mean_here": self.linear[0], "sd_here": self.linear[1],
                },
                **_known({"membership_auc": self.membership}),
            },
        }  # fmt: skip


def validate(model: ModelFile, lake: Lake, config: Config) -> Validation:
    """Judge a model on the cohort of the published snapshot.

    Patients that the model was made with are left out, and so are those for whom it has no
    prediction: both are counted by reason.

    Raises
    ------
    ModelFileError
        The features of this home are not those that the model was made with.
    WrongArgumentError
        Fewer than 20 patients are left.
    """
    with asking(lake.snapshot) as snapshot:
        refuse_other_features(model, snapshot, config)
        rows = _rows(model, snapshot)
    judged, left_out = _judged(rows)
    score = np.array([row["prediction"] for row in judged], np.float64)
    outcome = np.array([row["outcome"] for row in judged], np.float64)
    scale = np.log1p if model.outcome.transform == "log1p" else np.asarray
    guess, truth = scale(score), scale(outcome)
    values = {term.name: [row[term.name] for row in judged] for term in model.terms}
    numbers = {
        term.name: np.array(values[term.name], np.float64)
        for term in model.terms
        if term.kind == "number"
    }
    return Validation(
        model=model,
        n_cohort=len(rows),
        n=len(judged),
        left_out=left_out,
        scanners=_scanners(model, judged),
        calibration=calibration(guess, truth),
        discrimination=_discrimination(score, outcome),
        refits={
            name: refit(guess, truth, config.evaluation.seed, with_slope=with_slope)
            for name, with_slope in (("intercept", False), ("intercept and slope", True))
        },
        observed_mean=float(outcome.mean()),
        predicted_mean=float(score.mean()),
        differences=differences(model, values),
        linear=(float(guess.mean()), float(guess.std(ddof=1))),
        membership=membership_auc(model, numbers, len(judged)),
    )


def _judged(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Rows with prediction and score, and the others counted by reason.

    Raises
    ------
    WrongArgumentError
        Too few are left.
    """
    judged = [row for row in rows if row["prediction"] is not None and row["outcome"] is not None]
    counted = Counter(
        str(row["reason"] or "no_score")
        for row in rows
        if row["prediction"] is None or row["outcome"] is None
    )
    left_out = dict(sorted(counted.items()))
    if len(judged) < LEAST:
        told = ", ".join(f"{reason} {n}" for reason, n in left_out.items()) or "none"
        raise WrongArgumentError(
            f"{len(judged)} patients of {len(rows)} in this cohort have a prediction and a score"
            f" (left out: {told})",
            way_out=f"a validation needs {LEAST}, none of whom the model was made with",
        )
    return judged, left_out


def _scanners(model: ModelFile, judged: list[dict[str, Any]]) -> dict[str, int]:
    known = {one.scanner for one in model.scanners}
    named = (row["scanner"] if row["scanner"] in known else AS_THEY_ARE for row in judged)
    return dict(sorted(Counter(named).items())) if known else {}


def _discrimination(score: Floats, outcome: Floats) -> dict[str, Estimate]:
    return {
        "spearman": spearman(score, outcome),
        "auc_above_0": auc(score, outcome > 0.0),
        "auc_at_least_100": auc(score, outcome >= HIGH),
        "auc_above_400": auc(score, outcome > VERY_HIGH),
    }


def _rows(model: ModelFile, snapshot: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Each study of the cohort: prediction or reason, score, and the values of every term."""
    terms = ", ".join(
        f"{'radiomics' if term.source == 'feature' else 'cohort'}.{sql_name(term.name)}"
        for term in model.terms
    )
    found = snapshot.execute(
        f"with applied as (select * from ({prediction_sql(model)})) "  # noqa: S608 -- quoted names
        "select applied.prediction, coalesce(applied.reason, 'not_predictable') as reason,"
        f" cohort.{sql_name(model.outcome.column)} as outcome, {scanner_sql('acquired')} as scanner"
        f"{', ' + terms if terms else ''}"
        " from core.cohort as cohort"
        " left join applied on cohort.study_key = applied.study_key"
        " left join core.study as acquired on cohort.study_key = acquired.study_key"
        " left join feature.radiomics as radiomics on cohort.study_key = radiomics.study_key"
        f" and radiomics.segment = {sql_text(model.segment)} and radiomics.bins = {model.bins}"
        " order by cohort.study_key"
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _plain(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        name: _known({"value": one.value, "low": one.low, "high": one.high})
        for name, one in estimates.items()
    }


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in values.items()
    }
