"""Tables of added value in the report; the corrected profile, the others stand on the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpss_lib.config import CONFIGURATIONS, CORRECTED
from mpss_lib.evaluation.added_value.pooled import EVENTS
from mpss_lib.evaluation.added_value.sample_size import least_correlation, least_difference, needed
from mpss_lib.evaluation.figures import CLASS_NAMES
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.report_tables import Cell, Table, interval_text, number_text, table
from mpss_lib.evaluation.significance import p_text
from mpss_lib.sections import SEGMENTS

Row = Mapping[str, Any]
By = Mapping[tuple[str, str, str, str], Row]

EVENT_NAMES = {"any": "> 0", "at_least_100": "≥ 100", "above_400": "> 400"}
FEW = 10
"""Events (or others) below which an area and its interval say little."""
PAIR = ("combined", "clinical")


def of_profile(rows: Sequence[Row]) -> list[Row]:
    """Rows of the corrected profile."""
    return [row for row in rows if row["profile"] == CORRECTED]


def added_tables(added: Sequence[Row]) -> dict[str, Table]:
    """Tables by what they are about."""
    by = {
        (row["segment"], row["measure"], row["configuration"], row["compared_with"]): row
        for row in of_profile(added)
    }
    return {
        "ranks": _by_segment(by, "spearman", "rank correlation"),
        "explained": _by_segment(by, "r2", "R²"),
        "areas": _by_event(by, "auc", "area under the curve", with_p=True),
        "brier": _by_event(by, "brier", "Brier score", 3),
        "calibrated": _calibrated(by),
        "net_reclassification": _net(by),
    }


def _by_segment(by: By, measure: str, title: str) -> Table:
    header = [title, "patients", *CONFIGURATIONS, "combined − clinical"]
    rows = []
    for segment in SEGMENTS:
        mine = [by.get((segment, measure, c, "")) for c in CONFIGURATIONS]
        size = mine[0]["n"] if mine[0] else None
        rows.append([segment, size, *map(value_cell, mine), _difference(by, segment, measure)])
    return table(header, rows, "scores")


def _by_event(by: By, name: str, title: str, digits: int = 2, *, with_p: bool = False) -> Table:
    """Rows of segments and events, those of too few events or others left out."""
    header = [f"{title}, score", "events of patients", *CONFIGURATIONS, "combined − clinical"]
    rows = []
    for segment in SEGMENTS:
        for event, text in EVENT_NAMES.items():
            measure = f"{name}_{event}"
            mine = [by.get((segment, measure, c, "")) for c in CONFIGURATIONS]
            if mine[0] is None or is_few(mine[0]):
                continue
            counted = f"{mine[0]['n_events']} of {mine[0]['n']}"
            row: list[Any] = [f"{segment} {text}", counted]
            row += [value_cell(one, digits) for one in mine]
            row.append(_difference(by, segment, measure, digits))
            if with_p:
                p = by[segment, measure, *PAIR]["p_value"]
                row.append(None if p is None else p_text(p))
            rows.append(row)
    return table([*header, "p (DeLong)"] if with_p else header, rows, "scores")


def is_few(row: Row) -> bool:
    """Whether there are too few events, or too few patients without, for a measure of them."""
    return not FEW <= row["n_events"] <= row["n"] - FEW


def few_text(added: Sequence[Row]) -> str:
    """Name the segments and events that are left out, with their numbers; "" where none is."""
    return ", ".join(
        f"{row['segment']} {EVENT_NAMES[event]} ({row['n_events']})"
        for row in of_profile(added)
        for event in EVENT_NAMES
        if (row["configuration"], row["compared_with"]) == ("combined", "")
        and row["measure"] == f"auc_{event}"
        and is_few(row)
    )


def enough(added: Sequence[Row], event: str) -> set[str]:
    """Segments with enough patients with and without an event."""
    rows = [row for row in of_profile(added) if row["measure"] == f"auc_{event}"]
    return {row["segment"] for row in rows if not is_few(row)}


def _calibrated(by: By) -> Table:
    """Slope and intercept of the score, and of the probability of at least 100."""
    told = {
        "slope, log score": "calibration_slope",
        "intercept, log score": "calibration_intercept",
        "slope, ≥ 100": "slope_at_least_100",
        "intercept, ≥ 100": "intercept_at_least_100",
    }
    rows = []
    for name, measure in told.items():
        for configuration in CONFIGURATIONS:
            mine = [by.get((segment, measure, configuration, "")) for segment in SEGMENTS]
            rows.append([f"{name}, {configuration}", *(_enough_cell(row) for row in mine)])
    return table(["calibration", *SEGMENTS], rows, "scores")


def _enough_cell(row: Row | None) -> Cell | None:
    return None if row is None or (row["n_events"] is not None and is_few(row)) else value_cell(row)


def _net(by: By) -> Table:
    told = {
        "moved up, net, of those with ≥ 100": "nri_events",
        "moved down, net, of the others": "nri_others",
    }
    rows = [
        [name, *(_enough_cell(by.get((s, measure, *PAIR))) for s in SEGMENTS)]
        for name, measure in told.items()
    ]
    return table(["net reclassification", *SEGMENTS], rows, "scores")


def moved_table(moved: Sequence[Row], segment: str) -> Table:
    """Classes by clinical terms (rows) and by both (columns), with those that reach 100."""
    counts: dict[tuple[int, int], list[int]] = {}
    for row in of_profile(moved):
        if row["segment"] == segment:
            one = counts.setdefault((row["reference"], row["moved_to"]), [0, 0])
            one[0] += row["n"]
            one[1] += row["n"] if row["observed"] >= 3 else 0
    header = [f"{segment}: class by clinical terms", *(f"both: {name}" for name in CLASS_NAMES)]
    rows = []
    for k, name in enumerate(CLASS_NAMES):
        cells = [counts.get((k, m)) for m in range(len(CLASS_NAMES))]
        rows.append([name, *(c and Cell(str(c[0]), f"{c[1]} above 100") for c in cells)])
    return table(header, rows)


def size_table(added: Sequence[Row], inputs: Inputs) -> Table:
    """Tell what each segment could have found, and how many patients a model should be made of."""
    by = {
        (row["segment"], row["measure"], row["configuration"], row["compared_with"]): row
        for row in of_profile(added)
    }
    rows = []
    for segment in SEGMENTS:
        ranks = by.get((segment, "spearman", *PAIR))
        areas = by.get((segment, "auc_at_least_100", *PAIR))
        score = inputs.outcomes[segment]
        share = float(EVENTS["at_least_100"](score).mean())
        design = inputs.design(CORRECTED, segment)
        columns = design.columns.shape[1]
        last = int(design.first[len(inputs.selected[CORRECTED].features)])
        told = [needed(columns - last, share), needed(columns, share)]
        rows.append(
            [
                segment,
                len(score),
                least_correlation(len(score)),
                _least(ranks),
                _least(areas),
                f"{share:.0%}",
                *(f"{one.most} ({k} columns)" if one else None
                  for one, k in zip(told, (columns - last, columns), strict=True)),
            ]
        )  # fmt: skip
    header = [
        "segment", "patients", "least ρ", "least difference of ρ", "least difference of area ≥ 100",
        "reach 100", "needed, clinical", "needed, combined",
    ]  # fmt: skip
    return table(header, rows)


def _least(row: Row | None) -> float | None:
    return least_difference(row["std_error"]) if row and row["std_error"] else None


def value_cell(row: Row | None, digits: int = 2) -> Cell | None:
    """Value with its interval below."""
    if row is None or row["value"] is None:
        return None
    ends = "" if row["low"] is None else interval_text(row["low"], row["high"], digits)
    return Cell(number_text(row["value"], digits), ends, is_noted_below=True)


def _difference(by: By, segment: str, measure: str, digits: int = 2) -> Cell | None:
    return difference_cell(by.get((segment, measure, *PAIR)), digits)


def difference_cell(row: Row | None, digits: int = 2) -> Cell | None:
    """Difference with its sign, bold where the interval leaves out 0."""
    if row is None or row["value"] is None:
        return None
    text = number_text(row["value"], digits, is_signed=True)
    if row["low"] is None:
        return Cell(text)
    ends = interval_text(row["low"], row["high"], digits, is_signed=True)
    is_clear = row["low"] > 0.0 or row["high"] < 0.0
    return Cell(text, ends, is_marked=is_clear, is_noted_below=True)
