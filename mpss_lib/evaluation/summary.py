"""From the rows of the runs to the rows of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from mpss_lib.config import CONFIGURATIONS, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation import combine
from mpss_lib.evaluation.combine import Test
from mpss_lib.evaluation.conditional import Remainder
from mpss_lib.evaluation.design import Floats, Ints
from mpss_lib.evaluation.family import adjusted_p
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.permutation import (
    CONDITIONAL,
    OUTCOME,
    observed_remainder,
    part_digest,
    permutation_parts,
    statistics,
)
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.rows import Rows, known
from mpss_lib.evaluation.splits import Splits, draw
from mpss_lib.profiles import RIVALS
from mpss_lib.sections import SEGMENTS, EvaluationSettings
from mpss_lib.tables import Lake, read_parquet, sha256_of

Key = tuple[str, str, str]

_RUNS = ("split_result", "split_prediction")
NUMBER, X, MEAN_R, POOLED = range(4)
"""Columns of ``Sources.null``."""

FAMILY = {"permutation_mean_r": OUTCOME, "conditional_mean_r": CONDITIONAL}
"""Tests that answer the four questions, and the deals that each is judged by."""


@dataclass(frozen=True)
class Sources:
    """What evaluate wrote, by (profile, segment, configuration).

    Parameters
    ----------
    r : (outer,) float64, NaN where the run is invalid
    predictions : (outer, n_test) float64, NaN where there was no winner
        The other winners of the same fits (``RIVALS``) keep none.
    null : by key and kind: (permutations, 4) number, Fisher's X, mean r, pooled rho
    digests : content of the files read
    """

    r: dict[Key, Floats]
    predictions: dict[Key, Floats]
    null: dict[tuple[Key, str], Floats]
    digests: tuple[str, ...]


def read(inputs: Inputs, lake: Lake, config: Config) -> Sources:
    """Read every segment's runs and the permutations that are there, of these inputs alone.

    A file is found by the digest of its inputs: what this very run has written stands in no
    record yet, and a record may still name what was made of other inputs or in other parts.

    Raises
    ------
    WrongArgumentError
        If a segment has not been evaluated with these inputs and settings.
    """
    cohort = inputs.cohort
    address = config.address("evaluation")
    digests: list[str] = []
    r: dict[Key, Floats] = {}
    predictions: dict[Key, Floats] = {}
    for segment in SEGMENTS:
        key = f"{cohort}-{segment}"
        paths = [lake.landing_path(name, address, key, inputs.digest) for name in _RUNS]
        if not all(path.exists() for path in paths):
            raise WrongArgumentError(
                f"cohort {cohort}: segment {segment} is not evaluated with these inputs and"
                " settings",
                way_out="run evaluate for each segment before summarise",
            )
        results, guesses = (read_parquet(*one) for one in zip(paths, _RUNS, strict=True))
        digests += [sha256_of(path) for path in paths]
        found = _correlations(results)
        r |= found
        predictions |= _predictions(guesses, found, _test_sizes(results))
    null, more = _null(inputs, lake, config)
    return Sources(r, predictions, null, (*digests, *more))


def _null(
    inputs: Inputs, lake: Lake, config: Config
) -> tuple[dict[tuple[Key, str], Floats], list[str]]:
    """Statistics of the permutations that are there, and the digests of their files."""
    address = config.address("evaluation")
    digests: list[str] = []
    null: dict[tuple[Key, str], list[tuple[int, float, float, float]]] = {}
    for segment in SEGMENTS:
        for key, numbers in permutation_parts(inputs.cohort, segment, config.evaluation):
            digest = part_digest(inputs.digest, numbers)
            path = lake.landing_path("permutation", address, key, digest)
            if not path.exists():
                continue
            digests.append(sha256_of(path))
            for row in read_parquet(path, "permutation").to_pylist():
                name = (row["profile"], row["segment"], row["configuration"])
                rho = np.nan if row["pooled_rho"] is None else row["pooled_rho"]
                found = (row["permutation"], row["fisher"], row["mean_r"], rho)
                null.setdefault((name, row["kind"]), []).append(found)
    arrays = {name: np.array(sorted(set(rows))) for name, rows in null.items()}
    return arrays, digests


def combined_rows(
    sources: Sources, inputs: Inputs, profiles: Mapping[str, EvaluationSettings]
) -> Rows:
    """Rows of ``combined_test``."""
    rows: Rows = []
    for profile, own in profiles.items():
        splits = draw(len(inputs.studies), own)
        mine: Rows = []
        for segment in SEGMENTS:
            outcome = transform(inputs.outcomes[segment], own)
            for configuration in CONFIGURATIONS:
                key = (profile, segment, configuration)
                tests = _tests(sources, key, splits.test, outcome, own)
                mine += _rows(inputs.cohort, key, tests, sources.r[key], splits, own)
            if (key, CONDITIONAL) in sources.null:
                left = inputs.remainder(profile, segment, own)
                mine += _conditional_rows(sources, inputs.cohort, key, left, splits, own)
        rows += _judged_together(mine, sources)
    return rows


def _rows(
    cohort: str,
    key: Key,
    tests: Mapping[str, Test],
    r: Floats,
    splits: Splits,
    settings: EvaluationSettings,
) -> Rows:
    """Rows of the tests of runs with the correlations ``r``."""
    p = combine.correlation_p(r, splits.test.shape[1], settings.p_side)
    profile, segment, configuration = key
    return [
        {
            "cohort_hash": cohort,
            "profile": profile,
            "segment": segment,
            "configuration": configuration,
            "test": name,
            **_plain(test),
            "p_adjusted": None,
            "n_valid": int(np.isfinite(r).sum()),
            "median_r": known(combine.median(r)),
            "median_p": known(combine.median(p)),
        }
        for name, test in tests.items()
    ]


def _tests(
    sources: Sources, key: Key, test: Ints, outcome: Floats, settings: EvaluationSettings
) -> dict[str, Test]:
    r = sources.r[key]
    n_test = test.shape[1]
    p = combine.correlation_p(r, n_test, settings.p_side)
    x, mean_r = statistics(r, n_test, settings)
    tests = {
        "fisher": combine.fisher(p, np.isfinite(r), settings.invalid_run),
        "nadeau_bengio": combine.nadeau_bengio(r, n_test, len(outcome) - n_test),
    }
    null = sources.null.get((key, OUTCOME))
    if null is not None:
        tests["permutation_fisher"] = combine.permutation_test(x, null[:, X])
        tests["permutation_mean_r"] = combine.permutation_test(mean_r, null[:, MEAN_R])
    if key in sources.predictions:
        pooled = combine.pooled_spearman(sources.predictions[key], test, outcome)
        tests["pooled_spearman"] = pooled
        if null is not None:
            rho = pooled.statistic
            tests["permutation_pooled"] = combine.permutation_test(rho, null[:, POOLED])
    return tests


def _conditional_rows(
    sources: Sources,
    cohort: str,
    key: Key,
    left: Remainder | None,
    splits: Splits,
    settings: EvaluationSettings,
) -> Rows:
    """Rows of the tests of what radiomics add; ``df`` is what the clinical arm leaves."""
    if left is None:
        return []
    found, r = observed_remainder(left, settings, splits)
    null = sources.null[key, CONDITIONAL]
    tests = {
        "conditional_mean_r": combine.permutation_test(found.mean_r[0, 0], null[:, MEAN_R]),
        "conditional_pooled": combine.permutation_test(found.pooled_rho[0, 0], null[:, POOLED]),
    }
    tests = {name: replace(test, df=left.df) for name, test in tests.items()}
    return _rows(cohort, key, tests, r, splits, settings)


def _judged_together(rows: Rows, sources: Sources) -> Rows:
    """Give the tests of ``FAMILY``, over all segments, the p-value that they have together."""
    mine = [row for row in rows if row["test"] in FAMILY]
    nulls = [
        sources.null[(row["profile"], row["segment"], row["configuration"]), FAMILY[row["test"]]]
        for row in mine
    ]
    shared = set.intersection(*(set(null[:, NUMBER].tolist()) for null in nulls)) if nulls else ()
    if shared:
        observed = np.array([row["statistic"] for row in mine])
        dealt = np.column_stack(
            [null[np.isin(null[:, NUMBER], sorted(shared)), MEAN_R] for null in nulls]
        )
        for row, p in zip(mine, adjusted_p(observed, dealt).tolist(), strict=True):
            row["p_adjusted"] = p
    return rows


def _correlations(results: pa.Table) -> dict[Key, Floats]:
    found: dict[Key, dict[int, float]] = {}
    for row in results.to_pylist():
        key = (row["profile"], row["segment"], row["configuration"])
        value = row["r"]
        found.setdefault(key, {})[row["outer"]] = np.nan if value is None else value
    return {key: np.array([runs[k] for k in sorted(runs)]) for key, runs in found.items()}


def _test_sizes(results: pa.Table) -> dict[str, int]:
    """Patients of a test set by profile: a site may set another share than the paper."""
    pairs = zip(results["profile"].to_pylist(), results["n_test"].to_pylist(), strict=True)
    return dict(set(pairs))


def _predictions(
    guesses: pa.Table, r: Mapping[Key, Floats], sizes: Mapping[str, int]
) -> dict[Key, Floats]:
    """Values in the order they were written: outer split, then test row; of one segment."""
    answer: dict[Key, Floats] = {}
    profile = guesses["profile"].to_numpy(zero_copy_only=False)
    configuration = guesses["configuration"].to_numpy(zero_copy_only=False)
    outer, value = guesses["outer"].to_numpy(), guesses["value"].to_numpy()
    rivals = {name for name, _ in RIVALS.values()}
    for key, found in r.items():
        if key[0] in rivals:
            continue
        use = (profile == key[0]) & (configuration == key[2])
        runs, values = outer[use], value[use]
        table = np.full((len(found), sizes[key[0]]), np.nan)
        for k in np.unique(runs).tolist():
            table[k] = values[runs == k]
        answer[key] = table
    return answer


def _plain(test: Test) -> dict[str, Any]:
    return {
        name: known(value) if isinstance(value, float) else value
        for name, value in asdict(test).items()
    }
