"""One out-of-sample prediction for each patient, and one probability of each event.

A patient's prediction is the mean over the outer runs in whose test set he is and that have a
winner, on the scale that the profile fits; no such run has seen him. His probability is the mean
over the same runs of what each run's logistic map gives, which is fitted on that run's other rows.
Patients without a prediction of each configuration are left out, so that differences are paired.

Maps: Platt (1999), see ``probability``; the mean over the test sets is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpss_lib.config import CONFIGURATIONS
from mpss_lib.contract import CLASS_LIMITS, berman_class, score_class
from mpss_lib.evaluation.added_value.probability import logistic_maps, probability
from mpss_lib.evaluation.combine import mean_prediction
from mpss_lib.evaluation.design import Design, Flags, Floats, Ints
from mpss_lib.evaluation.elastic import to_score
from mpss_lib.evaluation.scanners.harmonise import harmonised
from mpss_lib.evaluation.splits import Splits
from mpss_lib.evaluation.stepwise import INTERCEPT

_, HIGH, VERY_HIGH = CLASS_LIMITS

EVENTS: Mapping[str, Callable[[Floats], Flags]] = {
    "any": lambda score: score > 0.0,
    "at_least_100": lambda score: score >= HIGH,
    "above_400": lambda score: score > VERY_HIGH,
}
"""What is predicted as yes or no, from the calcium score of the segment."""


@dataclass(frozen=True)
class Pooled:
    """Out-of-sample predictions of one profile and segment; axis 3 is ``CONFIGURATIONS``.

    Parameters
    ----------
    rows : (n,) int64
        Patients that have a prediction of each configuration.
    n_runs : (3, n) int64
        Runs that a prediction is the mean of.
    value : (3, n) float64
        On the scale that is fitted.
    probability : dict of event to (3, n) float64
    outcome, score : (n,) float64
        On the scale that is fitted, and the calcium score.
    is_log : bool
        Whether the scale is log(1 + score).
    """

    rows: Ints
    n_runs: Ints
    value: Floats
    probability: dict[str, Floats]
    outcome: Floats
    score: Floats
    is_log: bool

    def classes(self, configuration: int) -> Ints:
        """Berman class of the predictions.

        Parameters
        ----------
        configuration : int
            Index into ``CONFIGURATIONS``.

        Returns
        -------
        (n,) int64 array
            0 to 4.
        """
        value = self.value[configuration]
        score = to_score(value) if self.is_log else value
        return np.array([berman_class(one) for one in score.tolist()], np.int64)

    def observed_classes(self) -> Ints:
        """Berman class of the scores.

        Returns
        -------
        (n,) int64 array
            0 to 4.
        """
        return np.array([score_class(one) for one in self.score.tolist()], np.int64)


@dataclass(frozen=True)
class Runs:
    """What the runs of one configuration gave.

    Parameters
    ----------
    winners : sequence of rows of ``split_fit``
    predictions : (outer, n_test) float64
        NaN where a run has no winner.
    """

    winners: Sequence[Mapping[str, Any]]
    predictions: Floats


def pool(
    runs: Mapping[str, Runs],
    design: Design,
    splits: Splits,
    outcome: Floats,
    score: Floats,
    *,
    is_log: bool,
) -> Pooled:
    """Pool the runs of a profile and segment.

    Parameters
    ----------
    runs : mapping of configuration to Runs
    design : Design
        Of n patients.
    splits : Splits
    outcome, score : (n,) float64
        Outcome on the scale that is fitted; calcium score.
    is_log : bool

    Returns
    -------
    Pooled
        Of the patients who have a prediction of each configuration.
    """
    n = len(outcome)
    value = np.full((len(CONFIGURATIONS), n), np.nan)
    count = np.zeros(value.shape, np.int64)
    chance = {event: np.full(value.shape, np.nan) for event in EVENTS}
    for g, configuration in enumerate(CONFIGURATIONS):
        own = runs[configuration]
        usable: Flags = np.asarray(np.isfinite(own.predictions).all(axis=1), np.bool_)
        value[g] = mean_prediction(own.predictions, splits.test, n)
        count[g] = np.bincount(splits.test[usable].ravel(), minlength=n)
        whole = _predictions(own.winners, design, splits)
        for event, happened in EVENTS.items():
            told = _probabilities(whole, own.predictions, usable, splits.test, happened(score))
            chance[event][g] = mean_prediction(told, splits.test, n)
    rows = np.flatnonzero(np.isfinite(value).all(axis=0))
    return Pooled(
        rows,
        count[:, rows],
        value[:, rows],
        {event: found[:, rows] for event, found in chance.items()},
        outcome[rows],
        score[rows],
        is_log,
    )


def _predictions(winners: Sequence[Mapping[str, Any]], design: Design, splits: Splits) -> Floats:
    """Apply each run's model to every patient, shape (outer, n); 0 without a winner."""
    place = {name: k for k, name in enumerate(design.column_names)}
    outer = {number: k for k, number in enumerate(splits.outer)}
    coefficients = np.zeros((len(splits.outer), design.columns.shape[1]))
    intercepts = np.zeros(len(splits.outer))
    for row in winners:
        k = outer[row["outer"]]
        for name, b in zip(row["coefficient_names"], row["coefficients"], strict=True):
            if name == INTERCEPT:
                intercepts[k] = b
            else:
                coefficients[k, place[name]] = b
    if not design.scanners:
        whole: Floats = intercepts[:, None] + coefficients @ design.columns.T
        return whole
    own = [harmonised(design, test).columns for test in splits.test]
    return np.array([a + x @ b for a, b, x in zip(intercepts, coefficients, own, strict=True)])


def _probabilities(
    whole: Floats, tested: Floats, usable: Flags, test: Ints, is_event: Flags
) -> Floats:
    """Probability of each test row by the map of its run's other rows, shape (outer, n_test)."""
    learns = np.ones(whole.shape, np.bool_)
    np.put_along_axis(learns, test, values=False, axis=1)
    answer = np.full(tested.shape, np.nan)
    if usable.any():
        maps = logistic_maps(whole[usable], is_event, learns[usable])
        answer[usable] = probability(maps[:, None, :], tested[usable])
    return answer
