"""What an evaluation reads from the lake: features, clinical values and scores of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mpss_lib.config import SEGMENTS, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation.design import Floats
from mpss_lib.tables import Lake, digest_of, sha256_of

CLINICAL = (
    "sex",
    "race",
    "age",
    "smoking",
    "diabetes",
    "hypertension",
    "hyperlipidemia",
    "family_history",
    "bmi",
    "lvef",
)
"""The ten clinical terms; sex and race are factors, yes or no counts as 1 or 0."""

FACTORS = ("sex", "race")
OUTCOMES: Mapping[str, str] = {
    "MYO": "cac_total",
    **{name: f"cac_{name[:3].lower()}" for name in SEGMENTS if name != "MYO"},
}
"""Column of the calcium score that belongs to a segment."""


@dataclass(frozen=True)
class Inputs:
    """The complete cases of a cohort, rows in the order of the study keys.

    Parameters
    ----------
    cohort : str
    studies : tuple of str
    features : tuple of str
    bins : int
    radiomics : dict of segment to (n, features) float64
    clinical : dict of term to (n,) array: float64, or text for a factor
    outcomes : dict of segment to (n,) float64
    left_out : dict of study to the first reason
    digest : str
        Of everything that was read.
    """

    cohort: str
    studies: tuple[str, ...]
    features: tuple[str, ...]
    bins: int
    radiomics: dict[str, Floats]
    clinical: dict[str, Any]
    outcomes: dict[str, Floats]
    left_out: dict[str, str]
    digest: str

    def columns_of(self, segment: str) -> dict[str, Floats]:
        """Radiomic terms of a segment."""
        values = self.radiomics[segment]
        return {name: values[:, k] for k, name in enumerate(self.features)}


def load(cohort: str, lake: Lake, config: Config) -> Inputs:
    """Read a cohort with the features that were selected for it.

    A study with a missing value is left out of every segment, so that all share the same splits;
    with ``missing = "error"`` it stops the evaluation.

    Raises
    ------
    WrongArgumentError
        If the cohort is not frozen or nothing was selected for it, or a value is missing and
        may not be.
    """
    outcome_path = lake.current_path("cohort_outcome", config.address("warehouse"), cohort)
    chosen_path = lake.current_path("selected_feature", config.address("selection"), cohort)
    if outcome_path is None or chosen_path is None:
        raise WrongArgumentError(
            f"cohort {cohort}: outcomes {outcome_path}, selected features {chosen_path}",
            way_out="freeze the cohort and run selection with these settings first",
        )
    chosen = sorted(
        lake.rows("selected_feature", config.address("selection"), cohort),
        key=lambda row: row["position"],
    )
    rows = sorted(
        lake.rows("cohort_outcome", config.address("warehouse"), cohort),
        key=lambda row: row["study_key"],
    )
    features = [str(row["feature"]) for row in chosen]
    bins = int(chosen[0]["bins"]) if chosen else 0
    keys = [str(row["study_key"]) for row in rows]
    files = _feature_files(lake, config, keys)
    values = _features(files, features, bins, keys)
    left_out = _left_out(rows, values)
    if left_out and config.evaluation.missing == "error":
        raise WrongArgumentError(
            f"{len(left_out)} of {len(keys)} studies have missing values: {_first(left_out)}",
            way_out="complete the registry, or set evaluation.missing = 'complete_case'",
        )
    use = [k for k, key in enumerate(keys) if key not in left_out]
    digest = digest_of(
        [
            sha256_of(outcome_path),
            sha256_of(chosen_path),
            *(path.name for paths in files.values() for path in paths),
        ]
    )
    kept = [rows[k] for k in use]
    return Inputs(
        cohort=cohort,
        studies=tuple(keys[k] for k in use),
        features=tuple(features),
        bins=bins,
        radiomics={name: values[use, s] for s, name in enumerate(SEGMENTS)},
        clinical={name: clinical_column(name, [row[name] for row in kept]) for name in CLINICAL},
        outcomes={
            segment: np.array([row[column] for row in kept], np.float64)
            for segment, column in OUTCOMES.items()
        },
        left_out=left_out,
        digest=digest,
    )


def clinical_column(name: str, values: Sequence[Any]) -> Any:
    """Values of a clinical term as the regression takes them."""
    if name in FACTORS:
        return np.array(values, dtype=np.str_)
    return np.array(values, dtype=np.float64)


def _feature_files(lake: Lake, config: Config, keys: Sequence[str]) -> dict[str, list[Path]]:
    address = config.address("radiomics")
    return {
        table: list(lake.current_paths(table, address, keys).values())
        for table in ("feature_once", "feature_binned")
    }


def _features(
    files: Mapping[str, Sequence[Path]], features: Sequence[str], bins: int, keys: Sequence[str]
) -> Floats:
    """(study, segment, feature), NaN where there is none."""
    values = np.full((len(keys), len(SEGMENTS), len(features)), np.nan)
    study = {key: k for k, key in enumerate(keys)}
    segment = {name: k for k, name in enumerate(SEGMENTS)}
    with closing(duckdb.connect(":memory:")) as connection:
        for table, paths in files.items():
            if not paths:
                continue
            relation = connection.read_parquet(
                [str(path) for path in paths], hive_partitioning=False
            )
            here = [name for name in features if name in relation.columns]
            if table == "feature_binned":
                relation = relation.filter(f"bins = {int(bins)}")
            listed = ", ".join(['"study_key"', '"segment"', *(f'"{name}"' for name in here)])
            found = relation.project(listed).fetchnumpy()
            at = [study.get(key, -1) for key in found["study_key"].tolist()]
            on = [segment.get(name, -1) for name in found["segment"].tolist()]
            for name in here:
                column = np.ma.filled(found[name].astype(np.float64), np.nan)
                values[at, on, features.index(name)] = column
    return values


def _left_out(rows: Sequence[Mapping[str, Any]], values: Floats) -> dict[str, str]:
    """Studies that are no complete case, with the first reason."""
    reasons: dict[str, str] = {}
    for k, row in enumerate(rows):
        missing = [name for name in (*CLINICAL, *set(OUTCOMES.values())) if row[name] is None]
        if missing:
            reasons[str(row["study_key"])] = f"missing:{min(missing)}"
        elif not np.isfinite(values[k]).all():
            reasons[str(row["study_key"])] = "missing:features"
    return reasons


def _first(left_out: Mapping[str, str]) -> str:
    key = min(left_out)
    return f"{key} {left_out[key]}"
