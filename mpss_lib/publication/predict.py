"""Apply registered models to one study: a number with its spread, or the reason why not.

A model is rows: an intercept and coefficients on raw values. The prediction is the mean over the
winning models; for a study of the training cohort only over those of runs in which it was in the
test set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from mpss_lib.contract import berman_class
from mpss_lib.errors import LakeCorruptError

Floats = npt.NDArray[np.float64]

LEVEL = 0.90
"""Level of the interval of the corrected value."""

MAX_LOG = 30.0
"""A logarithm of the score above this is no score any more: the value is cut there."""


@dataclass(frozen=True)
class ModelGroup:
    """Winning models of one segment and configuration.

    Parameters
    ----------
    labels : tuple of (source, term, level)
        Columns; the level of a number is "".
    coefficients : (models, labels) float64
    intercepts : (models,) float64
    transform : str
        ``none``, or ``log1p``: the models predict log(1 + CAC).
    tested : tuple of frozenset of str
        Studies in the test set of each model.
    levels : dict of factor to the categories that it may have
    residuals : tuple of float64 arrays
        What each fold model left of its test studies, log scale; empty for stepwise models.
    scales : dict of scanner to Scale
        How features are harmonised; a scanner that is not in it keeps its values.
    """

    labels: tuple[tuple[str, str, str], ...]
    coefficients: Floats
    intercepts: Floats
    transform: str
    tested: tuple[frozenset[str], ...]
    levels: dict[str, frozenset[str]]
    residuals: tuple[Floats, ...]
    scales: Mapping[str, Scale]


@dataclass(frozen=True)
class Scale:
    """Harmonisation for one scanner: factor x value + offset + covariates . weights.

    Parameters
    ----------
    factor, offset : (models, labels) float64
        1 and 0 for what is not harmonised.
    covariates : tuple of str
        Clinical term, or term=level.
    weights : (models, labels, covariates) float64
    """

    factor: Floats
    offset: Floats
    covariates: tuple[str, ...]
    weights: Floats


@dataclass(frozen=True)
class Registered:
    """The registered models of one profile, by (segment, configuration)."""

    cohort: str
    profile: str
    bins: int
    groups: dict[tuple[str, str], ModelGroup]

    @property
    def features(self) -> frozenset[str]:
        """Names of all features that enter a model."""
        labels = {label for group in self.groups.values() for label in group.labels}
        return frozenset(term for source, term, _ in labels if source == "feature")


@dataclass(frozen=True)
class Prediction:
    """Mean, smallest and largest value over the models, or the reason why there is none."""

    value: float | None = None
    value_low: float | None = None
    value_high: float | None = None
    n_models: int = 0
    berman_class: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class StudyValues:
    """What is known of a study.

    Parameters
    ----------
    study_key : str
    features : dict of segment to feature to value; None where there are none at all
    clinical : dict of term to value or None; None where no registry row is linked
    is_training : bool
        Whether it belongs to the cohort that the models were made with.
    scanner : str
        Manufacturer and model.
    """

    study_key: str
    features: Mapping[str, Mapping[str, float]] | None
    clinical: Mapping[str, Any] | None
    is_training: bool
    scanner: str = ""


def group_models(
    models: list[dict[str, Any]],
    terms: list[dict[str, Any]],
    profile: str,
    scales: Sequence[Mapping[str, Any]] = (),
) -> Registered:
    """Arrange the rows of ``model``, ``model_term`` and ``model_harmonisation`` for prediction.

    Raises
    ------
    LakeCorruptError
        If there is no model of this profile, or models of several cohorts.
    """
    rows = [row for row in models if row["profile"] == profile]
    cohorts = {str(row["cohort_hash"]) for row in rows}
    if len(cohorts) != 1:
        raise LakeCorruptError(
            f"registered models of profile {profile} belong to cohorts {sorted(cohorts)}",
            way_out="run register_model again",
        )
    by_model: dict[str, list[dict[str, Any]]] = {}
    for term in terms:
        by_model.setdefault(str(term["model_key"]), []).append(term)
    members: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        members.setdefault((row["segment"], row["configuration"]), []).append(row)
    return Registered(
        cohort=cohorts.pop(),
        profile=profile,
        bins=int(rows[0]["bins"]),
        groups={key: _group(found, by_model, scales) for key, found in members.items()},
    )


def _group(
    rows: list[dict[str, Any]],
    by_model: Mapping[str, list[dict[str, Any]]],
    scales: Sequence[Mapping[str, Any]],
) -> ModelGroup:
    rows = sorted(rows, key=lambda row: row["outer"])
    found = [by_model.get(row["model_key"], []) for row in rows]
    labels = tuple(
        sorted(
            {
                (term["source"], term["term"], term["level"])
                for terms in found
                for term in terms
                if not term["is_reference"]
            }
        )
    )
    place = {label: k for k, label in enumerate(labels)}
    coefficients = np.zeros((len(rows), len(labels)))
    levels: dict[str, set[str]] = {}
    for k, terms in enumerate(found):
        for term in terms:
            if term["level"]:
                levels.setdefault(term["term"], set()).add(term["level"])
            if not term["is_reference"]:
                label = (term["source"], term["term"], term["level"])
                coefficients[k, place[label]] = term["coefficient"]
    return ModelGroup(
        labels=labels,
        coefficients=coefficients,
        intercepts=np.array([row["intercept"] for row in rows], np.float64),
        transform=str(rows[0]["outcome_transform"]),
        tested=tuple(frozenset(row["test_studies"]) for row in rows),
        levels={name: frozenset(found) for name, found in levels.items()},
        residuals=tuple(np.array(row["residuals"], np.float64) for row in rows),
        scales=_scales(scales, [row["model_key"] for row in rows], place),
    )


def _scales(
    rows: Sequence[Mapping[str, Any]],
    keys: Sequence[str],
    place: Mapping[tuple[str, str, str], int],
) -> dict[str, Scale]:
    """Arrange the rows of these models by scanner."""
    mine = [row for row in rows if row["model_key"] in keys]
    covariates = tuple(mine[0]["covariates"]) if mine else ()
    shape = (len(keys), len(place))
    found: dict[str, Scale] = {}
    for row in mine:
        scale = found.setdefault(
            row["scanner"],
            Scale(np.ones(shape), np.zeros(shape), covariates, np.zeros((*shape, len(covariates)))),
        )
        at = keys.index(row["model_key"]), place["feature", row["term"], ""]
        scale.factor[at], scale.offset[at] = row["factor"], row["offset"]
        scale.weights[at] = row["weights"]
    return found


def predict(study: StudyValues, registered: Registered, segment: str, config: str) -> Prediction:
    """Predict the calcium score of one segment in one configuration."""
    group = registered.groups.get((segment, config))
    if group is None:
        return Prediction(reason="no_model")
    found = _scores(study, group, segment, config)
    if isinstance(found, str):
        return Prediction(reason=found)
    _, scores = found
    if group.transform == "log1p":
        scores = np.expm1(scores)
    mean = float(scores.mean())
    return Prediction(
        mean, float(scores.min()), float(scores.max()), len(scores), berman_class(mean)
    )


def predict_interval(
    study: StudyValues, registered: Registered, segment: str, config: str
) -> tuple[float | None, float | None, float | None]:
    """Value of the elastic net with its 90 % interval (CV+), on the scale of the score.

    A study of the training cohort gets the model of its own fold. None where there is no number;
    an end is None where there are too few patients for the level.
    """
    group = registered.groups.get((segment, config))
    found = "no_model" if group is None else _scores(study, group, segment, config)
    if group is None or isinstance(found, str):
        return None, None, None
    use, logs = found
    if study.is_training:
        centre = np.full(sum(len(r) for r in group.residuals), logs[0])
    else:
        centre = np.concatenate(
            [np.full(len(r), logs[k]) for k, r in zip(use, group.residuals, strict=True)]
        )
    spread = np.concatenate(group.residuals)
    n = len(spread)
    upper = ceil(round(LEVEL * (n + 1), 9))
    lower = n + 1 - upper
    low = np.sort(centre - spread)[lower - 1] if lower >= 1 else None
    high = np.sort(centre + spread)[upper - 1] if upper <= n else None
    return _score(float(logs.mean())), _score(low), _score(high)


def _score(log_value: float | None) -> float | None:
    return None if log_value is None else float(max(np.expm1(min(log_value, MAX_LOG)), 0.0))


def _scores(
    study: StudyValues, group: ModelGroup, segment: str, config: str
) -> tuple[list[int], Floats] | str:
    """Models that may be applied and their linear forms, or the reason why there is none."""
    use = [
        k
        for k, tested in enumerate(group.tested)
        if not study.is_training or study.study_key in tested
    ]
    if not use:
        return "never_in_test"
    if config != "clinical" and (study.features is None or segment not in study.features):
        return "no_features"
    if config != "radiomics" and study.clinical is None:
        return "no_clinical_row"
    needed = np.any(group.coefficients[use] != 0.0, axis=0)
    values = np.zeros(len(group.labels))
    for k in np.flatnonzero(needed):
        value = _value(study, segment, group, group.labels[k])
        if isinstance(value, str):
            return value
        values[k] = value
    scale = group.scales.get(study.scanner)
    if scale is None:
        return use, group.intercepts[use] + group.coefficients[use] @ values
    found = _harmonised(study, scale, use, values)
    if isinstance(found, str):
        return found
    return use, group.intercepts[use] + (group.coefficients[use] * found).sum(axis=1)


def _harmonised(study: StudyValues, scale: Scale, use: list[int], values: Floats) -> Floats | str:
    """Values as each model takes them, (models, labels), or why there are none."""
    levels: dict[str, set[str]] = {}
    for name in scale.covariates:
        term, _, level = name.partition("=")
        levels.setdefault(term, set()).add(level)
    covariates = np.zeros(len(scale.covariates))
    for k, name in enumerate(scale.covariates):
        term, _, level = name.partition("=")
        value = _clinical(study, term, level, levels[term])
        if isinstance(value, str):
            return value
        covariates[k] = value
    found: Floats = scale.factor[use] * values + scale.offset[use] + scale.weights[use] @ covariates
    return found


def _value(
    study: StudyValues, segment: str, group: ModelGroup, label: tuple[str, str, str]
) -> float | str:
    """Value of a column, or the reason why there is none."""
    source, term, level = label
    if source == "feature":
        feature = (study.features or {})[segment].get(term)
        if feature is None or not np.isfinite(feature):
            return f"undefined_feature:{term}"
        return float(feature)
    return _clinical(study, term, level, group.levels.get(term, ()))


def _clinical(study: StudyValues, term: str, level: str, levels: Collection[str]) -> float | str:
    found = (study.clinical or {}).get(term)
    if found is None or found != found:
        return f"missing:{term}"
    if not level:
        return float(found)
    if str(found) not in levels:
        return f"unknown_category:{term}"
    return 1.0 if str(found) == level else 0.0
