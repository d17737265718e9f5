"""Steps S0-S6: from 487 features to those that are defined, distinct and not redundant.

Nothing here knows an outcome. Each step takes values of shape (segment, feature, patient) and
tells which features it drops, why, by which number and for the sake of which partner.

The steps are the paper's section 2.4.1, the correlations Spearman's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpss_lib.sections import SelectionSettings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

STEPS = (
    "S0_aggregation",
    "S0_family",
    "S1_undefined",
    "S2_identical",
    "S2b_unstable",
    "S3_variety",
    "S4_same_ranks",
    "S5_dynamic_range",
    "S6_correlated",
    "selected",
)
PAPER_COUNTS: Mapping[str, int] = dict(
    zip(STEPS[:-1], (215, 166, 166, 162, 162, 121, 118, 113, 56), strict=True)
)
"""Features left after each step in the paper (Ashrafinia et al. 2021, sections 2.4.1 and 3.2)."""

FAMILIES_OUT = ("stat", "loc", "morph")
SAME = 1.0 - 1e-12
FEWEST_STABLE = 10


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: a feature leaves at a step, or is selected."""

    feature: str
    step: str
    reason: str
    statistic: float
    partner: str = ""


@dataclass(frozen=True)
class Feature:
    """What the catalogue says of a feature; ``root`` names it without its aggregation."""

    name: str
    family: str
    aggregation: str
    root: str
    depends_on_bins: bool


def read_catalogue(catalogue: Sequence[Mapping[str, Any]]) -> list[Feature]:
    """Features in the order of the values' last axis."""
    return [
        Feature(
            str(row["sera_name"]),
            str(row["family"]),
            str(row["aggregation"] or ""),
            str(row.get("ibsi_code") or row.get("human_name") or row["sera_name"]),
            bool(row["depends_on_bins"]),
        )
        for row in catalogue
    ]


def drop_by_metadata(features: Sequence[Feature]) -> list[Entry]:
    """S0: 2D and 2.5D aggregations (voxels are isotropic), then families of counts and shape."""
    flat = [f for f in features if f.aggregation.startswith("2")]
    entries = [
        Entry(f.name, "S0_aggregation", f"aggregation {f.aggregation}", np.nan) for f in flat
    ]
    gone = {f.name for f in flat}
    return entries + [
        Entry(f.name, "S0_family", f"family {f.family}", np.nan)
        for f in features
        if f.family in FAMILIES_OUT and f.name not in gone
    ]


def drop_undefined(values: Floats, names: Sequence[str], max_share: float) -> list[Entry]:
    """S1: features with values that are not finite.

    Parameters
    ----------
    values : (segment, feature, patient) float64 array
    names : sequence of str
    max_share : float
        Share of such values that is let pass.

    Returns
    -------
    list of Entry
    """
    share = (~np.isfinite(values)).mean(axis=(0, 2))
    return [
        Entry(name, "S1_undefined", "values not finite", float(x))
        for name, x in zip(names, share, strict=True)
        if x > max_share
    ]


def is_identical(values: Floats) -> Flags:
    """S2, by feature: the same value for all patients, in every segment.

    Parameters
    ----------
    values : (segment, feature, patient) float64 array

    Returns
    -------
    (feature, ) bool array
    """
    low, high = values.min(axis=2), values.max(axis=2)
    tolerance = 1e-12 * np.maximum(1.0, np.abs(values).max(axis=2))
    answer: Flags = ((high - low) <= tolerance).all(axis=0)
    return answer


def drop_identical(values: Floats, names: Sequence[str]) -> list[Entry]:
    """S2: features with one value for all patients.

    Parameters
    ----------
    values : (segment, feature, patient) float64 array
    names : sequence of str

    Returns
    -------
    list of Entry
    """
    spread = (values.max(axis=2) - values.min(axis=2)).max(axis=0)
    flags = is_identical(values)
    return [
        Entry(name, "S2_identical", "one value for all patients", float(x))
        for name, x, flag in zip(names, spread, flags, strict=True)
        if flag
    ]


def drop_unstable(
    icc: Mapping[str, float] | None, names: Sequence[str], least: float
) -> tuple[list[Entry], list[str]]:
    """S2b: features whose ICC under perturbation of the image is below ``least``; 0 drops none.

    The paper has no such step. One that could not be measured is not stable. Where fewer than
    ``FEWEST_STABLE`` would be left there is nothing to choose from: then none is dropped, and the
    note that is returned says so.
    """
    if icc is None or least <= 0.0:
        return [], []
    weak = [
        Entry(name, "S2b_unstable", f"ICC below {least:g}", float(icc.get(name, np.nan)))
        for name in names
        if not icc.get(name, np.nan) >= least
    ]
    n_left = len(names) - len(weak)
    if n_left < FEWEST_STABLE:
        return [], [f"S2b: only {n_left} features have an ICC of {least:g}: none was dropped"]
    return weak, []


