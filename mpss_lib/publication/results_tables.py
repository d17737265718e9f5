"""The tables of the results database: numbered files of ``sql/4_export``, applied once each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpss_lib.errors import ResultsSchemaError, SettingsError
from mpss_lib.sql_files import first_line_of, sql_folder


@dataclass(frozen=True)
class Version:
    """One version of the tables: its number, and the file that leads to it."""

    number: int
    sql: str
    says: str

    @property
    def sha256(self) -> str:
        """Digest of the file, so that an edited file is noticed where it was applied before."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def for_schema(self, schema: str) -> str:
        """Statements with the name of the schema in place."""
        return self.sql.replace("${results}", schema)


def read_versions(folder: Path | None = None) -> tuple[Version, ...]:
    """Read the numbered files ``<n>_<name>.sql``, in their order.

    Raises
    ------
    SettingsError
        A number is missing or there twice: the installation is not whole.
    """
    folder = sql_folder() / "4_export" if folder is None else folder
    found = []
    for path in folder.glob("*.sql"):
        text = path.read_text(encoding="utf-8")
        found.append(Version(int(path.name.partition("_")[0]), text, first_line_of(path, text)))
    found.sort(key=lambda version: version.number)
    if not found or [version.number for version in found] != list(range(1, len(found) + 1)):
        raise SettingsError(
            f"sql/{folder.name} has the versions {[version.number for version in found]}",
            way_out="install the package again: they must be numbered 1, 2, ...",
        )
    return tuple(found)


def ddl(schema: str) -> str:
    """All statements that make the tables, for an owner who does not let this platform do it."""
    parts = [f"create schema if not exists {schema};"]
    for version in read_versions():
        parts += [version.for_schema(schema).strip(), _note(schema, version)]
    return "\n\n".join(["begin;", *parts, "commit;"]) + "\n"


def ensure_tables(connection: Any, schema: str) -> int:
    """Make the tables, or bring them to the newest version; gives its number.

    Parameters
    ----------
    connection : psycopg.Connection
        Inside a transaction that holds the export's lock.
    schema : str

    Raises
    ------
    ResultsSchemaError
        They are of a later version than this program knows, or a file was edited after it had
        been applied.
    """
    if connection.execute("select to_regnamespace(%s)", [schema]).fetchone()[0] is None:
        connection.execute(f"create schema {schema}".encode())
    applied = _applied(connection, schema)
    versions = read_versions()
    if applied and max(applied) > len(versions):
        raise ResultsSchemaError(
            f"the results schema {schema} has version {max(applied)}, this program writes version"
            f" {len(versions)}",
            way_out="upgrade this platform to the release that wrote it; nothing was changed",
        )
    for version in versions:
        if version.number not in applied:
            connection.execute(version.for_schema(schema).encode())
            connection.execute(_note(schema, version).encode())
        elif applied[version.number] != version.sha256:
            raise ResultsSchemaError(
                f"version {version.number} of the results schema {schema} was made by another file"
                f" than sql/4_export/{version.number}_*.sql of this program",
                way_out="undo the edit of the file, or drop the schema and export again;"
                " nothing was changed",
            )
    return len(versions)


def version_applied(connection: Any, schema: str) -> int:
    """Newest version that the tables of a schema have; 0 where there are none."""
    return max(_applied(connection, schema), default=0)


def _applied(connection: Any, schema: str) -> Mapping[int, str]:
    there = connection.execute("select to_regclass(%s)", [f"{schema}.schema_version"]).fetchone()
    if there[0] is None:
        return {}
    query = f"select version, sha256 from {schema}.schema_version"  # noqa: S608 -- checked name
    return {int(number): str(digest) for number, digest in connection.execute(query.encode())}


def _note(schema: str, version: Version) -> str:
    return (
        f"insert into {schema}.schema_version (version, sha256)"  # noqa: S608 -- checked name
        f" values ({version.number}, '{version.sha256}');"
    )
