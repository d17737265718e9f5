"""Tables of added value in the report; the corrected profile, the others stand on the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpss_lib.config import CONFIGURATIONS, CORRECTED
from mpss_lib.evaluation.added_value.pooled import EVENTS
from mpss_lib.evaluation.added_value.sample_size import least_correlation, least_difference, needed
from mpss_lib.evaluation.figures import CLASS_NAMES
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.report_tables import Cell, Table, table
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
        "brier": _by_event(by, "brier", "Brier score"),
        "calibrated": _calibrated(by),
        "net_reclassification": _net(by),
    }


def _by_segment(by: By, measure: str, title: str) -> Table:
    header = [title, "patients", *CONFIGURATIONS, "combined − clinical"]
    rows = []
    for segment in SEGMENTS:
        mine = [by.get((segment, measure, c, "")) for c in CONFIGURATIONS]
        size = mine[0]["n"] if mine[0] else None
        difference = by.get((segment, measure, *PAIR))
        rows.append([segment, size, *map(_cell, mine), _difference(difference)])
    return table(header, rows, "scores")


def _by_event(by: By, measure: str, title: str, *, with_p: bool = False) -> Table:
    header = [f"{title}, score", "events of patients", *CONFIGURATIONS, "combined − clinical"]
    rows = []
    for segment in SEGMENTS:
        for event, name in EVENT_NAMES.items():
            mine = [by.get((segment, f"{measure}_{event}", c, "")) for c in CONFIGURATIONS]
            difference = by.get((segment, f"{measure}_{event}", *PAIR))
            counted = f"{mine[0]['n_events']} of {mine[0]['n']}" if mine[0] else None
            if mine[0] is None or not FEW <= mine[0]["n_events"] <= mine[0]["n"] - FEW:
                # a bare number would be read; that there are too few is what can be said
                few = Cell("–", f"fewer than {FEW}")
                rows.append([f"{segment} {name}", counted, few, None, None, None])
                continue
            cells = [*map(_cell, mine), _difference(difference)]
            rows.append([f"{segment} {name}", counted, *cells])
            if with_p and difference is not None and difference["p_value"] is not None:
                rows[-1].append(p_text(difference["p_value"]))
    header += ["p (DeLong)"] if with_p else []
    width = len(header)
    return table(header, [[*row, *[None] * (width - len(row))] for row in rows], "scores")


def _calibrated(by: By) -> Table:
    """Slope and intercept of the score, and of the probability of at least 100."""
    told = {
        "slope, log score": "calibration_slope",
        "intercept, log score": "calibration_intercept",
        "slope, ≥ 100": "slope_at_least_100",
        "intercept, ≥ 100": "intercept_at_least_100",
    }
    rows = [
        [
            f"{name}, {configuration}",
            *(_cell(by.get((s, measure, configuration, ""))) for s in SEGMENTS),
        ]
        for name, measure in told.items()
        for configuration in CONFIGURATIONS
    ]
    return table(["calibration", *SEGMENTS], rows, "scores")


def _net(by: By) -> Table:
    told = {
        "moved up, net, of those with ≥ 100": "nri_events",
        "moved down, net, of the others": "nri_others",
    }
    rows = [
        [name, *(_cell(by.get((s, measure, *PAIR))) for s in SEGMENTS)]
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


def _cell(row: Row | None) -> Cell | None:
    if row is None or row["value"] is None:
        return None
    return Cell(_number(row["value"]), _interval(row), is_noted_below=True)


def _difference(row: Row | None) -> Cell | None:
    """Difference with its sign, bold where the interval leaves out 0."""
    if row is None or row["value"] is None:
        return None
    is_clear = row["low"] is not None and (row["low"] > 0.0 or row["high"] < 0.0)
    return Cell(
        f"{row['value']:+.3f}", _interval(row, "+"), is_marked=is_clear, is_noted_below=True
    )


def _interval(row: Row, sign: str = "") -> str:
    if row["low"] is None:
        return ""
    digits = ".3f" if sign else ".2f"
    return f"{row['low']:{sign}{digits}} to {row['high']:{sign}{digits}}"


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.3g}"
