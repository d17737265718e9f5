"""Step S3: of averaged and merged 3D matrices one variety stays.

The step is the paper's section 2.4.1 (Figure 5); it knows no outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.selection.steps import Entry, Feature, Floats, Ints

VARIETIES = ("glcm", "glrlm")
AVERAGED, MERGED = "3D_avg", "3D_merged"


@dataclass(frozen=True)
class VarietyPair:
    """Median over the segments of the rank correlation of an averaged and a merged feature."""

    family: str
    averaged: str
    merged: str
    rho: float


def variety_pairs(rho: Floats, features: Sequence[Feature]) -> list[VarietyPair]:
    """Pair each averaged 3D feature with each merged one of its family (Figure 5 of the paper).

    Parameters
    ----------
    rho : (segment, feature, feature) float64 array
    features : sequence of Feature

    Returns
    -------
    list of VarietyPair
        With the median of rho over the segments.
    """
    middle = np.median(rho, axis=0)
    return [
        VarietyPair(family, one.name, other.name, float(middle[i, k]))
        for family in VARIETIES
        for i, one in enumerate(features)
        if one.family == family and one.aggregation == AVERAGED
        for k, other in enumerate(features)
        if other.family == family and other.aggregation == MERGED
    ]


def drop_variety(
    values: Floats, rho: Floats, features: Sequence[Feature], min_rho: float
) -> tuple[list[Entry], list[str]]:
    """S3: of averaged and merged 3D matrices keep the variety with the wider ranges.

    The count of features decides, not the sum of ranges, which one feature (cluster prominence)
    would rule; a tie keeps the averaged.

    Parameters
    ----------
    values : (segment, feature, patient) float64 array
    rho : (segment, feature, feature) float64 array
    features : sequence of Feature
    min_rho : float
        Below it the two varieties do not agree, and both are kept.

    Returns
    -------
    entries : list of Entry
    notes : list of str
        How far they agree; why both were kept.
    """
    entries: list[Entry] = []
    notes: list[str] = []
    for family in VARIETIES:
        avg, mrg = _twins(features, family)
        if not len(avg):
            continue
        agreement = np.abs(np.median(rho[:, avg, mrg], axis=0))
        spread = np.ptp(values, axis=2)
        wider = int((spread[:, avg] > spread[:, mrg]).sum())
        narrower = int((spread[:, avg] < spread[:, mrg]).sum())
        notes.append(
            f"{family}: median |rho| of averaged and merged {np.median(agreement):.4f}, lowest"
            f" {agreement.min():.4f}; correlations with other families differ by at most"
            f" {_apart(rho, features, family):.4f}; averaged has the wider range in {wider} cases,"
            f" merged in {narrower}"
        )
        if np.median(agreement) < min_rho:
            notes.append(f"{family}: both varieties kept, they agree by less than {min_rho}")
            continue
        kept, lost = (avg, mrg) if wider >= narrower else (mrg, avg)
        reason = f"{features[kept[0]].aggregation} has the wider ranges"
        entries += [
            Entry(features[out].name, "S3_variety", reason, float(same), features[stays].name)
            for out, stays, same in zip(lost, kept, agreement, strict=True)
        ]
    return entries, notes


def _twins(features: Sequence[Feature], family: str) -> tuple[Ints, Ints]:
    """Places of the averaged features of a family that have a merged one, and of those."""
    by_root = {(f.aggregation, f.root): k for k, f in enumerate(features) if f.family == family}
    roots = [root for variety, root in by_root if variety == AVERAGED]
    roots = [root for root in roots if (MERGED, root) in by_root]
    avg, mrg = ([by_root[variety, root] for root in roots] for variety in (AVERAGED, MERGED))
    return np.array(avg, np.int64), np.array(mrg, np.int64)


def _apart(rho: Floats, features: Sequence[Feature], family: str) -> float:
    """Largest difference of the twins' correlations with features of other families."""
    avg, mrg = _twins(features, family)
    others = np.array([k for k, f in enumerate(features) if f.family != family], np.int64)
    middle = np.median(rho, axis=0)
    apart = np.abs(middle[np.ix_(avg, others)] - middle[np.ix_(mrg, others)])
    return float(apart.max(initial=0.0))
