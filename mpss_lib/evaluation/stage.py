"""Evaluation of a frozen cohort, in steps that can be mapped, resumed and repeated.

Each door takes (cohort, [part,] lake, config) and returns counts and ``units`` for the manifest
record. Output that is there for the same input is not made again, and what one step has written
the next ones read: each (profile, segment) is evaluated once.

The procedure is the paper's section 2.4.2, in the profiles of ``profiles``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from mpss_lib.config import AS_PUBLISHED, CONFIGURATIONS, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation import permutation, summary
from mpss_lib.evaluation.added_value.cohort import added_rows
from mpss_lib.evaluation.added_value.rows import ADDED_TABLES
from mpss_lib.evaluation.inputs import Inputs, load
from mpss_lib.evaluation.models import elastic_rows, model_rows, winners_of
from mpss_lib.evaluation.permutation import CONDITIONAL, OUTCOME
from mpss_lib.evaluation.randomised import Evaluation, transform
from mpss_lib.evaluation.randomised import evaluate as evaluate_columns
from mpss_lib.evaluation.report import write_report
from mpss_lib.evaluation.rows import (
    Rows,
    better_rows,
    fit_rows,
    null_rows,
    prediction_rows,
    result_rows,
    seed_rows,
)
from mpss_lib.evaluation.scanners.explained_rows import effect_rows
from mpss_lib.evaluation.scanners.held_out import held_out_rows
from mpss_lib.evaluation.seeds import over_seeds
from mpss_lib.evaluation.splits import draw
from mpss_lib.evaluation.univariate import associations
from mpss_lib.profiles import evaluation_profiles, rival_of, rival_profiles, setting_rows
from mpss_lib.records import Unit
from mpss_lib.sections import SEGMENTS, EvaluationSettings
from mpss_lib.tables import Lake, digest_of, read_parquet

Answer = dict[str, Any]
FEATURE_TABLES = ("univariate", "scanner_effect")
SPLIT_TABLES = (
    "split_fit",
    "split_result",
    "split_prediction",
    "better_model",
    "held_out_vendor",
)
MODEL_TABLES = ("model", "model_term", "model_harmonisation")
SUMMARY_TABLES = ("combined_test", "profile_setting")


def run(cohort: str, lake: Lake, config: Config, *, force: bool = False) -> Answer:
    """Do every step in order, on inputs that are read once.

    Parameters
    ----------
    cohort : str
        Hash of a frozen cohort.
    lake : Lake
    config : Config
    force : bool
        Must be False: what is identical is skipped.

    Returns
    -------
    dict
        Cohort, counts of what was done and skipped, files.

    Raises
    ------
    WrongArgumentError
        If it is to be forced.
    """
    if force:
        raise WrongArgumentError(
            "evaluation cannot be forced",
            way_out="what is identical is skipped; another seed or setting makes a new version",
        )
    inputs = load(cohort, lake, config)
    answers = [_univariate(inputs, lake, config)]
    answers += [_evaluate(inputs, segment, lake, config) for segment in SEGMENTS]
    answers += [_summarise(inputs, lake, config), _register(inputs, lake, config)]
    return _together(cohort, answers)


def univariate(cohort: str, lake: Lake, config: Config) -> Answer:
    """Correlate each selected feature with the score of its segment; ask what the scanner explains.

    Writes ``FEATURE_TABLES``.
    """
    return _univariate(load(cohort, lake, config), lake, config)


def evaluate(cohort: str, part: str, lake: Lake, config: Config) -> Answer:
    """Run the randomised evaluation of the segment ``part`` and its permutations in each profile.

    Writes ``SPLIT_TABLES``, ``split_seed`` and ``permutation``; what is there is not made again.
    """
    if part not in SEGMENTS:
        raise WrongArgumentError(f"{part!r} is no segment", way_out=f"one of {', '.join(SEGMENTS)}")
    return _evaluate(load(cohort, lake, config), part, lake, config)


def summarise(cohort: str, lake: Lake, config: Config) -> Answer:
    """Combine the runs of every segment into tests, and judge the pooled predictions.

    Writes ``SUMMARY_TABLES`` and ``ADDED_TABLES``.
    """
    return _summarise(load(cohort, lake, config), lake, config)


def register_model(cohort: str, lake: Lake, config: Config) -> Answer:
    """Register the winners that ``split_fit`` names, then write the report.

    Writes ``MODEL_TABLES`` and, below ``reports/``, the page and its JSON.

    Raises
    ------
    WrongArgumentError
        If a segment has not been evaluated with these inputs and settings.
    """
    return _register(load(cohort, lake, config), lake, config)


# --------------------------------------------------------------------------- pieces


def _univariate(inputs: Inputs, lake: Lake, config: Config) -> Answer:
    def make() -> dict[str, Rows]:
        return {
            "univariate": [
                _start(inputs, profile, segment) | asdict(found)
                for profile, chosen in inputs.selected.items()
                for segment in SEGMENTS
                for found in associations(chosen.columns_of(segment), inputs.outcomes[segment])
            ],
            "scanner_effect": effect_rows(inputs),
        }

    answer = _step(inputs, inputs.cohort, inputs.digest, FEATURE_TABLES, make, lake, config)
    return answer | {"patients": len(inputs.studies), "left_out": len(inputs.left_out)}


def _evaluate(inputs: Inputs, segment: str, lake: Lake, config: Config) -> Answer:
    return _together(
        inputs.cohort,
        [
            _run_splits(inputs, segment, lake, config),
            _run_seeds(inputs, segment, lake, config),
            _permute(inputs, segment, lake, config),
        ],
    )


def _run_splits(inputs: Inputs, segment: str, lake: Lake, config: Config) -> Answer:
    def make() -> dict[str, Rows]:
        tables: dict[str, Rows] = {name: [] for name in SPLIT_TABLES}
        for profile, settings in evaluation_profiles(config).items():
            name, rival = rival_of(profile)
            found = _evaluation(inputs, profile, segment, settings, rival)
            start = _start(inputs, profile, segment)
            tables["split_fit"] += fit_rows(found, start)
            tables["split_result"] += result_rows(found, start, settings)
            tables["split_prediction"] += prediction_rows(found, inputs, start)
            if rival:
                start = _start(inputs, name, segment)
                tables["split_result"] += result_rows(found, start, settings, is_rival=True)
        tables["better_model"] = better_rows(inputs, segment, config.evaluation.seed)
        tables["held_out_vendor"] = held_out_rows(inputs, segment, evaluation_profiles(config))
        return tables

    key = f"{inputs.cohort}-{segment}"
    return _step(inputs, key, inputs.digest, SPLIT_TABLES, make, lake, config)


def _run_seeds(inputs: Inputs, segment: str, lake: Lake, config: Config) -> Answer:
    def make() -> dict[str, Rows]:
        settings = evaluation_profiles(config)[AS_PUBLISHED]
        name, rival = rival_of(AS_PUBLISHED)
        n_features = len(inputs.selected[AS_PUBLISHED].features)
        y = transform(inputs.outcomes[segment], settings)
        found = over_seeds(
            inputs.design(AS_PUBLISHED, segment), n_features, y, settings, rival=rival
        )
        starts = [_start(inputs, profile, segment) for profile in (AS_PUBLISHED, name)]
        return {"split_seed": seed_rows(found, starts)}

    digest = digest_of([inputs.digest, f"seeds={config.evaluation.split_seeds}"])
    key = f"{inputs.cohort}-{segment}"
    return _step(inputs, key, digest, ("split_seed",), make, lake, config)


def _permute(inputs: Inputs, segment: str, lake: Lake, config: Config) -> Answer:
    """Do each part of a segment's permutations; a part that is there is not made again.

    Parts beyond those that the settings name (``permutation_chunk`` was smaller, ``permutations``
    more) are superseded by empty ones: a permutation is current once.
    """
    answers = []
    parts = permutation.permutation_parts(inputs.cohort, segment, config.evaluation)
    for key, numbers in parts:
        digest = permutation.part_digest(inputs.digest, numbers)
        make = partial(_permuted, inputs, segment, numbers, config)
        answers.append(_step(inputs, key, digest, ("permutation",), make, lake, config))
    for key in _other_parts(inputs, segment, {key for key, _ in parts}, lake, config):
        digest = permutation.part_digest(inputs.digest, range(0))
        answers.append(_step(inputs, key, digest, ("permutation",), _no_rows, lake, config))
    return _together(inputs.cohort, answers)


def _other_parts(
    inputs: Inputs, segment: str, named: set[str], lake: Lake, config: Config
) -> list[str]:
    """Keys of parts of a segment's permutations that are there and that no setting names."""
    start = f"{inputs.cohort}-{segment}-"
    there = lake.current_paths("permutation", config.address("evaluation"))
    return sorted(key for key in there if key.startswith(start) and key not in named)


