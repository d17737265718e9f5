"""What the table ``feature_stability`` says of a feature as a whole.

Selection reads it to choose by it, the command line and the report to show it. The number of a
feature is ICC(3,1): a change that is the same for every study, as that of a thicker wall, is a
convention and no error of a cohort that is measured by one convention. ICC(1), which counts it as
one, stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

EVERY = "all"
"""In the place of a family: every perturbation."""

GOOD_ICC = 0.75
"""Good reliability and above; 0.9 is excellent, below 0.5 poor (Koo and Li 2016)."""

DECIDES, BESIDE = "icc3", "icc1"
"""Columns: what features are chosen by, and what is shown beside it."""

Rows = Sequence[Mapping[str, Any]]


def middle_by_level(
    rows: Rows, family: str = EVERY, measure: str = DECIDES
) -> dict[int, dict[str, float]]:
    """Bins -> feature -> median over the segments of the ICC; NaN where no segment has one."""
    found: dict[int, dict[str, list[float]]] = {}
    for row in rows:
        if row["family"] == family:
            known = found.setdefault(row["bins"], {}).setdefault(row["feature"], [])
            known += [] if row[measure] is None else [row[measure]]
    return {
        bins: {name: median(x) if x else float("nan") for name, x in by_name.items()}
        for bins, by_name in found.items()
    }


def ranking(rows: Rows, bins: int, family: str = EVERY) -> list[tuple[str, float]]:
    """Features at one grey level from the most stable on; those without an ICC are left out."""
    middle = middle_by_level(rows, family).get(bins, {})
    known = [(name, icc) for name, icc in middle.items() if np.isfinite(icc)]
    return sorted(known, key=lambda one: -one[1])
