"""The report as JSON: every text and table of the page, and the rows that its figures draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from mpss_lib.config import Config
from mpss_lib.evaluation import paper
from mpss_lib.evaluation.added_tables import of_profile
from mpss_lib.evaluation.findings import Findings
from mpss_lib.evaluation.inputs import Selected
from mpss_lib.evaluation.significance import deals_of, is_at_floor


def as_json(found: Findings, told: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Give the numbers as the lake has them, and under ``page`` what the page shows.

    Parameters
    ----------
    found : Findings
    told : mapping
        What ``report.shown`` gives.
    config : Config
    """
    address = config.address("evaluation")
    return {
        "cohort_hash": found.inputs.cohort,
        "patients": len(found.inputs.studies),
        "left_out": len(found.inputs.left_out),
        "invented": found.n_invented,
        "engine": address.engine,
        "config": address.config,
        "settings": config.evaluation.model_dump(mode="json"),
        "headline": _plain(told["headline"]),
        "selected": _plain(told["chosen"]),
        "selection": list(found.counts),
        "grey_levels": list(found.levels),
        "varieties": list(found.varieties),
        "feature_stability": list(found.stability),
        "univariate": list(found.univariate),
        "runs": list(found.results),
        "combined_tests": [
            dict(row) | {"deals": deals_of(row), "is_at_floor": is_at_floor(row)}
            for row in found.tests
        ],
        "better_models": list(found.better),
        "fisher_over_seeds": list(found.seeds),
        "scanner_effects": list(found.scanners),
        "held_out_vendors": list(found.held_out),
        "added_value": list(found.added),
        "group_performance": of_profile(found.by_group),
        "calibration_curves": of_profile(found.calibration),
        "decision_curves": of_profile(found.decision),
        "reclassification": list(found.moved),
        "paper_fisher": paper.FISHER,
        "paper_contradictions": [
            {"paper": said, "taken": taken} for said, taken in paper.CONTRADICTIONS
        ],
        "page": {name: _plain(value) for name, value in told.items()},
    }


def _plain(value: Any) -> Any:
    """Turn tables and findings into what JSON knows."""
    if isinstance(value, Selected):
        return {"bins": value.bins, "features": list(value.features)}
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