def _no_rows() -> dict[str, Rows]:
    return {"permutation": []}


def _permuted(inputs: Inputs, segment: str, numbers: range, config: Config) -> dict[str, Rows]:
    rows: Rows = []
    for profile, settings in evaluation_profiles(config).items():
        design, n_features = inputs.design(profile, segment), len(inputs.selected[profile].features)
        y = transform(inputs.outcomes[segment], settings)
        splits = draw(len(y), settings)
        given = (design, n_features, y, settings, splits, numbers)
        start = _start(inputs, profile, segment)
        name, rival = rival_of(profile)
        null = permutation.permuted(*given, rival=rival)
        rows += null_rows(null, start, OUTCOME, CONFIGURATIONS)
        if rival:
            start = _start(inputs, name, segment)
            rows += null_rows(null, start, OUTCOME, ("", "", "", *CONFIGURATIONS))
        left = inputs.remainder(profile, segment, settings)
        if profile != AS_PUBLISHED and left is not None:
            null = permutation.permuted_remainder(left, settings, splits, numbers)
            rows += null_rows(null, start, CONDITIONAL, ("combined",))
    return {"permutation": rows}


def _summarise(inputs: Inputs, lake: Lake, config: Config) -> Answer:
    sources = summary.read(inputs, lake, config)
    digest = digest_of([inputs.digest, *sources.digests])

    def make() -> dict[str, Rows]:
        settings = [{"cohort_hash": inputs.cohort} | row for row in setting_rows(config)]
        tests = summary.combined_rows(
            sources, inputs, {**evaluation_profiles(config), **rival_profiles(config)}
        )
        return {"combined_test": tests, "profile_setting": settings}

    def judge() -> dict[str, Rows]:
        fits = {segment: _fits(inputs, segment, lake, config) for segment in SEGMENTS}
        return added_rows(sources.predictions, fits, inputs, config)

    cohort = inputs.cohort
    answers = [
        _step(inputs, cohort, digest, SUMMARY_TABLES, make, lake, config),
        _step(inputs, cohort, inputs.digest, ADDED_TABLES, judge, lake, config),
    ]
    return _together(cohort, answers)


