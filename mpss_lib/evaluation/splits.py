"""Random splits: test rows set aside, the others divided again and again into train and dev.

A split depends on the seed and its own numbers only: neither on the segment nor on the
configuration, and one of the outer splits can be drawn alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation.design import Ints
from mpss_lib.sections import EvaluationSettings

MIN_PATIENTS = 12
"""Below this there is nothing to divide: 2 test rows, 2 dev rows and 8 train rows."""


@dataclass(frozen=True)
class Splits:
    """Row numbers, ascending within a set.

    Parameters
    ----------
    outer : tuple of int
        Numbers of the outer splits.
    test : (outer, n_test) int64
    train, dev : (outer, inner, n_train), (outer, inner, n_dev) int64
    """

    outer: tuple[int, ...]
    test: Ints
    train: Ints
    dev: Ints

    @property
    def n(self) -> int:
        """Number of patients."""
        return int(self.test.shape[1] + self.train.shape[2] + self.dev.shape[2])

    def each(self) -> list[Splits]:
        """Give the outer splits one by one."""
        return [
            Splits((number,), *(rows[k : k + 1] for rows in (self.test, self.train, self.dev)))
            for k, number in enumerate(self.outer)
        ]


def sizes(n: int, settings: EvaluationSettings) -> tuple[int, int, int]:
    """Numbers of test, train and dev rows of ``n`` patients.

    Raises
    ------
    WrongArgumentError
        If there are too few patients to divide.
    """
    n_test = max(2, round(settings.test_fraction * n))
    n_dev = max(2, round(settings.dev_fraction * (n - n_test)))
    n_train = n - n_test - n_dev
    if n < MIN_PATIENTS or n_train < n_dev:
        raise WrongArgumentError(
            f"{n} patients cannot be divided ({n_test} test, {n_train} train, {n_dev} dev)",
            way_out=f"the evaluation needs at least {MIN_PATIENTS} patients and more train than"
            " dev rows",
        )
    return n_test, n_train, n_dev


def draw(n: int, settings: EvaluationSettings, outer: Sequence[int] | None = None) -> Splits:
    """Draw the splits of ``n`` patients; all outer splits, or those that are named."""
    numbers = tuple(range(settings.n_outer)) if outer is None else tuple(outer)
    n_test, _, n_dev = sizes(n, settings)
    test = np.empty((len(numbers), n_test), np.int64)
    again = np.empty((len(numbers), settings.n_inner, n - n_test), np.int64)
    for k, number in enumerate(numbers):
        shuffled = np.random.default_rng([settings.seed, number]).permutation(n)
        test[k] = np.sort(shuffled[:n_test])
        rest = np.sort(shuffled[n_test:])
        for inner in range(settings.n_inner):
            generator = np.random.default_rng([settings.seed, number, inner + 1])
            again[k, inner] = generator.permutation(rest)
    dev, train = np.sort(again[..., :n_dev]), np.sort(again[..., n_dev:])
    return Splits(numbers, test, train, dev)
