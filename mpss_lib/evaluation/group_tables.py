"""Tables of the report about groups of patients: sex, race, vendor, scanner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mpss_lib.evaluation.added_tables import difference_cell, is_few, of_profile, value_cell
from mpss_lib.evaluation.added_value.by_group import AREA, LINE, PAIR, RANKS
from mpss_lib.evaluation.report_tables import Cell, Table, table
from mpss_lib.sections import SEGMENTS

Row = Mapping[str, Any]
By = Mapping[tuple[str, ...], Row]


def performance_table(rows: Sequence[Row], segment: str) -> Table:
    """Tell ranks, areas and calibration of one segment: a row for each group."""
    new, old = PAIR
    header = [
        "patients by", "patients", f"ρ, {old}",
        f"ρ, {new}", "difference", "reach 100", f"area, {old}",
        f"area, {new}", "difference", f"in the large, {new}",
    ]  # fmt: skip
    cells = []
    for title, by in _groups([row for row in rows if row["segment"] == segment]):
        counted = by[segment, new, "", RANKS]
        cells.append(
            [
                title,
                counted["n"],
                *(value_cell(by[segment, one, "", RANKS]) for one in (old, new)),
                difference_cell(by[segment, new, old, RANKS]),
                counted["n_events"],
                *(_enough(value_cell, by[segment, one, "", AREA]) for one in (old, new)),
                _enough(difference_cell, by[segment, new, old, AREA]),
                value_cell(by[segment, new, "", LINE[0]]),
            ]
        )
    return table(header, cells, "scores")


def _enough(show: Callable[[Row], Cell | None], row: Row) -> Cell | None:
    """Show an area of a group with enough events and others."""
    return None if is_few(row) else show(row)


def added_table(rows: Sequence[Row]) -> Table:
    """Tell what radiomics add to the rank correlation in each group, by segment."""
    cells = [
        [title, *(difference_cell(by.get((segment, *PAIR, RANKS))) for segment in SEGMENTS)]
        for title, by in _groups(rows)
    ]
    return table(["patients by", *SEGMENTS], cells, "scores")


def _groups(rows: Sequence[Row]) -> Iterator[tuple[str, By]]:
    """Give the title of each group, and its rows by segment, configurations and measure."""
    found: dict[tuple[str, str], dict[tuple[str, ...], Row]] = {}
    for row in of_profile(rows):
        key = (row["segment"], row["configuration"], row["compared_with"], row["measure"])
        found.setdefault((row["grouping"], row["group_name"]), {})[key] = row
    for (grouping, name), by in found.items():
        yield f"{grouping}: {name}", by


def judged_groups(rows: Sequence[Row]) -> dict[str, tuple[list[str], list[str]]]:
    """Name the groups that were judged and those that were too small, by what groups them."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for row in of_profile(rows):
        asked = (row["segment"], row["configuration"], row["compared_with"], row["measure"])
        if asked == (SEGMENTS[0], PAIR[0], "", RANKS):
            judged, small = found.setdefault(row["grouping"], ([], []))
            (small if row["value"] is None else judged).append(row["group_name"])
    return found
