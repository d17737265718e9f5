"""Evaluations of few splits, for tests that judge what is written and not how well it predicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mpss_lib import profiles
from mpss_lib.evaluation import elastic, report

N_OUTER, N_INNER = 11, 3
"""As no settings of a test have: else their profile ``site`` would be a frozen one."""
N_ALPHAS, BOOTSTRAP = 10, 20


@contextmanager
def quick_evaluation(*, has_figures: bool = False) -> Iterator[None]:
    """Let the frozen profiles do few splits, and the elastic net try few penalties.

    Unless the report has figures, they are empty texts: drawing them takes a third of the time.
    """
    few = {"n_outer": N_OUTER, "n_inner": N_INNER}
    with pytest.MonkeyPatch.context() as patch:
        frozen = {name: {**own, **few} for name, own in profiles.EVALUATION.items()}
        patch.setattr(profiles, "EVALUATION", frozen)
        patch.setattr(elastic, "N_ALPHAS", N_ALPHAS)
        patch.setattr(elastic, "BOOTSTRAP", BOOTSTRAP)
        if not has_figures:
            patch.setattr(report, "_figures", lambda found: defaultdict(str))
        yield
