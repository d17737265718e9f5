"""Added value as rows of the lake tables: each configuration, and the paired differences.

The measures' sources stand where they are computed (Vickers and Elkin 2006, Cox 1958, Platt 1999).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mpss_lib.config import CONFIGURATIONS
from mpss_lib.evaluation.added_value import classes, decision, groups, resampling
from mpss_lib.evaluation.added_value.pooled import EVENTS, Pooled
from mpss_lib.evaluation.added_value.recalibration import recalibration
from mpss_lib.evaluation.design import Floats
from mpss_lib.evaluation.rows import Rows, figures, known
from mpss_lib.prediction_quality import Estimate, areas

ADDED_TABLES = (
    "pooled_prediction",
    "added_value",
    "group_performance",
    "calibration_curve",
    "decision_curve",
    "reclassification",
)
PAIRS = (("combined", "clinical"), ("radiomics", "clinical"), ("combined", "radiomics"))
"""Configurations whose measures are subtracted: the first minus the second."""
TREAT_ALL = "treat_all"
SCORE = "score"
"""The event's place in a calibration curve of the score itself."""
NRI_EVENT = "at_least_100"

_Start = Mapping[str, str]
_Resampled = tuple[float, Floats]


def rows_of(
    pooled: Pooled, start: _Start, counts: Floats, studies: Sequence[str]
) -> dict[str, Rows]:
    """Rows of each of ``ADDED_TABLES`` of one profile and segment, but those of groups.

    Parameters
    ----------
    pooled : Pooled
    start : mapping
        Cohort, profile and segment.
    counts : (resamples, n) float64
        How often each patient of ``pooled`` is drawn.
    studies : sequence of str
        Of the whole cohort.

    Returns
    -------
    dict of table to rows
    """
    return {
        "pooled_prediction": _predictions(pooled, start, studies),
        "added_value": [
            *_of_score(pooled, start, counts),
            *_of_events(pooled, start, counts),
            *_moves(pooled, start, counts),
        ],
        "calibration_curve": _curves(pooled, start),
        "decision_curve": _decisions(pooled, start, counts),
        "reclassification": _classes(pooled, start),
    }


def _predictions(pooled: Pooled, start: _Start, studies: Sequence[str]) -> Rows:
    return [
        {
            **start,
            "configuration": configuration,
            "study_key": studies[row],
            "n_runs": int(pooled.n_runs[g, k]),
            "value": float(pooled.value[g, k]),
            "outcome": float(pooled.outcome[k]),
            "score": float(pooled.score[k]),
            **{f"p_{event}": float(found[g, k]) for event, found in pooled.probability.items()},
        }
        for g, configuration in enumerate(CONFIGURATIONS)
        for k, row in enumerate(pooled.rows.tolist())
    ]


def _of_score(pooled: Pooled, start: _Start, counts: Floats) -> Rows:
    """Rank correlation, R2 and calibration of the predicted score."""
    once = np.ones((1, len(pooled.rows)))
    both = np.vstack([once, counts])
    found: dict[str, list[Floats]] = {"spearman": [], "r2": []}
    rows: Rows = []
    for g, configuration in enumerate(CONFIGURATIONS):
        guess = pooled.value[g]
        found["spearman"].append(resampling.spearman(both, guess, pooled.outcome))
        found["r2"].append(resampling.explained(both, guess, pooled.outcome))
        slope, intercept = resampling.calibration(both, guess, pooled.outcome)
        for name, one in (("calibration_slope", slope), ("calibration_intercept", intercept)):
            rows.append(_row(start, configuration, "", name, _of(one), pooled))
    for name, measured in found.items():
        rows += _with_pairs(start, name, measured, pooled)
    return rows


def _of_events(pooled: Pooled, start: _Start, counts: Floats) -> Rows:
    """Discrimination, Brier score and calibration of the probability of each event."""
    both = np.vstack([np.ones((1, len(pooled.rows))), counts])
    rows: Rows = []
    for event, happened in EVENTS.items():
        is_event = happened(pooled.score)
        n_events = int(is_event.sum())
        found = areas(pooled.value, is_event)
        brier = []
        for g, configuration in enumerate(CONFIGURATIONS):
            p = pooled.probability[event][g]
            brier.append(both @ ((p - is_event) ** 2) / both.sum(axis=1))
            slope, intercept = recalibration(p, is_event)
            told = (("auc", found.estimate(g)), ("slope", slope), ("intercept", intercept))
            for name, one in told:
                rows.append(
                    _row(start, configuration, "", f"{name}_{event}", one, pooled, n_events)
                )
        for new, old in PAIRS:
            one = found.difference(CONFIGURATIONS.index(new), CONFIGURATIONS.index(old))
            rows.append(_row(start, new, old, f"auc_{event}", one, pooled, n_events))
        rows += _with_pairs(start, f"brier_{event}", brier, pooled, n_events)
    return rows


