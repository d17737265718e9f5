"""Tables of the report about scanners: what they explain, and models tried on another vendor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpss_lib.config import CONFIGURATIONS, CORRECTED
from mpss_lib.evaluation.report_tables import Cell, Table, interval_text, number_text, table
from mpss_lib.evaluation.scanners.explained import LARGE
from mpss_lib.sections import SEGMENTS

Row = Mapping[str, Any]


def effect_table(effects: Sequence[Row]) -> Table:
    """Tell what the scanner explains of the chosen features, after the clinical terms."""
    header = ["corrected profile", "scanners", "features", "largest ε²", "of", f"ε² ≥ {LARGE:g}"]
    rows: list[list[Any]] = []
    for segment in SEGMENTS:
        mine = [
            row
            for row in effects
            if (row["profile"], row["segment"]) == (CORRECTED, segment)
            and row["epsilon_squared"] is not None
        ]
        if mine:
            most = max(mine, key=lambda row: (row["epsilon_squared"], row["feature"]))
            much = sum(
                row["epsilon_squared"] >= LARGE and row["p_adjusted"] <= 0.05 for row in mine
            )
            share = number_text(most["epsilon_squared"])
            rows.append([segment, most["n_scanners"], len(mine), share, most["feature"], much])
    return table(header, rows)


def held_out_table(held_out: Sequence[Row]) -> Table:
    """Rank correlation in the patients of a vendor, by models of the others' patients."""
    by = {
        (row["vendor"], row["configuration"], row["segment"]): row
        for row in held_out
        if row["profile"] == CORRECTED and row["metric"] == "spearman"
    }
    vendors = dict.fromkeys((vendor, row["n_test"]) for (vendor, _, _), row in by.items())
    rows: list[list[Any]] = [
        [
            f"{vendor or 'not stated'} ({n}), {configuration}",
            *(_cell(by.get((vendor, configuration, segment))) for segment in SEGMENTS),
        ]
        for vendor, n in vendors
        for configuration in CONFIGURATIONS
    ]
    return table(["held out (patients)", *SEGMENTS], rows, "scores")


def _cell(row: Row | None) -> Cell | None:
    if row is None or row["value"] is None:
        return None
    ends = "" if row["low"] is None else interval_text(row["low"], row["high"])
    return Cell(number_text(row["value"]), ends, is_noted_below=True)
