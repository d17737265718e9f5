"""The data-quality page: one HTML file that opens anywhere and fetches nothing.

It is made anew at every check, speaks of pseudonymous keys only, and quotes numbers, never texts of
the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mpss_lib.tables import Lake, write_bytes
from mpss_lib.warehouse.expectations.consequences import WAY_OUT, Report
from mpss_lib.warehouse.expectations.suites import SUITES

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
    """Write the page; answers its path."""
    path = page_path(lake)
    write_bytes(path, render(report).encode())
    return path


def render(report: Report) -> str:
    """Make the page."""
    state, headline, note = _verdict(report)
    parts = {
        "state": state,
        "headline": escape(headline),
        "note": escape(note),
        "tiles": _tiles(report),
        "checked": _checked(report),
        "todo": _stops(report) + _held(report) + _warnings(report),
        "complete": _completeness(report),
        "suites": "".join(_suite(name, report) for name in SUITES),
    }
    return PAGE.format(**parts)


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
    return "ok", "No study is held back", f"Everything that was checked is published; {told}."


def _tiles(report: Report) -> str:
    counted = {row["expectation"]: row["n_rows"] for row in report.results}
    tiles = [(counted[name], word) for name, word in COUNTED.items() if name in counted]
    n_met = sum(row["is_met"] for row in report.results)
    tiles += [
        (len(report.held), "held back"),
        (len(report.broken("warn")), "warnings"),
        (f"{n_met} / {len(report.results)}", "expectations met"),
    ]
    return "".join(f"<div><b>{_number(n)}</b>{word}</div>" for n, word in tiles)


def _checked(report: Report) -> str:
    times = {suite: f"{when:%Y-%m-%d %H:%M}" for suite, when in report.checked_at.items()}
    if len(set(times.values())) == 1:
        return f"Last checked {next(iter(times.values()))} UTC"
    told = ", ".join(f"{escape(suite)} {when} UTC" for suite, when in times.items())
    return f"Last checked: {told or 'never'}"


def _stops(report: Report) -> str:
    stops = report.broken("stop")
    if not stops:
        return ""
    rows = [[row["table_name"], row["says"], row["n_unexpected"], _examples(row)] for row in stops]
    return (
        "<h2>Tables at fault</h2><p>Restore or remove the file that is named and run its stage"
        " again, then <code>mpss warehouse check --publish</code>. The table's rows were not looked"
        " at while it is at fault.</p>"
        + _table(["table", "should be so", "times", "such as"], rows)
    )


def _held(report: Report) -> str:
    if not report.held:
        return ""
    shown = sorted(report.held.items())[:MOST_LISTED]
    note = (
        "In no published view until the file that is at fault has been made anew. A prediction at"
        " fault is held back itself; its study stays in the cohort."
    )
    more = len(report.held) - len(shown)
    return (
        f"<h2>Studies held back</h2><p>{note}</p><div class=wide><table><thead><tr><th>study</th>"
        "<th>should be so</th><th>rows</th><th>such as</th><th>what to do</th></tr></thead>"
        + "".join(_held_study(study, broken) for study, broken in shown)
        + "</table></div>"
        + (f"<p>and {more} more: <code>mpss quarantine ls</code></p>" if more else "")
    )


def _held_study(study: str, broken: Sequence[Row]) -> str:
    """Rows of one study: its key stands once, what to do once for each suite."""
    by_suite: dict[str, list[Row]] = {}
    for row in broken:
        by_suite.setdefault(row["suite"], []).append(row)
    first = f"<td class=key rowspan={len(broken)}>{escape(study)}</td>"
    lines = []
    for suite, rows in by_suite.items():
        to_do = f"<td rowspan={len(rows)}>{_as_code(WAY_OUT[suite].format(key=study))}</td>"
        for row in rows:
            such = escape(_pairs(json.loads(row["example"]), without=("study_key",)))
            lines.append(
                f"{first}<td>{escape(row['says'])}<br><small>{escape(row['expectation'])}</small>"
                f"</td><td class=n>{row['n_rows']}</td><td class=such>{such}</td>{to_do}"
            )
            first = to_do = ""
    return "<tbody>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</tbody>"


def _warnings(report: Report) -> str:
    warnings = report.broken("warn")
    if not warnings:
        return ""
    rows = [
        [row["expectation"], row["says"], _share(row), row["n_units"], _examples(row)]
        for row in warnings
    ]
    header = ["expectation", "should be so", "not so in", "studies or rows", "such as"]
    return "<h2>Warnings</h2><p>They hold nothing back.</p>" + _table(header, rows)


def _completeness(report: Report) -> str:
    rows = [row for row in report.results if row["expectation"].endswith("_complete")]
    if not any(row["n_rows"] for row in rows):
        return ""
    bars = []
    for row in rows:
        known = 1 - row["n_unexpected"] / row["n_rows"]
        state = "ok" if row["is_met"] else "warn"
        name = row["expectation"].removeprefix("clinical.").removesuffix("_complete")
        bars.append(
            f"<tr><td>{escape(name)}</td><td class='bar {state}'>"
            f"<i style='width:{100 * known:.1f}%'></i></td><td class=n>{100 * known:.1f} %</td>"
            f"<td class=n>{row['n_unexpected']} missing</td></tr>"
        )
    return (
        "<h2>Completeness of accepted clinical rows</h2><table class=bars><tbody>"
        + "".join(bars)
        + "</tbody></table>"
    )


def _suite(name: str, report: Report) -> str:
    rows = [row for row in report.results if row["suite"] == name]
    if not rows:
        return f"<details><summary>{TITLES[name]}<small>not checked yet</small></summary></details>"
    n_broken = sum(not row["is_met"] for row in rows)
    told = f"{n_broken} of {len(rows)} broken" if n_broken else f"all {len(rows)} met"
    body = _table(
        ["", "should be so", "table", "column", "rows", "not so in", "if not so"],
        [
            [
                _mark(row),
                row["says"],
                row["table_name"],
                row["column_name"],
                row["n_rows"],
                _share(row) if row["n_unexpected"] else "",
                WORDS[row["consequence"]],
            ]
            for row in sorted(rows, key=lambda row: (row["is_met"], row["position"]))
        ],
    )
    opened = " open" if n_broken else ""
    return (
        f"<details{opened}><summary>{TITLES[name]}<small>{told}</small></summary>{body}</details>"
    )


def _as_code(text: str) -> str:
    """Escape a text; what stands between backquotes becomes code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(parts))


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def _mark(row: Row) -> Markup:
    if row["is_met"]:
        return Markup("<span class='mark ok'>met</span>")
    word = {"stop": "stop", "quarantine": "held", "warn": "warning"}[row["consequence"]]
    return Markup(f"<span class='mark {row['consequence']}'>{word}</span>")


