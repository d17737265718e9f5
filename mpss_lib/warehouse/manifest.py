"""The manifest as rows: runs, units and files, and which files are current."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mpss_lib.config import Address
from mpss_lib.errors import LakeCorruptError
from mpss_lib.parquet import WAY_OUT
from mpss_lib.records import Record
from mpss_lib.schemas import FLAG, TABLES, TEXT, TEXTS, WHOLE
from mpss_lib.tables import Lake, Written
from mpss_lib.warehouse.record_files import STATE, Records, State, record_files
from mpss_lib.whole_files import read_json

DECIDED = frozenset({"review", "calcium_correction"})
APPEND_ONLY = DECIDED | {"prediction"}
"""Tables of which every file stays: what a person decided and what was once published."""

_STATES = ("done", "skipped", "rejected", "quarantined")

Rows = list[dict[str, Any]]

_TIME = pa.timestamp("us")
_MADE_BY = {"stage": TEXT, "engine": TEXT, "config": TEXT}
_WHERE = {"record": TEXT, "sequence": WHOLE} | _MADE_BY

COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    "runs": _WHERE
    | {"record_order": WHOLE, "run_digest": TEXT, "code_version": TEXT, "written_at": _TIME}
    | dict.fromkeys(("n_given", *(f"n_{state}" for state in _STATES), "n_files", "n_rows"), WHOLE)
    | dict.fromkeys(STATE, WHOLE),
    "units": _WHERE | {"unit_key": TEXT, "status": TEXT, "reasons": TEXTS, "tables": TEXTS},
    "files": _WHERE
    | {"unit_key": TEXT, "table_name": TEXT, "path": TEXT, "input_digest": TEXT}
    | {"n_rows": WHOLE, "content_sha256": TEXT, "is_current": FLAG},
    "settings": {"record": TEXT} | _MADE_BY | {"field": TEXT, "value": TEXT},
}
"""Columns of the four tables of the ledger."""


@dataclass(frozen=True)
class Ledger:
    """Every manifest record of the lake, oldest first, taken apart.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        ``runs``: one row for each record: stage, address, run digest, code version, time, counts,
        and what is told of its file. ``units``: one for each (record, unit): its status and
        reasons. ``files``: one for each (record, unit, table): the file that it names;
        ``is_current`` where no later record of the same address names another file for that unit
        and table. ``settings``: one for each (stage, address, field): the value with which it was
        made.
    """

    tables: Mapping[str, pa.Table]

    @cached_property
    def runs(self) -> Rows:
        """Rows of table ``runs``."""
        return self._rows("runs")

    @cached_property
    def units(self) -> Rows:
        """Rows of table ``units``."""
        return self._rows("units")

    @cached_property
    def files(self) -> Rows:
        """Rows of table ``files``."""
        return self._rows("files")

    def _rows(self, name: str) -> Rows:
        rows: Rows = self.tables[name].to_pylist()
        return rows

    @property
    def highest_order(self) -> int:
        """Number of the last record; 0 where none has a number."""
        orders = self.tables["runs"]["record_order"]
        return int(orders[-1].as_py()) if len(orders) else 0

    def has_records(self, stage: str) -> bool:
        """Whether any task of this stage has recorded anything."""
        return bool(pc.any(pc.equal(self.tables["runs"]["stage"], stage)).as_py())

    def has_files(self, stage: str, address: Address) -> bool:
        """Whether any task has recorded a file of this stage at this address.

        A physician's decision is none: it stands at the address that was in force when it came.
        """
        runs = _made_by(self.tables["runs"], stage, address)
        records = runs.filter(pc.greater(runs["n_files"], 0))["record"]
        files = self.tables["files"]
        files = files.filter(pc.is_in(files["record"], value_set=records.combine_chunks()))
        decided = pa.array(sorted(DECIDED))
        is_decided = pc.is_in(files["table_name"], value_set=decided)
        return bool(pc.any(pc.invert(is_decided)).as_py())

    def rows_of(self, paths: Iterable[str]) -> dict[str, int]:
        """Map files below the lake to their rows by the newest record that names each."""
        files = self.tables["files"]
        named = files.filter(pc.is_in(files["path"], value_set=pa.array(sorted(paths), TEXT)))
        columns = named.select(["path", "n_rows"]).to_pydict()
        return dict(zip(*columns.values(), strict=True))

    def current_of(self, table: str, stage: str, address: Address) -> pa.Table:
        """Rows of ``files`` that are current in one table, made at one address."""
        files = self.tables["files"]
        mine = files.filter(pc.and_(pc.equal(files["table_name"], table), files["is_current"]))
        return _made_by(mine, stage, address)

    @property
    def current(self) -> list[str]:
        """Files that are the newest of their unit, table and address."""
        files = self.tables["files"]
        paths: list[str] = files.filter(files["is_current"])["path"].to_pylist()
        return paths


def read_ledger(lake: Lake, *, known: Ledger | None = None) -> Ledger:
    """Read every manifest record of every stage.

    Parameters
    ----------
    lake : Lake
    known : Ledger, optional
        One that was read before: a record whose file has the size and time that it had then is
        not read again.

    Raises
    ------
    LakeCorruptError
        If a record lacks a field; it names the record.
    """
    there = record_files(lake)
    kept = _unchanged(known, there) if known is not None else frozenset()
    tables = _read(there, kept)
    if known is not None and kept:
        names = pa.array(sorted(state.record for state in kept))
        is_all = len(kept) == known.tables["runs"].num_rows
        for name, old in known.tables.items():
            still = old if is_all else old.filter(pc.is_in(old["record"], value_set=names))
            tables[name] = pa.concat_tables([still, tables[name]])
    return Ledger(_ordered(tables))


def read_records(there: Records, *, first: int) -> Ledger:
    """Read some records that come after others; the first of them has this number."""
    return Ledger(_ordered(_read(there), first))


def _read(there: Records, but: Collection[State] = ()) -> dict[str, pa.Table]:
    parts: dict[str, Rows] = {name: [] for name in COLUMNS}
    for state in sorted(there.keys() - set(but)):
        _take_apart(Path(there[state]), state, parts)
    return {name: _arrow(parts[name], columns) for name, columns in COLUMNS.items()}


def _unchanged(known: Ledger, there: Records) -> frozenset[State]:
    runs = known.tables["runs"].select(list(State._fields)).to_pydict()
    return frozenset(there.keys() & set(map(State, *runs.values())))


def _arrow(rows: Rows, columns: Mapping[str, pa.DataType]) -> pa.Table:
    return pa.table(
        {name: pa.array([row[name] for row in rows], kind) for name, kind in columns.items()}
    )


def _take_apart(path: Path, state: State, parts: dict[str, Rows]) -> None:
    try:
        told = {name: getattr(state, name) for name in STATE}
        _add_record(Record.read(read_json(path)), parts, told)
    except (KeyError, TypeError, ValueError) as error:
        raise LakeCorruptError(
            f"manifest record {path.parent.name}/{path.name} cannot be read:"
            f" {type(error).__name__} {error}",
            way_out="move the file out of lake/manifest and run its stage again",
        ) from error


def _add_record(record: Record, parts: dict[str, Rows], stat: dict[str, int]) -> None:
    made_by = {"stage": record.stage, **asdict(record.address)}
    where = {"record": record.name, "sequence": 0} | made_by
    files = [
        {**where, "unit_key": unit.key, "is_current": True, **_file(file)}
        for unit in record.units
        for file in unit.files
    ]
    states = [unit.status for unit in record.units]
    parts["runs"].append(
        where
        | {
            "record_order": record.order,
            "run_digest": record.run_digest,
            "code_version": record.code_version,
            "written_at": _utc(record.written_at),
            "n_given": len(record.units),
        }
        | {f"n_{state}": states.count(state) for state in _STATES}
        | {"n_files": len(files), "n_rows": sum(file["n_rows"] for file in files)}
        | stat
    )
    for unit in record.units:
        told = {"unit_key": unit.key, "status": unit.status, "reasons": list(unit.reasons)}
        tables = sorted({file.table for file in unit.files})
        parts["units"].append(where | told | {"tables": tables})
    parts["files"] += files
    for field, value in sorted(record.settings.items()):
        told = {"record": record.name, "field": field}
        parts["settings"].append(made_by | told | {"value": json.dumps(value, sort_keys=True)})


def _file(file: Written) -> dict[str, Any]:
    if file.table not in TABLES:
        raise ValueError(f"names the unknown table {file.table!r}")
    row = asdict(file)
    return {"table_name": row.pop("table"), **row}


def _ordered(tables: dict[str, pa.Table], first: int = 1) -> dict[str, pa.Table]:
    """Give each record its number by order, and say of each file whether it is current."""
    order = ("record_order", "written_at", "record")
    runs = tables["runs"].sort_by([(name, "ascending") for name in order])
    runs = _with(runs, "sequence", pa.array(range(first, first + runs.num_rows), WHOLE))
    ordered = {"runs": runs}
    for name in ("units", "files"):
        rows = tables[name]
        place = pc.index_in(rows["record"], value_set=runs["record"])
        rows = _with(rows, "sequence", pc.add(pc.cast(place, WHOLE), first))
        ordered[name] = _sorted(rows, rows["sequence"])
    ordered["files"] = _marked(ordered["files"])
    settings = tables["settings"]
    place = pc.index_in(settings["record"], value_set=runs["record"])
    ordered["settings"] = _sorted(settings, place)
    return ordered


def _sorted(rows: pa.Table, by: pa.ChunkedArray) -> pa.Table:
    """Sort rows, equal ones as they stand; most often new records have come last and all is so."""
    places = by.to_numpy()
    is_so = bool((places[1:] >= places[:-1]).all())
    return rows if is_so else rows.take(pc.sort_indices(by))


def _with(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, values)


def _marked(files: pa.Table) -> pa.Table:
    """Mark the last file of each (table, engine, config, unit) as the current one."""
    if not files.num_rows:
        return files
    codes = np.zeros(files.num_rows, dtype=np.int64)
    for name in ("table_name", "engine", "config", "unit_key"):
        numbers, values = _numbered(files, name)
        codes = codes * len(values) + numbers
    last = files.num_rows - 1 - np.unique(codes[::-1], return_index=True)[1]
    is_current = np.zeros(files.num_rows, dtype=np.bool_)
    is_current[last] = True
    return _with(files, "is_current", pa.array(is_current))


def _numbered(rows: pa.Table, name: str) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Give the values of a text column as numbers, and the values that they stand for."""
    encoded = rows[name].combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def current_paths(
    lake: Lake, ledger: Ledger, pointers: Mapping[str, Address]
) -> dict[str, tuple[str, ...]]:
    """Map each lake table to the files that the snapshot shows, below the lake.

    Append-only tables: every file that any record names, at every address. The others: the file
    of each unit that the newest record at the pointed address names. A table of unit ``engine``
    that no record names is taken from its folder.
    """
    files = ledger.tables["files"]
    is_shown = files["is_current"].to_numpy() & _is_pointed(files, pointers)
    numbers, names = _numbered(files, "table_name")
    found: dict[str, tuple[str, ...]] = {}
    for name, table in TABLES.items():
        is_mine = numbers == names.index(name) if name in names else np.zeros_like(is_shown)
        is_mine &= is_shown | (name in APPEND_ONLY)
        paths: list[str] = files["path"].filter(pa.array(is_mine)).to_pylist()
        if table.unit == "engine" and not paths:
            there = lake.current_paths(name, pointers[table.stage]).values()
            paths = [lake.relative(path) for path in there]
        is_named_once = table.unit == "study" and name not in APPEND_ONLY
        found[name] = tuple(paths if is_named_once else dict.fromkeys(paths))
    return found