def _register(inputs: Inputs, lake: Lake, config: Config) -> Answer:
    def make() -> dict[str, Rows]:
        tables: dict[str, Rows] = {name: [] for name in MODEL_TABLES}
        fits = {segment: _fits(inputs, segment, lake, config) for segment in SEGMENTS}
        for profile, settings in evaluation_profiles(config).items():
            for segment in SEGMENTS:
                winners = winners_of(fits[segment], profile)
                found = model_rows(winners, inputs, segment, profile, settings)
                for name, rows in zip(MODEL_TABLES, found, strict=True):
                    tables[name] += rows
        for segment in SEGMENTS:
            fold_models = elastic_rows(inputs, segment, config.evaluation.seed)
            for name, rows in zip(MODEL_TABLES[:2], fold_models, strict=True):
                tables[name] += rows
        return tables

    answer = _step(inputs, inputs.cohort, inputs.digest, MODEL_TABLES, make, lake, config)
    page, _ = write_report(inputs.cohort, lake, config, inputs)
    return answer | {"report": lake.relative(page)}


def _fits(inputs: Inputs, segment: str, lake: Lake, config: Config) -> Rows:
    """Rows of the winners in ``split_fit``.

    A file that was written before coefficients stood in it stays as it is: this segment's fits
    are made again, in memory.
    """
    address = config.address("evaluation")
    path = lake.landing_path("split_fit", address, f"{inputs.cohort}-{segment}", inputs.digest)
    if not path.exists():
        raise WrongArgumentError(
            f"cohort {inputs.cohort}: segment {segment} is not evaluated with these inputs and"
            " settings",
            way_out="run evaluate for each segment before register_model",
        )
    fits = read_parquet(path, "split_fit")
    if not fits["coefficients"].null_count:
        winners: Rows = fits.filter(fits["is_winner"]).to_pylist()
        return winners
    rows: Rows = []
    for profile, settings in evaluation_profiles(config).items():
        found = _evaluation(inputs, profile, segment, settings)
        rows += fit_rows(found, _start(inputs, profile, segment))
    return rows


def _evaluation(
    inputs: Inputs, profile: str, segment: str, settings: EvaluationSettings, rival: str = ""
) -> Evaluation:
    columns = inputs.selected[profile].columns_of(segment)
    given = (columns, inputs.clinical, inputs.outcomes[segment], settings)
    scanners = inputs.pools if profile in inputs.harmonised else ()
    return evaluate_columns(*given, rival=rival, scanners=scanners)


def _start(inputs: Inputs, profile: str, segment: str) -> dict[str, str]:
    return {"cohort_hash": inputs.cohort, "profile": profile, "segment": segment}


def _step(
    inputs: Inputs,
    key: str,
    digest: str,
    tables: Sequence[str],
    make: Callable[[], dict[str, Rows]],
    lake: Lake,
    config: Config,
) -> Answer:
    """Write what ``make`` gives, unless it is there for this input."""
    address = config.address("evaluation")
    written = lake.existing("evaluation", address, key, digest, tables=tables)
    is_new = not written
    if is_new:
        made = make()
        written = tuple(lake.write(name, address, key, digest, made[name]) for name in tables)
    unit = Unit.of(key, written, is_new=is_new)
    rows = {file.table: file.n_rows for file in written}
    return {"cohort": inputs.cohort, "status": unit.status, **rows, "units": [unit]}


def _together(cohort: str, answers: Sequence[Mapping[str, Any]]) -> Answer:
    units: list[Unit] = [unit for answer in answers for unit in answer["units"]]
    total: dict[str, int] = {}
    for unit in units:
        for file in unit.files:
            total[file.table] = total.get(file.table, 0) + file.n_rows
    done = sum(unit.status == "done" for unit in units)
    return {"cohort": cohort, "done": done, "skipped": len(units) - done, **total, "units": units}


DOORS = {
    "run": run,
    "univariate": univariate,
    "evaluate": evaluate,
    "summarise": summarise,
    "register_model": register_model,
}
"""Steps of a cohort by name, as ``steps.cohort_step`` calls them."""
