"""What is carried from one snapshot into the next: a publish writes what is new.

The manifest only grows, and with the counted keys of the files (``study_rows``) it is most of what
a snapshot says of itself. So the new file begins as a copy of the published one in which nothing
but these is left; the new records' rows are added, and the rows of files that are no longer current
are told so. Everything else is built anew. Where any record has changed or gone (nothing of the old
file may stay), or another DuckDB wrote the snapshot, the file begins empty; where another version
of this code did, the ledger is written anew.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa

from mpss_lib.batch import code_version
from mpss_lib.quoting import sql_name
from mpss_lib.warehouse.manifest import Ledger
from mpss_lib.warehouse.meta import META
from mpss_lib.warehouse.published import Published
from mpss_lib.warehouse.record_files import State

log = logging.getLogger(__name__)

LEDGER: Mapping[str, str] = {"run": "runs", "unit": "units", "manifest": "files"}
"""Tables of schema ``meta`` that hold the ledger, and their names there."""

COUNTS = "study_rows"

_AS_THEY_WERE: Mapping[str, Sequence[str]] = {
    "runs": State._fields,
    "units": ("record", "unit_key"),
    "files": ("record", "path"),
}
"""Columns that tell whether a row is the same, by table of the ledger."""


_REPLACED = """
update meta.manifest as file
set is_current = false
from arrow_new as later
where
    file.is_current
    and later.is_current
    and file.unit_key = later.unit_key
    and file.table_name = later.table_name
    and file.engine = later.engine
    and file.config = later.config
"""


def what_to_carry(before: Published, ledger: Ledger) -> frozenset[str]:
    """Name the tables of schema ``meta`` that the published snapshot gives to the next one."""
    known, (_, engine) = before.ledger, before.made_by
    if known is None or engine != duckdb.__version__ or not _begins_with(known, ledger):
        return frozenset()
    return frozenset({COUNTS, *(LEDGER if is_ours(before.made_by) else ())})


def is_ours(made_by: tuple[str, str]) -> bool:
    """Whether this code and this DuckDB wrote a snapshot."""
    return made_by == (code_version(), duckdb.__version__)


def _begins_with(known: Ledger, ledger: Ledger) -> bool:
    """Whether a ledger begins with the published one."""
    for name, columns in _AS_THEY_WERE.items():
        old = known.tables[name].select(columns)
        if not ledger.tables[name].select(columns).slice(0, old.num_rows).equals(old):
            return False
    return True


def begin_with(
    names: Collection[str], path: Path, snapshot: Path, kept: Collection[str] = ()
) -> bool:
    """Make a new file of parts of the published one; gives whether that could be done.

    Parameters
    ----------
    names : collection of str
        Tables of schema ``meta``.
    path : Path
        Of the new file.
    snapshot : Path
        The published one.
    kept : collection of str
        Qualified names of tables of other schemas, and of views.
    """
    shutil.copyfile(snapshot, path)
    try:
        with closing(duckdb.connect(str(path))) as connection:
            _drop_all_but({*kept, *(f"meta.{name}" for name in names)}, connection)
    except duckdb.Error as error:
        log.warning("warehouse: nothing is carried from the published snapshot: %s", error)
        return False
    return True


def _drop_all_but(names: Collection[str], connection: duckdb.DuckDBPyConnection) -> None:
    there = [
        ("view", *row)
        for row in connection.execute(
            "select schema_name, view_name from duckdb_views() where not internal"
        ).fetchall()
    ]
    there += [
        ("table", *row)
        for row in connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal"
        ).fetchall()
    ]
    connection.execute("begin")
    for kind, schema, name in there:
        if f"{schema}.{name}" in names:
            continue
        connection.execute(f"drop {kind} {sql_name(schema)}.{sql_name(name)}")
    connection.execute("commit")
    connection.execute("checkpoint")  # what they took is free for what comes


def new_rows(known: Ledger, meta: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Give the rows of the ledger's tables that come after those that are carried."""
    return {name: meta[name].slice(known.tables[part].num_rows) for name, part in LEDGER.items()}


def add_new(connection: duckdb.DuckDBPyConnection, new: Mapping[str, pa.Table]) -> None:
    """Add rows to the carried tables of the ledger; files that they replace are not current now.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot.
    new : mapping of str to pyarrow.Table
        Rows of ``run``, ``unit`` and ``manifest`` of records after those that are carried.
    """
    connection.register("arrow_new", new["manifest"])
    connection.execute(_REPLACED)
    connection.unregister("arrow_new")
    for name, rows in new.items():
        columns = ", ".join(META[name].columns)
        connection.register("arrow_new", rows)
        connection.execute(f"insert into meta.{name} select {columns} from arrow_new")  # noqa: S608
        connection.unregister("arrow_new")
