"""Which files are read now: those of the published snapshot, and what new records change in them.

A check and a publish ask the same: which records are new, and which files are read with them. The
answer costs what is new and not what is there, because the snapshot names the files that it reads
(``meta.lake_file``) and its manifest is asked only about the units of new records. That is enough
where studies came, or files that stand alone were replaced. In every other case (a record changed
or went, batches were written or lost, a file that a batch repeats was replaced, a stage was
published for the first time) ``standing`` gives None, and the whole manifest is read instead: what
is found is the same.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from mpss_lib.config import Address, Config
from mpss_lib.errors import PlatformFaultError
from mpss_lib.schemas import TABLES
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse.checks import Columns, raw_columns
from mpss_lib.warehouse.compaction import BATCHES, Reading, batch_records
from mpss_lib.warehouse.joining import Source
from mpss_lib.warehouse.manifest import APPEND_ONLY, Ledger, read_records
from mpss_lib.warehouse.meta import META
from mpss_lib.warehouse.newest import PREDICTION, newest_of_snapshot
from mpss_lib.warehouse.pointers import of_every_stage, read_pointers
from mpss_lib.warehouse.record_files import new_files

log = logging.getLogger(__name__)

Row = dict[str, Any]

_STAMP = "select code_version, duckdb_version, batch_records, rules from meta.snapshot"

_KNOWN = "select count(*), coalesce(max(record_order), 0) from meta.run"

_UNSETTLED = """
select study_key from meta.quarantine
union
select study_key from meta.upstream
union
select study_key from quality.held_back
"""

_BEFORE = """
select file.table_name, file.engine, file.config, file.unit_key, file.path, file.n_rows,
    file.is_current
from meta.manifest as file
where file.unit_key in (select unit_key from arrow_units)
"""


_CONTENT = """
select unit_key, content_sha256
from meta.manifest
where is_current and table_name = ? and engine = ? and config = ?
"""


@dataclass(frozen=True)
class Standing:
    """What is read now.

    Parameters
    ----------
    pointers : mapping of stage to Address
        Of every stage.
    readings : mapping of table to Reading
        The files that give the current rows of each table.
    n_rows : mapping of path to int
        Rows of these files by their records.
    new : Ledger
        The records that the snapshot does not know; its ``settings`` are those of all records.
    lake_files : pyarrow.Table
        ``meta.lake_file`` of the snapshot.
    made_by : (str, str)
        Versions of the code and of DuckDB that wrote the snapshot.
    highest_order : int
        Number of the last record.
    newest_predictions : Reading
        The files that give the newest prediction of each study.
    rules : str
        Digest of the relations of the snapshot.
    cohort_rule : pyarrow.Table
        ``meta.cohort_rule`` of the snapshot.
    unsettled : frozenset of str
        Studies that stand still in it, or are held back.
    raw_columns : frozenset of (str, str, str, int)
        Table, name, type and place of the columns of the lake's tables as it shows them.
    """

    pointers: Mapping[str, Address]
    readings: Mapping[str, Reading]
    n_rows: Mapping[str, int]
    new: Ledger
    lake_files: pa.Table
    made_by: tuple[str, str]
    highest_order: int
    newest_predictions: Reading
    rules: str
    cohort_rule: pa.Table
    unsettled: frozenset[str]
    raw_columns: Columns

    def content_of(self, lake: Lake, table: str, units: Collection[str] | None) -> dict[str, str]:
        """Map unit keys of a table to the SHA-256 of their current files; every one where None.

        Raises
        ------
        PlatformFaultError
            The published snapshot cannot be read.
        """
        address = self.pointers[TABLES[table].stage]
        made_by = (table, address.engine, address.config)
        with closing(open_snapshot(lake.snapshot)) as connection:
            sql, given = _CONTENT, list[Any](made_by)
            if units is not None:
                sql += " and unit_key in (select unnest(?))"
                given.append(sorted(units))
            found = dict(connection.execute(sql, given).fetchall())
        new = self.new.files
        return found | {
            file["unit_key"]: file["content_sha256"]
            for file in new
            if (file["table_name"], file["engine"], file["config"]) == made_by
            and file["is_current"]
            and (units is None or file["unit_key"] in units)
        }


def standing(lake: Lake, config: Config) -> Standing | None:
    """Find what is read now; None where only the whole manifest can tell."""
    if not lake.snapshot.is_file():
        return None
    try:
        with closing(open_snapshot(lake.snapshot)) as connection:
            return _standing(lake, config, connection)
    except (duckdb.Error, pa.ArrowInvalid, PlatformFaultError) as error:
        log.info("warehouse: nothing is taken over from the published snapshot: %s", error)
        return None


def _standing(lake: Lake, config: Config, connection: duckdb.DuckDBPyConnection) -> Standing | None:
    code, engine, batches, rules = _one(connection, _STAMP)
    pointers = read_pointers(lake)
    every = of_every_stage(config, pointers)
    new = _new_records(lake, connection)
    if batches != batch_records(lake) or every != _pointers(connection) or new is None:
        return None
    if not pointers.keys() >= set(new.tables["files"]["stage"].to_pylist()):
        return None
    files = _table(connection, "lake_file")
    rows = files.to_pylist()
    if any(row["path"].startswith(BATCHES) and _differs(lake, row) for row in rows):
        return None
    readings = _Readings(rows)
    if not readings.add(new, _before(connection, new), every):
        return None
    found = readings.found()
    newest = newest_of_snapshot(
        connection, found[PREDICTION], new.files, every[TABLES[PREDICTION].stage]
    )
    (order,) = _one(connection, "select coalesce(max(record_order), 0) from meta.run")
    return Standing(
        pointers=every,
        readings=found,
        n_rows=readings.n_rows,
        new=new,
        lake_files=files,
        made_by=(code, engine),
        highest_order=max(order, new.highest_order),
        newest_predictions=newest,
        rules=rules,
        cohort_rule=_table(connection, "cohort_rule"),
        unsettled=frozenset(key for (key,) in connection.execute(_UNSETTLED).fetchall()),
        raw_columns=raw_columns(connection),
    )


def _differs(lake: Lake, row: Row) -> bool:
    """Whether a file has another size or time than when it was read, or is gone."""
    try:
        stat = (lake.root / row["path"]).stat()
    except FileNotFoundError:
        return True
    return (stat.st_size, stat.st_mtime_ns) != (row["n_bytes"], row["modified_ns"])


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    [row] = connection.execute(sql).fetchall()
    return tuple(row)


def _table(connection: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    columns = META[name].columns
    sql = f"select {', '.join(columns)} from meta.{name}"  # noqa: S608
    return connection.sql(sql).to_arrow_table().cast(pa.schema(list(columns.items())))


def _pointers(connection: duckdb.DuckDBPyConnection) -> dict[str, Address]:
    rows = connection.execute("select stage, engine, config from meta.pointer").fetchall()
    return {stage: Address(engine, config) for stage, engine, config in rows}


def _new_records(lake: Lake, connection: duckdb.DuckDBPyConnection) -> Ledger | None:
    """Read the records that the snapshot does not know; None where one of its own is another.

    None also where a new one has its place before one that is known.
    """
    files = new_files(lake, connection)
    if files is None:
        return None
    n_known, last = _one(connection, _KNOWN)
    new = read_records(files, first=n_known + 1)
    if new.runs and new.runs[0]["record_order"] <= last:
        return None
    settings = pa.concat_tables([_table(connection, "settings"), new.tables["settings"]])
    return Ledger({**new.tables, "settings": settings})


Key = tuple[str, str, str, str]


def _key(row: Row) -> Key:
    return row["table_name"], row["engine"], row["config"], row["unit_key"]


def _before(connection: duckdb.DuckDBPyConnection, new: Ledger) -> dict[Key, list[Row]]:
    """Files that the snapshot's manifest names of the units of new records."""
    units = pa.table({"unit_key": new.tables["files"]["unit_key"].unique()})
    connection.register("arrow_units", units)
    found: dict[Key, list[Row]] = {}
    for row in connection.sql(_BEFORE).to_arrow_table().to_pylist():
        found.setdefault(_key(row), []).append(row)
    connection.unregister("arrow_units")
    return found


