"""Leave one vendor out: models are made on the other vendors' patients and tried on this one's.

Internal-external validation: Royston, Parmar and Sylvester 2004 (Stat. Med. 23:907).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from mpss_lib.config import CONFIGURATIONS, CORRECTED, ELASTIC_NET
from mpss_lib.contract import CLASS_LIMITS
from mpss_lib.evaluation.design import Floats, Ints
from mpss_lib.evaluation.elastic import fit_ensemble, penalised
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.randomised import evaluate
from mpss_lib.evaluation.rows import Rows, known
from mpss_lib.evaluation.splits import MIN_PATIENTS, Splits
from mpss_lib.prediction_quality import Estimate, auc, calibration, spearman
from mpss_lib.sections import EvaluationSettings

LEAST = 10
"""Patients of a vendor, and of all the others together, below which nothing is tried."""

_STREAM = 1 << 22
_, HIGH, VERY_HIGH = CLASS_LIMITS


@dataclass(frozen=True)
class HeldOut:
    """The patients of one vendor as test rows, those of the others as training rows."""

    vendor: str
    test: Ints
    rest: Ints

    @property
    def is_possible(self) -> bool:
        """Whether there are enough of both."""
        return len(self.test) >= LEAST and len(self.rest) >= MIN_PATIENTS

    def splits(self, settings: EvaluationSettings, number: int) -> Splits:
        """Divide the others again and again into train and dev rows, as in the evaluation."""
        n_dev = max(2, round(settings.dev_fraction * len(self.rest)))
        again = np.array(
            [
                np.random.default_rng([settings.seed, _STREAM, number, inner]).permutation(
                    self.rest
                )
                for inner in range(settings.n_inner)
            ]
        )
        dev, train = np.sort(again[:, :n_dev]), np.sort(again[:, n_dev:])
        return Splits((number,), self.test[None, :], train[None], dev[None])


def held_out(vendors: Sequence[str]) -> list[HeldOut]:
    """Hold out each vendor in turn, in the order of their names; none where there is but one."""
    names = np.array(vendors, object)
    found = sorted(Counter(vendors))
    if len(found) < 2:
        return []
    return [HeldOut(one, np.flatnonzero(names == one), np.flatnonzero(names != one))
            for one in found]  # fmt: skip


def held_out_rows(inputs: Inputs, segment: str, profiles: Mapping[str, EvaluationSettings]) -> Rows:
    """Rows of ``held_out_vendor`` of one segment: every profile and the elastic net."""
    rows: Rows = []
    for number, one in enumerate(held_out([scanner.manufacturer for scanner in inputs.scanners])):
        guesses = _guesses(inputs, segment, profiles, one, number) if one.is_possible else {}
        start = {"cohort_hash": inputs.cohort, "segment": segment, "vendor": one.vendor}
        for profile in (*profiles, ELASTIC_NET):
            is_log = profile == ELASTIC_NET or profiles[profile].outcome_transform == "log1p"
            for configuration in CONFIGURATIONS:
                guess = guesses.get((profile, configuration))
                score = inputs.outcomes[segment][one.test]
                told = start | {"profile": profile, "configuration": configuration}
                rows += [
                    told
                    | {
                        "metric": metric,
                        "value": known(found.value),
                        "low": known(found.low),
                        "high": known(found.high),
                        "n_test": len(one.test),
                        "n_train": len(one.rest),
                    }
                    for metric, found in figures(guess, score, is_log=is_log).items()
                ]
    return rows


def figures(guess: Floats | None, score: Floats, *, is_log: bool) -> dict[str, Estimate]:
    """Judge predictions of patients of a vendor that the model has not seen.

    Parameters
    ----------
    guess : (n,) float64 or None
        On the scale that was fitted; None where there is no model.
    score : (n,) float64
        Agatston.
    is_log : bool
        Whether that scale is log(1 + CAC).

    Returns
    -------
    dict of measure to Estimate
        NaN where there is no model, or fewer than three patients.
    """
    names = (
        "spearman", "auc_above_0", "auc_at_least_100", "auc_above_400",
        "calibration_in_the_large", "calibration_slope", "calibration_intercept",
    )  # fmt: skip
    if guess is None or len(guess) < 3:
        return dict.fromkeys(names, Estimate(nan))
    found = (
        spearman(guess, score),
        auc(guess, score > 0.0),
        auc(guess, score >= HIGH),
        auc(guess, score > VERY_HIGH),
    )
    line = calibration(guess, np.log1p(score) if is_log else score)
    return dict(zip(names, (*found, *(line[name] for name in names[4:])), strict=True))


def _guesses(
    inputs: Inputs,
    segment: str,
    profiles: Mapping[str, EvaluationSettings],
    one: HeldOut,
    number: int,
) -> dict[tuple[str, str], Floats]:
    """Predictions of the vendor's patients by profile and configuration, where there is one."""
    found: dict[tuple[str, str], Floats] = {}
    for profile, settings in profiles.items():
        columns: Mapping[str, Any] = inputs.selected[profile].columns_of(segment)
        made = evaluate(
            columns, inputs.clinical, inputs.outcomes[segment], settings,
            splits=one.splits(settings, number),
            scanners=inputs.pools if profile in inputs.harmonised else (),
        )  # fmt: skip
        for g, configuration in enumerate(CONFIGURATIONS):
            if made.winner[g, 0] >= 0:
                found[profile, configuration] = made.predictions[g, 0]
    design = inputs.design(CORRECTED, segment)
    n_features = len(inputs.selected[CORRECTED].features)
    y = np.log1p(inputs.outcomes[segment])
    for configuration in CONFIGURATIONS:
        x = penalised(design, configuration, n_features).columns
        seed = profiles[CORRECTED].seed
        ensemble = fit_ensemble(x[one.rest], y[one.rest], seed)
        found[ELASTIC_NET, configuration] = ensemble.predict(x[one.test])
    return found