def _moves(pooled: Pooled, start: _Start, counts: Floats) -> Rows:
    both = np.vstack([np.ones((1, len(pooled.rows))), counts])
    is_event = EVENTS[NRI_EVENT](pooled.score)
    new, old = PAIRS[0]
    by = {name: pooled.classes(CONFIGURATIONS.index(name)) for name in (new, old)}
    found = classes.moves(both, is_event, by[old], by[new])
    n_events = int(is_event.sum())
    told = (("nri_events", found.events), ("nri_others", found.others))
    return [_row(start, new, old, name, _of(one), pooled, n_events) for name, one in told]


def _with_pairs(
    start: _Start,
    name: str,
    measured: Sequence[Floats],
    pooled: Pooled,
    n_events: int | None = None,
) -> Rows:
    """Rows of a measure: of each configuration, and of the differences, resample by resample."""
    rows = [
        _row(start, configuration, "", name, _of(one), pooled, n_events)
        for configuration, one in zip(CONFIGURATIONS, measured, strict=True)
    ]
    for new, old in PAIRS:
        one = measured[CONFIGURATIONS.index(new)] - measured[CONFIGURATIONS.index(old)]
        rows.append(_row(start, new, old, name, _of(one), pooled, n_events))
    return rows


def _of(measured: Floats) -> Estimate:
    """Value (the first: nobody drawn twice) with the interval of the resamples behind it."""
    return resampling.estimate(float(measured[0]), measured[1:])


def _row(
    start: _Start,
    configuration: str,
    compared_with: str,
    measure: str,
    found: Estimate,
    pooled: Pooled,
    n_events: int | None = None,
) -> dict[str, Any]:
    return {
        **start,
        "configuration": configuration,
        "compared_with": compared_with,
        "measure": measure,
        **figures(found),
        "n": len(pooled.rows),
        "n_events": n_events,
    }


def _curves(pooled: Pooled, start: _Start) -> Rows:
    rows: Rows = []
    for g, configuration in enumerate(CONFIGURATIONS):
        curves = {SCORE: groups.of_outcome(pooled.value[g], pooled.outcome)}
        for event, happened in EVENTS.items():
            p = pooled.probability[event][g]
            curves[event] = groups.of_event(p, happened(pooled.score))
        rows += [
            {
                **start,
                "configuration": configuration,
                "event": event,
                "group_number": one.group,
                "n": one.n,
                "predicted": one.predicted,
                "observed": one.observed,
                "low": known(one.low),
                "high": known(one.high),
            }
            for event, curve in curves.items()
            for one in curve
        ]
    return rows


def _decisions(pooled: Pooled, start: _Start, counts: Floats) -> Rows:
    both = np.vstack([np.ones((1, len(pooled.rows))), counts]) / len(pooled.rows)
    rows: Rows = []
    for event, happened in EVENTS.items():
        is_event = happened(pooled.score)
        found = {TREAT_ALL: both @ decision.of_all(is_event)} | {
            configuration: both @ decision.contributions(pooled.probability[event][g], is_event)
            for g, configuration in enumerate(CONFIGURATIONS)
        }
        told = {(name, ""): one for name, one in found.items()}
        told |= {pair: found[pair[0]] - found[pair[1]] for pair in PAIRS[:1]}
        for (configuration, compared_with), one in told.items():
            low, high = np.quantile(one[1:], [0.025, 0.975], axis=0)
            rows += [
                {
                    **start,
                    "configuration": configuration,
                    "compared_with": compared_with,
                    "event": event,
                    "threshold": threshold,
                    "net_benefit": float(one[0, k]),
                    "low": float(low[k]),
                    "high": float(high[k]),
                }
                for k, threshold in enumerate(decision.THRESHOLDS)
            ]
    return rows


def _classes(pooled: Pooled, start: _Start) -> Rows:
    new, old = PAIRS[0]
    by = {name: pooled.classes(CONFIGURATIONS.index(name)) for name in (new, old)}
    counts = classes.table(pooled.observed_classes(), by[old], by[new])
    return [
        {
            **start,
            "configuration": new,
            "compared_with": old,
            "observed": observed,
            "reference": reference,
            "moved_to": moved,
            "n": int(counts[observed, reference, moved]),
        }
        for observed, reference, moved in np.argwhere(counts).tolist()
    ]
