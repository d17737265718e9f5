"""Evaluation of a frozen cohort, in steps that can be mapped, resumed and repeated.

Each door takes (cohort, [part,] lake, config) and answers counts and ``units`` for the manifest
record. Output that is there for the same input is not made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mpss_lib.config import CORRECTED, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation import permutation, summary
from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.inputs import Inputs, load
from mpss_lib.evaluation.models import elastic_rows, model_rows
from mpss_lib.evaluation.profiles import profiles
from mpss_lib.evaluation.randomised import (
    Evaluation,
    transform,
)  # fmt: skip
from mpss_lib.evaluation.randomised import (
    evaluate as evaluate_columns,
)
from mpss_lib.evaluation.report import write_report
from mpss_lib.evaluation.rows import (
    Rows,
    better_rows,
    fit_rows,
    null_rows,
    prediction_rows,
    result_rows,
)
from mpss_lib.evaluation.splits import draw
from mpss_lib.evaluation.univariate import associations
from mpss_lib.sections import SEGMENTS, EvaluationSettings
from mpss_lib.tables import Lake, digest_of

Answer = dict[str, Any]
SPLIT_TABLES = ("split_fit", "split_result", "split_prediction", "better_model")


def run(cohort: str, lake: Lake, config: Config) -> Answer:
    """Do every step in order."""
    answers = [univariate(cohort, lake, config)]
    answers += [evaluate_segment(cohort, segment, lake, config) for segment in SEGMENTS]
    answers += [permute(cohort, segment, lake, config) for segment in SEGMENTS]
    answers += [summarise(cohort, lake, config), register_model(cohort, lake, config)]
    return _together(cohort, answers)


def univariate(cohort: str, lake: Lake, config: Config) -> Answer:
    """Correlate each selected feature with the score of its segment; writes ``univariate``."""
    inputs = load(cohort, lake, config)

    def make() -> dict[str, Rows]:
        return {
            "univariate": [
                {"cohort_hash": cohort, "profile": profile, "segment": segment, **asdict(found)}
                for profile, chosen in inputs.selected.items()
                for segment in SEGMENTS
                for found in associations(chosen.columns_of(segment), inputs.outcomes[segment])
            ]
        }

    answer = _step(cohort, cohort, inputs.digest, ("univariate",), make, lake, config)
    return answer | {"patients": len(inputs.studies), "left_out": len(inputs.left_out)}


def evaluate(cohort: str, part: str, lake: Lake, config: Config) -> Answer:
    """Do ``evaluate_segment``: the name of this step in the evaluation DAG."""
    return evaluate_segment(cohort, part, lake, config)


def evaluate_segment(cohort: str, segment: str, lake: Lake, config: Config) -> Answer:
    """Run the randomised evaluation of one segment, both profiles; writes ``SPLIT_TABLES``."""
    _check_segment(segment)
    inputs = load(cohort, lake, config)

    def make() -> dict[str, Rows]:
        tables: dict[str, Rows] = {name: [] for name in SPLIT_TABLES}
        for profile, settings in profiles(config.evaluation).items():
            found = _evaluation(inputs, profile, segment, settings)
            start = {"cohort_hash": cohort, "profile": profile, "segment": segment}
            tables["split_fit"] += fit_rows(found, start)
            tables["split_result"] += result_rows(found, start, settings)
            tables["split_prediction"] += prediction_rows(found, inputs, start)
        tables["better_model"] = better_rows(inputs, segment, config.evaluation.seed)
        return tables

    key = f"{cohort}-{segment}"
    return _step(cohort, key, inputs.digest, SPLIT_TABLES, make, lake, config)


def permutation_chunks(config: Config) -> list[str]:
    """Names of the parts that ``permute_chunk`` does: ``MYO-0``, ``MYO-1``, ..."""
    settings = config.evaluation
    count = -(-settings.permutations // settings.permutation_chunk)
    return [f"{segment}-{k}" for segment in SEGMENTS for k in range(count)]


def permute(cohort: str, part: str, lake: Lake, config: Config) -> Answer:
    """Do every permutation chunk of one segment (those that are not there yet)."""
    _check_segment(part)
    chunks = [name for name in permutation_chunks(config) if name.split("-")[0] == part]
    inputs = load(cohort, lake, config)
    return _together(cohort, [_permute(inputs, name, lake, config) for name in chunks])


def permute_chunk(cohort: str, chunk: str, lake: Lake, config: Config) -> Answer:
    """Do one chunk of ``permutation_chunks``; writes ``permutation``."""
    return _permute(load(cohort, lake, config), chunk, lake, config)


def summarise(cohort: str, lake: Lake, config: Config) -> Answer:
    """Combine the runs of every segment into tests; writes ``combined_test``."""
    inputs = load(cohort, lake, config)
    sources = summary.read(cohort, _chunk_keys(cohort, config), lake, config)
    digest = digest_of([inputs.digest, *sources.digests])

    def make() -> dict[str, Rows]:
        return {"combined_test": summary.combined_rows(sources, inputs, config.evaluation)}

    return _step(cohort, cohort, digest, ("combined_test",), make, lake, config)


def register_model(cohort: str, lake: Lake, config: Config) -> Answer:
    """Refit the winners and register them, then write the report.

    Writes ``model``, ``model_term`` and, below ``reports/``, the page and its JSON.
    """
    inputs = load(cohort, lake, config)

    def make() -> dict[str, Rows]:
        tables: dict[str, Rows] = {"model": [], "model_term": []}
        for profile, settings in profiles(config.evaluation).items():
            for segment in SEGMENTS:
                found = _evaluation(inputs, profile, segment, settings)
                models, terms = model_rows(found, inputs, segment, profile, settings)
                tables["model"] += models
                tables["model_term"] += terms
        for segment in SEGMENTS:
            models, terms = elastic_rows(inputs, segment, config.evaluation.seed)
            tables["model"] += models
            tables["model_term"] += terms
        return tables

    tables = ("model", "model_term")
    answer = _step(cohort, cohort, inputs.digest, tables, make, lake, config)
    page, _ = write_report(cohort, lake, config)
    return answer | {"report": lake.relative(page)}


# --------------------------------------------------------------------------- pieces


def _evaluation(
    inputs: Inputs, profile: str, segment: str, settings: EvaluationSettings
) -> Evaluation:
    columns = inputs.selected[profile].columns_of(segment)
    return evaluate_columns(columns, inputs.clinical, inputs.outcomes[segment], settings)


def _permute(inputs: Inputs, chunk: str, lake: Lake, config: Config) -> Answer:
    segment, number = _parse_chunk(chunk)
    size = config.evaluation.permutation_chunk
    numbers = range(number * size, min((number + 1) * size, config.evaluation.permutations))
    digest = digest_of([inputs.digest, f"{numbers.start}-{numbers.stop}"])

    def make() -> dict[str, Rows]:
        rows: Rows = []
        for profile, settings in profiles(config.evaluation).items():
            chosen = inputs.selected[profile]
            design = encode({**chosen.columns_of(segment), **inputs.clinical})
            y = transform(inputs.outcomes[segment], settings)
            given = (design, len(chosen.features), y, settings, draw(len(y), settings), numbers)
            start = {"cohort_hash": inputs.cohort, "profile": profile, "segment": segment}
            null = permutation.permuted_outcomes(*given)
            rows += null_rows(null, start, permutation.OUTCOME, (0, 1, 2))
            if profile == CORRECTED:
                null = permutation.permuted_radiomics(*given)
                rows += null_rows(null, start, permutation.RADIOMIC_BLOCK, (1, 2))
        return {"permutation": rows}

    key = f"{inputs.cohort}-{chunk}"
    return _step(inputs.cohort, key, digest, ("permutation",), make, lake, config)


def _step(
    cohort: str,
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
    status = "skipped" if written else "done"
    if not written:
        made = make()
        written = tuple(lake.write(name, address, key, digest, made[name]) for name in tables)
    unit = {
        "key": key,
        "status": status,
        "reasons": [],
        "files": [asdict(file) for file in written],
    }
    rows = {file.table: file.n_rows for file in written}
    return {"cohort": cohort, "status": status, **rows, "units": [unit]}


def _together(cohort: str, answers: Sequence[Mapping[str, Any]]) -> Answer:
    units = [unit for answer in answers for unit in answer["units"]]
    total: dict[str, int] = {}
    for unit in units:
        for file in unit["files"]:
            total[file["table"]] = total.get(file["table"], 0) + file["n_rows"]
    done = sum(unit["status"] == "done" for unit in units)
    return {"cohort": cohort, "done": done, "skipped": len(units) - done, **total, "units": units}


def _check_segment(segment: str) -> None:
    if segment not in SEGMENTS:
        raise WrongArgumentError(
            f"{segment!r} is no segment", way_out=f"one of {', '.join(SEGMENTS)}"
        )


def _parse_chunk(chunk: str) -> tuple[str, int]:
    segment, _, number = chunk.partition("-")
    _check_segment(segment)
    if not number.isdecimal():
        raise WrongArgumentError(
            f"{chunk!r} is no chunk of permutations", way_out="one of permutation_chunks(config)"
        )
    return segment, int(number)


def _chunk_keys(cohort: str, config: Config) -> list[str]:
    return [f"{cohort}-{chunk}" for chunk in permutation_chunks(config)]
