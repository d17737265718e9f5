"""The data-quality page: one HTML file that opens anywhere and fetches nothing.

It is made anew at every check, speaks of pseudonymous keys only, and quotes numbers, never texts of
the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpss_lib import pages
from mpss_lib.tables import Lake
from mpss_lib.warehouse.expectations.consequences import WAY_OUT, Report
from mpss_lib.warehouse.expectations.suites import SUITES
from mpss_lib.whole_files import write_bytes

Row = Mapping[str, Any]

TITLES = {
    "study": "Studies, from the archive to the verdict",
    "clinical": "Clinical rows and calcium scores",
    "features": "Features",
    "predictions": "Predictions",
}
WORDS = {
    "stop": "nothing is published",
    "quarantine": "study held back",
    "warn": "shown only",
}
COUNTED = {
    "study.study_key_once": "studies",
    "feature_binned.rows_whole": "with features",
    "clinical.record_key_once": "registry rows",
    "prediction.value_range": "predictions",
}
"""Results whose number of rows is a figure of the summary."""

MOST_LISTED = 200


def page_path(lake: Lake) -> Path:
    """Where the page of a lake lies."""
    return lake.root / "reports" / "data_quality.html"


def write_page(lake: Lake, report: Report) -> Path:
    """Write the page; return its path."""
    path = page_path(lake)
    write_bytes(path, render(report).encode())
    return path


def render(report: Report) -> str:
    """Make the page."""
    state, headline, note = _verdict(report)
    return pages.render(
        "data_quality.html",
        state=state,
        headline=headline,
        note=note,
        tiles=_tiles(report),
        checked=_checked(report),
        stops=[
            (row["table_name"], row["says"], row["n_unexpected"], _examples(row))
            for row in report.broken("stop")
        ],
        held=[(study, _held_study(study, rows)) for study, rows in sorted(report.held.items())],
        warnings=[
            (row["expectation"], row["says"], _share(row), row["n_units"], _examples(row))
            for row in report.broken("warn")
        ],
        completeness=_completeness(report),
        suites=[_suite(name, report) for name in SUITES],
        most_listed=MOST_LISTED,
    )


def _verdict(report: Report) -> tuple[str, str, str]:
    stops, warnings = report.broken("stop"), len(report.broken("warn"))
    told = f"{warnings} {_plural(warnings, 'warning')}" if warnings else "no warning"
    if stops:
        tables = ", ".join(sorted({row["table_name"] for row in stops}))
        return (
            "stop",
            f"Publishing is stopped: {tables} is at fault",
            "The snapshot published before stays in use until the table is mended and checked"
            " again.",
        )
    if report.held:
        n = len(report.held)
        return (
            "held",
            f"{n} {_plural(n, 'study is', 'studies are')} held back",
            f"Everything else is published; {told}.",
        )
    if not report.results:
        return "ok", "Nothing has been checked yet", "Run mpss warehouse check."
    if not any(row["n_rows"] for row in report.results):
        return "ok", "There was nothing to check", "The lake has no study yet."
    return "ok", "No study is held back", f"Everything that was checked is published; {told}."


def _tiles(report: Report) -> list[tuple[int | str, str]]:
    counted = {row["expectation"]: row["n_rows"] for row in report.results}
    tiles: list[tuple[int | str, str]] = [
        (counted[name], word) for name, word in COUNTED.items() if name in counted
    ]
    n_met = sum(row["is_met"] for row in report.results)
    tiles += [
        (len(report.held), "held back"),
        (len(report.broken("warn")), "warnings"),
        (f"{n_met} / {len(report.results)}", "expectations met"),
    ]
    return tiles


def _checked(report: Report) -> str:
    times = {suite: f"{when:%Y-%m-%d %H:%M}" for suite, when in report.checked_at.items()}
    if len(set(times.values())) == 1:
        return f"Last checked {next(iter(times.values()))} UTC"
    told = ", ".join(f"{suite} {when} UTC" for suite, when in times.items())
    return f"Last checked: {told or 'never'}"


def _held_study(study: str, broken: Sequence[Row]) -> list[Row]:
    """Rows of one study by suite: what to do stands once for each."""
    by_suite: dict[str, list[Row]] = {}
    for row in broken:
        example = {k: v for k, v in json.loads(row["example"]).items() if k != "study_key"}
        by_suite.setdefault(row["suite"], []).append({**row, "such_as": _pairs(example)})
    return [
        {"rows": rows, "n_rows": len(rows), "way_out": WAY_OUT[suite].format(key=study)}
        for suite, rows in by_suite.items()
    ]


def _completeness(report: Report) -> list[Row]:
    return [
        {
            "name": row["expectation"].removeprefix("clinical.").removesuffix("_complete"),
            "is_met": row["is_met"],
            "known": f"{100 * (1 - row['n_unexpected'] / row['n_rows']):.1f}",
            "n_missing": row["n_unexpected"],
        }
        for row in report.results
        if row["expectation"].endswith("_complete") and row["n_rows"]
    ]


def _suite(name: str, report: Report) -> Row:
    found = [row for row in report.results if row["suite"] == name]
    n_broken = sum(not row["is_met"] for row in found)
    told = f"{n_broken} of {len(found)} broken" if n_broken else f"all {len(found)} met"
    rows = [
        (
            _mark(row),
            row["says"],
            row["table_name"],
            row["column_name"],
            row["n_rows"],
            _share(row) if row["n_unexpected"] else "",
            WORDS[row["consequence"]],
        )
        for row in _summed(sorted(found, key=lambda row: (row["is_met"], row["position"])))
    ]
    told = told if found else "not checked yet"
    return {"title": TITLES[name], "told": told, "n_broken": n_broken, "rows": rows}


def _summed(found: Sequence[Row]) -> list[Row]:
    """Say once what is so in several tables; what is not so stands by itself."""
    told: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in found:
        alike = (row["says"], row["column_name"], row["consequence"])
        key = alike if row["is_met"] else (row["expectation"],)
        if one := told.get(key):
            one["table_name"] += f", {row['table_name']}"
            one["n_rows"] += row["n_rows"]
        else:
            told[key] = dict(row)
    return list(told.values())


def _mark(row: Row) -> Row:
    if row["is_met"]:
        return {"kind": "ok", "word": "met" if row["n_rows"] else "no rows"}
    word = {"stop": "stop", "quarantine": "held", "warn": "warning"}[row["consequence"]]
    return {"kind": row["consequence"], "word": word}


def _share(row: Row) -> str:
    if not row["n_rows"]:
        return str(row["n_unexpected"])
    share = 100 * row["n_unexpected"] / row["n_rows"]
    return (
        f"{row['n_unexpected']} ({share:.1f}\u202f%)" if share >= 0.05 else f"{row['n_unexpected']}"
    )


def _examples(row: Row) -> str:
    return "; ".join(_pairs(one) for one in json.loads(row["examples"])[:2])


def _pairs(example: Row) -> str:
    told = [
        str(value).rpartition("/")[2] if name == "path" else str(value)
        for name, value in example.items()
        if name != "value"
    ]
    if "value" in example:
        told.append(f"({example['value']})")
    return " ".join(told)


def _plural(n: int, one: str, many: str = "") -> str:
    return one if n == 1 else many or one + "s"
