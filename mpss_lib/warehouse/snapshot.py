"""The published snapshot: a new DuckDB file from ``sql/``, swapped in whole.

Nobody waits for a writer: only this module opens a DuckDB file for writing, and never the
published one. Views name an explicit list of absolute Parquet paths, never a pattern, so that a
file which no manifest record names stays invisible.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from mpss_lib.batch import code_version
from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.quoting import sql_text
from mpss_lib.tables import Lake
from mpss_lib.warehouse import checks
from mpss_lib.warehouse.carrying import (
    COUNTS,
    LEDGER,
    add_new,
    begin_with,
)
from mpss_lib.warehouse.comments import comment_columns
from mpss_lib.warehouse.compaction import batch_records
from mpss_lib.warehouse.meta import (
    BASE,
    META,
    arrow_table,
)
from mpss_lib.warehouse.planning import Plan, plan_of
from mpss_lib.warehouse.pointers import (
    setting,
)
from mpss_lib.warehouse.publisher import being_built, one_publisher, remove_unfinished
from mpss_lib.warehouse.relations import PLACE, SCHEMAS, Relation, digest_of_relations
from mpss_lib.warehouse.study_rows import Counted, count_rows, create_study_rows
from mpss_lib.warehouse.touched import (
    exchange,
    find_touched,
    in_batches,
    restricted,
    world_of,
    worldly,
)

log = logging.getLogger(__name__)

Progress = Callable[[str], None]


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
        plan = plan_of(lake, config, is_fresh=is_fresh, activate=activate)
        with setting(lake, plan.pointers), being_built(lake) as temporary:
            counts = _fill(temporary, plan, _stamp(plan, sequence, run_name), config, tell)
            temporary.chmod(0o644)
            tell("swap")
    tell("done")
    log.info("warehouse: published %s", counts)
    return {"sequence": sequence} | counts


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
        "batch_records": batch_records(plan.lake),
        "rules": digest_of_relations(plan.relations),
    }
    return arrow_table("snapshot", [row])


def _fill(
    path: Path, plan: Plan, stamp: pa.Table, config: Config, tell: Progress
) -> dict[str, int]:
    carried, kept = plan.carried, plan.kept
    if not carried or not begin_with(carried, path, plan.lake.snapshot, kept | plan.views):
        carried, kept = frozenset(), frozenset()
        path.unlink()  # DuckDB makes the file itself; a file without bytes is no database
    settings = {"threads": config.warehouse.threads}
    with closing(duckdb.connect(str(path), config=settings)) as connection:
        tell("build")
        # The footer of a large batch file takes longer to read than most answers: once is enough.
        connection.execute("set parquet_metadata_cache = true")
        connection.execute("begin")  # one commit: DuckDB syncs the file at each
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        meta = {**plan.meta, "snapshot": stamp}
        if carried.issuperset(LEDGER):
            add_new(connection, plan.new)
        else:
            meta |= {name: rows for name, rows in plan.ledger().items() if name in LEDGER}
        for name, rows in meta.items():
            _insert(connection, name, rows)
        _count(connection, plan, is_carried=COUNTS in carried)
        with _made(connection, plan, kept) as world:
            _list_relations(connection, (*BASE, *plan.relations))
            tell("check")
            n_bad = checks.run_checks(connection, (*BASE, *plan.relations), world=world)
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


@contextmanager
def _made(
    connection: duckdb.DuckDBPyConnection, plan: Plan, kept: frozenset[str]
) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """Make every relation; gives the world of what was touched, where tables were carried."""
    if not kept:
        _create_relations(connection, plan)
        yield None
        return
    # New files stand alone, and of other studies the rows of before say whose they are.
    touched = find_touched(connection, plan.sources_of(plan.seeds, ()), plan.seeds)
    inside = worldly(plan.relations)
    with world_of(touched, connection, inside) as world:
        sources = plan.sources_of(frozenset(touched.studies), in_batches(world, plan.readings))

        def make(relations: Sequence[Relation], views: frozenset[str]) -> None:
            for relation in relations:
                if relation.full_name in inside:
                    create_relation(world, restricted(relation, touched), sources)
                if relation.full_name in kept:
                    exchange(relation, touched, world, connection)
                elif relation.full_name not in views:
                    create_relation(connection, relation, plan.sources)

        make([one for one in plan.relations if one.schema == "raw"], frozenset())
        views = _views_that_stay(connection, plan)
        make([one for one in plan.relations if one.schema != "raw"], views)
        yield world


def _views_that_stay(connection: duckdb.DuckDBPyConnection, plan: Plan) -> frozenset[str]:
    """Check the lake's tables; name the carried views, or drop them where a column is another."""
    if checks.check_schemas(connection) == plan.raw_columns:
        return plan.views
    for view in plan.views:
        connection.execute(f"drop view {view}")
    return frozenset()


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
    count_rows(connection, plan.lake, plan.readings, plan.counted if is_carried else Counted())


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
    sql = PLACE.sub(lambda found: sources[found.group(1)], relation.sql)
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
