"""What the table ``feature_stability`` says of a feature as a whole.

Selection reads it to choose by it, the command line and the report to show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

EVERY = "all"
"""In the place of a family: every perturbation."""

GOOD_ICC = 0.75
"""Good reliability and above; 0.9 is excellent, below 0.5 poor (Koo and Li 2016)."""

Rows = Sequence[Mapping[str, Any]]


def middle_by_level(rows: Rows, family: str = EVERY) -> dict[int, dict[str, float]]:
    """Bins -> feature -> median over the segments of ICC(1); NaN where no segment has one."""
    found: dict[int, dict[str, list[float]]] = {}
    for row in rows:
        if row["family"] == family:
            known = found.setdefault(row["bins"], {}).setdefault(row["feature"], [])
            known += [] if row["icc1"] is None else [row["icc1"]]
    return {
        bins: {name: float(np.median(x)) if x else float("nan") for name, x in by_name.items()}
        for bins, by_name in found.items()
    }


def ranking(rows: Rows, bins: int, family: str = EVERY) -> list[tuple[str, float]]:
    """Features at one grey level from the most stable on; those without an ICC are left out."""
    middle = middle_by_level(rows, family).get(bins, {})
    known = [(name, icc) for name, icc in middle.items() if np.isfinite(icc)]
    return sorted(known, key=lambda one: -one[1])
