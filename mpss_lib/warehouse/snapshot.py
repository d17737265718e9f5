"""The published snapshot: a new DuckDB file from ``sql/``, swapped in whole.

Nobody waits for a writer: only this module opens a DuckDB file for writing, and never the
published one. Views name an explicit list of absolute Parquet paths, never a pattern, so that a
file which no manifest record names stays invisible.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from mpss_lib.batch import CHAIN, code_version
from mpss_lib.config import Address, Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.quoting import sql_text
from mpss_lib.records import raise_order
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake
from mpss_lib.warehouse import checks
from mpss_lib.warehouse.carrying import COUNTS, LEDGER, add_new, begin_with, what_to_carry
from mpss_lib.warehouse.comments import comment_columns
from mpss_lib.warehouse.compaction import (
    Reading,
    compact,
    has_enough_alone,
    prefer_batches,
    read_batches,
)
from mpss_lib.warehouse.manifest import (
    Ledger,
    check_rows_kept,
    check_there,
    current_paths,
    read_ledger,
)
from mpss_lib.warehouse.meta import (
    BASE,
    META,
    META_NAMES,
    arrow_table,
    meta_rows,
)
from mpss_lib.warehouse.pointers import moved, of_every_stage, setting, with_new
from mpss_lib.warehouse.published import Published, published
from mpss_lib.warehouse.publisher import being_built, one_publisher, remove_unfinished
from mpss_lib.warehouse.recovery import check_manifest
from mpss_lib.warehouse.relations import SCHEMAS, Relation, read_relations
from mpss_lib.warehouse.sources import check_files, feature_names, source_of
from mpss_lib.warehouse.study_rows import count_rows, create_study_rows

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

_PLACE = re.compile(r"\$\{([a-z_]+)\}")


@dataclass(frozen=True)
class Plan:
    """All that a publish reads, found before the new file is opened."""

    lake: Lake
    relations: tuple[Relation, ...]
    sources: Mapping[str, str]
    meta: Mapping[str, pa.Table]
    n_files: int
    readings: Mapping[str, Reading]
    unchanged: frozenset[str]
    pointers: Mapping[str, Address]
    carried: frozenset[str]
    known: Ledger | None


def publish(
    lake: Lake,
    config: Config,
    *,
    run_name: str = "by hand",
    is_fresh: bool = False,
    activate: str = "",
    progress: Progress | None = None,
) -> dict[str, int]:
    """Build a new snapshot and swap it in; readers keep the one that they have open.

    Parameters
    ----------
    lake, config
    run_name : str
        Name of the run that asks; only its digest is stored.
    is_fresh : bool
        Read every manifest record again instead of taking those that have not changed from the
        published snapshot.
    activate : str
        Stage (or ``all``) that is shown from now on at the version of the settings: its pointer
        moves with the swap, and stays where it was if the publish fails.
    progress : callable, optional
        Called with the name of each phase: ``plan``, ``build``, ``check``, ``swap``, ``done``.

    Returns
    -------
    dict
        ``sequence``, ``relations``, ``files``, ``bad_rows`` and ``studies``, ``included``.

    Raises
    ------
    LakeCorruptError
        A file is gone, a table has another schema or grain: nothing is published.
    PlatformFaultError
        The disk is full or refuses: nothing is published, nothing is left behind.
    WrongArgumentError
        What ``activate`` names cannot be shown.
    """
    tell = progress or (lambda phase: None)
    with one_publisher(lake) as sequence:
        remove_unfinished(lake)
        tell("plan")
        plan = _plan(lake, config, is_fresh=is_fresh, activate=activate)
        with setting(lake, plan.pointers), being_built(lake) as temporary:
            counts = _fill(temporary, plan, _stamp(plan, sequence, run_name), config, tell)
            temporary.chmod(0o644)
            tell("swap")
    tell("done")
    log.info("warehouse: published %s", counts)
    return {"sequence": sequence} | counts


def _plan(lake: Lake, config: Config, *, is_fresh: bool, activate: str) -> Plan:
    before = Published() if is_fresh else published(lake)
    ledger = read_ledger(lake, known=before.ledger)
    raise_order(lake, ledger.highest_order)
    if not is_fresh:
        check_manifest(lake, before.ledger, ledger)
    check_rows_kept(ledger, before.ledger)
    known = with_new(lake, config, ledger)
    if activate:
        known |= moved(lake, config, ledger, activate)
    pointers = of_every_stage(config, known)
    _warn_of_others(config, pointers)
    landing = current_paths(lake, ledger, pointers)
    readings = prefer_batches(landing, read_batches(lake))
    n_rows = ledger.rows_of(path for reading in readings.values() for path in reading.alone)
    check_there(lake, (reading.paths for reading in readings.values()))
    if has_enough_alone(readings, config):
        compact(lake, config, landing, n_rows)
        readings = prefer_batches(landing, read_batches(lake))
    features = feature_names(lake, readings["feature_catalogue"].paths)
    lake_files, unchanged = check_files(lake, readings, features, n_rows, before.lake_files)
    return Plan(
        lake=lake,
        relations=read_relations(base=META_NAMES),
        sources={
            name: source_of(lake, TABLES[name], reading, features)
            for name, reading in readings.items()
        },
        meta=meta_rows(lake, config, ledger, pointers) | {"lake_file": lake_files},
        n_files=sum(len(reading.paths) for reading in readings.values()),
        readings=readings,
        unchanged=unchanged,
        pointers=known,
        carried=what_to_carry(before, ledger),
        known=before.ledger,
    )


def _warn_of_others(config: Config, pointers: Mapping[str, Address]) -> None:
    """Warn where stages are published at another version than the settings make."""
    if other := [stage for stage in CHAIN if pointers[stage] != config.address(stage)]:
        log.warning(
            "warehouse: %s are published as other settings made them; what is written now is not"
            " shown until `mpss recompute --activate`",
            ", ".join(other),
        )


def _stamp(plan: Plan, sequence: int, run_name: str) -> pa.Table:
    row = {
        "sequence": sequence,
        "published_at": datetime.now(UTC).replace(tzinfo=None),
        "code_version": code_version(),
        "run_digest": hashlib.sha256(run_name.encode()).hexdigest()[:16],
        "lake_root": str(plan.lake.root.resolve()),
        "n_relations": len(plan.relations),
        "n_files": plan.n_files,
        "duckdb_version": duckdb.__version__,  # what opens the file: this one or a newer one
    }
    return arrow_table("snapshot", [row])


def _fill(
    path: Path, plan: Plan, stamp: pa.Table, config: Config, tell: Progress
) -> dict[str, int]:
    carried = plan.carried
    if not carried or not begin_with(carried, path, plan.lake.snapshot):
        carried = frozenset()
        path.unlink()  # DuckDB makes the file itself; a file without bytes is no database
    settings = {"threads": config.warehouse.threads}
    with closing(duckdb.connect(str(path), config=settings)) as connection:
        tell("build")
        # The footer of a large batch file takes longer to read than most answers: once is enough.
        connection.execute("set parquet_metadata_cache = true")
        connection.execute("begin")  # one commit: DuckDB syncs the file at each
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        if plan.known is not None and carried.issuperset(LEDGER):
            add_new(connection, plan.known, plan.meta)
        for name, rows in {**plan.meta, "snapshot": stamp}.items():
            if name not in carried:
                _insert(connection, name, rows)
        _count(connection, plan, is_carried=COUNTS in carried)
        _create_relations(connection, plan)
        _list_relations(connection, (*BASE, *plan.relations))
        tell("check")
        n_bad = checks.run_checks(connection, (*BASE, *plan.relations))
        comment_columns(connection)
        studies, included = _one_row(
            connection, "select count(*), count(*) filter (is_included) from core.cohort_flow"
        )
        connection.execute("commit")
        connection.execute("checkpoint")
    return {
        "relations": len(plan.relations),
        "files": plan.n_files,
        "bad_rows": n_bad,
        "studies": studies,
        "included": included,
    }


def _create_relations(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Show the lake's tables, check their columns, then make the others of them."""
    for relation in plan.relations:
        if relation.schema == "raw":
            create_relation(connection, relation, plan.sources)
    checks.check_schemas(connection)
    for relation in plan.relations:
        if relation.schema != "raw":
            create_relation(connection, relation, plan.sources)


