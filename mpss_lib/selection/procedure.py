"""The whole choice of features: steps S0-S6 at each grey level, then S7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.profiles import selection_profiles
from mpss_lib.sections import BINS, SelectionSettings
from mpss_lib.selection import steps
from mpss_lib.selection.grey_level import Material, judge
from mpss_lib.selection.level_rules import Level
from mpss_lib.selection.steps import STEPS, Entry, Feature, Floats
from mpss_lib.selection.varieties import VarietyPair, drop_variety, variety_pairs

MIN_PATIENTS = 5
"""Rank correlations of fewer patients say nothing."""

Stability = Mapping[int, Mapping[str, float]]
"""Bins -> feature -> ICC(3,1) under perturbation of the image, median over the segments."""

_PREPARES = ("max_nan_share", "min_variety_rho", "rows")
"""Settings of S0-S4: profiles in which they are equal share those steps."""


@dataclass(frozen=True)
class Selection:
    """What was chosen and why.

    Parameters
    ----------
    features : tuple of str
        In the order of the catalogue.
    bins : int
        The grey level.
    ledger : tuple of Entry
        Each feature of the catalogue once: where it left, or ``selected``.
    grey_levels : tuple of Level
    counts : dict
        Features left after each step, the start first (487, 215, 166, ...).
    n_patients : int
        Patients with features in every segment and grey level.
    notes : tuple of str
        What S3 measured; why both varieties were kept; why S2b dropped nothing.
    varieties : tuple of VarietyPair
        What S3 compared, at the chosen grey level.
    """

    features: tuple[str, ...]
    bins: int
    ledger: tuple[Entry, ...]
    grey_levels: tuple[Level, ...]
    counts: dict[str, int]
    n_patients: int
    notes: tuple[str, ...]
    varieties: tuple[VarietyPair, ...]


@dataclass(frozen=True)
class _AtLevel:
    """State after S4 at one grey level."""

    values: Floats
    features: list[Feature]
    ranks: Floats
    entries: list[Entry]
    notes: list[str]
    varieties: list[VarietyPair]
    icc: Floats | None

    @property
    def names(self) -> list[str]:
        return [f.name for f in self.features]


@dataclass(frozen=True)
class _Prepared:
    """What S0-S4 leave, by grey level."""

    n_features: int
    n_patients: int
    entries: tuple[Entry, ...]
    levels: dict[int, _AtLevel]


def select(
    values: Any,
    catalogue: Sequence[Mapping[str, Any]],
    settings: SelectionSettings | None = None,
    *,
    bins: Sequence[int] = BINS,
    stability: Stability | None = None,
) -> Selection:
    """Choose features and the grey level, blind to any outcome.

    Parameters
    ----------
    values : (patient, segment, bins, feature) float array
        NaN where undefined. A patient whose features are all NaN in a segment or at a grey level
        is left out.
    catalogue : sequence of mappings
        ``sera_name``, ``family``, ``aggregation``, ``depends_on_bins``, ``ibsi_code`` of each
        feature, in the order of the last axis: the canonical order that decides ties.
    settings : SelectionSettings, optional
    bins : sequence of int
        Bin numbers of the third axis, ascending.
    stability : mapping, optional
        Bins -> feature -> ICC; where it was not measured S2b drops nothing.

    Raises
    ------
    WrongArgumentError
        If shapes do not match or fewer than 5 patients are left.
    """
    settings = settings or SelectionSettings()
    return _choose(_prepare(values, catalogue, settings, bins, stability), settings)


def select_profiles(
    values: Any,
    catalogue: Sequence[Mapping[str, Any]],
    settings: SelectionSettings,
    *,
    bins: Sequence[int] = BINS,
    stability: Stability | None = None,
) -> dict[str, Selection]:
    """Do ``select`` for each profile; what they share of S0-S4 is done once."""
    prepared: dict[Any, _Prepared] = {}
    chosen = {}
    for profile, own in selection_profiles(settings).items():
        least = own.min_icc if stability is not None else 0.0
        shared = (least, *(getattr(own, name) for name in _PREPARES))
        if shared not in prepared:
            prepared[shared] = _prepare(values, catalogue, own, bins, stability)
        chosen[profile] = _choose(prepared[shared], own)
    return chosen


def _prepare(
    values: Any,
    catalogue: Sequence[Mapping[str, Any]],
    settings: SelectionSettings,
    bins: Sequence[int],
    stability: Stability | None,
) -> _Prepared:
    """S0-S4 at each grey level."""
    features = steps.read_catalogue(catalogue)
    block = _checked(values, len(features), bins)
    first = steps.drop_by_metadata(features)
    gone = {entry.feature for entry in first}
    kept = [k for k, f in enumerate(features) if f.name not in gone]
    candidates = [features[k] for k in kept]
    levels = {
        b: _at_level(
            _rows(block[:, :, g, kept], settings),
            candidates,
            settings,
            None if stability is None else stability.get(b, {}),
        )
        for g, b in enumerate(bins)
    }
    return _Prepared(len(features), block.shape[0], tuple(first), levels)


def _choose(prepared: _Prepared, settings: SelectionSettings) -> Selection:
    """S5-S7: the grey level, and what is left at it."""
    levels = prepared.levels
    table = _grey_levels(levels, settings)
    chosen = next(level.bins for level in table if level.is_chosen)
    left = _redundant(levels[chosen], settings)
    entries = [*prepared.entries, *levels[chosen].entries, *left]
    gone = {entry.feature for entry in left}
    names = tuple(name for name in levels[chosen].names if name not in gone)
    entries += [Entry(name, "selected", f"{chosen} bins", float(chosen)) for name in names]
    return Selection(
        features=names,
        bins=chosen,
        ledger=tuple(entries),
        grey_levels=tuple(table),
        counts=_counts(prepared.n_features, entries),
        n_patients=prepared.n_patients,
        notes=tuple(levels[chosen].notes),
        varieties=tuple(levels[chosen].varieties),
    )


def _checked(values: Any, n_features: int, bins: Sequence[int]) -> Floats:
    block = np.asarray(values, np.float64)
    if block.ndim != 4 or block.shape[2:] != (len(bins), n_features):
        raise WrongArgumentError(
            f"values of shape {block.shape} for {len(bins)} grey levels and {n_features} features",
            way_out="give (patient, segment, bins, feature)",
        )
    if list(bins) != sorted(set(bins)):
        raise WrongArgumentError(f"bins {bins} do not ascend", way_out="sort the bin numbers")
    is_there = np.isfinite(block).any(axis=3).reshape(len(block), -1).all(axis=1)
    if int(is_there.sum()) < MIN_PATIENTS:
        raise WrongArgumentError(
            f"{int(is_there.sum())} of {len(block)} patients have features in every segment",
            way_out=f"selection needs at least {MIN_PATIENTS}: run radiomics for the cohort",
        )
    return block[is_there]


def _rows(block: Floats, settings: SelectionSettings) -> Floats:
    """(patient, segment, feature) -> (segment, feature, patient); one segment if pooled."""
    if settings.rows == "pooled":
        block = block.reshape(1, -1, block.shape[2]).transpose(1, 0, 2)
    return np.ascontiguousarray(block.transpose(1, 2, 0))


def _at_level(
    values: Floats,
    features: list[Feature],
    settings: SelectionSettings,
    icc: Mapping[str, float] | None,
) -> _AtLevel:
    """S1-S4 at one grey level; ``icc`` of its features, None where it was not measured."""
    names = [f.name for f in features]
    entries = steps.drop_undefined(values, names, settings.max_nan_share)
    values, features = _without(values, features, entries)
    complete = np.isfinite(values).all(axis=(0, 1))
    values = np.ascontiguousarray(values[:, :, complete])
    same = steps.drop_identical(values, [f.name for f in features])
    values, features = _without(values, features, same)
    weak, told = steps.drop_unstable(icc, [f.name for f in features], settings.min_icc)
    values, features = _without(values, features, weak)
    ranks = steps.standard_ranks(values)
    rho = steps.correlations(ranks)
    pairs = variety_pairs(rho, features)
    variety, notes = drop_variety(values, rho, features, settings.min_variety_rho)
    kept = _kept(features, variety)
    values, ranks, rho = values[:, kept], ranks[:, kept], rho[:, kept][:, :, kept]
    features = [features[k] for k in kept]
    double = steps.drop_same_ranks(values, rho, [f.name for f in features])
    kept = _kept(features, double)
    return _AtLevel(
        values[:, kept],
        [features[k] for k in kept],
        ranks[:, kept],
        [*entries, *same, *weak, *variety, *double],
        [*told, *notes],
        pairs,
        None if icc is None else np.array([icc.get(features[k].name, np.nan) for k in kept]),
    )


def _redundant(level: _AtLevel, settings: SelectionSettings) -> list[Entry]:
    """S5 and S6 at the chosen grey level."""
    low = steps.drop_low_range(level.values, level.names, settings)
    kept = _kept(level.features, low)
    return low + steps.drop_correlated(
        steps.correlations(level.ranks[:, kept]),
        [level.names[k] for k in kept],
        settings.correlation,
        settings.closure,
    )


def _material(level: _AtLevel, settings: SelectionSettings) -> Material:
    low = {entry.feature for entry in steps.drop_low_range(level.values, level.names, settings)}
    return Material(
        ranks=level.ranks,
        names=level.names,
        n_identical=sum(entry.step == "S2_identical" for entry in level.entries),
        is_low=np.array([name in low for name in level.names], np.bool_),
        icc=level.icc,
    )


def _grey_levels(levels: Mapping[int, _AtLevel], settings: SelectionSettings) -> list[Level]:
    dependent = frozenset(
        f.name for level in levels.values() for f in level.features if f.depends_on_bins
    )
    return judge({b: _material(x, settings) for b, x in levels.items()}, dependent, settings)


def _without(
    values: Floats, features: list[Feature], entries: list[Entry]
) -> tuple[Floats, list[Feature]]:
    kept = _kept(features, entries)
    return values[:, kept], [features[k] for k in kept]


def _kept(features: list[Feature], entries: list[Entry]) -> list[int]:
    gone = {entry.feature for entry in entries}
    return [k for k, f in enumerate(features) if f.name not in gone]


def _counts(total: int, entries: list[Entry]) -> dict[str, int]:
    counts = {"start": total}
    for step in STEPS[:-1]:
        total -= sum(entry.step == step for entry in entries)
        counts[step] = total
    return counts
