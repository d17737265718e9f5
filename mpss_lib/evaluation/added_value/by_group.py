"""Performance and added value in groups of patients: by sex, race, vendor and scanner.

The models are those of everybody: a group is only where they are judged. Sex and race are the
registry's; vendor and scanner are what the images name. Intervals are of each group alone, and
widen with what is left of the cohort: groups are compared by them, not by who has an effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mpss_lib.config import CONFIGURATIONS
from mpss_lib.evaluation.added_value import resampling
from mpss_lib.evaluation.added_value.pooled import EVENTS, Pooled
from mpss_lib.evaluation.design import Floats, Ints
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.rows import Rows, figures
from mpss_lib.prediction_quality import Estimate, areas, calibration, spearman

LEAST = 20
"""Patients of a group: fewer are counted and not judged."""

EVENT = "at_least_100"
AREA = f"auc_{EVENT}"
LINE = ("calibration_in_the_large", "calibration_slope")
PAIR = ("combined", "clinical")
RANKS = "spearman"
JUDGED = (RANKS, AREA, *LINE)

Told = dict[tuple[str, str, str], Estimate]
"""Estimates by configuration, configuration that is subtracted or "", and measure."""


def groupings_of(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    """Give the group of each patient, by what groups them."""
    return {
        "sex": tuple(map(str, inputs.clinical["sex"])),
        "race": tuple(map(str, inputs.clinical["race"])),
        "vendor": tuple(one.manufacturer for one in inputs.scanners),
        "scanner": inputs.pools,
    }


def group_rows(
    pooled: Pooled, start: Mapping[str, str], groupings: Mapping[str, tuple[str, ...]], seed: int
) -> Rows:
    """Rows of ``group_performance`` of one profile and segment.

    Parameters
    ----------
    pooled : Pooled
    start : mapping
        Cohort, profile and segment.
    groupings : mapping of str to tuple of str
        Group of each patient of the whole cohort.
    seed : int
        Of the resamples of a paired difference of rank correlations.
    """
    is_event = EVENTS[EVENT](pooled.score)
    rows: Rows = []
    for grouping, names in groupings.items():
        groups = np.array(names, object)[pooled.rows]
        for name in sorted(set(groups.tolist())):
            own = np.flatnonzero(groups == name)
            told = _judge(pooled, own, seed) if len(own) >= LEAST else {}
            size = {"n": len(own), "n_events": int(is_event[own].sum())}
            where = {**start, "grouping": grouping, "group_name": name}
            rows += [
                _row({**where, **size}, key, told.get(key, Estimate(np.nan))) for key in _keys()
            ]
    return rows


def _keys() -> list[tuple[str, str, str]]:
    single = [(name, "", measure) for name in CONFIGURATIONS for measure in JUDGED]
    return single + [(*PAIR, measure) for measure in (RANKS, AREA)]


def _judge(pooled: Pooled, own: Ints, seed: int) -> Told:
    """Judge the predictions of some patients."""
    outcome, is_event = pooled.outcome[own], EVENTS[EVENT](pooled.score[own])
    found = areas(pooled.value[:, own], is_event)
    told: Told = {}
    for g, name in enumerate(CONFIGURATIONS):
        guess = pooled.value[g, own]
        told[name, "", RANKS] = spearman(guess, outcome)
        told[name, "", AREA] = found.estimate(g)
        line = calibration(guess, outcome)
        told |= {(name, "", measure): line[measure] for measure in LINE}
    new, old = (CONFIGURATIONS.index(name) for name in PAIR)
    told[*PAIR, AREA] = found.difference(new, old)
    told[*PAIR, RANKS] = _difference(pooled.value[new, own], pooled.value[old, own], outcome, seed)
    return told


def _difference(new: Floats, old: Floats, outcome: Floats, seed: int) -> Estimate:
    """Paired difference of rank correlations, bootstrap over the patients of the group."""
    n = len(outcome)
    counts = np.vstack([np.ones((1, n)), resampling.draw_counts(n, seed)])
    both = [resampling.spearman(counts, guess, outcome) for guess in (new, old)]
    return resampling.estimate(float(both[0][0] - both[1][0]), (both[0] - both[1])[1:])


def _row(start: Mapping[str, Any], key: tuple[str, str, str], found: Estimate) -> dict[str, Any]:
    configuration, compared_with, measure = key
    return {
        **start,
        "configuration": configuration,
        "compared_with": compared_with,
        "measure": measure,
        **figures(found),
    }
