"""Added value in every profile and segment of a cohort.

Profiles and segments: the paper's section 2.4.2.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpss_lib.config import CONFIGURATIONS, Config
from mpss_lib.evaluation.added_value.by_group import group_rows, groupings_of
from mpss_lib.evaluation.added_value.pooled import Runs, pool
from mpss_lib.evaluation.added_value.resampling import draw_counts
from mpss_lib.evaluation.added_value.rows import ADDED_TABLES, rows_of
from mpss_lib.evaluation.design import Floats
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.rows import Rows
from mpss_lib.evaluation.splits import draw
from mpss_lib.profiles import evaluation_profiles
from mpss_lib.sections import SEGMENTS

LEAST = 10
"""Patients with a prediction of each configuration: with fewer there is nothing to judge."""


def added_rows(
    predictions: Mapping[tuple[str, str, str], Floats],
    fits: Mapping[str, Rows],
    inputs: Inputs,
    config: Config,
) -> dict[str, Rows]:
    """Rows of ``ADDED_TABLES``.

    Parameters
    ----------
    predictions : mapping of (profile, segment, configuration) to (outer, n_test) float64
        NaN where a run has no winner.
    fits : mapping of segment to rows of ``split_fit``
        At least those of the winners.
    inputs : Inputs
    config : Config

    Returns
    -------
    dict of table to rows
        A segment in which fewer than ``LEAST`` patients have a prediction has none.
    """
    tables: dict[str, Rows] = {name: [] for name in ADDED_TABLES}
    groupings = groupings_of(inputs)
    for profile, own in evaluation_profiles(config).items():
        splits = draw(len(inputs.studies), own)
        for segment in SEGMENTS:
            winners = [
                row for row in fits[segment] if row["profile"] == profile and row["is_winner"]
            ]
            score = inputs.outcomes[segment]
            pooled = pool(
                {
                    name: Runs(
                        [row for row in winners if row["configuration"] == name],
                        predictions[profile, segment, name],
                    )
                    for name in CONFIGURATIONS
                },
                inputs.design(profile, segment),
                splits,
                transform(score, own),
                score,
                is_log=own.outcome_transform == "log1p",
            )
            if len(pooled.rows) >= LEAST:
                counts = draw_counts(len(pooled.rows), own.seed)
                start = {"cohort_hash": inputs.cohort, "profile": profile, "segment": segment}
                for name, rows in rows_of(pooled, start, counts, inputs.studies).items():
                    tables[name] += rows
                tables["group_performance"] += group_rows(pooled, start, groupings, own.seed)
    return tables
