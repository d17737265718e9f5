"""A frozen cohort: who is in it and with which outcomes, under the digest of both."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import duckdb

from mpss_lib.batch import chain_of, write_record
from mpss_lib.config import Address, Config
from mpss_lib.errors import MpssError
from mpss_lib.locks import working
from mpss_lib.records import Unit
from mpss_lib.schemas import TABLES
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake, digest_of
from mpss_lib.warehouse.meta import cohort_rule
from mpss_lib.warehouse.query_rows import rows_of

_TABLES = ("cohort_member", "cohort_outcome")


class EmptyCohortError(MpssError):
    """No study passes the rules of the cohort: there is nothing to evaluate."""


class SnapshotOutdatedError(MpssError):
    """The published snapshot does not go with the present settings."""


def freeze(lake: Lake, config: Config, *, run_name: str = "by hand") -> str:
    """Write the cohort of the published snapshot as lake tables.

    Selection and evaluation read ``cohort_member`` and ``cohort_outcome`` at
    ``config.address("warehouse")`` under the key that this gives; only the second holds outcomes.

    Parameters
    ----------
    lake, config
    run_name : str
        Name of the run that asks; only its digest is stored.

    Returns
    -------
    str
        Cohort hash: 16 hex digits, a digest of the sorted study keys, covariates and outcomes.
        The same cohort gives the same hash and the same bytes.

    Raises
    ------
    EmptyCohortError
        Names the reasons that excluded most studies.
    SnapshotOutdatedError
        The snapshot was built with other cohort rules, or shows another version of the features
        than the present settings make.
    """
    with working(lake.root):
        return _freeze(lake, config, run_name)


def _freeze(lake: Lake, config: Config, run_name: str) -> str:
    with closing(open_snapshot(lake.snapshot)) as connection:
        _check_is_of_settings(connection, config)
        rows = _cohort_rows(connection)
        if not rows:
            raise _empty(connection, config)
    columns = [name for name in TABLES["cohort_outcome"].columns if name != "cohort_hash"]
    cohort_hash = digest_of(repr(row[name]) for row in rows for name in columns)
    outcomes = [{"cohort_hash": cohort_hash} | {n: row[n] for n in columns} for row in rows]
    members = [
        {
            "cohort_hash": cohort_hash,
            "study_key": row["study_key"],
            "patient_key": row["patient_key"],
        }
        for row in rows
    ]
    address = config.address("warehouse")
    written = lake.existing("warehouse", address, cohort_hash, cohort_hash, tables=_TABLES)
    was_there = bool(written)
    if not was_there:
        written = tuple(
            lake.write(table, address, cohort_hash, cohort_hash, found)
            for table, found in zip(_TABLES, (members, outcomes), strict=True)
        )
    unit = Unit.of(cohort_hash, written, is_new=not was_there)
    write_record("warehouse", [unit], lake, config, run_name)
    return cohort_hash


def _check_is_of_settings(connection: duckdb.DuckDBPyConnection, config: Config) -> None:
    """Refuse a cohort by other rules, or by studies that selection would not read."""
    (rule,) = rows_of(connection, "from meta.cohort_rule")
    wanted = cohort_rule(config)
    if rule != wanted:
        raise SnapshotOutdatedError(
            f"the snapshot was built with the cohort rules {rule}, the settings say {wanted}",
            way_out="publish again: `mpss warehouse rebuild`",
        )
    shown = {
        str(row["stage"]): Address(str(row["engine"]), str(row["config"]))
        for row in rows_of(connection, "select stage, engine, config from meta.pointer")
    }
    if other := [stage for stage in chain_of(config) if shown[stage] != config.address(stage)]:
        stage = other[-1]
        raise SnapshotOutdatedError(
            f"the snapshot shows {', '.join(other)} of another version than the settings make"
            f" ({stage} {shown[stage].engine}/{shown[stage].config}, not"
            f" {config.address(stage).engine}/{config.address(stage).config})",
            way_out="do the studies with these settings and publish them: `mpss recompute"
            " --activate` (or `mpss warehouse activate all`); or restore the settings of the"
            " published version",
        )


def _cohort_rows(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    wanted = [name for name in TABLES["cohort_outcome"].columns if name != "cohort_hash"]
    columns = ["patient_key", *wanted]
    return rows_of(
        connection,
        f"select {', '.join(columns)} from core.cohort order by study_key",  # noqa: S608
    )


def _empty(connection: duckdb.DuckDBPyConnection, config: Config) -> EmptyCohortError:
    counts = connection.execute(
        "select reason, count(*) as n from core.cohort_flow group by all order by n desc, reason"
    ).fetchall()
    told = ", ".join(f"{reason} {n}" for reason, n in counts[:4]) or "the archive named no study"
    return EmptyCohortError(
        f"the cohort is empty: {told}",
        way_out="read core.cohort_flow_summary; physicians accept studies in the review pages"
        f" (cohort.accept is {config.cohort.accept!r})",
    )
