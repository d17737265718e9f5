"""Tables of schema ``meta`` that the publisher makes: from manifest, settings and quarantine."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from mpss_lib.config import STAGES, Address, Config
from mpss_lib.errors import PlatformFaultError
from mpss_lib.schemas import FLAG, REAL, TEXT, TEXTS, WHOLE
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import COLUMNS, Ledger
from mpss_lib.warehouse.reader import open_snapshot

log = logging.getLogger(__name__)

TIME = pa.timestamp("us")

_FILE = re.compile(r"'([^']+\.parquet)'")
_MADE_BY = {"stage": TEXT, "engine": TEXT, "config": TEXT}
_WHERE = {"record": TEXT, "sequence": WHOLE} | _MADE_BY


@dataclass(frozen=True)
class MetaTable:
    """Columns of one table of schema ``meta``, and what one row is."""

    one_row: str
    grain: tuple[str, ...]
    columns: Mapping[str, pa.DataType]


META: Mapping[str, MetaTable] = {
    "snapshot": MetaTable(
        "One row: this snapshot.",
        ("sequence",),
        {"sequence": WHOLE, "published_at": TIME, "code_version": TEXT, "run_digest": TEXT}
        | {"lake_root": TEXT, "n_relations": WHOLE, "n_files": WHOLE},
    ),
    "pointer": MetaTable(
        "One row is one stage: the engine and settings that this snapshot shows.",
        ("stage",),
        {"position": WHOLE} | _MADE_BY | {"is_of_settings": FLAG},
    ),
    "run": MetaTable(
        "One row is one batch task that wrote a manifest record.",
        ("record",),
        _WHERE
        | {"run_digest": TEXT, "code_version": TEXT, "written_at": TIME}
        | dict.fromkeys(("n_given", "n_done", "n_skipped", "n_rejected"), WHOLE)
        | dict.fromkeys(("n_quarantined", "n_files", "n_rows"), WHOLE)
        | dict.fromkeys(("n_bytes", "modified_ns"), WHOLE),
    ),
    "unit": MetaTable(
        "One row is one unit (study, cohort, window) in one batch task: what became of it.",
        ("record", "unit_key"),
        _WHERE | {"unit_key": TEXT, "status": TEXT, "reasons": TEXTS, "tables": TEXTS},
    ),
    "manifest": MetaTable(
        "One row is one file that one batch task answers for.",
        ("record", "unit_key", "table_name"),
        _WHERE
        | {"unit_key": TEXT, "table_name": TEXT, "path": TEXT, "input_digest": TEXT}
        | {"n_rows": WHOLE, "content_sha256": TEXT, "is_current": FLAG},
    ),
    "settings": MetaTable(
        "One row is one setting with which a stage wrote files at one address first.",
        ("stage", "engine", "config", "field"),
        {"record": TEXT} | _MADE_BY | {"field": TEXT, "value": TEXT},
    ),
    "quarantine": MetaTable(
        "One row is one study that stands still at a stage.",
        ("stage", "study_key"),
        {"stage": TEXT, "study_key": TEXT, "error": TEXT, "problem": TEXT}
        | {"way_out": TEXT, "tries": WHOLE},
    ),
    "cohort_rule": MetaTable(
        "One row: the cohort settings with which this snapshot was built.",
        ("accept",),
        {"accept": TEXT, "reading": TEXT, "cac_max_days": REAL},
    ),
}
"""Tables of schema ``meta`` by name."""

META_NAMES = frozenset(f"meta.{name}" for name in META) | {"meta.relation"}


def meta_rows(
    lake: Lake, config: Config, ledger: Ledger, pointers: Mapping[str, Address]
) -> dict[str, pa.Table]:
    """Make the tables of schema ``meta``, except ``snapshot`` and ``relation``."""
    rows: dict[str, Sequence[Mapping[str, Any]]] = {
        "pointer": [
            {
                "position": position,
                "stage": stage,
                "engine": pointers[stage].engine,
                "config": pointers[stage].config,
                "is_of_settings": pointers[stage] == config.address(stage),
            }
            for position, stage in enumerate(STAGES, start=1)
        ],
        "quarantine": lake.quarantined(),
        "cohort_rule": [config.cohort.model_dump(mode="json")],
    }
    return _of_ledger(ledger) | {name: arrow_table(name, found) for name, found in rows.items()}


def _of_ledger(ledger: Ledger) -> dict[str, pa.Table]:
    settings = ledger.tables["settings"]
    keys = list(META["settings"].grain)
    first = settings.append_column("place", pa.array(range(settings.num_rows), WHOLE))
    first = first.group_by(keys).aggregate([("place", "min")])
    found = {
        "run": ledger.tables["runs"],
        "unit": ledger.tables["units"],
        "manifest": ledger.tables["files"],
        "settings": settings.take(first["place_min"].sort()),
    }
    return {name: table.select(list(META[name].columns)) for name, table in found.items()}


_LEDGER = {"runs": "run", "units": "unit", "files": "manifest", "settings": "settings"}


def published_ledger(lake: Lake) -> Ledger | None:
    """Give the manifest as the published snapshot holds it; None where there is none to be had."""
    if not lake.snapshot.is_file():
        return None
    try:
        with closing(open_snapshot(lake)) as connection:
            found = {
                name: connection.sql(
                    f"select {', '.join(COLUMNS[name])} from meta.{table}"  # noqa: S608
                )
                .to_arrow_table()
                .cast(pa.schema(list(COLUMNS[name].items())))
                for name, table in _LEDGER.items()
            }
    except (duckdb.Error, pa.ArrowInvalid, PlatformFaultError) as error:
        # An older layout or a damaged file: the manifest itself is read instead.
        log.info("warehouse: the published manifest is not used: %s", error)
        return None
    return Ledger(found)


def published_sequence(lake: Lake) -> int:
    """Give the number of the published snapshot; 0 where there is none that can be read."""
    if not lake.snapshot.is_file():
        return 0
    try:
        with closing(open_snapshot(lake)) as connection:
            row = connection.execute("select sequence from meta.snapshot").fetchone()
    except (duckdb.Error, PlatformFaultError) as error:
        log.warning("warehouse: the number of the published snapshot is unknown: %s", error)
        return 0
    return int(row[0]) if row else 0


def published_files(lake: Lake) -> frozenset[str]:
    """Give the files that the published snapshot names, below the lake: nobody may remove them."""
    if not lake.snapshot.is_file():
        return frozenset()
    try:
        with closing(open_snapshot(lake)) as connection:
            root = connection.execute("select lake_root from meta.snapshot").fetchone()
            texts = connection.execute(
                "select sql from duckdb_views() where schema_name = 'raw'"
            ).fetchall()
            named = connection.execute("select path from meta.lineage").fetchall()
    except (duckdb.Error, PlatformFaultError) as error:
        log.warning("warehouse: the files of the published snapshot are unknown: %s", error)
        return frozenset()
    prefix = f"{root[0]}/" if root else ""
    viewed = {path for (text,) in texts for path in _FILE.findall(text)}
    return frozenset(path.removeprefix(prefix) for path in viewed) | {path for (path,) in named}


def arrow_table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Bring rows to the columns of ``META[name]``; other keys are left out."""
    columns = META[name].columns
    return pa.Table.from_pylist(
        [{column: row.get(column) for column in columns} for row in rows],
        schema=pa.schema(list(columns.items())),
    )
