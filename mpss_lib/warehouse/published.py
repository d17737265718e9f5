"""What the published snapshot says of itself: its manifest, its number, the files that it names.

A publish takes from it what has not changed since, so that it reads only what is new. An older
layout or a damaged file gives nothing, and then the lake itself is read instead.
"""

from __future__ import annotations

import logging
import re
from contextlib import closing
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from mpss_lib.errors import PlatformFaultError
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import COLUMNS, Ledger, read_ledger
from mpss_lib.warehouse.meta import META

log = logging.getLogger(__name__)

_FILE = re.compile(r"'([^']+\.parquet)'")
_LEDGER = {"runs": "run", "units": "unit", "files": "manifest", "settings": "settings"}


@dataclass(frozen=True)
class Published:
    """What a publish may take over from the snapshot before it.

    Parameters
    ----------
    ledger : Ledger or None
        The manifest as it was.
    lake_files : pyarrow.Table or None
        ``meta.lake_file``: the files that were checked and counted.
    made_by : (str, str)
        Versions of the code and of DuckDB that wrote it.
    """

    ledger: Ledger | None = None
    lake_files: pa.Table | None = None
    made_by: tuple[str, str] = ("", "")


def published(lake: Lake) -> Published:
    """Read the published snapshot; nothing where there is none, or one of another place."""
    if not lake.snapshot.is_file():
        return Published()
    try:
        with closing(open_snapshot(lake.snapshot)) as connection:
            ledger = {
                name: _table(connection, table, pa.schema(list(COLUMNS[name].items())))
                for name, table in _LEDGER.items()
            }
            files = _table(connection, "lake_file", _columns("lake_file"))
            counted = ", ".join(META["study_rows"].columns)  # carried as it is: it must be there
            connection.execute(f"select {counted} from meta.study_rows limit 0")  # noqa: S608
            (made_by,) = connection.execute(
                "select code_version, duckdb_version from meta.snapshot"
            ).fetchall()
    except (duckdb.Error, pa.ArrowInvalid, PlatformFaultError) as error:
        log.info("warehouse: nothing is taken over from the published snapshot: %s", error)
        return Published()
    return Published(Ledger(ledger), files, made_by)


def ledger_of(lake: Lake) -> Ledger:
    """Read the manifest: of the published snapshot, and the records that are new or have changed.

    The snapshot sums the records before it; each is held against size and time of its file.
    """
    return read_ledger(lake, known=published(lake).ledger)


def _columns(name: str) -> pa.Schema:
    return pa.schema(list(META[name].columns.items()))


def _table(connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema) -> pa.Table:
    sql = f"select {', '.join(schema.names)} from meta.{name}"  # noqa: S608
    return connection.sql(sql).to_arrow_table().cast(schema)


def published_sequence(lake: Lake) -> int:
    """Give the number of the published snapshot; 0 where there is none that can be read."""
    if not lake.snapshot.is_file():
        return 0
    try:
        with closing(open_snapshot(lake.snapshot, of_any_place=True)) as connection:
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
        with closing(open_snapshot(lake.snapshot, of_any_place=True)) as connection:
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
