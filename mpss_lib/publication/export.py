"""Predictions and what the evaluation found, to a PostgreSQL database.

The tables there mirror the newest snapshot, in one transaction under one lock: COPY into temporary
tables, then only rows that differ are written. A study that left the archive's list (withdrawn,
purged) is removed; one that may no longer be predicted is marked.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpss_lib.audit.doors import recording
from mpss_lib.batch import code_version
from mpss_lib.config import Config, Sites
from mpss_lib.errors import PlatformFaultError, ResultsSchemaError, SettingsError
from mpss_lib.publication.results_tables import ensure_tables
from mpss_lib.publication.server import connected
from mpss_lib.secrecy import without_passwords
from mpss_lib.snapshot_file import asking
from mpss_lib.tables import Lake
from mpss_lib.whole_files import read_json, write_json

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Mirror:
    """One table of the results database and the relation of the snapshot that it mirrors."""

    table: str
    relation: str
    keys: tuple[str, ...]


PREDICTION = Mirror(
    "prediction", "result.export_prediction", ("study_key", "segment", "configuration")
)
EVALUATION = (
    Mirror(
        "evaluation",
        "result.export_evaluation",
        ("cohort_hash", "profile", "segment", "configuration"),
    ),
    Mirror(
        "evaluation_test",
        "result.export_test",
        ("cohort_hash", "profile", "segment", "configuration", "test"),
    ),
)


def export_results(
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    adopt: bool = False,
    lock_timeout_s: float = 60.0,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Bring the results database to the state of the newest snapshot.

    Parameters
    ----------
    lake, config, sites
        ``sites.results_url`` is the address, ``config.site.results_schema`` the schema.
    adopt : bool
        Take over tables that another lake wrote: its rows are replaced.
    lock_timeout_s : float
        Longest wait for another export that is under way.
    progress : callable, optional
        Called with the name of each phase: ``locked``, ``copied``, ``written``, ``done``.

    Returns
    -------
    dict
        ``sequence`` of the snapshot; ``given`` rows; ``inserted``, ``updated`` (of them),
        ``marked`` and ``removed`` rows; ``removed_studies``.

    Raises
    ------
    SettingsError
        No address, or none of PostgreSQL's.
    ResultsBusyError
        Nobody answers, or another export holds the lock: the same may succeed later.
    ResultsRefusedError, ResultsSchemaError, PlatformFaultError
        A person must act; the message says how. Nothing was changed.
    """
    if not sites.results_url:
        raise SettingsError(
            "no results database is set",
            way_out="give site.results_url or the connection mpss_results (PostgreSQL)",
        )
    tell = progress or (lambda phase: None)
    schema = config.site.results_schema
    to, root = without_passwords(sites.results_url), sites.vault.parent
    with (
        recording("export_results", root, config, things=[to], begins=True) as told,
        connected(sites.results_url, lock_timeout_s=lock_timeout_s) as connection,
    ):
        connection.execute("select pg_advisory_xact_lock(%s)", [lock_number(schema)])
        tell("locked")
        ensure_tables(connection, schema)
        # Opened under the lock: of two exports the later one never writes the older snapshot.
        with asking(lake.snapshot) as snapshot:
            counts = _mirror(connection, snapshot, schema, lake, adopt, tell)
            told.details |= {name: str(count) for name, count in counts.items()}
    tell("done")
    log.info("results database: %s", counts)
    return counts


def lock_number(schema: str) -> int:
    """Give the number of the advisory lock of one schema: a signed 64-bit number from its name."""
    digest = hashlib.sha256(f"mpss results {schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _mirror(
    connection: Any,
    snapshot: duckdb.DuckDBPyConnection,
    schema: str,
    lake: Lake,
    adopt: bool,
    tell: Progress,
) -> dict[str, int]:
    sequence, published_at = snapshot.execute(
        "select sequence, published_at from meta.snapshot"
    ).fetchall()[0]
    _check_source(connection, schema, lake, adopt)
    mirrors = (PREDICTION, *EVALUATION)
    columns = {mirror.table: _copy(connection, snapshot, schema, mirror) for mirror in mirrors}
    _copy_studies(connection, snapshot, schema, adopt)
    tell("copied")
    counts = {"sequence": int(sequence), "given": 0, "inserted": 0, "updated": 0}
    for mirror in mirrors:
        given, inserted, updated = _upsert(connection, schema, mirror, columns[mirror.table])
        counts["given"] += given
        counts["inserted"] += inserted
        counts["updated"] += updated
    counts |= _leave(connection, schema)
    _note_source(connection, schema, lake, int(sequence), published_at)
    tell("written")
    return counts


def _check_source(connection: Any, schema: str, lake: Lake, adopt: bool) -> None:
    found = connection.execute(
        f"select lake, snapshot_sequence from {schema}.source".encode()  # noqa: S608 -- checked
    ).fetchone()
    own = lake_identity(lake)
    if found is not None and found[0] != own and not adopt:
        raise ResultsSchemaError(
            f"the results schema {schema} mirrors another lake ({found[0]}, this one is {own})",
            way_out="set site.results_schema to a schema of its own; or, where this lake"
            " takes the other's place, `mpss export --adopt` once. Nothing was changed",
        )


def lake_identity(lake: Lake) -> str:
    """Name of a lake that a copy or a move keeps: drawn once, kept in ``identity.json``."""
    path = lake.root / "identity.json"
    if not path.exists():
        write_json(path, {"lake": uuid.uuid4().hex})
    return str(read_json(path)["lake"])


