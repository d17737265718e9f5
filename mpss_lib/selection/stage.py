"""Selection of a cohort: reads feature files and keys, writes the ledger and the choice.

The steps are the paper's section 2.4.1, in the profiles of ``profiles``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mpss_lib.batch import TOMBSTONE
from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.feature_values import feature_files, lay_out
from mpss_lib.profiles import VERSIONS, selection_profiles
from mpss_lib.records import Unit
from mpss_lib.selection.blind import connect
from mpss_lib.selection.level_rules import Level
from mpss_lib.selection.procedure import Selection, Stability, select_profiles
from mpss_lib.selection.steps import PAPER_COUNTS, STEPS, Floats
from mpss_lib.stable_features import middle_by_level
from mpss_lib.tables import Lake, Written, digest_of, read_parquet, sha256_of
from mpss_lib.versions import OtherVersionError

CATALOGUE_KEY = "all"
TABLES = (
    "selection_step",
    "selection_count",
    "selected_feature",
    "grey_level",
    "variety_correlation",
)


def select_features(cohort: str, lake: Lake, config: Config) -> dict[str, Any]:
    """Do ``run``: the name of this step in the evaluation DAG."""
    return run(cohort, lake, config)


def run(cohort: str, lake: Lake, config: Config, *, force: bool = False) -> dict[str, Any]:
    """Choose features for a frozen cohort, blind to its outcomes, in each profile.

    Parameters
    ----------
    cohort : str
        Cohort hash.
    lake : Lake
        Has ``cohort_member``, ``feature_once``, ``feature_binned`` and ``feature_catalogue``.
    config : Config
    force : bool
        Do it again even if identical output is there.

    Returns
    -------
    dict
        For each profile how many features at which ``bins``, and ``units`` for the record.

    Raises
    ------
    WrongArgumentError
        If the cohort is not frozen or too few of its studies have features.
    """
    sources = _sources(cohort, lake, config)
    member, catalogue, *features = sources.digests
    frozen = [f"{name}={version}" for name, version in VERSIONS.items()]
    digest = digest_of([member, catalogue, str(config.selection.bootstrap), *frozen, *features])
    address = config.address("selection")
    written = lake.existing("selection", address, cohort, digest)
    if written and not force:
        return _answer(cohort, "skipped", written, lake, config)
    bins = sorted(config.radiomics.bins)
    rows, values, stability = _read(sources, bins)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    found = select_profiles(values, rows, config.selection, bins=bins, stability=stability)
    for profile, chosen in found.items():
        start = {"cohort_hash": cohort, "profile": profile}
        tables["selection_step"] += _ledger_rows(start, chosen)
        tables["selection_count"] += _count_rows(start, chosen)
        tables["selected_feature"] += [
            {**start, "feature": name, "bins": chosen.bins, "position": position}
            for position, name in enumerate(chosen.features, start=1)
        ]
        tables["variety_correlation"] += [{**start, **asdict(pair)} for pair in chosen.varieties]
        tables["grey_level"] += [{**start, **_known(level)} for level in chosen.grey_levels]
    written = tuple(
        lake.write(table, address, cohort, digest, found) for table, found in tables.items()
    )
    return _answer(cohort, "done", written, lake, config)


@dataclass(frozen=True)
class _Sources:
    """Files of a cohort: its members, the catalogue, and the features of ``studies``.

    ``stability`` has one file where the cohort was measured under perturbations, else none.
    """

    member: Path
    catalogue: Path
    studies: list[str]
    features: dict[str, list[Path]]
    stability: list[Path]

    @property
    def digests(self) -> list[str]:
        """Content of every file that is read."""
        paths = [self.member, self.catalogue, *chain.from_iterable(self.features.values())]
        paths += self.stability
        return [sha256_of(path) for path in paths]


def _sources(cohort: str, lake: Lake, config: Config) -> _Sources:
    """Find the files of every member that has not withdrawn.

    Raises
    ------
    OtherVersionError
        Some have none with these settings: a part of the cohort is not taken for the whole.
    """
    member = lake.current_path("cohort_member", config.address("warehouse"), cohort)
    if member is None:
        raise WrongArgumentError(
            f"cohort {cohort} is not frozen with these settings",
            way_out="freeze it: run mpss_evaluate from freeze_cohort",
        )
    catalogue = lake.current_path("feature_catalogue", config.address("radiomics"), CATALOGUE_KEY)
    keys = sorted(read_parquet(member, "cohort_member")["study_key"].to_pylist())
    files = feature_files(lake, config, keys)
    shared = [key for key in keys if all(key in found for found in files.values())]
    n_wanted = sum(not key.startswith(TOMBSTONE) for key in keys)
    if catalogue is None or not shared or len(shared) < n_wanted:
        raise OtherVersionError(
            f"the features of cohort {cohort}",
            "radiomics",
            config,
            detail=f"{len(shared)} of {n_wanted} members have them",
        )
    features = {table: [found[key] for key in shared] for table, found in files.items()}
    measured = lake.current_path("feature_stability", config.address("stability"), cohort)
    return _Sources(member, catalogue, shared, features, [measured] if measured else [])


def _read(
    sources: _Sources, bins: Sequence[int]
) -> tuple[list[dict[str, Any]], Floats, Stability | None]:
    """Catalogue rows, values (patient, segment, bins, feature) in its order, stability."""
    files = {"catalogue": [sources.catalogue], **sources.features}
    files |= {"feature_stability": sources.stability} if sources.stability else {}
    with closing(connect(files)) as connection:
        found = {name: connection.view(name).to_arrow_table() for name in files}
    rows: list[dict[str, Any]] = found.pop("catalogue").sort_by("position").to_pylist()
    names = [row["sera_name"] for row in rows]
    measured = found.pop("feature_stability", None)
    stability = None if measured is None else middle_by_level(measured.to_pylist())
    return rows, lay_out(found, sources.studies, bins, names).values, stability


def _known(level: Level) -> dict[str, Any]:
    """Columns of a level; null where there is nothing to compare with, or nothing was measured."""
    row = asdict(level)
    for name in ("low_range_change", "pairs_change", "mean_icc"):
        row[name] = None if np.isnan(row[name]) else row[name]
    return row


def _ledger_rows(start: Mapping[str, str], chosen: Selection) -> list[dict[str, Any]]:
    return [
        {
            **start,
            "step": entry.step,
            "position": position,
            "feature": entry.feature,
            "reason": entry.reason,
            "statistic": None if np.isnan(entry.statistic) else entry.statistic,
            "partner": entry.partner,
        }
        for position, entry in enumerate(chosen.ledger, start=1)
    ]


def _count_rows(start: Mapping[str, str], chosen: Selection) -> list[dict[str, Any]]:
    before = [chosen.counts["start"], *(chosen.counts[step] for step in STEPS[:-1])]
    return [
        {
            **start,
            "step": step,
            "position": k + 1,
            "n_patients": chosen.n_patients,
            "n_before": before[k],
            "n_removed": before[k] - before[k + 1],
            "n_after": before[k + 1],
            "n_paper": PAPER_COUNTS[step],
            "note": " | ".join(x for x in chosen.notes if _step_of(x) == step),
        }
        for k, step in enumerate(STEPS[:-1])
    ]


def _step_of(note: str) -> str:
    """Step that a note is about."""
    return "S2b_unstable" if note.startswith("S2b") else "S3_variety"


def _answer(
    cohort: str, status: str, written: Sequence[Written], lake: Lake, config: Config
) -> dict[str, Any]:
    rows = lake.rows("selected_feature", config.address("selection"), cohort)
    chosen = {
        profile: [row for row in rows if row["profile"] == profile]
        for profile in selection_profiles(config.selection)
    }
    return {
        "cohort": cohort,
        "selected": {profile: len(mine) for profile, mine in chosen.items()},
        "bins": {profile: mine[0]["bins"] if mine else 0 for profile, mine in chosen.items()},
        "units": [Unit(cohort, status, tuple(written))],
    }


DOORS = {"run": run, "select_features": select_features}
"""Steps of a cohort by name, as ``steps.cohort_step`` calls them."""