def standard_ranks(values: Floats) -> Floats:
    """Mid-ranks over the last axis, centred, with unit norm; 0 where a row is constant.

    Parameters
    ----------
    values : (..., patient) float64 array

    Returns
    -------
    (..., patient) float64 array
    """
    from scipy.stats import rankdata

    ranks = np.asarray(rankdata(values, axis=-1), np.float64)
    ranks -= 0.5 * (values.shape[-1] + 1)
    norm = np.sqrt((ranks * ranks).sum(axis=-1, keepdims=True))
    answer: Floats = ranks / np.where(norm > 0.0, norm, 1.0)
    return answer


def correlations(ranks: Floats) -> Floats:
    """Correlate standard ranks: Spearman's rho.

    Parameters
    ----------
    ranks : (segment, feature, patient) float64 array

    Returns
    -------
    (segment, feature, feature) float64 array
    """
    answer: Floats = np.matmul(ranks, ranks.transpose(0, 2, 1))
    return answer


def drop_same_ranks(values: Floats, rho: Floats, names: Sequence[str]) -> list[Entry]:
    """S4: of two features with the same (or reversed) ranks in every segment keep one.

    The wider range stays; equal ranges (the same numbers under two names): the first stays.

    Parameters
    ----------
    values : (segment, feature, patient) float64 array
    rho : (segment, feature, feature) float64 array
    names : sequence of str

    Returns
    -------
    list of Entry
    """
    same: Flags = np.min(np.abs(rho), axis=0) >= SAME
    spread = np.median(np.ptp(values, axis=2), axis=0)
    gone: set[int] = set()
    entries = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            if not same[i, j] or i in gone or j in gone:
                continue
            is_wider = spread[j] > spread[i] * (1.0 + 1e-9)
            keep, lose = (j, i) if is_wider else (i, j)
            gone.add(lose)
            entries.append(
                Entry(
                    names[lose], "S4_same_ranks", "same ranks as the partner",
                    float(np.median(rho[:, i, j])), names[keep],
                )
            )  # fmt: skip
    return entries


def dynamic_range(values: Floats, mode: str) -> Floats:
    """Variance over mean (``signed``, as published) or over |mean|: median over the segments.

    The ratio has the unit of the feature, so that it is not free of scale; ``signed`` removes
    every feature with a negative mean.

    Parameters
    ----------
    values : (segment, feature, patient) float64 array
    mode : {"signed", "abs_mean"}

    Returns
    -------
    (feature, ) float64 array
        In the unit of the feature.
    """
    mean = values.mean(axis=2)
    variance = values.var(axis=2, ddof=1)
    below = np.abs(mean) if mode == "abs_mean" else mean
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(mean == 0.0, np.where(variance > 0, np.inf, 0.0), variance / below)
    answer: Floats = np.median(ratio, axis=0)
    return answer


def drop_low_range(
    values: Floats, names: Sequence[str], settings: SelectionSettings
) -> list[Entry]:
    """S5: features whose variance over mean is below the limit.

    Parameters
    ----------
    values : (segment, feature, patient) float64 array
    names : sequence of str
    settings : SelectionSettings

    Returns
    -------
    list of Entry
    """
    ratio = dynamic_range(values, settings.dynamic_range)
    return [
        Entry(name, "S5_dynamic_range", f"variance / mean ({settings.dynamic_range})", float(x))
        for name, x in zip(names, ratio, strict=True)
        if x < settings.min_dynamic_range
    ]


def drop_correlated(
    rho: Floats, names: Sequence[str], threshold: float, closure: str
) -> list[Entry]:
    """S6: of features that correlate keep the one with the most neighbours.

    Parameters
    ----------
    rho : (segment, feature, feature) float64
        Spearman correlations; the median of |rho| over the segments counts.
    names : sequence of str
    threshold : float
    closure : {"transitive", "direct"}
        Remove everything that can be reached from the kept feature (one is kept of each
        connected component), or its neighbours only.

    Returns
    -------
    list of Entry
        Each with the feature that stays for it.
    """
    strength = np.median(np.abs(rho), axis=0)
    near = strength >= threshold
    np.fill_diagonal(near, val=False)
    degree = near.sum(axis=1)
    left = sorted(range(len(names)), key=lambda k: (-degree[k], k))
    entries = []
    while left:
        keep, rest = left[0], left[1:]
        removed: dict[int, int] = {}
        queue = [keep]
        while queue:
            node = queue.pop(0)
            for other in rest:
                if near[node, other] and other not in removed:
                    removed[other] = node
                    if closure == "transitive":
                        queue.append(other)
        entries += [
            Entry(
                names[k], "S6_correlated", f"correlated with {names[via]}",
                float(strength[k, via]), names[keep],
            )
            for k, via in removed.items()
        ]  # fmt: skip
        left = [k for k in rest if k not in removed]
    return entries