def _share(row: Row) -> str:
    if not row["n_rows"]:
        return str(row["n_unexpected"])
    share = 100 * row["n_unexpected"] / row["n_rows"]
    return (
        f"{row['n_unexpected']} ({share:.1f}\u202f%)" if share >= 0.05 else f"{row['n_unexpected']}"
    )


def _examples(row: Row) -> str:
    return "; ".join(_pairs(one) for one in json.loads(row["examples"])[:2])


def _pairs(example: Mapping[str, Any], without: Sequence[str] = ()) -> str:
    told = [
        str(value).rpartition("/")[2] if name == "path" else str(value)
        for name, value in example.items()
        if name not in (*without, "value")
    ]
    if "value" in example:
        told.append(f"({example['value']})")
    return " ".join(told)


def _table(header: Iterable[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows[:MOST_LISTED]
    )
    more = (
        f'<p>and {len(rows) - MOST_LISTED} more: <code>mpss sql "from'
        ' quality.expectation_failure"</code></p>'
        if len(rows) > MOST_LISTED
        else ""
    )
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class=wide>{whole}</div>{more}"


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"<td class=n>{_number(value)}</td>"
    return f"<td>{value if isinstance(value, Markup) else escape(str(value))}</td>"


def _number(value: Any) -> str:
    return f"{value:,}".replace(",", "&#8239;") if isinstance(value, int) else escape(str(value))


def _plural(n: int, one: str, many: str = "") -> str:
    return one if n == 1 else many or one + "s"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>MPSS data quality: {headline}</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>
:root{{--ink:#1d2227;--soft:#5c666f;--line:#dfe3e7;--paper:#fff;--shade:#f5f7f9;
--ok:#1a7f4b;--warn:#9a6700;--held:#b4540a;--stop:#b3261e}}
@media (prefers-color-scheme:dark){{:root{{--ink:#e4e7ea;--soft:#9aa5ae;--line:#353c43;
--paper:#16191c;--shade:#1f2428;--ok:#4fc38a;--warn:#e0b04a;--held:#f0935a;--stop:#ff8078}}}}
body{{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;
color:var(--ink);background:var(--paper)}}
h1{{font-size:1.5rem;margin:0 0 .8rem}} h2{{font-size:1.1rem;margin:2rem 0 .3rem}}
p{{margin:.3rem 0}} small,.soft{{color:var(--soft)}} code{{font-size:.92em}}
.verdict{{border-left:6px solid var(--ok);background:var(--shade);padding:.7rem 1rem}}
.verdict b{{font-size:1.15rem}} .verdict.held{{border-color:var(--held)}}
.verdict.stop{{border-color:var(--stop)}}
.tiles{{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0 .4rem}}
.tiles div{{background:var(--shade);padding:.5rem .9rem;min-width:6.5rem;color:var(--soft);
font-size:13px}} .tiles b{{display:block;font-size:1.35rem;color:var(--ink);line-height:1.25}}
.wide{{overflow-x:auto}}
table{{border-collapse:collapse;font-size:13px;width:100%;margin:.4rem 0}}
th,td{{padding:.28rem .6rem;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top}} th{{color:var(--soft);font-weight:600}}
.n{{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}}
.key{{white-space:nowrap;font-weight:600}} .such{{overflow-wrap:anywhere;min-width:11rem}}
tbody+tbody td{{border-top:1px solid var(--soft)}}
.mark{{display:inline-block;min-width:4.2em;font-weight:600}} .mark.ok{{color:var(--ok);
font-weight:400}} .mark.warn{{color:var(--warn)}} .mark.quarantine{{color:var(--held)}}
.mark.stop{{color:var(--stop)}}
details{{border-top:1px solid var(--line)}} summary{{padding:.55rem 0;cursor:pointer;
font-weight:600}} summary small{{font-weight:400;margin-left:.8em}}
.bars{{width:auto}} .bar{{width:16rem}} .bar i{{display:block;height:.75em;margin-top:.35em;
background:var(--ok)}} .bar.warn i{{background:var(--warn)}}
</style></head><body>
<h1>Data quality</h1>
<div class="verdict {state}"><b>{headline}</b><p>{note}</p></div>
<div class=tiles>{tiles}</div>
<p class=soft>{checked}. Keys are pseudonyms. Research use only; not a medical device.</p>
{todo}
{complete}
<h2>Every expectation</h2>
{suites}
<p class=soft>The same as tables: <code>quality.expectation_result</code>,
<code>quality.expectation_failure</code>, <code>quality.held_back</code>.</p>
</body></html>
"""
