"""What follows from the results: studies held back, warnings told, a table at fault named."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.records import Record
from mpss_lib.shelves import order_of
from mpss_lib.tables import Lake, check_key
from mpss_lib.warehouse.expectations.last_check import FAILURE, RESULT, STAGE, LastCheck
from mpss_lib.warehouse.expectations.suites import SUITES
from mpss_lib.warehouse.expectations.views import Current
from mpss_lib.whole_files import read_json

log = logging.getLogger(__name__)

Row = dict[str, Any]

ERROR = "ExpectationFailed"

WAY_OUT: Mapping[str, str] = {
    "study": "have the source corrected; `mpss run pull {key} --force` and the stages after it,"
    " then `mpss warehouse check --publish`",
    "features": "`mpss run radiomics {key} --force`, then `mpss warehouse check --publish`; if it"
    " stays so, report it with the name of the expectation",
    "clinical": "correct the registry and import it again (mpss_clinical)",
    "predictions": "look at the model (result.model_overview); register another one",
}
"""What a person does about a study that a suite holds back."""


@dataclass(frozen=True)
class Report:
    """Newest results of every suite, as rows of the lake tables.

    Parameters
    ----------
    results, failures : list of dict
        Rows of ``expectation_result`` and ``expectation_failure``; only failures of files that
        are still current.
    held : dict of study key to failures
        Studies that are held back, with what they break.
    checked_at : dict of suite to datetime
        UTC.
    """

    results: list[Row]
    failures: list[Row]
    held: dict[str, list[Row]]
    checked_at: dict[str, datetime]

    def broken(self, consequence: str) -> list[Row]:
        """Results that are not met, of one consequence."""
        return [r for r in self.results if r["consequence"] == consequence and not r["is_met"]]

    def counts(self) -> dict[str, int]:
        """How many expectations, and how many of each consequence are not met."""
        return {
            "expectations": len(self.results),
            "stops": len(self.broken("stop")),
            "held_back": len(self.held),
            "warnings": len(self.broken("warn")),
        }


def read_report(current: Current, last: LastCheck) -> Report:
    """Read the newest results of every suite from the lake, and of the files as they are."""
    results = [r for s in SUITES for r in last.rows(RESULT, s)]
    found = [r for s in SUITES for r in last.rows(FAILURE, s)]
    units: dict[str, set[str]] = {}
    for row in found:
        units.setdefault(row["table_name"], set()).add(row["unit_key"])
    content = {table: current.content_of(table, keys) for table, keys in units.items()}
    failures = [
        row
        for row in found
        if content[row["table_name"]].get(row["unit_key"]) == row["content_sha256"]
    ]
    rules = {(r["suite"], r["expectation"]): r for r in results}
    told = [row | {"says": rules[row["suite"], row["expectation"]]["says"]} for row in failures]
    serious = [
        row
        for row in told
        if rules[row["suite"], row["expectation"]]["consequence"] == "quarantine"
    ]
    return Report(results, told, _by_study(serious, current), _checked_at(current))


def _checked_at(current: Current) -> dict[str, datetime]:
    """Map each suite to the time of its last check."""
    address, times = current.config.address(STAGE), dict[str, datetime]()
    folder = current.lake.root / "manifest" / STAGE
    for path in sorted(folder.glob("*.json"), key=lambda one: (order_of(one.stem), one.stem))[::-1]:
        record = Record.read(read_json(path))
        if record.address == address:
            told = datetime.fromisoformat(record.written_at).astimezone(UTC).replace(tzinfo=None)
            times = dict.fromkeys((unit.key for unit in record.units), told) | times
        if times.keys() >= set(SUITES):
            break
    return times


def _by_study(failures: list[Row], current: Current) -> dict[str, list[Row]]:
    """Group by study; a record of the registry counts for the studies that it may belong to."""
    links: dict[str, list[str]] = {}
    if any(row["record_key"] for row in failures):
        with current.open(["core.clinical_candidate"]) as connection:
            for record, study in connection.execute(
                "select record_key, study_key from core.clinical_candidate order by all"
            ).fetchall():
                links.setdefault(record, []).append(study)
    held: dict[str, list[Row]] = {}
    for row in failures:
        own = [row["study_key"]] if row["study_key"] else links.get(row["record_key"], [])
        for study in own:
            held.setdefault(study, []).append(row)
    return held


def settle(lake: Lake, report: Report) -> None:
    """Act on a report: tell warnings, set studies aside or release them, stop.

    Raises
    ------
    LakeCorruptError
        A table is at fault: it is named, and nothing can be published until it is mended.
    """
    for row in report.broken("warn"):
        log.warning(
            "%s: %s: not so in %d of %s, such as %s",
            row["expectation"],
            row["says"],
            row["n_unexpected"],
            _rows(row["n_rows"]),
            _examples(row),
        )
    stops = report.broken("stop")
    if stops:
        first = stops[0]
        raise LakeCorruptError(
            f"table {first['table_name']} is at fault; expected: {first['says']};"
            f" {first['n_unexpected']} times not so, such as {_first_example(first)}"
            + (f"; {len(stops) - 1} more expectations" if len(stops) > 1 else ""),
            way_out="restore or remove the file and run its stage again, then"
            " `mpss warehouse check --publish`; the published snapshot stays",
        )
    _set_aside(lake, report)


def _first_example(row: Row) -> str:
    return _examples(row, 1)


def _examples(row: Row, most: int = 5) -> str:
    """Tell rows by their keys and values: of two studies with one image, both are named."""
    examples: list[Row] = json.loads(row["examples"])[:most]
    told = [", ".join(f"{name} {value}" for name, value in one.items()) for one in examples]
    return "; ".join(told) or "-"


def _set_aside(lake: Lake, report: Report) -> None:
    before = {row["study_key"]: row for row in lake.quarantined() if row["stage"] == STAGE}
    for study, rows in sorted(report.held.items()):
        problem = problem_of(rows)
        log.warning("%s held back: %s", study, problem)
        if before.get(study, {}).get("problem") != problem and _is_key(study):
            way_out = WAY_OUT[rows[0]["suite"]].format(key=study)
            lake.quarantine(STAGE, study, error=ERROR, problem=problem, way_out=way_out)
    for study in sorted(before.keys() - report.held.keys()):
        log.info("%s is sound again", study)
        lake.release(STAGE, study)


def problem_of(rows: list[Row]) -> str:
    """Say in one line what a study breaks, with the first row that does."""
    first = rows[0]
    example = {k: v for k, v in json.loads(first["example"]).items() if k != "study_key"}
    told = f"{first['expectation']}: {first['says']}: not so in {_rows(first['n_rows'])}"
    if example:
        told += f", such as {', '.join(f'{name} {value}' for name, value in example.items())}"
    return told + (f"; {len(rows) - 1} more" if len(rows) > 1 else "")


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"


def _is_key(study: str) -> bool:
    try:
        check_key(study)
    except WrongArgumentError:  # it would leave its folder: the tables show it all the same
        log.error("a study key that is none is held back without a note of its own")
        return False
    return True
