"""Rows of ``feature_stability``: intraclass correlations of a cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mpss_lib.radiomics.isotropic import ISOTROPIC_NAMES
from mpss_lib.sections import SEGMENTS
from mpss_lib.stability.icc import Reliability, Sums
from mpss_lib.stability.measure import Ruler
from mpss_lib.stability.perturbation import Perturbation, places_of
from mpss_lib.stability.values_file import read_values

MEASURES = (
    *("icc1", "icc1_low", "icc1_high", "icc3", "icc3_low", "icc3_high"),
    *("mean", "sd_between", "sd_within"),
)


def sum_up(
    cohort: str, files: Iterable[Path], perturbations: tuple[Perturbation, ...], ruler: Ruler
) -> list[dict[str, Any]]:
    """Rows of every family, segment, grey level and feature; one file in memory at a time.

    Raises
    ------
    LakeCorruptError
        A file cannot be read, or is of other perturbations.
    """
    places = places_of(perturbations)
    sums = {family: Sums(len(mine), ruler.shape) for family, mine in places.items()}
    for path in files:
        values = read_values(path, (len(perturbations), *ruler.shape)).astype(np.float64)
        for family, mine in places.items():
            sums[family].add(values[mine])
    return [
        row
        for family, total in sums.items()
        for row in _rows({"cohort_hash": cohort, "family": family}, total.reliability(), ruler)
    ]


def _rows(start: Mapping[str, str], found: Reliability, ruler: Ruler) -> list[dict[str, Any]]:
    columns = {name: getattr(found, name) for name in MEASURES}
    return [
        {
            **start,
            "segment": segment,
            "bins": bins,
            "feature": feature,
            "n_studies": int(found.n_studies[s, b, f]),
            "n_perturbations": found.n_raters,
            **{name: _number(values[s, b, f]) for name, values in columns.items()},
        }
        for s, segment in enumerate(SEGMENTS)
        for b, bins in enumerate(ruler.bins)
        for f, feature in enumerate(ISOTROPIC_NAMES)
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
