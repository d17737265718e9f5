"""Run the suites that have something new to look at, and write down what they found."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from mpss_lib.batch import write_record
from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.records import Unit
from mpss_lib.schemas import FEATURE_TABLES
from mpss_lib.schemas import TABLES as SCHEMAS
from mpss_lib.tables import Lake
from mpss_lib.warehouse.checks import Check, read_checks
from mpss_lib.warehouse.expectations import suites
from mpss_lib.warehouse.expectations.result_rows import failures_of, results_of
from mpss_lib.warehouse.expectations.rules import VERSION, Finding, Frame
from mpss_lib.warehouse.expectations.seen import SEEN, judge_values, read_seen
from mpss_lib.warehouse.expectations.suites import BESIDE, FILE_RULES, SUITES, TABLES_OF
from mpss_lib.warehouse.expectations.unjudged import seen_studies, sound_files, unjudged
from mpss_lib.warehouse.expectations.views import Current, FileState, relations_of
from mpss_lib.warehouse.meta import COUNTED
from mpss_lib.warehouse.study_rows import n_rows_of, n_studies_of

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

Row = dict[str, Any]

TABLES = ("expectation_result", "expectation_failure")
STAGE = "warehouse"
DICTIONARY = {f"core.feature_{name}" for name in ("range", "identity", "dictionary")}


def check_suites(
    current: Current,
    *,
    names: Sequence[str] = SUITES,
    force: bool = False,
    run_name: str = "by hand",
) -> dict[str, str]:
    """Run suites and write their results, unless those of the same files are there.

    Parameters
    ----------
    current : Current
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
    former = {"predictions": _withheld(current)} if "predictions" in names else {}
    digests = {
        name: _digest(current, name, former.get(name, ())) for name in SUITES if name in names
    }
    there = {
        name: lake.existing(STAGE, address, name, digest, tables=_tables(name))
        for name, digest in digests.items()
    }
    todo = [name for name, written in there.items() if force or not written]
    found, seen = _judge(current, todo, force=force) if todo else ({}, [])
    units: list[Unit] = []
    for name, digest in digests.items():
        written = there[name]
        if name in found:
            failures = [*failures_of(name, found[name], current), *former.get(name, ())]
            rows = (results_of(name, found[name]), failures, seen)
            written = tuple(
                lake.write(table, address, name, digest, part)
                for table, part in zip(_tables(name), rows, strict=False)
            )
        units.append(Unit.of(name, written, is_new=name in found))
    write_record(STAGE, units, lake, current.config, run_name)
    return {unit.key: unit.status for unit in units}


def is_open(lake: Lake, config: Config, names: Sequence[str]) -> bool:
    """Tell whether the last check of some suites found a file at fault, or cannot be read.

    It may have looked for more files than a nightly check does, which must not call it mended.
    """
    address, table = config.address(STAGE), "expectation_result"
    rules = {rule.name for rule in FILE_RULES}
    for name in names:
        path = lake.current_path(table, address, name)
        if path is None:
            continue
        try:
            told = lake.rows(table, address, name)
        except LakeCorruptError as error:
            log.warning("suite %s looks for every file: %s", name, error)
            return True
        if any(not r["is_met"] and r["expectation"].rpartition(".")[2] in rules for r in told):
            return True
    return False


def _tables(suite: str) -> tuple[str, ...]:
    return (*TABLES, SEEN) if suite == "features" else TABLES


def _withheld(current: Current) -> list[Row]:
    """Give the failures of predictions that were replaced: the history must not show them later.

    They are those of the last check, and what that had kept of the checks before, of files that
    are no longer current. Where the files of that check are lost, so is what they told.
    """
    address, suite = current.config.address(STAGE), "predictions"
    paths = [current.lake.current_path(table, address, suite) for table in TABLES]
    if not all(path is not None and path.is_file() for path in paths):
        return []
    told = current.lake.rows("expectation_result", address, suite)
    shown = {row["expectation"] for row in told if row["consequence"] != "quarantine"}
    rows = [
        row
        for row in current.lake.rows("expectation_failure", address, suite)
        if row["table_name"] == "prediction" and row["expectation"] not in shown
    ]
    newest = current.content_of("prediction") if rows else {}
    return [row for row in rows if newest.get(row["unit_key"]) != row["content_sha256"]]


def _digest(current: Current, suite: str, former: Sequence[Row]) -> str:
    tables = dict.fromkeys((*TABLES_OF[suite], *BESIDE.get(suite, ()), "study"))
    rules = [*suites.frames_of(suite, current.config.warehouse), *_queries(suite, current)]
    rules += [*FILE_RULES, suites.ASPECTS] if suite == "features" else FILE_RULES
    kept = [repr(sorted(row.items())) for row in former]
    return current.digest(tables, VERSION, suite, repr(rules), *kept)


# ------------------------------------------------------------------------ judging


def _judge(
    current: Current, names: Sequence[str], *, force: bool
) -> tuple[dict[str, list[Finding]], list[Row]]:
    """Give the findings of each suite, of files, then of rows, and the files seen."""
    before = {} if force or "features" not in names else read_seen(current)
    studies = unjudged(current, before, _queries("features", current)) if before else None
    if studies is None:
        return _judge_together(current, names, before)
    log.info("features of %d studies are judged", len(studies))
    rest = [name for name in names if name != "features"]
    found, seen = _judge_together(current, ["features"], before, studies)
    return found | (_judge_together(current, rest, {})[0] if rest else {}), seen


def _judge_together(
    current: Current,
    names: Sequence[str],
    before: Mapping[str, Row],
    studies: frozenset[str] | None = None,
) -> tuple[dict[str, list[Finding]], list[Row]]:
    """Judge suites over the same views; the rows of some studies only where these are given."""
    needed = {f"raw.{table}" for name in names for table in TABLES_OF[name]}
    needed |= {need for name in names for check in _queries(name, current) for need in check.needs}
    needed |= DICTIONARY if "features" in names else set()
    reached = current.reached(needed)
    every = [
        table for tables in TABLES_OF.values() for table in tables if f"raw.{table}" in reached
    ]
    sound = sound_files(before, studies)
    states = {table: current.files(table, but=sound) for table in every}
    at_fault = {table for table, files in states.items() if any(map(_is_bad, files))}
    found: dict[str, list[Finding]] = {}
    seen: list[Row] = []
    with current.open(needed, leave_out=at_fault, studies=studies) as connection:
        for name in names:
            found[name] = [
                one
                for table in TABLES_OF[name]
                for one in _judge_files(table, states[table], current.n_files(table))
            ]
            found[name] += _judge_rows(name, current, connection, at_fault)
            if name == "features":
                for table in (t for t in FEATURE_TABLES if not at_fault & {t, "feature_catalogue"}):
                    judged, files_seen = judge_values(table, current, connection, before)
                    found[name] += judged
                    seen += files_seen
                seen += seen_studies(current, _queries(name, current))
                found[name].sort(key=_place_of_rule)
            log.info("suite %s: %d expectations", name, len(found[name]))
    return found, seen


def _place_of_rule(one: Finding) -> int:
    """Place of a finding among those of the features: of files, keys, queries, feature columns."""
    if one.rule in FILE_RULES:
        return -1
    for place, frame in enumerate(suites.FEATURES):
        if one.table == frame.table and one.rule in frame.rules:
            return place
    return len(suites.FEATURES) + (one.rule in (*suites.VALUES, suites.TWIN))


def _is_bad(file: FileState) -> bool:
    return (
        not file.is_there
        or file.is_readable is False
        or file.is_whole_as_recorded is False
        or bool(file.unknown or file.missing)
    )


def _judge_files(table: str, files: Sequence[FileState], n_files: int) -> list[Finding]:
    import pandas as pd

    from mpss_lib.warehouse.expectations.engine import judge

    found = judge(pd.DataFrame(map(vars, files)), table, ("path", "study_key"), FILE_RULES)
    for one in found:
        one.n_rows = n_files
    return found


def _judge_rows(
    suite: str, current: Current, connection: duckdb.DuckDBPyConnection, at_fault: set[str]
) -> list[Finding]:
    """Hold the rows of a suite's tables against its rules; tables at fault are not read."""
    found = []
    for frame in suites.frames_of(suite, current.config.warehouse):
        if frame.table not in at_fault:
            found += _judge_frame(frame, connection, is_seen=suite == "features")
    there = relations_of(connection)
    queries = [check for check in _queries(suite, current) if check.needs <= there]
    found += _judge_queries(suite, queries, connection)
    return found


def _judge_frame(
    frame: Frame, connection: duckdb.DuckDBPyConnection, *, is_seen: bool
) -> list[Finding]:
    """Hold the rows of one frame against its rules; those that look at one row only if not seen."""
    from mpss_lib.warehouse.expectations.engine import judge

    def read(sql: str) -> pd.DataFrame:
        # In one order whatever the threads did: the examples are the first rows.
        rows: pd.DataFrame = connection.execute(f"from ({sql}) order by all").df()
        return rows

    found = []
    for rule in frame.across_rows:
        [one] = judge(read(frame.alike(rule)), frame.table, frame.keys, (rule,))
        one.n_rows = _n_rows(frame, connection)
        found.append(one)
    if frame.of_a_row and not is_seen:
        found += judge(read(frame.sql), frame.table, frame.keys, frame.of_a_row)
    return found


def _n_rows(frame: Frame, connection: duckdb.DuckDBPyConnection) -> int:
    """Count the rows of a frame; of a table whose rows are counted by file it is known."""
    if frame.table in COUNTED and not frame.where:
        return n_rows_of(connection, frame.table)
    [(number,)] = connection.execute(f"select count(*) from ({frame.sql})").fetchall()  # noqa: S608
    return int(number)


def _queries(suite: str, current: Current) -> list[Check]:
    points = current.config.cohort.lvef_difference
    found = read_checks(bins=current.bins, lvef_difference=points)
    return [check for check in found if check.suite == suite]


def _judge_queries(
    suite: str, checks: Sequence[Check], connection: duckdb.DuckDBPyConnection
) -> list[Finding]:
    """Hold the lake against queries, all of a suite at once; each finding is of its own table."""
    import pandas as pd

    from mpss_lib.warehouse.expectations.engine import judge

    def run(sql: str) -> list[Row]:
        result = connection.execute(f"from ({sql}) order by all")
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    names = pd.DataFrame({"query": [check.name for check in checks]})
    found = judge(names, suite, (), [check.as_rule() for check in checks], run=run)
    counted: dict[tuple[str, ...], int] = {}
    for check, one in zip(checks, found, strict=True):
        told = connection.sql(check.sql).columns
        keys = [name for name in SCHEMAS[check.table].grain if name in told]
        if (check.table, *keys) not in counted:
            counted[check.table, *keys] = _n_keys(check.table, keys, connection)
        one.table, one.n_rows = check.table, counted[check.table, *keys]
    return found


def _n_keys(table: str, keys: Sequence[str], connection: duckdb.DuckDBPyConnection) -> int:
    """Count the keys of a table; of studies it is known by file."""
    if table in COUNTED and keys == ["study_key"]:
        return n_studies_of(connection, table)
    sql = f"select count(*) from (select distinct {', '.join(keys)} from raw.{table})"  # noqa: S608
    [(number,)] = connection.execute(sql).fetchall()
    return int(number)
