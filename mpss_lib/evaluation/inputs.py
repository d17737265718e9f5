"""What an evaluation reads from the lake: features, clinical values and scores of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mpss_lib.config import CLINICAL, PROFILES, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation.design import Floats
from mpss_lib.sections import SEGMENTS
from mpss_lib.tables import Lake, digest_of, sha256_of

FACTORS = ("sex", "race")
OUTCOMES: Mapping[str, str] = {
    "MYO": "cac_total",
    **{name: f"cac_{name[:3].lower()}" for name in SEGMENTS if name != "MYO"},
}
"""Column of the calcium score that belongs to a segment."""


@dataclass(frozen=True)
class Selected:
    """What one profile of the selection chose.

    Parameters
    ----------
    features : tuple of str
    bins : int
    radiomics : dict of segment to (n, features) float64
    """

    features: tuple[str, ...]
    bins: int
    radiomics: dict[str, Floats]

    def columns_of(self, segment: str) -> dict[str, Floats]:
        """Radiomic terms of a segment."""
        values = self.radiomics[segment]
        return {name: values[:, k] for k, name in enumerate(self.features)}


@dataclass(frozen=True)
class Inputs:
    """The complete cases of a cohort, rows in the order of the study keys.

    Parameters
    ----------
    cohort : str
    studies : tuple of str
    selected : dict of profile to Selected
    clinical : dict of term to (n,) array: float64, or text for a factor
    outcomes : dict of segment to (n,) float64
    left_out : dict of study to the first reason
    digest : str
        Of everything that was read.
    """

    cohort: str
    studies: tuple[str, ...]
    selected: dict[str, Selected]
    clinical: dict[str, Any]
    outcomes: dict[str, Floats]
    left_out: dict[str, str]
    digest: str


def load(cohort: str, lake: Lake, config: Config) -> Inputs:
    """Read a cohort with the features that were selected for it.

    A study with a missing value is left out of every segment and profile, so that all share the
    same splits; with ``missing = "error"`` it stops the evaluation.

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
    chosen = lake.rows("selected_feature", config.address("selection"), cohort)
    rows = sorted(
        lake.rows("cohort_outcome", config.address("warehouse"), cohort),
        key=lambda row: row["study_key"],
    )
    keys = [str(row["study_key"]) for row in rows]
    files = _feature_files(lake, config, keys)
    found = {profile: _selected(profile, chosen, files, keys) for profile in PROFILES}
    left_out = _left_out(rows, found)
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
        selected={
            profile: replace(
                one, radiomics={name: values[use] for name, values in one.radiomics.items()}
            )
            for profile, one in found.items()
        },
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


def _selected(
    profile: str,
    chosen: Sequence[Mapping[str, Any]],
    files: Mapping[str, Sequence[Path]],
    keys: Sequence[str],
) -> Selected:
    """Values of every study at what one profile chose, NaN where there is none."""
    mine = sorted(
        (row for row in chosen if row["profile"] == profile), key=lambda row: row["position"]
    )
    features = [str(row["feature"]) for row in mine]
    bins = int(mine[0]["bins"]) if mine else 0
    values = _features(files, features, bins, keys)
    radiomics = {name: values[:, s] for s, name in enumerate(SEGMENTS)}
    return Selected(tuple(features), bins, radiomics)


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


def _left_out(rows: Sequence[Mapping[str, Any]], found: Mapping[str, Selected]) -> dict[str, str]:
    """Studies that are no complete case, with the first reason."""
    reasons: dict[str, str] = {}
    blocks = [values for one in found.values() for values in one.radiomics.values()]
    for k, row in enumerate(rows):
        missing = [name for name in (*CLINICAL, *set(OUTCOMES.values())) if row[name] is None]
        if missing:
            reasons[str(row["study_key"])] = f"missing:{min(missing)}"
        elif not all(np.isfinite(values[k]).all() for values in blocks):
            reasons[str(row["study_key"])] = "missing:features"
    return reasons


def _first(left_out: Mapping[str, str]) -> str:
    key = min(left_out)
    return f"{key} {left_out[key]}"
