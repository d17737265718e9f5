"""Selection of a cohort: reads feature files and keys, writes the ledger and the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mpss_lib.batch import TOMBSTONE
from mpss_lib.config import PROFILES, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.records import Unit
from mpss_lib.sections import SEGMENTS
from mpss_lib.selection.blind import connect
from mpss_lib.selection.procedure import Selection, select_profiles
from mpss_lib.selection.steps import PAPER_COUNTS, STEPS, Floats
from mpss_lib.tables import Lake, Written, digest_of, sha256_of
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
    """Choose features for a frozen cohort, blind to its outcomes, in both profiles.

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
    member, catalogue, files = _files(cohort, lake, config)
    digest = digest_of(
        [
            sha256_of(member),
            sha256_of(catalogue),
            str(config.selection.bootstrap),
            *(sha256_of(path) for paths in files.values() for path in paths),
        ]
    )
    address = config.address("selection")
    written = lake.existing("selection", address, cohort, digest)
    if written and not force:
        return _answer(cohort, "skipped", written, lake, config)
    with closing(connect({"member": [member], "catalogue": [catalogue], **files})) as connection:
        rows, values = _read(connection, config.radiomics.bins)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    found = select_profiles(values, rows, config.selection, bins=sorted(config.radiomics.bins))
    for profile, chosen in found.items():
        start = {"cohort_hash": cohort, "profile": profile}
        tables["selection_step"] += _ledger_rows(start, chosen)
        tables["selection_count"] += _count_rows(start, chosen)
        tables["selected_feature"] += [
            {**start, "feature": name, "bins": chosen.bins, "position": position}
            for position, name in enumerate(chosen.features, start=1)
        ]
        tables["variety_correlation"] += [{**start, **asdict(pair)} for pair in chosen.varieties]
        tables["grey_level"] += [{**start, **asdict(level)} for level in chosen.grey_levels]
    written = tuple(
        lake.write(table, address, cohort, digest, found) for table, found in tables.items()
    )
    return _answer(cohort, "done", written, lake, config)


def _files(cohort: str, lake: Lake, config: Config) -> tuple[Path, Path, dict[str, list[Path]]]:
    """Member file, catalogue file, and the feature files of every member that has not withdrawn.

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
    radiomics = config.address("radiomics")
    catalogue = lake.current_path("feature_catalogue", radiomics, CATALOGUE_KEY)
    rows = lake.rows("cohort_member", config.address("warehouse"), cohort)
    keys = sorted(str(row["study_key"]) for row in rows)
    once = lake.current_paths("feature_once", radiomics, keys)
    binned = lake.current_paths("feature_binned", radiomics, keys)
    shared = [key for key in keys if key in once and key in binned]
    n_wanted = sum(not key.startswith(TOMBSTONE) for key in keys)
    if catalogue is None or not shared or len(shared) < n_wanted:
        raise OtherVersionError(
            f"the features of cohort {cohort}",
            "radiomics",
            config,
            detail=f"{len(shared)} of {n_wanted} members have them",
        )
    return (
        member,
        catalogue,
        {
            "feature_once": [once[key] for key in shared],
            "feature_binned": [binned[key] for key in shared],
        },
    )


def _read(
    connection: duckdb.DuckDBPyConnection, bins: Sequence[int]
) -> tuple[list[dict[str, Any]], Floats]:
    """Catalogue rows and values (patient, segment, bins, feature) in its order."""
    cursor = connection.execute("select * from catalogue order by position")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    once = _columns(connection, "feature_once", "study_key, segment", rows, depends=False)
    binned = _columns(connection, "feature_binned", "study_key, segment, bins", rows, depends=True)
    keys = sorted(set(once["study_key"].tolist()))
    patient = {key: k for k, key in enumerate(keys)}
    segment = {name: k for k, name in enumerate(SEGMENTS)}
    level = {b: k for k, b in enumerate(sorted(bins))}
    values = np.full((len(keys), len(SEGMENTS), len(level), len(rows)), np.nan)
    p1, s1 = _place(once["study_key"], patient), _place(once["segment"], segment)
    p2, s2 = _place(binned["study_key"], patient), _place(binned["segment"], segment)
    g2 = _place(binned["bins"], level)
    use = g2 >= 0
    for k, row in enumerate(rows):
        name = row["sera_name"]
        if row["depends_on_bins"]:
            values[p2[use], s2[use], g2[use], k] = binned[name][use]
        else:
            values[p1, s1, :, k] = once[name][:, None]
    return rows, values


def _columns(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    keys: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    depends: bool,
) -> dict[str, Any]:
    names = [row["sera_name"] for row in rows if row["depends_on_bins"] == depends]
    listed = ", ".join(f'"{name}"' for name in names)
    found = connection.execute(
        f"select {keys}, {listed} from {view}"  # noqa: S608 -- names of the catalogue, quoted
        f" semi join member using (study_key) order by {keys}"
    ).fetchnumpy()
    return {name: np.ma.filled(column, _gap(column)) for name, column in found.items()}


def _gap(column: Any) -> Any:
    """Value that stands for NULL: NaN in a number."""
    return np.nan if column.dtype.kind == "f" else None


def _place(values: Any, index: Mapping[Any, int]) -> Any:
    return np.array([index.get(value, -1) for value in values.tolist()], np.int64)


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
            "note": " | ".join(chosen.notes) if step == "S3_variety" else "",
        }
        for k, step in enumerate(STEPS[:-1])
    ]


def _answer(
    cohort: str, status: str, written: Sequence[Written], lake: Lake, config: Config
) -> dict[str, Any]:
    rows = lake.rows("selected_feature", config.address("selection"), cohort)
    chosen = {profile: [row for row in rows if row["profile"] == profile] for profile in PROFILES}
    return {
        "cohort": cohort,
        "selected": {profile: len(mine) for profile, mine in chosen.items()},
        "bins": {profile: mine[0]["bins"] if mine else 0 for profile, mine in chosen.items()},
        "units": [Unit(cohort, status, tuple(written))],
    }