def _copy(
    connection: Any, snapshot: duckdb.DuckDBPyConnection, schema: str, mirror: Mirror
) -> list[str]:
    """COPY a relation into ``pg_temp.incoming_<name>``; gives its columns."""
    result = snapshot.execute(f"from {mirror.relation}")
    columns = [column[0] for column in result.description or ()]
    named = ", ".join(columns)
    target = f"incoming_{mirror.table}"
    connection.execute(
        f"create temporary table {target} on commit drop as"  # noqa: S608 -- names are ours
        f" select {named} from {schema}.{mirror.table} with no data".encode()
    )
    with connection.cursor().copy(f"copy {target} ({named}) from stdin".encode()) as copy:
        while rows := result.fetchmany(ROWS_AT_ONCE):
            for row in rows:
                copy.write_row(row)
    connection.execute(f"analyze {target}".encode())
    return columns


def _copy_studies(
    connection: Any, snapshot: duckdb.DuckDBPyConnection, schema: str, adopt: bool
) -> None:
    """COPY the keys of every study that the snapshot knows."""
    keys = snapshot.execute("select study_key from core.study").fetchall()
    connection.execute("create temporary table known_study (study_key text) on commit drop")
    with connection.cursor().copy("copy known_study (study_key) from stdin") as copy:
        for key in keys:
            copy.write_row(key)
    connection.execute("analyze known_study")
    (n_there,) = connection.execute(
        f"select count(*) from {schema}.prediction".encode()  # noqa: S608 -- checked name
    ).fetchone()
    if n_there and not keys and not adopt:
        raise PlatformFaultError(
            f"the snapshot knows no study at all; the export would remove all {n_there} predictions"
            f" of {schema}",
            way_out="publish again (`mpss warehouse rebuild`); `mpss export --adopt` removes them"
            " all the same. Nothing was changed",
        )


def _upsert(
    connection: Any, schema: str, mirror: Mirror, columns: list[str]
) -> tuple[int, int, int]:
    """Write the rows that are new or differ, and no others: (given, inserted, updated)."""
    rest = [column for column in columns if column not in mirror.keys]
    target, incoming = f"{schema}.{mirror.table}", f"incoming_{mirror.table}"
    same_keys = " and ".join(f"kept.{name} = incoming.{name}" for name in mirror.keys)
    kept, came = (", ".join(f"{side}.{name}" for name in rest) for side in ("kept", "incoming"))
    changes = ", ".join(f"{name} = excluded.{name}" for name in rest)
    rows = connection.execute(
        f"insert into {target} as old ({', '.join(columns)})"  # noqa: S608 -- names are ours
        f" select {', '.join(columns)} from {incoming} as incoming"
        f" where not exists (select from {target} as kept where {same_keys}"
        f" and ({kept}) is not distinct from ({came}))"
        f" on conflict ({', '.join(mirror.keys)}) do update set {changes},"
        " version = old.version + 1, updated_at = transaction_timestamp()"
        " returning version".encode()
    ).fetchall()
    (given,) = connection.execute(
        f"select count(*) from {incoming}".encode()  # noqa: S608 -- names are ours
    ).fetchone()
    inserted = sum(version == 1 for (version,) in rows)
    return int(given), inserted, len(rows) - inserted


def _leave(connection: Any, schema: str) -> dict[str, int]:
    """Remove what the snapshot no longer knows; mark predictions that it no longer has."""
    gone = connection.execute(
        f"delete from {schema}.prediction as kept"  # noqa: S608 -- checked name
        " where not exists (select from known_study where known_study.study_key = kept.study_key)"
        " returning study_key".encode()
    ).fetchall()
    marked = connection.execute(
        f"update {schema}.prediction as kept set is_current = false,"  # noqa: S608 -- checked
        " left_reason = 'no_prediction', version = version + 1,"
        " updated_at = transaction_timestamp()"
        " where (is_current or left_reason <> 'no_prediction')"
        f" and not exists (select from incoming_prediction as incoming where"
        f" {_same(PREDICTION)})".encode()
    ).rowcount
    removed = len(gone)
    for mirror in EVALUATION:
        removed += connection.execute(
            f"delete from {schema}.{mirror.table} as kept where not exists"  # noqa: S608 -- checked
            f" (select from incoming_{mirror.table} as incoming where {_same(mirror)})".encode()
        ).rowcount
    return {"marked": marked, "removed": removed, "removed_studies": len(set(gone))}


def _same(mirror: Mirror) -> str:
    return " and ".join(f"kept.{name} = incoming.{name}" for name in mirror.keys)


def _note_source(
    connection: Any, schema: str, lake: Lake, sequence: int, published_at: object
) -> None:
    """Say which snapshot the tables mirror; the same snapshot again changes nothing."""
    connection.execute(
        f"insert into {schema}.source as old (lake, snapshot_sequence,"  # noqa: S608 -- checked
        " snapshot_published_at, code_version, exported_at)"
        " values (%s, %s, %s, %s, transaction_timestamp())"
        " on conflict (is_the_one) do update set lake = excluded.lake,"
        " snapshot_sequence = excluded.snapshot_sequence,"
        " snapshot_published_at = excluded.snapshot_published_at,"
        " code_version = excluded.code_version, exported_at = excluded.exported_at"
        " where (old.lake, old.snapshot_sequence, old.code_version) is distinct from"
        " (excluded.lake, excluded.snapshot_sequence, excluded.code_version)".encode(),
        [lake_identity(lake), sequence, published_at, code_version()],
    )
