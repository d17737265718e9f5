"""Which series of a study holds the gates: by the rows of ``volume``, as intake judged them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]

HARMLESS = frozenset(
    {
        *("not_best", "duplicate", "gated", "voxel_size", "negative", "orientation_not_wanted"),
        *("not_attenuation_corrected", "attenuation_unknown"),
        *("not_iterative", "reconstruction_unknown"),
    }
)
"""Reasons of intake that speak against a series for radiomics and not for its gates."""
UNUSABLE = frozenset(
    {
        *("unreadable", "unreadable_value", "not_finite", "pixel_data", "geometry", "single_slice"),
        *("empty", "orientation_unknown", "orientation_oblique"),
    }
)
"""Reasons that leave a gated tomogram without gates that can be followed."""


@dataclass(frozen=True)
class GatedSeries:
    """What a study has of gated tomograms.

    Parameters
    ----------
    row : mapping or None
        Row of ``volume`` of the series to measure; None where none can be.
    reasons : tuple of str
        Why not, of the one that came nearest; empty where there is no gated series at all.
    """

    row: Row | None
    reasons: tuple[str, ...] = ()


def find_gated(rows: Sequence[Row], order: Mapping[str, int]) -> GatedSeries:
    """Choose the gated series of the acquisition that intake chose a volume of.

    It is gated (several time slots), at stress as the chosen one, and nothing speaks against it but
    what only radiomics minds. Of several: the chosen object itself, then one that is corrected,
    reconstructed and oriented as the chosen one, then more gates, then the later series.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of ``volume`` of the study, the chosen one first.
    order : mapping of object key to int
        Place of the object's series in the study.
    """
    chosen = rows[0]
    gated = [row for row in rows if row["n_time_slots"] > 1 and _is_of(row, chosen)]
    good = [row for row in gated if HARMLESS.issuperset(row["reasons"])]
    if good:
        return GatedSeries(min(good, key=lambda row: _rank(row, chosen, order)))
    broken = [row for row in gated if UNUSABLE.intersection(row["reasons"])]
    if not broken:
        return GatedSeries(None)
    nearest = min(broken, key=lambda row: (len(row["reasons"]), row["object_key"]))
    return GatedSeries(None, tuple(sorted(UNUSABLE.intersection(nearest["reasons"]))))


def _is_of(row: Row, chosen: Row) -> bool:
    """Whether an object may be of the acquisition: a tomogram, not known to be another's."""
    known = HARMLESS | UNUSABLE | {"stress_unknown"}
    is_broken = bool(UNUSABLE.intersection(row["reasons"]))
    is_same = row["stress"] == chosen["stress"] or (is_broken and row["stress"] == "unknown")
    return is_same and known.issuperset(row["reasons"])


def _rank(row: Row, chosen: Row, order: Mapping[str, int]) -> tuple[Any, ...]:
    return (
        not row["is_chosen"],
        *(row[name] != chosen[name] for name in ("attenuation", "reconstruction", "orientation")),
        -row["n_time_slots"],
        -order.get(row["object_key"], 0),
        row["object_key"],
    )
