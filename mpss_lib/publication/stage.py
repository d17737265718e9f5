"""Publication: the registered model applied to a study, 7 segments x 3 configurations.

Doors: ``run`` (a study -> its predictions), ``predictable`` (which studies) and ``export_results``
(predictions and evaluation to the results database).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, astuple, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import duckdb

from mpss_lib.batch import Work
from mpss_lib.config import (
    CLINICAL,
    CONFIGURATIONS,
    ELASTIC_NET,
    Address,
    Config,
    Sites,
)
from mpss_lib.errors import StudyRejectedError
from mpss_lib.feature_values import read_features
from mpss_lib.profiles import site_profile
from mpss_lib.publication.export import export_results
from mpss_lib.publication.predict import (
    Registered,
    StudyValues,
    group_models,
    predict,
    predict_interval,
)
from mpss_lib.schemas import FEATURE_TABLES
from mpss_lib.sections import SEGMENTS
from mpss_lib.snapshot_file import asking, has_table
from mpss_lib.study_inputs import scanner_of
from mpss_lib.tables import Lake, Outcome, digest_of, read_parquet, sha256_of
from mpss_lib.versions import OtherVersionError

__all__ = ["export_results", "opened", "predictable", "run"]

ModelFiles = tuple[Path, Path, Path | None]
"""Files of models, of their terms, and of what harmonises them (none of a version before)."""

Segments = dict[str, dict[str, float]]
"""Feature values by segment and feature."""

PREDICTABLE = "select study_key from core.predictable where is_predictable order by study_key"


def predictable(lake: Lake) -> list[str]:
    """Keys of the studies that can be predicted: with features, accepted or passed, not abnormal.

    Empty where no model is registered or nothing is published yet.
    """
    if _newest_model_files(lake) is None or not lake.snapshot.is_file():
        return []
    with asking(lake.snapshot) as snapshot:
        return [str(row[0]) for row in snapshot.execute(PREDICTABLE).fetchall()]


def run(
    study_key: str, lake: Lake, config: Config, sites: Sites, *, force: bool = False
) -> Outcome:
    """Predict the calcium scores of one study with the model registered last.

    Parameters
    ----------
    study_key : str
    lake : Lake
    config : Config
    sites : Sites
        Not needed for the prediction itself.
    force : bool
        Do it again even if identical output is there.

    Returns
    -------
    Outcome
        One file of ``prediction``: 7 segments x 3 configurations, each with a value or a reason.

    Raises
    ------
    StudyRejectedError
        ``no_model`` where no model has been registered; ``no_snapshot`` where the study is none of
        the models' own and nothing is published that could tell its clinical row.
    OtherVersionError
        Models, their cohort or the clinical rows are of other settings or engines than the
        features that the present settings name.
    """
    files = registered_files(lake, config)
    if files is None:
        raise StudyRejectedError(
            "no model has been registered",
            way_out="run mpss_evaluate once",
            reasons=("no_model",),
        )
    registered, elastic = (
        _registered(*files, site_profile(config)),
        _registered(*files, ELASTIC_NET),
    )
    paths = _feature_files(study_key, lake, config)
    features = _features(study_key, paths, registered, elastic)
    study, parts = _study(study_key, lake, config, registered)
    study = replace(study, features=features[registered.bins])
    corrected = replace(study, features=features[elastic.bins])
    if any(group.scales for group in registered.groups.values()):
        study = replace(study, scanner=scanner_of(study_key, lake, config))
        parts.append(study.scanner)
    parts = [*(sha256_of(path) for path in paths), *parts]
    made_by = [sha256_of(path) for path in files if path is not None]
    digest = digest_of([*made_by, *parts])
    address = config.address("publication")
    written = lake.existing("publication", address, study_key, digest)
    if written and not force:
        return Outcome("skipped", written)
    rows = _rows(study, registered, corrected, elastic)
    return Outcome("done", (lake.write("prediction", address, study_key, digest, rows),))


def opened(
    lake: Lake, config: Config, sites: Sites, force: bool = False, keys: Sequence[str] = ()
) -> AbstractContextManager[Work]:
    """Give ``run`` for the studies of a batch, which share nothing."""
    return nullcontext(partial(run, lake=lake, config=config, sites=sites, force=force))


def _rows(
    study: StudyValues, registered: Registered, corrected: StudyValues, elastic: Registered
) -> list[dict[str, Any]]:
    rows = []
    for segment in SEGMENTS:
        for configuration in CONFIGURATIONS:
            found = predict(study, registered, segment, configuration)
            value, low, high = predict_interval(corrected, elastic, segment, configuration)
            rows.append(
                {
                    "cohort_hash": registered.cohort,
                    "study_key": study.study_key,
                    "segment": segment,
                    "configuration": configuration,
                    "profile": registered.profile,
                    "is_training_study": study.is_training,
                    "is_out_of_sample": not found.reason,
                    **asdict(found),
                    "corrected_value": value,
                    "corrected_low": low,
                    "corrected_high": high,
                }
            )
    return rows


def registered_files(lake: Lake, config: Config) -> ModelFiles | None:
    """Files of the model registered last at the settings' address; None where there is none.

    That address holds those of selection and radiomics: a model found there was made with features
    of the version that is read here. By the manifest, else the only one at this address.

    Raises
    ------
    OtherVersionError
        Models were registered, all of them with other settings or engines.
    """
    address = config.address("evaluation")
    newest = _newest_model_files(lake, address)
    if newest is not None:
        return newest
    models = lake.current_paths("model", address)
    terms = lake.current_paths("model_term", address)
    both = sorted(set(models) & set(terms))
    if len(both) == 1:
        scales = lake.current_paths("model_harmonisation", address)
        return models[both[0]], terms[both[0]], scales.get(both[0])
    if not both and _newest_model_files(lake) is not None:
        raise OtherVersionError("the registered models", "evaluation", config)
    return None


def _newest_model_files(lake: Lake, address: Address | None = None) -> ModelFiles | None:
    for record in reversed(lake.records("evaluation")):
        if address is not None and (record["engine"], record["config"]) != astuple(address):
            continue
        for unit in reversed(record["units"]):
            paths = {file["table"]: lake.root / file["path"] for file in unit["files"]}
            if "model" in paths and "model_term" in paths:
                return paths["model"], paths["model_term"], paths.get("model_harmonisation")
    return None


@lru_cache(maxsize=8)
def _registered(models: Path, terms: Path, scales: Path | None, profile: str) -> Registered:
    """Read a registered model once in a process; its files never change."""
    return group_models(
        read_parquet(models, "model").to_pylist(),
        read_parquet(terms, "model_term").to_pylist(),
        profile,
        [] if scales is None else read_parquet(scales, "model_harmonisation").to_pylist(),
    )


def _study(
    study_key: str, lake: Lake, config: Config, registered: Registered
) -> tuple[StudyValues, list[str]]:
    """Gather what is known of the study but its features, and what enters the input digest."""
    path = lake.current_path("cohort_outcome", config.address("warehouse"), registered.cohort)
    if path is None:  # else its studies would be predicted by models that had been fitted to them
        what = f"the cohort {registered.cohort} of the models"
        raise OtherVersionError(what, "warehouse", config)
    cohort = _cohort(path)
    is_training = study_key in cohort
    clinical = cohort.get(study_key) if is_training else _linked(lake, config).get(study_key)
    return StudyValues(study_key, None, clinical, is_training), [repr(clinical), repr(is_training)]


def _feature_files(study_key: str, lake: Lake, config: Config) -> list[Path]:
    radiomics = config.address("radiomics")
    paths = [lake.current_path(table, radiomics, study_key) for table in FEATURE_TABLES]
    return [path for path in paths if path is not None]


def _features(
    study_key: str, paths: list[Path], *models: Registered
) -> Mapping[int, Segments | None]:
    """Read what the models take, by grey level and segment; None where a file is absent."""
    levels = sorted({one.bins for one in models})
    if len(paths) < len(FEATURE_TABLES):
        return dict.fromkeys(levels)
    names = sorted(set().union(*(one.features for one in models)))
    files = {table: [path] for table, path in zip(FEATURE_TABLES, paths, strict=True)}
    found = read_features(files, [study_key], levels, names)
    return {
        level: {
            segment: dict(zip(names, found.values[0, s, k].tolist(), strict=True))
            for s, segment in enumerate(SEGMENTS)
            if found.is_there[0, s, k]
        }
        for k, level in enumerate(levels)
    }


@lru_cache(maxsize=4)
def _cohort(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Clinical values of the training cohort by study."""
    rows = read_parquet(path, "cohort_outcome").to_pylist()
    return {str(row["study_key"]): {name: row[name] for name in CLINICAL} for row in rows}


