"""The ledger's tables, carried from one snapshot into the next: a publish writes what is new.

The manifest only grows, and is most of what a snapshot says of itself. So the new file begins as a
copy of the published one in which nothing but the ledger is left; the new records' rows are added,
and the rows of files that are no longer current are told so. Everything else is built anew. Where
any record has changed or gone, or another version wrote the snapshot, the file begins empty.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mpss_lib.batch import code_version
from mpss_lib.quoting import sql_name
from mpss_lib.warehouse.manifest import Ledger
from mpss_lib.warehouse.meta import META
from mpss_lib.warehouse.published import Published

log = logging.getLogger(__name__)

CARRIED: Mapping[str, str] = {"run": "runs", "unit": "units", "manifest": "files"}
"""Tables of schema ``meta`` that are carried, and their names in the ledger."""

_AS_THEY_WERE: Mapping[str, Sequence[str]] = {
    "runs": ("record", "n_bytes", "modified_ns"),
    "units": ("record", "unit_key"),
    "files": ("record", "path"),
}
"""Columns that tell whether a row is the same, by table of the ledger."""


def can_carry(before: Published, ledger: Ledger) -> bool:
    """Whether the ledger begins with the published one, and this version wrote that."""
    if before.ledger is None or before.made_by != (code_version(), duckdb.__version__):
        return False
    for name, columns in _AS_THEY_WERE.items():
        old = before.ledger.tables[name].select(columns)
        if not ledger.tables[name].select(columns).slice(0, old.num_rows).equals(old):
            return False
    return True


def begin_with_ledger(path: Path, snapshot: Path) -> bool:
    """Make a new file of the published one's ledger; gives whether that could be done.

    Parameters
    ----------
    path : Path
        Of the new file.
    snapshot : Path
        The published one.
    """
    shutil.copyfile(snapshot, path)
    try:
        with closing(duckdb.connect(str(path))) as connection:
            _drop_all_but_ledger(connection)
    except duckdb.Error as error:
        log.warning("warehouse: nothing is carried from the published snapshot: %s", error)
        return False
    return True


def _drop_all_but_ledger(connection: duckdb.DuckDBPyConnection) -> None:
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
        if row[0] != "meta" or row[1] not in CARRIED
    ]
    connection.execute("begin")
    for kind, schema, name in there:
        connection.execute(f"drop {kind} {sql_name(schema)}.{sql_name(name)}")
    connection.execute("commit")
    connection.execute("checkpoint")  # what they took is free for what comes


def add_new(
    connection: duckdb.DuckDBPyConnection, known: Ledger, meta: Mapping[str, pa.Table]
) -> None:
    """Bring the carried tables to the ledger of now.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot.
    known : Ledger
        What the carried tables hold.
    meta : mapping of str to pyarrow.Table
        What they are to hold.
    """
    for name, part in CARRIED.items():
        columns = ", ".join(META[name].columns)
        connection.register("arrow_new", meta[name].slice(known.tables[part].num_rows))
        connection.execute(f"insert into meta.{name} select {columns} from arrow_new")  # noqa: S608
        connection.unregister("arrow_new")
    old = known.tables["files"]
    now = meta["manifest"].slice(0, old.num_rows)
    changed = now.filter(pc.not_equal(now["is_current"], old["is_current"]))
    connection.register("arrow_changed", changed)
    connection.execute(
        "update meta.manifest as file set is_current = changed.is_current"
        " from arrow_changed as changed where file.record = changed.record"
        " and file.unit_key = changed.unit_key and file.path = changed.path"
    )
    connection.unregister("arrow_changed")