def _is_pointed(files: pa.Table, pointers: Mapping[str, Address]) -> npt.NDArray[np.bool_]:
    """Whether each file was made at the address that its stage's pointer names."""
    columns = [_numbered(files, name) for name in _MADE_BY]
    found = np.zeros(files.num_rows, dtype=np.bool_)
    for stage, address in pointers.items():
        wanted = (stage, address.engine, address.config)
        is_so = np.ones(files.num_rows, dtype=np.bool_)
        for (numbers, values), value in zip(columns, wanted, strict=True):
            is_so &= numbers == (values.index(value) if value in values else -1)
        found |= is_so
    return found


def _made_by(rows: pa.Table, stage: str, address: Address) -> pa.Table:
    wanted = {"stage": stage, "engine": address.engine, "config": address.config}
    for name, value in wanted.items():
        rows = rows.filter(pc.equal(rows[name], value))
    return rows


def every_current(ledger: Ledger) -> dict[str, list[str]]:
    """Map each lake table to its current landing files at every engine and config."""
    found: dict[str, list[str]] = {name: [] for name in TABLES}
    for file in ledger.files:
        if file["is_current"]:
            found[file["table_name"]].append(file["path"])
    return found


def check_there(lake: Lake, tables: Iterable[Iterable[str]]) -> None:
    """Refuse to publish while a file is gone.

    Raises
    ------
    LakeCorruptError
        Names the first one.
    """
    missing = sorted(p for paths in tables for p in paths if not (lake.root / p).is_file())
    if missing:
        raise LakeCorruptError(
            f"{len(missing)} files that the manifest names are gone, first: {missing[0]}",
            way_out="restore them from the backup, or run their stage again with force",
        )


def check_rows_kept(ledger: Ledger, known: Ledger | None) -> None:
    """Refuse a file that was found again with fewer rows than an earlier record says it had.

    A stage that finds its output there takes it as it is, and cannot know what it was. Only files
    that a new record names are looked at.

    Raises
    ------
    LakeCorruptError
        Names the first one.
    """
    files = ledger.tables["files"]
    if known is not None:
        is_new = pc.invert(pc.is_in(files["record"], value_set=known.tables["runs"]["record"]))
        again = pc.unique(files.filter(is_new)["path"])
        files = files.filter(pc.is_in(files["path"], value_set=again))
    most = files.group_by("path").aggregate([("n_rows", "max"), ("n_rows", "min")])
    most = most.filter(pc.less(most["n_rows_min"], most["n_rows_max"])).to_pydict()
    now = ledger.rows_of(most["path"])
    for path, n_rows in sorted(zip(most["path"], most["n_rows_max"], strict=True)):
        if now[path] < n_rows:
            raise LakeCorruptError(
                f"{path} has {now[path]} rows and had {n_rows} when it was recorded before",
                way_out=WAY_OUT,
            )


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
