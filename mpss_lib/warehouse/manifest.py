"""The manifest as rows: runs, units and files, and which files are current."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mpss_lib.config import STAGES, Address
from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake

APPEND_ONLY = frozenset({"review", "prediction"})
"""Tables of which every file stays: what a person decided and what was once published."""

_STATES = ("done", "skipped", "rejected", "quarantined")

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Ledger:
    """Every manifest record of the lake, oldest first, taken apart.

    Parameters
    ----------
    runs : list of dict
        One for each record: stage, address, run digest, code version, time, counts.
    units : list of dict
        One for each (record, unit): its status and reasons.
    files : list of dict
        One for each (record, unit, table): the file that it names; ``is_current`` where no later
        record of the same address names another file for that unit and table.
    settings : list of dict
        One for each (stage, address, field): the value with which it was made.
    """

    runs: Rows
    units: Rows
    files: Rows
    settings: Rows

    def has_files(self, stage: str, address: Address) -> bool:
        """Whether any task has recorded a file of this stage at this address."""
        wanted = (stage, address.engine, address.config)
        return any((f["stage"], f["engine"], f["config"]) == wanted for f in self.files)


def read_ledger(lake: Lake) -> Ledger:
    """Read every manifest record of every stage.

    Raises
    ------
    LakeCorruptError
        If a record lacks a field; it names the record.
    """
    ledger = Ledger([], [], [], [])
    records = [record for stage in STAGES for record in lake.records(stage)]
    seen: set[tuple[str, str, str]] = set()
    for record in sorted(records, key=lambda r: (r["written_at"], r["record"])):
        try:
            _take_apart(record, ledger, seen)
        except (KeyError, TypeError, ValueError) as error:
            raise LakeCorruptError(
                f"manifest record {record.get('record', '?')} cannot be read:"
                f" {type(error).__name__} {error}",
                way_out="move the file out of lake/manifest and run its stage again",
            ) from error
    _mark_current(ledger.files)
    return ledger


def _take_apart(record: Mapping[str, Any], ledger: Ledger, seen: set[tuple[str, str, str]]) -> None:
    made_by = {name: record[name] for name in ("stage", "engine", "config")}
    where = {"record": record["record"], "sequence": len(ledger.runs) + 1} | made_by
    units = record["units"]
    files = [(unit["key"], file) for unit in units for file in unit["files"]]
    states = [unit["status"] for unit in units]
    ledger.runs.append(
        where
        | {
            "run_digest": record["run_digest"],
            "code_version": record["code_version"],
            "written_at": _utc(record["written_at"]),
            "n_given": len(units),
        }
        | {f"n_{state}": states.count(state) for state in _STATES}
        | {"n_files": len(files), "n_rows": sum(file["n_rows"] for _, file in files)}
    )
    for unit in units:
        told = {"unit_key": unit["key"], "status": unit["status"], "reasons": unit["reasons"]}
        tables = sorted({file["table"] for file in unit["files"]})
        ledger.units.append(where | told | {"tables": tables})
    for key, file in files:
        ledger.files.append(where | {"unit_key": key, "is_current": True} | _file(file))
    if tuple(made_by.values()) not in seen:
        seen.add((made_by["stage"], made_by["engine"], made_by["config"]))
        for field, value in sorted(record["settings"].items()):
            text = json.dumps(value, sort_keys=True)
            ledger.settings.append(made_by | {"field": field, "value": text})


def _file(file: Mapping[str, Any]) -> dict[str, Any]:
    if file["table"] not in TABLES:
        raise ValueError(f"names the unknown table {file['table']!r}")
    return {
        "table_name": file["table"],
        "path": file["path"],
        "input_digest": file["input_digest"],
        "n_rows": file["n_rows"],
        "content_sha256": file["content_sha256"],
    }


def _mark_current(files: Rows) -> None:
    newest: dict[tuple[str, ...], dict[str, Any]] = {}
    for file in files:
        key = (file["table_name"], file["engine"], file["config"], file["unit_key"])
        before = newest.get(key)
        if before is not None:
            before["is_current"] = False
        newest[key] = file


def current_paths(
    lake: Lake, ledger: Ledger, pointers: Mapping[str, Address]
) -> dict[str, tuple[str, ...]]:
    """Map each lake table to the files that the snapshot shows, below the lake, sorted.

    Append-only tables: every file that any record names, at every address. The others: the file
    of each unit that the newest record at the pointed address names. A table of unit ``engine``
    that no record names is taken from its folder.
    """
    found: dict[str, set[str]] = {name: set() for name in TABLES}
    for file in ledger.files:
        name = file["table_name"]
        at_pointer = pointers[file["stage"]] == Address(file["engine"], file["config"])
        if name in APPEND_ONLY or (file["is_current"] and at_pointer):
            found[name].add(file["path"])
    for name, table in TABLES.items():
        if table.unit == "engine" and not found[name]:
            paths = lake.current_paths(name, pointers[table.stage]).values()
            found[name] = {lake.relative(path) for path in paths}
    return {name: tuple(sorted(paths)) for name, paths in found.items()}


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


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