def _linked(lake: Lake, config: Config) -> Mapping[str, Mapping[str, Any]]:
    """Clinical values of every linked study, from the published snapshot.

    Raises
    ------
    StudyRejectedError
        Nothing is published: a study would be said to have no clinical row, and nobody had looked.
    OtherVersionError
        The snapshot shows the clinical rows of another version than the settings name.
    """
    if not lake.snapshot.is_file():
        raise StudyRejectedError(
            "no snapshot is published, so nobody can say whether the study has a clinical row",
            way_out="`mpss warehouse rebuild`, then predict again",
            reasons=("no_snapshot",),
        )
    state = lake.snapshot.stat()
    made_by, rows = _snapshot_clinical(lake.snapshot, state.st_ino, state.st_mtime_ns)
    if made_by not in (None, config.address("pull")):
        raise OtherVersionError("the clinical rows of the snapshot", "pull", config)
    return rows


@lru_cache(maxsize=2)
def _snapshot_clinical(
    path: Path, _inode: int, _mtime: int
) -> tuple[Address | None, Mapping[str, Mapping[str, Any]]]:
    """Read once for each published snapshot: the version of the rows (if it says), and the rows."""
    with asking(path) as snapshot:
        rows = snapshot.execute(
            f"select study_key, {', '.join(CLINICAL)} from core.clinical"  # noqa: S608 -- constants
            " where study_key is not null order by study_key"
        ).fetchall()
        made_by = _shown(snapshot, "pull")
    return made_by, {str(row[0]): dict(zip(CLINICAL, row[1:], strict=True)) for row in rows}


def _shown(snapshot: duckdb.DuckDBPyConnection, stage: str) -> Address | None:
    """Version of a stage that a snapshot shows; None where it does not say."""
    if not has_table(snapshot, "meta", "pointer"):
        return None
    rows = snapshot.execute(
        "select engine, config from meta.pointer where stage = ?", [stage]
    ).fetchall()
    return Address(*map(str, rows[0])) if rows else None