class _Readings:
    """The files that the snapshot reads, brought to what new records name.

    Parameters
    ----------
    rows : iterable of dict
        Of ``meta.lake_file``.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.batches: dict[str, list[Source]] = {name: [] for name in TABLES}
        self.alone: dict[str, set[str]] = {name: set() for name in TABLES}
        self.n_rows: dict[str, int] = {}
        for row in rows:
            name, path, n_rows = row["table_name"], row["path"], row["n_rows"]
            if path.startswith(BATCHES):
                self.batches[name].append(Source(path, frozenset(row["replaced"]), n_rows))
            else:
                self.alone[name].add(path)
            if n_rows is not None:
                self.n_rows[path] = n_rows

    def found(self) -> dict[str, Reading]:
        """Give them as readings."""
        return {
            name: Reading(
                tuple(sorted(self.batches[name], key=lambda source: source.path)),
                tuple(sorted(self.alone[name])),
            )
            for name in TABLES
        }

    def add(
        self, new: Ledger, before: Mapping[Key, list[Row]], pointers: Mapping[str, Address]
    ) -> bool:
        """Take in the files of new records; gives whether that could be done.

        Parameters
        ----------
        new : Ledger
        before : mapping
            What the snapshot's manifest says of the same units.
        pointers : mapping of stage to Address
        """
        told: dict[str, int] = {}
        for file in new.files:
            if told.setdefault(file["path"], file["n_rows"]) != file["n_rows"]:
                return False
            is_shown = pointers[file["stage"]] == Address(file["engine"], file["config"])
            is_read = file["table_name"] in APPEND_ONLY or (file["is_current"] and is_shown)
            if is_read and not self._add(file, before.get(_key(file), [])):
                return False
        return True

    def _add(self, file: Row, before: list[Row]) -> bool:
        name, path, n_rows = file["table_name"], file["path"], file["n_rows"]
        same = [row for row in before if row["path"] == path]
        if any(row["n_rows"] != n_rows for row in same):
            return False  # whether rows were lost: ``check_rows_kept``
        former = {row["path"] for row in before if row["is_current"]} - {path}
        if TABLES[name].unit == "engine":  # one file, which every unit names
            return path in self.alone[name] and self.n_rows.get(path) == n_rows
        if name in APPEND_ONLY:
            if not same:
                self._put(name, path, n_rows)
            return True
        if any(row["is_current"] for row in same):
            return True
        if same or not former <= self.alone[name]:
            return False  # an older file is current again, or a batch repeats the former one
        self.alone[name] -= former
        for one in former:
            self.n_rows.pop(one, None)
        self._put(name, path, n_rows)
        return True

    def _put(self, name: str, path: str, n_rows: int) -> None:
        self.alone[name].add(path)
        self.n_rows[path] = n_rows
