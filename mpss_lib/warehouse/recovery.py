"""A manifest that was lost, made again from the Parquet files themselves.

The manifest says which file of a unit is current. Without it the files still tell their table,
engine, settings, unit and input by their names. Of several of one unit that which the published
snapshot shows is taken for the current one, else the newest by the time of the file. What only the
manifest knew is gone: who ran what when, a rejection that left no rows, the settings of versions
other than the present one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.compute as pc

from mpss_lib.config import STAGES, Address, Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.records import Record, Unit
from mpss_lib.schemas import tables_of
from mpss_lib.shelves import digest_of_input, key_of
from mpss_lib.tables import Lake, read_parquet
from mpss_lib.warehouse.manifest import Ledger, read_ledger

log = logging.getLogger(__name__)


def stages_without_manifest(lake: Lake) -> list[str]:
    """Stages that have landing files and not one manifest record."""
    return [
        stage
        for stage in STAGES
        if not any((lake.root / "manifest" / stage).glob("*.json"))
        and any(lake.landing_files(table.name) for table in tables_of(stage))
    ]


def check_manifest(lake: Lake, known: Ledger | None, ledger: Ledger) -> None:
    """Refuse to publish a lake of which records were lost: what they name would vanish unsaid.

    A record is lost when the published snapshot knows it, the manifest has none of it and a file
    that only it names is there. Files of which no record ever told are something else: a batch is
    at work on them, or was killed; they are shown as soon as a record names them.

    Parameters
    ----------
    lake : Lake
    known : Ledger or None
        The manifest as the published snapshot holds it; None where it cannot be asked.
    ledger : Ledger
        The manifest as it is.

    Raises
    ------
    LakeCorruptError
        Names the stages.
    """
    unnamed = stages_without_manifest(lake)
    lost = _unreadable_and_unnamed(lake, unnamed) if known is None else _lost(lake, known, ledger)
    if lost:
        n_files = sum(map(len, lost.values()))
        raise LakeCorruptError(
            f"lake/manifest has lost records of {', '.join(sorted(lost))}: {n_files} files that"
            f" they name are there, such as {min(min(paths) for paths in lost.values())}",
            way_out="restore lake/manifest from the backup; where there is none,"
            " `mpss warehouse rebuild` makes records from the Parquet files",
        )
    for stage in unnamed:
        log.info("warehouse: %s has files and no record yet: they are not shown", stage)


def _lost(lake: Lake, known: Ledger, ledger: Ledger) -> dict[str, list[str]]:
    """Map stage to the files, still there, of which all records are gone."""
    files = known.tables["files"]
    records = ledger.tables["runs"]["record"]
    gone = files.filter(pc.invert(pc.is_in(files["record"], value_set=records)))
    if gone.num_rows:
        named = ledger.tables["files"]["path"]
        gone = gone.filter(pc.invert(pc.is_in(gone["path"], value_set=named)))
    found: dict[str, list[str]] = {}
    pairs = gone.select(["stage", "path"]).to_pydict()
    for stage, path in sorted(set(zip(pairs["stage"], pairs["path"], strict=True))):
        if (lake.root / path).is_file():
            found.setdefault(stage, []).append(path)
    return found


def _unreadable_and_unnamed(lake: Lake, stages: Sequence[str]) -> dict[str, list[str]]:
    """As ``_lost`` where there is a snapshot and nobody can say what it knew."""
    if not lake.snapshot.is_file():
        return {}
    return {
        stage: [
            lake.relative(p) for table in tables_of(stage) for p in lake.landing_files(table.name)
        ]
        for stage in stages
    }


def adopt_files(lake: Lake, config: Config, known: Ledger | None = None) -> dict[str, int]:
    """Write manifest records for files that have lost theirs.

    Those are the files that the published snapshot knows and no record names and, of a stage that
    has lost all its records, all files. Call it alone and under the publisher's lock: a batch at
    work has files and no record yet.

    Parameters
    ----------
    lake, config
        The settings go into the records of files that were made with them.
    known : Ledger, optional
        The manifest as the published snapshot holds it.

    Returns
    -------
    dict
        Stage -> number of files that now have a record; empty where the manifest is whole.
    """
    counts: dict[str, int] = {}
    shown = frozenset(known.current) if known is not None else frozenset()
    for stage, paths in _without_record(lake, known).items():
        counts[stage] = sum(
            _adopt(lake, config, stage, address, tables, shown)
            for address, tables in sorted(_by_address(paths).items(), key=str)
        )
        log.warning("warehouse: %d files of %s had no manifest record", counts[stage], stage)
    return counts


def needs_adoption(lake: Lake, known: Ledger | None) -> bool:
    """Whether ``adopt_files`` would find something to do."""
    return bool(_without_record(lake, known))


def _without_record(lake: Lake, known: Ledger | None) -> dict[str, list[Path]]:
    unnamed = stages_without_manifest(lake)
    if known is not None and any((lake.root / "manifest").glob("*/*.json")):
        # What the snapshot never knew was not lost: its first batch is at work, or was killed.
        unnamed = [stage for stage in unnamed if known.has_records(stage)]
    found = {
        stage: [path for table in tables_of(stage) for path in lake.landing_files(table.name)]
        for stage in unnamed
    }
    for stage, paths in _lost(lake, known, read_ledger(lake)).items() if known else ():
        if stage not in found:
            found[stage] = [lake.root / path for path in paths]
    return found


def _by_address(paths: Sequence[Path]) -> dict[Address, dict[str, list[Path]]]:
    found: dict[Address, dict[str, list[Path]]] = {}
    for path in paths:
        table, engine, config = path.parts[-5:-2]
        address = Address(engine.removeprefix("engine="), config.removeprefix("config="))
        found.setdefault(address, {}).setdefault(table, []).append(path)
    return found


def _adopt(
    lake: Lake,
    config: Config,
    stage: str,
    address: Address,
    paths: dict[str, list[Path]],
    shown: frozenset[str],
) -> int:
    """Write a record for each generation of files: the oldest of every unit, the next, ..."""
    settings = json.loads(config.section(stage).model_dump_json())
    n_files = 0
    for units in _generations(lake, paths, shown):
        record = Record(
            stage,
            address,
            settings=settings if address == config.address(stage) else {},
            run_digest="",
            code_version="recovered from the files",
            units=tuple(units),
        )
        record.add_to(lake)
        n_files += sum(len(unit.files) for unit in units)
    return n_files


def _generations(
    lake: Lake, paths: dict[str, list[Path]], shown: frozenset[str]
) -> Iterator[list[Unit]]:
    def place(path: Path) -> tuple[bool, int, str]:
        return (lake.relative(path) in shown, path.stat().st_mtime_ns, path.name)

    by_unit: dict[str, dict[str, list[Path]]] = {}
    for table, files in paths.items():
        for path in sorted(files, key=place):
            by_unit.setdefault(key_of(path), {}).setdefault(table, []).append(path)
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


def _unit(lake: Lake, key: str, files: dict[str, Path]) -> Unit:
    written = (lake.written(table, path, digest_of_input(path)) for table, path in files.items())
    reasons = _refusals(files["volume"]) if "volume" in files else []
    return Unit(key, "rejected" if reasons else "done", tuple(written), tuple(reasons))


def _refusals(path: Path) -> Sequence[str]:
    """Reasons of a study of which no volume was chosen."""
    rows = read_parquet(path, "volume").to_pylist()
    if any(row["is_chosen"] for row in rows):
        return []
    return sorted({reason for row in rows for reason in row["reasons"]}) or ["no_volume_chosen"]
