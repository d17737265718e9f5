"""Tables of schema ``meta`` that the publisher makes: from manifest, settings and quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from mpss_lib.config import STAGES, Address, Config
from mpss_lib.schemas import FLAG, REAL, TEXT, TEXTS, WHOLE
from mpss_lib.tables import Lake
from mpss_lib.upstream import noted
from mpss_lib.warehouse.manifest import Ledger
from mpss_lib.warehouse.relations import Relation

TIME = pa.timestamp("us")

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
        | {"lake_root": TEXT, "n_relations": WHOLE, "n_files": WHOLE, "duckdb_version": TEXT}
        | {"batch_records": TEXT, "rules": TEXT},
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
        | {"record_order": WHOLE, "run_digest": TEXT, "code_version": TEXT, "written_at": TIME}
        | dict.fromkeys(("n_given", "n_done", "n_skipped", "n_rejected"), WHOLE)
        | dict.fromkeys(("n_quarantined", "n_files", "n_rows"), WHOLE)
        | dict.fromkeys(("n_bytes", "modified_ns", "inode"), WHOLE),
    ),
    "unit": MetaTable(
        "One row is one unit (study, cohort, window) in one batch task: what became of it.",
        ("record", "unit_key"),
        _WHERE | {"unit_key": TEXT, "status": TEXT, "reasons": TEXTS, "tables": TEXTS},
    ),
    "manifest": MetaTable(
        "One row is one file that one batch task answers for.",
        ("record", "unit_key", "path"),
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
    "upstream": MetaTable(
        "One row is one way in which the archive has a study otherwise than the lake.",
        ("study_key", "kind"),
        {"study_key": TEXT, "kind": TEXT, "detail": TEXT, "way_out": TEXT, "is_accepted": FLAG},
    ),
    # ``n_rows`` by its record; ``replaced``: studies of a batch that have newer rows elsewhere.
    "lake_file": MetaTable(
        "One row is one Parquet file that was held against its record and its table's columns.",
        ("path",),
        {"table_name": TEXT, "path": TEXT, "checked_by": TEXT}
        | dict.fromkeys(("n_bytes", "modified_ns", "n_rows"), WHOLE)
        | {"replaced": TEXTS},
    ),
    # ``landing_path``: of tables of which every file stays, where a row of a batch came from.
    "study_rows": MetaTable(
        "One row is one study in one file read in place: its rows, counted when the file was new.",
        ("path", "landing_path", "study_key"),
        {"table_name": TEXT, "path": TEXT, "landing_path": TEXT, "study_key": TEXT}
        | {"is_shown": FLAG}
        | {"segments": TEXTS, "levels": pa.list_(WHOLE)}
        | dict.fromkeys(("n_rows", "n_keys"), WHOLE),
    ),
    "relation": MetaTable(
        "One row is one relation of this snapshot.",
        ("schema_name", "relation_name"),
        {"schema_name": TEXT, "relation_name": TEXT, "layer": TEXT, "stored": TEXT}
        | {"grain": TEXTS, "one_row": TEXT},
    ),
    "cohort_rule": MetaTable(
        "One row: the settings of cohort and review with which this snapshot was built.",
        ("accept",),
        {"accept": TEXT, "reading": TEXT, "cac_max_days": REAL, "gone": TEXT, "corrected": TEXT}
        | {"lvef_source": TEXT, "lvef_difference": REAL}
        | {"cac_source": TEXTS, "cac_difference": REAL}
        | {"readers": WHOLE, "is_blind": FLAG},
    ),
}
"""Tables of schema ``meta`` by name."""

COUNTED = (
    "instance",
    "volume",
    "quality_metric",
    "ejection_segment",
    "companion",
    "calcium_source",
    "calcium_lesion",
    "perturbation",
    "feature_once",
    "feature_binned",
    "prediction",
)
"""Lake tables with several rows of a study, which the snapshot shows and does not copy: their keys
are counted once a file (``study_rows``)."""

BASE = tuple(
    Relation(
        layer="base",
        schema="meta",
        name=name,
        one_row=table.one_row,
        grain=table.grain,
        stored="table",
        sql="",
        needs=frozenset(),
    )
    for name, table in META.items()
)
"""The same as relations: what has a grain has its check."""

META_NAMES = frozenset(f"meta.{name}" for name in META)
"""Qualified names of the relations that the publisher makes itself."""


def cohort_rule(config: Config) -> dict[str, Any]:
    """Give the row of ``meta.cohort_rule``: what settings say of cohort and review."""
    rule = {"readers": config.review.readers, "is_blind": config.review.blind}
    return config.cohort.model_dump(mode="json") | rule


def meta_rows(
    lake: Lake, config: Config, ledger: Ledger, pointers: Mapping[str, Address]
) -> dict[str, pa.Table]:
    """Make the tables of schema ``meta`` that follow from manifest, settings and quarantine."""
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
        "upstream": [asdict(difference) for difference in noted(lake)],
        "cohort_rule": [cohort_rule(config)],
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


def arrow_table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Bring rows to the columns of ``META[name]``; other keys are left out."""
    columns = META[name].columns
    return pa.Table.from_pylist(
        [{column: row.get(column) for column in columns} for row in rows],
        schema=pa.schema(list(columns.items())),
    )
