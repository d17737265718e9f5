"""What a report is made of: the rows of one evaluated cohort, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from mpss_lib.config import CORRECTED, Config
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.invented import count_invented
from mpss_lib.sections import SEGMENTS
from mpss_lib.stable_features import EVERY
from mpss_lib.tables import Lake

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Findings:
    """Everything the page shows."""

    inputs: Inputs
    n_invented: int
    counts: Sequence[Row]
    levels: Sequence[Row]
    varieties: Sequence[Row]
    stability: Sequence[Row]
    univariate: Sequence[Row]
    results: Sequence[Row]
    tests: Sequence[Row]
    better: Sequence[Row]
    seeds: Sequence[Row]
    scanners: Sequence[Row]
    held_out: Sequence[Row]
    added: Sequence[Row]
    by_group: Sequence[Row]
    calibration: Sequence[Row]
    decision: Sequence[Row]
    moved: Sequence[Row]


def gather(inputs: Inputs, lake: Lake, config: Config) -> Findings:
    """Read what the page shows."""
    selection, address = config.address("selection"), config.address("evaluation")
    cohort = inputs.cohort

    def of_segments(table: str) -> list[dict[str, Any]]:
        return [row for s in SEGMENTS for row in lake.rows(table, address, f"{cohort}-{s}")]

    def of_cohort(table: str) -> list[dict[str, Any]]:
        return lake.rows(table, address, cohort)

    return Findings(
        inputs=inputs,
        n_invented=count_invented(lake, config, inputs.studies),
        counts=lake.rows("selection_count", selection, cohort),
        levels=lake.rows("grey_level", selection, cohort),
        varieties=lake.rows("variety_correlation", selection, cohort),
        stability=_stability(inputs, lake, config),
        univariate=of_cohort("univariate"),
        results=of_segments("split_result"),
        tests=of_cohort("combined_test"),
        better=of_segments("better_model"),
        seeds=of_segments("split_seed"),
        scanners=of_cohort("scanner_effect"),
        held_out=of_segments("held_out_vendor"),
        added=of_cohort("added_value"),
        by_group=of_cohort("group_performance"),
        calibration=of_cohort("calibration_curve"),
        decision=of_cohort("decision_curve"),
        moved=of_cohort("reclassification"),
    )


def _stability(inputs: Inputs, lake: Lake, config: Config) -> list[dict[str, Any]]:
    """Rows of ``feature_stability`` under all perturbations, at the corrected profile's level."""
    measured = lake.read("feature_stability", config.address("stability"), inputs.cohort)
    if measured is None:
        return []
    is_wanted = pc.and_(
        pc.equal(measured["family"], EVERY),
        pc.equal(measured["bins"], inputs.selected[CORRECTED].bins),
    )
    rows: list[dict[str, Any]] = measured.filter(is_wanted).to_pylist()
    return rows
