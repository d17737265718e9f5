"""Run the suites that have something new to look at, and write down what they found."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mpss_lib.batch import write_record
from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.records import Unit
from mpss_lib.warehouse.expectations import suites
from mpss_lib.warehouse.expectations.judging import Look, judge_features, judge_rows, queries_of
from mpss_lib.warehouse.expectations.last_check import (
    FAILURE,
    RESULT,
    STAGE,
    TABLES,
    LastCheck,
)
from mpss_lib.warehouse.expectations.narrowing import Few, find_few
from mpss_lib.warehouse.expectations.result_rows import failures_of, results_of
from mpss_lib.warehouse.expectations.rules import VERSION, Finding
from mpss_lib.warehouse.expectations.suites import BESIDE, FILE_RULES, SUITES, TABLES_OF
from mpss_lib.warehouse.expectations.unjudged import sound_files, unjudged
from mpss_lib.warehouse.expectations.views import Current, FileState
from mpss_lib.warehouse.touched import MOST_TOUCHED, RECORDS

log = logging.getLogger(__name__)

Row = dict[str, Any]

DICTIONARY = {f"core.feature_{name}" for name in ("range", "identity", "dictionary")}


def check_suites(
    current: Current,
    last: LastCheck,
    *,
    names: Sequence[str] = SUITES,
    force: bool = False,
    run_name: str = "by hand",
) -> dict[str, str]:
    """Run suites and write their results, unless those of the same files are there.

    Parameters
    ----------
    current : Current
    last : LastCheck
        What the check before wrote; what this one finds takes its place.
    names : sequence of str
        Suites; all by default.
    force : bool
        Run them again although nothing has changed.
    run_name : str
        Name of the run that asks; only its digest is stored.

    Returns
    -------
    dict
        Suite to ``done`` or ``skipped``.

    Raises
    ------
    WrongArgumentError
        An unknown suite.
    PlatformFaultError
        A rule could not be worked out.
    """
    unknown = sorted(set(names) - set(SUITES))
    if unknown:
        raise WrongArgumentError(
            f"{unknown[0]!r} is no suite", way_out=f"give some of {', '.join(SUITES)}"
        )
    lake, address = current.lake, current.config.address(STAGE)
    former = {"predictions": _withheld(current, last)} if "predictions" in names else {}
    digests = {
        name: _digest(current, name, former.get(name, ())) for name in SUITES if name in names
    }
    there = {
        name: lake.existing(STAGE, address, name, digest, tables=TABLES)
        for name, digest in digests.items()
    }
    todo = [name for name, written in there.items() if force or not written]
    found = _judge(current, last, todo, force=force) if todo else {}
    units: list[Unit] = []
    for name, digest in digests.items():
        written = there[name]
        if name in found:
            failures = [*failures_of(name, found[name][0], current), *former.get(name, ())]
            rows = (results_of(name, found[name][0]), failures, found[name][1])
            written = tuple(
                lake.write(table, address, name, digest, part)
                for table, part in zip(TABLES, rows, strict=True)
            )
            last.replace(name, *rows[:2])
        else:
            last.confirm(name, digest)
        units.append(Unit.of(name, written, is_new=name in found))
    write_record(STAGE, units, lake, current.config, run_name)
    return {unit.key: unit.status for unit in units}


def is_open(last: LastCheck, names: Sequence[str]) -> bool:
    """Tell whether the last check of some suites found a file at fault, or cannot be read.

    It may have looked for more files than a nightly check does, which must not call it mended.
    """
    rules = {rule.name for rule in FILE_RULES}
    for name in names:
        try:
            told = last.rows(RESULT, name)
        except LakeCorruptError as error:
            log.warning("suite %s looks for every file: %s", name, error)
            return True
        if any(not r["is_met"] and r["expectation"].rpartition(".")[2] in rules for r in told):
            return True
    return False


def _withheld(current: Current, last: LastCheck) -> list[Row]:
    """Give the failures of predictions that were replaced: the history must not show them later.

    They are those of the last check, and what that had kept of the checks before, of files that
    are no longer current. Where the files of that check are lost, so is what they told.
    """
    suite = "predictions"
    if not last.is_there(suite):
        return []
    told = last.rows(RESULT, suite)
    shown = {row["expectation"] for row in told if row["consequence"] != "quarantine"}
    rows = [
        row
        for row in last.rows(FAILURE, suite)
        if row["table_name"] == "prediction" and row["expectation"] not in shown
    ]
    newest = current.content_of("prediction", {row["unit_key"] for row in rows}) if rows else {}
    return [row for row in rows if newest.get(row["unit_key"]) != row["content_sha256"]]


def _digest(current: Current, suite: str, former: Sequence[Row]) -> str:
    tables = dict.fromkeys((*TABLES_OF[suite], *BESIDE.get(suite, ()), "study"))
    rules = [*suites.frames_of(suite, current.config.warehouse), *queries_of(suite, current)]
    rules += [*FILE_RULES, suites.ASPECTS] if suite == "features" else FILE_RULES
    kept = [repr(sorted(row.items())) for row in former]
    return current.digest(tables, VERSION, suite, repr(rules), *kept)


# ------------------------------------------------------------------------ judging

TABLE = "table_name"

Told = dict[str, tuple[list[Finding], list[Row]]]
"""Suite to its findings, of files, then of rows, and to the files seen."""


def _judge(current: Current, last: LastCheck, names: Sequence[str], *, force: bool) -> Told:
    """Judge suites: those of which a few studies tell all that is new, then the others."""
    before: dict[str, dict[str, Row]] = {name: {} if force else last.seen(name) for name in names}
    anew = {
        name: unjudged(name, current, last, before[name], queries_of(name, current))
        for name in names
    }
    few = _few(current, last, [studies for studies in anew.values() if studies is not None])
    narrow = [name for name in names if anew[name] is not None and few is not None]
    found: Told = {}
    if narrow and few is not None:
        log.info("suites %s: %d studies are judged", ", ".join(narrow), len(few.studies))
        found |= _judge_together(current, narrow, before, few)
    rest = [name for name in names if name not in narrow]
    return found | (_judge_together(current, rest, before, None) if rest else {})


def _few(current: Current, last: LastCheck, anew: Sequence[frozenset[str]]) -> Few | None:
    """Find the studies and records that some suites look at; None for all."""
    if not anew:
        return None
    failures: list[Row] = []
    for name in SUITES:
        with suppress(LakeCorruptError):  # told where the report is read
            failures += last.broken(name)
    readings = {name: current.reading(name) for name in ("study", RECORDS)}
    seeds = current.new_studies.union(*anew)
    few = find_few(current.lake, current.config, readings, seeds, failures)
    return few if few is not None and len(few.studies) <= MOST_TOUCHED else None


def _judge_together(
    current: Current,
    names: Sequence[str],
    before: Mapping[str, Mapping[str, Row]],
    few: Few | None,
) -> Told:
    """Judge suites over the same views; the rows of a few studies only where these are given."""
    needed = {f"raw.{table}" for name in names for table in TABLES_OF[name]}
    needed |= {n for name in names for check in queries_of(name, current) for n in check.needs}
    needed |= DICTIONARY if "features" in names else set()
    reached = current.reached(needed)
    studies = few.studies if few is not None else None
    every = [t for tables in TABLES_OF.values() for t in tables if f"raw.{t}" in reached]
    sound = frozenset[str]().union(*(sound_files(before[name], studies) for name in names))
    states = {table: current.files(table, but=sound) for table in every}
    at_fault = {table for table, files in states.items() if any(map(_is_bad, files))}
    own = {name: [t for t in TABLES_OF[name] if t in states] for name in names}
    files = _judge_files(current, {t: states[t] for tables in own.values() for t in tables})
    found: Told = {}
    with current.open(needed, leave_out=at_fault, few=few) as connection:
        for name in names:
            look = Look(name, current, connection, before[name], frozenset(at_fault))
            judged, seen = judge_features(look) if name == "features" else judge_rows(look)
            found[name] = [*(one for table in own[name] for one in files[table]), *judged], seen
            log.info("suite %s: %d expectations", name, len(found[name][0]))
    return found


def _is_bad(file: FileState) -> bool:
    return (
        not file.is_there
        or file.is_readable is False
        or file.is_whole_as_recorded is False
        or bool(file.unknown or file.missing)
    )


def _judge_files(
    current: Current, states: Mapping[str, Sequence[FileState]]
) -> dict[str, list[Finding]]:
    """Hold the files of tables against the rules about files, all at once; findings by table."""
    import pandas as pd

    from mpss_lib.warehouse.expectations.engine import judge

    rows = [{TABLE: table} | vars(file) for table, files in states.items() for file in files]
    broken = judge(pd.DataFrame(rows), "files", (TABLE, "path", "study_key"), FILE_RULES)
    found: dict[str, list[Finding]] = {table: [] for table in states}
    for rule in broken:
        by_table: dict[str, list[Row]] = {}
        for row in rule.rows:
            by_table.setdefault(row.pop(TABLE), []).append(row)
        for table, findings in found.items():
            bad, n_files = by_table.get(table, []), current.n_files(table)
            findings.append(Finding(rule.rule, table, n_files, len(bad), bad, not bad))
    return found
