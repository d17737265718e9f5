"""A manifest that was lost, made again from the Parquet files themselves.

The manifest says which file of a unit is current. Without it the files still tell their table,
engine, settings, unit and input by their names; the newest of a unit, by the time of the file, is
taken for the current one. What only the manifest knew is gone: who ran what when, a rejection that
left no rows, the settings of versions other than the present one.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mpss_lib.config import STAGES, Address, Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import tables_of
from mpss_lib.tables import Lake, read_parquet

log = logging.getLogger(__name__)


def stages_without_manifest(lake: Lake) -> list[str]:
    """Stages that have landing files and not one manifest record."""
    return [
        stage
        for stage in STAGES
        if not any((lake.root / "manifest" / stage).glob("*.json"))
        and any(_files(lake, table.name) for table in tables_of(stage))
    ]


def check_manifest(lake: Lake) -> None:
    """Refuse to publish a lake whose manifest was lost: almost nothing of it would be shown.

    Before the first publish a stage may have files and no record: its first task was killed.

    Raises
    ------
    LakeCorruptError
        Names the stages.
    """
    lost = stages_without_manifest(lake) if lake.snapshot.is_file() else []
    if lost:
        raise LakeCorruptError(
            f"lake/manifest has no record of {', '.join(lost)}, and their files are there",
            way_out="restore lake/manifest from the backup; where there is none,"
            " `mpss warehouse rebuild` makes records from the Parquet files",
        )


def adopt_files(lake: Lake, config: Config) -> dict[str, int]:
    """Write manifest records for the files of every stage that has none.

    Call it under the publisher's lock.

    Parameters
    ----------
    lake, config
        The settings go into the records of files that were made with them.

    Returns
    -------
    dict
        Stage -> number of files that now have a record; empty where the manifest is whole.
    """
    counts: dict[str, int] = {}
    for stage in stages_without_manifest(lake):
        counts[stage] = sum(
            _adopt(lake, config, stage, address, paths)
            for address, paths in sorted(_by_address(lake, stage).items(), key=str)
        )
        log.warning("warehouse: %d files of %s had no manifest record", counts[stage], stage)
    return counts


def _files(lake: Lake, table: str) -> list[Path]:
    return sorted((lake.root / "landing" / table).glob("engine=*/config=*/*=*.*.parquet"))


def _by_address(lake: Lake, stage: str) -> dict[Address, dict[str, list[Path]]]:
    found: dict[Address, dict[str, list[Path]]] = {}
    for table in tables_of(stage):
        for path in _files(lake, table.name):
            engine, config = (part.split("=", 1)[1] for part in path.parts[-3:-1])
            found.setdefault(Address(engine, config), {}).setdefault(table.name, []).append(path)
    return found


def _adopt(
    lake: Lake, config: Config, stage: str, address: Address, paths: dict[str, list[Path]]
) -> int:
    """Write a record for each generation of files: the oldest of every unit, the next, ..."""
    settings = json.loads(getattr(config, stage).model_dump_json())
    start = datetime.now(UTC)
    n_files = 0
    for number, units in enumerate(_generations(lake, paths)):
        when = start + timedelta(microseconds=number)
        name = f"{when:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}"
        record = {
            "record": name,
            "stage": stage,
            "engine": address.engine,
            "config": address.config,
            "settings": settings if address == config.address(stage) else {},
            "run_digest": "",
            "code_version": "recovered from the files",
            "written_at": when.isoformat(),
            "units": units,
        }
        lake.record(stage, name, record)
        n_files += sum(len(unit["files"]) for unit in units)
    return n_files


def _generations(lake: Lake, paths: dict[str, list[Path]]) -> Iterator[list[dict[str, Any]]]:
    by_unit: dict[str, dict[str, list[Path]]] = {}
    for table, files in paths.items():
        for path in sorted(files, key=lambda p: (p.stat().st_mtime_ns, p.name)):
            key = path.name.split("=", 1)[1].split(".", 1)[0]
            by_unit.setdefault(key, {}).setdefault(table, []).append(path)
    number = 0
    while any(len(files) > number for tables in by_unit.values() for files in tables.values()):
        yield [
            _unit(
                lake, key, {t: files[number] for t, files in tables.items() if number < len(files)}
            )
            for key, tables in sorted(by_unit.items())
            if any(number < len(files) for files in tables.values())
        ]
        number += 1


def _unit(lake: Lake, key: str, files: dict[str, Path]) -> dict[str, Any]:
    written = [lake.written(table, path, path.name.split(".")[1]) for table, path in files.items()]
    reasons = _refusals(files["volume"]) if "volume" in files else []
    status = "rejected" if reasons else "done"
    return {"key": key, "status": status, "reasons": reasons, "files": [asdict(w) for w in written]}


def _refusals(path: Path) -> Sequence[str]:
    """Reasons of a study of which no volume was chosen."""
    rows = read_parquet(path, "volume").to_pylist()
    if any(row["is_chosen"] for row in rows):
        return []
    return sorted({reason for row in rows for reason in row["reasons"]}) or ["no_volume_chosen"]
