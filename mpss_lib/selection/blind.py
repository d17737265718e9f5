"""A database connection that sees feature files and nothing else.

Selection must not be able to look at an outcome. It works on an in-memory DuckDB connection with
views on the feature files of a frozen list of keys; then every other file, ATTACH, and the
settings themselves are locked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from mpss_lib.quoting import sql_text


def connect(files: Mapping[str, Sequence[Path]]) -> duckdb.DuckDBPyConnection:
    """Open a locked in-memory connection.

    Parameters
    ----------
    files : mapping of str to sequence of Path
        Name of a view and the Parquet files that it shows; no other file can be read.

    Returns
    -------
    duckdb.DuckDBPyConnection
        Refuses other files, ATTACH, COPY TO, extensions and any change of settings.
    """
    connection = duckdb.connect(":memory:")
    for name, paths in files.items():
        listed = ", ".join(sql_text(path) for path in paths)
        connection.execute(
            f"create view {name} as select * from"  # noqa: S608 -- quoted paths
            f" read_parquet([{listed}], hive_partitioning = false)"
        )
    allowed = ", ".join(sql_text(path) for paths in files.values() for path in paths)
    connection.execute(f"set allowed_paths = [{allowed}]")
    connection.execute("set autoload_known_extensions = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection
