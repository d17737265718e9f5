"""Rules about one row of studies, records and predictions: each file is judged once.

What a rule finds in a row hangs on this row alone, so it is kept of each file (lake table
``expectation_seen``: the rows that break a rule, how many rows each rule looked at) and the file is
read no more while its size, its time of change, the rules and the studies that other files replace
are the same. A rule that allows a share of the rows to break it is told by the sums of all files.
Where the table is lost, or a check is forced, every file is read; the findings are the same.

Features have so many columns that they are read in another way (``seen``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mpss_lib.schemas import TABLES, TEXT
from mpss_lib.tables import digest_of
from mpss_lib.warehouse.expectations.result_rows import MOST_KEPT, N_EXAMPLES, kept, unit_of
from mpss_lib.warehouse.expectations.rules import Finding, Frame, Rule
from mpss_lib.warehouse.expectations.views import Current
from mpss_lib.warehouse.joining import PATH

log = logging.getLogger(__name__)

Row = dict[str, Any]

ROWS_AT_ONCE = 200_000


@dataclass
class FileTold:
    """What is kept of the rows of one file.

    Parameters
    ----------
    n_studies : int
    n_rows : dict
        Condition of a frame to the rows that it is about.
    shares : dict
        Rule that allows a share to the rows without a value, those that break it, and their units.
    broken : list of (rule, row)
        Rows that break a rule; of a rule that allows a share the first few.
    """

    n_studies: int = 0
    n_rows: dict[str, int] = field(default_factory=dict)
    shares: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    broken: list[tuple[str, Row]] = field(default_factory=list)

    @classmethod
    def of(cls, row: Row) -> FileTold:
        """Take it from a row of ``expectation_seen``."""
        return cls(**json.loads(row["counts"]), broken=json.loads(row["broken"]))

    def columns(self) -> Row:
        """Give it as columns of ``expectation_seen``."""
        counts = asdict(self)
        broken = counts.pop("broken")
        return {"broken": json.dumps(broken), "counts": json.dumps(counts)}


@dataclass(frozen=True)
class TableTold:
    """What all files of a table gave together.

    Parameters
    ----------
    findings : dict
        Rule to finding.
    seen : list of dict
        Rows of ``expectation_seen``.
    n_studies : int
    n_rows : dict
        Condition of a frame to the rows that it is about; "" to all.
    """

    findings: dict[str, Finding]
    seen: list[Row]
    n_studies: int
    n_rows: dict[str, int]

    def n_keys(self, keys: Sequence[str]) -> int:
        """How many rows of these keys there are: of a study, or of the grain."""
        return self.n_studies if list(keys) == ["study_key"] else self.n_rows[""]


def labels(suite: str, table: str, current: Current, rules: str) -> dict[str, Row]:
    """Map each file of a table to what its row of ``expectation_seen`` says beside the findings.

    Parameters
    ----------
    suite, table : str
    current : Current
    rules : str
        Digest of all rules of the suite; that of a file has the studies that others replace in it.
    """
    reading = current.reading(table)
    without = {source.path: source.without for source in reading.batches if source.without}
    return {
        path: {"suite": suite, "table_name": table, "path": path}
        | {"state": current.state_of(path)}
        | {"rules_digest": digest_of([rules, *sorted(without.get(path, ()))])}
        for path in reading.paths
    }


def judge_table(
    suite: str,
    table: str,
    current: Current,
    frames: Sequence[Frame],
    before: Mapping[str, Row],
    rules: str,
) -> TableTold:
    """Hold every row of a table against the rules about one row; only files not seen are read.

    Parameters
    ----------
    suite, table : str
    current : Current
    frames : sequence of Frame
        Those of the table.
    before : mapping of path to row
        What the last check has seen; empty to read every file.
    rules : str
        Digest of all rules of the suite.
    """
    named = labels(suite, table, current, rules)
    told = {
        path: FileTold.of(before[path])
        for path, label in named.items()
        if label.items() <= before.get(path, {}).items()
    }
    unread = [path for path in named if path not in told]
    told |= _read(unread, table, current, frames)
    seen = [
        label | told[path].columns()
        for path, label in named.items()
        if len(told[path].broken) <= MOST_KEPT
    ]
    return _sum(table, frames, list(told.values()), seen)


# ------------------------------------------------------------------------ all files


def _sum(
    table: str, frames: Sequence[Frame], files: Sequence[FileTold], seen: list[Row]
) -> TableTold:
    n_rows = {
        where: sum(one.n_rows[where] for one in files) for where in ["", *(f.where for f in frames)]
    }
    broken: dict[str, list[Row]] = {}
    for one in files:
        for name, row in one.broken:
            broken.setdefault(name, []).append(row)
    findings = {}
    for frame in frames:
        for rule in frame.of_a_row:
            rows = sorted(broken.get(rule.name, ()), key=lambda row: _place(row, frame.keys))
            found = Finding(rule, table, n_rows[frame.where], len(rows), rows, not rows)
            if rule.is_share:
                _tell_share(found, [one.shares[rule.name] for one in files])
            findings[rule.name] = found
    return TableTold(findings, seen, sum(one.n_studies for one in files), n_rows)


def _place(row: Row, keys: Sequence[str]) -> tuple[str, ...]:
    """Place of a row: by its keys, whichever file it is in."""
    return (*(str(row.get(key, "")) for key in keys), str(row.get("value", "")))


def _tell_share(found: Finding, files: Sequence[tuple[int, int, int]]) -> None:
    """Bring a finding to the sums of all files.

    Great Expectations counts the rows with a value: enough of them must not break the rule.
    """
    missing, bad, units = (
        (sum(column) for column in zip(*files, strict=True)) if files else (0,) * 3
    )
    found.rows, found.n_unexpected, found.n_units = found.rows[:N_EXAMPLES], bad, units
    n_told = found.n_rows - missing
    found.is_met = not n_told or (n_told - bad) / n_told >= found.rule.arguments["mostly"]


# ------------------------------------------------------------------------ one file


def _read(
    paths: Sequence[str], table: str, current: Current, frames: Sequence[Frame]
) -> dict[str, FileTold]:
    log.info("%s: %d files are read", table, len(paths))
    told = {path: FileTold() for path in paths}
    columns = dict.fromkeys(name for frame in frames for name in frame.columns)
    settings = {"threads": current.config.warehouse.threads}
    with duckdb.connect(config=settings) as connection:
        for rows in _parts(table, paths, columns, current):
            connection.register("arrow_rows", rows)
            _count(table, frames, connection, told)
            for frame in frames:
                if frame.of_a_row:
                    _judge(frame, connection, told)
            connection.unregister("arrow_rows")
    return told


def _parts(
    table: str, paths: Sequence[str], columns: Collection[str], current: Current
) -> Iterator[pa.Table]:
    """Rows of files that are read, with the file of each, some of them at a time."""
    without = {source.path: source.without for source in current.reading(table).batches}
    waiting: list[pa.Table] = []
    for path in paths:
        data = _columns(current, table, path, columns)
        if without.get(path):
            stale = pa.array(sorted(without[path]))
            data = data.filter(pc.invert(pc.is_in(data["study_key"], value_set=stale)))
        waiting.append(data)
        if sum(one.num_rows for one in waiting) >= ROWS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _columns(current: Current, table: str, path: str, columns: Collection[str]) -> pa.Table:
    """Read some columns of a file, and its path; null where an old file lacks one."""
    kinds = TABLES[table].columns
    with pq.ParquetFile(current.lake.root / path) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        data = file.read(columns=there)
    for name in columns:
        if name not in there:
            data = data.append_column(name, pa.nulls(data.num_rows, kinds[name]))
    data = data.select(list(columns)).append_column(PATH, pa.array([path] * data.num_rows, TEXT))
    return data.replace_schema_metadata(None)


def _count(
    table: str,
    frames: Sequence[Frame],
    connection: duckdb.DuckDBPyConnection,
    told: Mapping[str, FileTold],
) -> None:
    """Count studies and rows of each file."""
    has_studies = "study_key" in TABLES[table].columns
    studies = "count(distinct study_key)" if has_studies else "0"
    wheres = list(dict.fromkeys(["", *(frame.where for frame in frames)]))
    for one in told.values():
        one.n_rows = dict.fromkeys(wheres, 0) | one.n_rows
        one.shares = {r.name: (0, 0, 0) for f in frames for r in f.of_a_row if r.is_share} | (
            one.shares
        )
    counts = ", ".join(f"count(*) filter (where {where or 'true'})" for where in wheres)
    sql = f"select {PATH}, {studies}, {counts} from arrow_rows group by {PATH}"  # noqa: S608
    for path, n_studies, *numbers in connection.execute(sql).fetchall():
        told[path].n_studies = n_studies
        told[path].n_rows = dict(zip(wheres, numbers, strict=True))


def _judge(
    frame: Frame, connection: duckdb.DuckDBPyConnection, told: Mapping[str, FileTold]
) -> None:
    """Hold the rows of some files against a frame's rules about one row."""
    from mpss_lib.warehouse.expectations.engine import judge

    rows = connection.execute(frame.select("arrow_rows", (PATH,))).df()
    for found in judge(rows, frame.table, (PATH, *frame.keys), frame.of_a_row):
        by_file: dict[str, list[Row]] = {}
        for row in found.rows:
            path = row.pop(PATH)
            by_file.setdefault(path, []).append(kept(row))
        for part in by_file.values():
            part.sort(key=lambda row: _place(row, frame.keys))
        if found.rule.is_share:
            _count_share(found.rule, rows, by_file, told)
        most = N_EXAMPLES if found.rule.is_share else None
        for path, part in by_file.items():
            told[path].broken += [(found.rule.name, row) for row in part[:most]]


def _count_share(
    rule: Rule, rows: Any, by_file: Mapping[str, Sequence[Row]], told: Mapping[str, FileTold]
) -> None:
    """Count what a rule that allows a share found in each file."""
    is_missing = rows[rule.columns[0]].isna() & (not rule.is_about_missing)
    missing = is_missing.groupby(rows[PATH]).sum().to_dict()
    for path in missing.keys() | by_file.keys():
        bad = by_file.get(path, ())
        told[path].shares[rule.name] = (
            int(missing.get(path, 0)),
            len(bad),
            len(set(map(unit_of, bad))),
        )
