"""A registered model of the lake as the content of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mpss_lib.batch import code_version
from mpss_lib.config import CLINICAL, CONFIGURATIONS, CORRECTED, ELASTIC_NET, Config
from mpss_lib.contract import FLAGS, berman_class
from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation.inputs import FACTORS, OUTCOMES, Inputs, load
from mpss_lib.model_files.by_scanner import (
    columns_of,
    covariates_of,
    formulas,
    levels_of,
    plain_form,
    scanner_form,
    scanner_formulas,
)
from mpss_lib.model_files.content import (
    Cohort,
    Column,
    Figure,
    Makers,
    ModelFile,
    Outcome,
    Term,
)
from mpss_lib.model_files.distribution import SMALLEST_CELL, Floats, counts, moments
from mpss_lib.prediction_quality import calibration
from mpss_lib.publication.predict import ModelGroup, Registered, group_models
from mpss_lib.publication.stage import registered_files
from mpss_lib.sections import SEGMENTS
from mpss_lib.tables import Lake, read_parquet

UNITS: Mapping[str, str] = {"age": "years", "bmi": "kg/m2", "lvef": "percent"}
"""Units of the clinical numbers; the others have none."""

SCORE_UNIT = "Agatston"
CLASSES = tuple("01234")

SHAPING: tuple[tuple[str, str], ...] = (
    ("intake", "voxel_mm"),
    ("intake", "gated"),
    ("segmentation", "masks_from"),
    ("segmentation", "wall_mode"),
    ("segmentation", "wall_mm"),
    ("radiomics", "ivh_bins"),
    ("radiomics", "slice_axis"),
)
"""Settings that decide what a feature measures."""

SHAPING_ENGINES = ("intake", "segmentation", "radiomics")
"""Stages whose engine decides what a feature measures."""


def export_model(
    segment: str, configuration: str, profile: str, lake: Lake, config: Config
) -> ModelFile:
    """Take the registered model of a segment and configuration out of the lake.

    Raises
    ------
    WrongArgumentError
        No model was registered with these settings, or none of this segment, configuration and
        profile.
    """
    if segment not in SEGMENTS or configuration not in CONFIGURATIONS:
        raise WrongArgumentError(
            f"segment {segment!r}, configuration {configuration!r}",
            way_out=f"one of {', '.join(SEGMENTS)} and one of {', '.join(CONFIGURATIONS)}",
        )
    registered = _registered(profile, lake, config)
    group = _group(registered, segment, configuration)
    inputs = load(registered.cohort, lake, config)
    chosen = inputs.selected[CORRECTED if profile == ELASTIC_NET else profile]
    values = _values(inputs, group, chosen.columns_of(segment))
    catalogue = {
        str(row["sera_name"]): row
        for row in lake.rows("feature_catalogue", config.address("radiomics"), "all")
    }
    outcome = inputs.outcomes[segment]
    return ModelFile(
        segment=segment,
        configuration=configuration,
        profile=profile,
        bins=registered.bins,
        average="linear" if profile == ELASTIC_NET else "score",
        outcome=_outcome(OUTCOMES[segment], group.transform, outcome),
        columns=tuple(Column(term=term, level=level) for _, term, level in columns_of(group)),
        terms=tuple(_term(name, levels_of(group), values[name], catalogue) for name in values),
        formulas=formulas(*plain_form(group)),
        scanners=scanner_formulas(group),
        covariates=tuple(dict.fromkeys(term for _, term, _ in covariates_of(group))),
        cohort=_cohort(registered, group, values, [one.name for one in inputs.scanners]),
        makers=makers(config, chosen.features),
        calibration=_calibration(registered.cohort, profile, (segment, configuration),
                                 inputs, lake, config),
    )  # fmt: skip


def _group(registered: Registered, segment: str, configuration: str) -> ModelGroup:
    """Give the models of a segment and configuration."""
    group = registered.groups.get((segment, configuration))
    if group is None:
        raise WrongArgumentError(
            f"no model of {segment}, {configuration}, {registered.profile} was registered",
            way_out='`mpss sql "select distinct profile, segment, configuration from'
            ' evaluation.model"` lists those that are there',
        )
    return group


def makers(config: Config, selection: tuple[str, ...] = ()) -> Makers:
    """Engines and settings that decide what the features of this home measure."""
    settings = {
        f"{stage}.{name}": str(getattr(config.section(stage), name)) for stage, name in SHAPING
    }
    engines = {stage: config.address(stage).engine for stage in SHAPING_ENGINES}
    return Makers(
        code_version=code_version(), engines=engines, settings=settings, selection=selection
    )


def _registered(profile: str, lake: Lake, config: Config) -> Registered:
    files = registered_files(lake, config)
    if files is None:
        raise WrongArgumentError("no model has been registered", way_out="run mpss_evaluate once")
    models = read_parquet(files[0], "model").to_pylist()
    known = sorted({row["profile"] for row in models})
    if profile not in known:
        raise WrongArgumentError(f"profile {profile!r}", way_out=f"one of {', '.join(known)}")
    terms = read_parquet(files[1], "model_term").to_pylist()
    scales = files[2] and read_parquet(files[2], "model_harmonisation").to_pylist()
    return group_models(models, terms, profile, scales or ())


def _values(inputs: Inputs, group: ModelGroup, features: Mapping[str, Floats]) -> dict[str, Any]:
    """Values of each term of the models in the cohort, in the order of the columns."""
    return {
        term: features[term] if source == "feature" else inputs.clinical[term]
        for source, term, _ in columns_of(group)
    }


def _term(
    name: str,
    known: Mapping[str, frozenset[str]],
    values: Any,
    catalogue: Mapping[str, Mapping[str, Any]],
) -> Term:
    if name in FACTORS:
        levels = tuple(sorted(known[name]))
        return Term(
            name=name, source="clinical", kind="category", unit="", levels=levels,
            counts=counts(map(str, values), levels),
        )  # fmt: skip
    if name in FLAGS:
        found = counts("yes" if value else "no" for value in values)
        return Term(name=name, source="clinical", kind="flag", unit="", counts=found)
    told = moments(values)
    feature = catalogue.get(name)
    return Term(
        name=name,
        source="clinical" if name in CLINICAL else "feature",
        kind="number",
        unit=str(feature["unit"]) if feature else UNITS.get(name, ""),
        ibsi_code=str(feature["ibsi_code"]) if feature else "",
        mean=told.mean,
        sd=told.sd,
        quantiles=told.quantiles,
    )


def _outcome(column: str, transform: str, values: Floats) -> Outcome:
    told = moments(values)
    return Outcome(
        column=column,
        unit=SCORE_UNIT,
        transform="log1p" if transform == "log1p" else "none",
        mean=told.mean,
        sd=told.sd,
        quantiles=told.quantiles,
        classes=counts((str(berman_class(score)) for score in values), CLASSES),
    )


def _cohort(
    registered: Registered, group: ModelGroup, values: Mapping[str, Any], scanners: Sequence[str]
) -> Cohort:
    n, labels = len(scanners), columns_of(group)
    columns = np.zeros((len(labels), n))
    for k, (_, term, level) in enumerate(labels):
        columns[k] = values[term] == level if level else values[term]
    linear = np.empty(n)
    for name in set(scanners):
        own = np.array([one == name for one in scanners])
        intercepts, coefficients = scanner_form(group, name)
        linear[own] = (intercepts[:, None] + coefficients @ columns[:, own]).mean(axis=0)
    numbers = [name for name in values if name not in (*FACTORS, *FLAGS)]
    return Cohort(
        cohort_hash=registered.cohort,
        n=n,
        smallest_cell=SMALLEST_CELL,
        linear_mean=float(linear.mean()),
        linear_sd=float(linear.std(ddof=1)),
        correlations=correlations({name: values[name] for name in numbers}),
    )


def correlations(numbers: Mapping[str, Floats]) -> dict[str, tuple[float, ...]]:
    """Rows of the correlation matrix by name; a constant goes with nothing.

    Parameters
    ----------
    numbers : mapping of name to (n,) float64 array

    Returns
    -------
    dict of name to tuple of float
        In the order of the names; empty where n is below ``SMALLEST_CELL``.
    """
    if not numbers or len(next(iter(numbers.values()))) < SMALLEST_CELL:
        return {}
    centred = np.array([values - values.mean() for values in numbers.values()])
    length = np.sqrt((centred**2).sum(axis=1))
    length[length == 0.0] = np.inf
    matrix = centred @ centred.T / np.outer(length, length)
    np.fill_diagonal(matrix, 1.0)
    return {name: tuple(row.tolist()) for name, row in zip(numbers, matrix, strict=True)}


def _calibration(
    cohort: str, profile: str, what: tuple[str, str], inputs: Inputs, lake: Lake, config: Config
) -> tuple[Figure, ...]:
    """Figures of the model out of sample, where it was made."""
    segment, configuration = what
    address = config.address("evaluation")
    if profile == ELASTIC_NET:
        rows = lake.rows("better_model", address, f"{cohort}-{segment}")
        return tuple(
            Figure(name=row["metric"], value=row["value"], low=row["low"], high=row["high"],
                   n=row["n"])
            for row in rows
            if row["configuration"] == configuration and row["value"] is not None
        )  # fmt: skip
    rows = lake.rows("split_prediction", address, f"{cohort}-{segment}")
    found: dict[str, list[float]] = {}
    truth: dict[str, float] = {}
    for row in rows:
        if (row["profile"], row["configuration"]) == (profile, configuration):
            found.setdefault(row["study_key"], []).append(row["value"])
            truth[row["study_key"]] = row["outcome"]
    keys = sorted(found)
    if len(keys) < SMALLEST_CELL:
        return ()
    guess = np.array([np.mean(found[key]) for key in keys])
    told = calibration(guess, np.array([truth[key] for key in keys]))
    return tuple(
        Figure(name=name, value=one.value, low=one.low, high=one.high, n=len(keys))
        for name, one in told.items()
        if np.isfinite([one.value, one.low, one.high]).all()
    )
