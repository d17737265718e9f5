"""What an evaluation reads from the lake: features, clinical values and scores of a cohort.

Segments and scores as in the paper's section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mpss_lib.config import CLINICAL, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation.conditional import Remainder, remainder
from mpss_lib.evaluation.design import Design, Floats, encode
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.scanners.harmonise import harmonised
from mpss_lib.evaluation.scanners.labels import Scanner, pooled, scanners_of
from mpss_lib.feature_values import feature_files, read_features
from mpss_lib.profiles import VERSIONS, evaluation_profiles, selected_in
from mpss_lib.schemas import FEATURE_TABLES
from mpss_lib.sections import SEGMENTS, EvaluationSettings
from mpss_lib.tables import Lake, digest_of, read_parquet, sha256_of

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
    values : (n, segment, feature) float64
    """

    features: tuple[str, ...]
    bins: int
    values: Floats

    def columns_of(self, segment: str) -> dict[str, Floats]:
        """Radiomic terms of a segment.

        Parameters
        ----------
        segment : str
            One of ``SEGMENTS``.

        Returns
        -------
        dict of feature to (n,) float64 array
        """
        values = self.values[:, SEGMENTS.index(segment)]
        return {name: values[:, k] for k, name in enumerate(self.features)}


@dataclass(frozen=True)
class Inputs:
    """The complete cases of a cohort, rows in the order of the study keys.

    Parameters
    ----------
    cohort : str
    studies : tuple of str
    selected : dict of profile of the evaluation to Selected
    clinical : dict of term to (n,) array: float64, or text for a factor
    outcomes : dict of segment to (n,) float64
    scanners : tuple of Scanner
        Of each study.
    pools : tuple of str
        Name of each study's scanner; small ones have one name.
    harmonised : frozenset of str
        Profiles whose features are harmonised.
    left_out : dict of study to the first reason
    digest : str
        Of everything that was read.
    """

    cohort: str
    studies: tuple[str, ...]
    selected: dict[str, Selected]
    clinical: dict[str, Any]
    outcomes: dict[str, Floats]
    scanners: tuple[Scanner, ...]
    pools: tuple[str, ...]
    harmonised: frozenset[str]
    left_out: dict[str, str]
    digest: str

    def design(self, profile: str, segment: str) -> Design:
        """Columns of a segment: the features that a profile chose, then the clinical terms."""
        features = self.selected[profile].columns_of(segment)
        design = encode({**features, **self.clinical})
        if profile not in self.harmonised:
            return design
        return replace(design, scanners=self.pools, n_harmonised=len(features))

    def remainder(
        self, profile: str, segment: str, settings: EvaluationSettings
    ) -> Remainder | None:
        """Take the clinical arm out of features and score; None where it leaves too little.

        Features are harmonised over the whole cohort at once: the score is not seen, so that its
        deals are as good as before.
        """
        names = self.selected[profile].features
        columns = harmonised(self.design(profile, segment)).columns.T
        features = dict(zip(names, columns, strict=False))
        y = transform(self.outcomes[segment], settings)
        return remainder(features, self.clinical, y, settings)


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
    chosen = read_parquet(chosen_path, "selected_feature").to_pylist()
    rows = read_parquet(outcome_path, "cohort_outcome").to_pylist()
    rows.sort(key=lambda row: row["study_key"])
    keys = [str(row["study_key"]) for row in rows]
    files = [list(found.values()) for found in feature_files(lake, config, keys).values()]
    profiles = {name: selected_in(config, name) for name in evaluation_profiles(config)}
    found = _selected(chosen, profiles, dict(zip(FEATURE_TABLES, files, strict=True)), keys)
    left_out = _left_out(rows, found)
    if left_out and config.evaluation.missing == "error":
        raise WrongArgumentError(
            f"{len(left_out)} of {len(keys)} studies have missing values: {_first(left_out)}",
            way_out="complete the registry, or set evaluation.missing = 'complete_case'",
        )
    use = [k for k, key in enumerate(keys) if key not in left_out]
    read = [sha256_of(outcome_path), sha256_of(chosen_path), *(p.name for p in chain(*files))]
    read += map("=".join, VERSIONS.items())
    kept = [rows[k] for k in use]
    studies = tuple(keys[k] for k in use)
    scanners = scanners_of(lake, config, studies)
    names = [scanner.name for scanner in scanners]
    return Inputs(
        cohort=cohort,
        studies=studies,
        selected={name: replace(one, values=one.values[use]) for name, one in found.items()},
        clinical={name: clinical_column(name, [row[name] for row in kept]) for name in CLINICAL},
        outcomes={name: np.array([row[at] for row in kept]) for name, at in OUTCOMES.items()},
        scanners=scanners,
        pools=pooled(names, config.evaluation.min_scanner),
        harmonised=_harmonised(config),
        left_out=left_out,
        digest=digest_of([*read, *names]),
    )


def _harmonised(config: Config) -> frozenset[str]:
    """Profiles whose features are harmonised."""
    found = evaluation_profiles(config).items()
    return frozenset(name for name, own in found if own.harmonise == "combat")


def clinical_column(name: str, values: Sequence[Any]) -> Any:
    """Values of a clinical term as the regression takes them."""
    if name in FACTORS:
        return np.array(values, dtype=np.str_)
    return np.array(values, dtype=np.float64)


def _selected(
    chosen: Sequence[Mapping[str, Any]],
    profiles: Mapping[str, str],
    files: Mapping[str, Sequence[Path]],
    keys: Sequence[str],
) -> dict[str, Selected]:
    """Values of every study at what each profile takes, NaN where there is none; read once.

    ``profiles`` names the profile of the selection that each one of the evaluation takes.
    """
    rows = sorted(chosen, key=lambda row: row["position"])
    mine = {name: [row for row in rows if row["profile"] == own] for name, own in profiles.items()}
    names = {name: [str(row["feature"]) for row in own] for name, own in mine.items()}
    levels = {name: max((int(row["bins"]) for row in own), default=0) for name, own in mine.items()}
    bins, features = sorted(set(levels.values())), sorted(set(chain(*names.values())))
    matrix = read_features(files, keys, bins, features).values
    return {
        profile: Selected(
            tuple(taken),
            levels[profile],
            matrix[:, :, bins.index(levels[profile]), [features.index(name) for name in taken]],
        )
        for profile, taken in names.items()
    }


def _left_out(rows: Sequence[Mapping[str, Any]], found: Mapping[str, Selected]) -> dict[str, str]:
    """Studies that are no complete case, with the first reason."""
    reasons: dict[str, str] = {}
    for k, row in enumerate(rows):
        missing = [name for name in (*CLINICAL, *set(OUTCOMES.values())) if row[name] is None]
        if missing:
            reasons[str(row["study_key"])] = f"missing:{min(missing)}"
        elif not all(np.isfinite(one.values[k]).all() for one in found.values()):
            reasons[str(row["study_key"])] = "missing:features"
    return reasons


def _first(left_out: Mapping[str, str]) -> str:
    key = min(left_out)
    return f"{key} {left_out[key]}"