def _count(connection: duckdb.DuckDBPyConnection, plan: Plan, *, is_carried: bool) -> None:
    if not is_carried:
        create_study_rows(connection)
    try:
        count_rows(
            connection, plan.lake, plan.readings, plan.unchanged if is_carried else frozenset()
        )
    except duckdb.Error as error:
        raise LakeCorruptError(
            f"the rows of the files cannot be counted: {_first_line(error)}",
            way_out="restore the file that is named from the backup, or run its stage again for it"
            " with force; a batch file may simply be removed",
        ) from error


def _insert(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("arrow_rows", rows)
    connection.execute(f"create table meta.{name} as select * from arrow_rows")  # noqa: S608
    connection.unregister("arrow_rows")
    connection.execute(f"comment on table meta.{name} is {sql_text(META[name].one_row)}")


def create_relation(
    connection: duckdb.DuckDBPyConnection, relation: Relation, sources: Mapping[str, str]
) -> None:
    """Create one relation; ``sources`` are the texts that stand for lake tables.

    Raises
    ------
    LakeCorruptError
        Names the SQL file with DuckDB's message.
    """
    sql = _PLACE.sub(lambda found: sources[found.group(1)], relation.sql)
    kind = relation.stored
    try:
        connection.execute(f"create {kind} {relation.full_name} as\n{sql}")
    except (duckdb.Error, KeyError) as error:
        raise LakeCorruptError(
            f"{relation.layer}/{relation.full_name}.sql cannot be built: {_first_line(error)}",
            way_out="the published snapshot stays; mend the SQL or the file that is named",
        ) from error
    connection.execute(f"comment on {kind} {relation.full_name} is {sql_text(relation.one_row)}")


def _list_relations(connection: duckdb.DuckDBPyConnection, relations: Sequence[Relation]) -> None:
    rows = [(r.schema, r.name, r.layer, r.stored, r.grain, r.one_row) for r in relations]
    names = list(META["relation"].columns)
    told = [dict(zip(names, row, strict=True)) for row in rows]
    _insert(connection, "relation", arrow_table("relation", told))


def _one_row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    row = connection.execute(sql).fetchone()
    return () if row is None else tuple(row)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
