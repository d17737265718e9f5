"""Tables of the report about the stability of features, where it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpss_lib.evaluation.report_tables import Cell, Table, interval_text, number_text, table
from mpss_lib.sections import SEGMENTS
from mpss_lib.stable_features import GOOD_ICC, middle_by_level, ranking

Row = Mapping[str, Any]

SHOWN = 10
"""Features from either end."""


def stable_tables(rows: Sequence[Row], bins: int) -> list[Table]:
    """Most stable features and least stable ones, a table each, from the end inwards.

    The median over the segments, then each segment's ICC(3,1).
    """
    ordered = ranking(rows, bins)
    half = min(SHOWN, len(ordered) // 2)
    ends = {"most stable": ordered[:half], "least stable": ordered[: -half - 1 : -1]}
    by = {(row["feature"], row["segment"]): row for row in rows if row["bins"] == bins}
    return [
        table(
            [f"{title}, {bins} grey levels", "median", *SEGMENTS],
            [
                [name, number_text(icc), *(_cell(by.get((name, segment))) for segment in SEGMENTS)]
                for name, icc in some
            ],
            "scores",
        )
        for title, some in ends.items()
    ]


def stable_text(rows: Sequence[Row], bins: int) -> str:
    """Tell how many features are stable at a grey level; "" where it was not measured."""
    known = {k: icc for k, icc in middle_by_level(rows).get(bins, {}).items() if icc == icc}
    if not known:
        return ""
    n_good = sum(icc >= GOOD_ICC for icc in known.values())
    most = max(row["n_perturbations"] for row in rows)
    return (
        f"{n_good} of {len(known)} features at {bins} grey levels have an ICC(3,1) of at least"
        f" {GOOD_ICC:g} under {most} perturbations (median over the segments)"
    )


def _cell(row: Row | None) -> Cell | None:
    if row is None or row["icc3"] is None:
        return None
    ends = "" if row["icc3_low"] is None else interval_text(row["icc3_low"], row["icc3_high"])
    return Cell(number_text(row["icc3"]), ends, is_noted_below=True)
