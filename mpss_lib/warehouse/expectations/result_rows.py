"""What a suite found, as rows of ``expectation_result`` and ``expectation_failure``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mpss_lib.schemas import TABLES
from mpss_lib.warehouse.expectations import suites
from mpss_lib.warehouse.expectations.rules import Finding
from mpss_lib.warehouse.expectations.views import Current

Row = dict[str, Any]

N_EXAMPLES = 5
MOST_KEPT = 10_000
"""Rows of one file that break a rule and are kept; a file with more is read at each check."""
OWN_TEXT = frozenset({"columns_known", "columns_there", *suites.ASPECTS})
"""Rules whose findings quote texts of our own making; any other text is never quoted."""

_UNITS = ("study_key", "record_key")

_SAFE = re.compile(r"[\w./=-]{1,200}")


def results_of(suite: str, found: Sequence[Finding]) -> list[Row]:
    """Give one row for each rule."""
    return [
        {
            "suite": suite,
            "expectation": one.name,
            "position": position,
            "table_name": one.table,
            "consequence": one.rule.consequence,
            "says": one.rule.says,
            "kind": one.rule.kind,
            "column_name": _column(one),
            "is_met": one.is_met,
            "n_rows": one.n_rows,
            "n_unexpected": one.n_unexpected,
            "n_units": len(set(map(unit_of, one.rows))) if one.n_units is None else one.n_units,
            "examples": json.dumps([_shown(row, one) for row in one.rows[:N_EXAMPLES]]),
        }
        for position, one in enumerate(found, start=1)
    ]


def failures_of(suite: str, found: Sequence[Finding], current: Current) -> list[Row]:
    """Give one row for each (expectation, study or record) that is broken and does not stop.

    A rule that allows a share is broken by all rows together: none of them is named.
    """
    failures: dict[tuple[str, str, str], Row] = {}
    for one in found:
        if one.is_met or one.rule.consequence == "stop" or one.rule.is_share:
            continue
        units = [unit_of(row) for row in one.rows]
        files = current.content_of(one.table, {study for study, _ in units})
        for row, (study, record) in zip(one.rows, units, strict=True):
            is_alone = TABLES[one.table].unit != "study" and len(files) == 1
            unit = next(iter(files)) if is_alone else study
            blank = {
                "suite": suite,
                "expectation": one.name,
                "table_name": one.table,
                "unit_key": unit,
                "content_sha256": files.get(unit, ""),
                "study_key": study,
                "record_key": record,
                "n_rows": 0,
                "example": json.dumps(_shown(row, one)),
            }
            failures.setdefault((one.name, study, record), blank)["n_rows"] += 1
    return [failures[key] for key in sorted(failures)]


def _column(one: Finding) -> str:
    """Column of the table that a rule is about; "" where its frame worked it out."""
    column = str(one.rule.arguments.get("column", ""))
    return column if column in TABLES[one.table].columns else ""


def unit_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Study and record of a row that breaks a rule; "" where it has none."""
    return str(row.get("study_key", "")), str(row.get("record_key", ""))


def kept(row: Mapping[str, Any]) -> Row:
    """Give a row that breaks a rule as it is kept until the next check: no text is quoted in it.

    What ``results_of`` and ``failures_of`` tell of it is the same as of the row itself.
    """
    told: Row = {}
    for name, value in row.items():
        is_quoted = name in _UNITS or (name != "value" and _SAFE.fullmatch(str(value)))
        if name == "value":
            plain = _plain(value)
            told[name] = "x" * len(plain) if isinstance(plain, str) else plain
        else:
            told[name] = _plain(value) if is_quoted or value == "" else "(not shown)"
    return told


def _shown(row: Mapping[str, Any], one: Finding) -> Row:
    """Keys of a row and the value that broke the rule; a text that is not ours is not quoted."""
    shown: Row = {
        name: _plain(value) if _SAFE.fullmatch(str(value)) else "(not shown)"
        for name, value in row.items()
        if name != "value" and value != ""
    }
    if "value" not in row:
        return shown
    value = _plain(row["value"])
    if value is None:
        return shown | {"value": "missing"}
    if isinstance(value, str) and one.rule.name not in OWN_TEXT:
        return shown | {"value": f"a text of {len(value)} characters"}
    return shown if value is False else shown | {"value": value}  # False: what the rule denies


def _plain(value: Any) -> Any:
    """Give a value that JSON can hold; None where there is none."""
    import pandas as pd

    value = value.item() if hasattr(value, "item") else value
    if pd.isna(value):
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)
