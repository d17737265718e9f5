"""Columns of a lake file against the schema of its table: what differs, and the way out.

A column that was added or changed without raising the stage's ``ENGINE`` leaves files of two kinds
at one address. Read together they would give an error of the reader far from its cause, or nulls
that look like data; so every reader of the lake asks here first. The columns that a table names as
``later`` are the exception: null in a file says that it was written before them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import REAL, LakeTable

Row = Mapping[str, Any]


def conform(spec: LakeTable, rows: Sequence[Row] | pa.Table) -> pa.Table:
    """Bring rows to the table's schema and check its grain.

    Raises
    ------
    LakeCorruptError
        Names the table and the column, or the key that stands twice.
    """
    if isinstance(rows, pa.Table):
        data = rows
        check_columns(spec, data.schema)
        keys = data.select(list(spec.grain)).to_pylist()
    else:
        _check_row_keys(spec, rows)
        data = pa.Table.from_pylist([dict(row) for row in rows], schema=spec.schema)
        keys = [{name: row[name] for name in spec.grain} for row in rows]
    seen = {tuple(row.values()) for row in keys}
    if len(seen) != len(keys):
        raise LakeCorruptError(
            f"{spec.name}: {len(keys) - len(seen)} rows repeat the grain {spec.grain}",
            way_out="correct the stage that writes it: one row for each key",
        )
    return data


def _check_row_keys(spec: LakeTable, rows: Sequence[Row]) -> None:
    for row in rows:
        if set(row) != set(spec.columns):
            missing, unknown = set(spec.columns) - set(row), set(row) - set(spec.columns)
            raise LakeCorruptError(
                f"{spec.name}: a row lacks {sorted(missing)} and has unknown {sorted(unknown)}",
                way_out="write every column of mpss_lib.schemas, and no other",
            )


def check_columns(
    table: LakeTable, schema: pa.Schema, where: str = "", *, features: Sequence[str] = ()
) -> None:
    """Compare the columns of a file (or of rows to be written) with the table's.

    Parameters
    ----------
    table : LakeTable
    schema : pyarrow.Schema
        As found.
    where : str
        The file; "" for rows that are about to be written.
    features : sequence of str
        Feature columns that a table with features must have, no more and no less; where none are
        given any float64 column beside the table's own is taken for a feature.

    Raises
    ------
    LakeCorruptError
        Names the table, the file, the first column that differs, and what to do.
    """
    wanted = dict(table.columns) | dict.fromkeys(features if table.has_features else (), REAL)
    found = {field.name: field.type for field in schema}
    for name, kind in wanted.items():
        if where and name in table.later and name not in found:
            continue
        if found.get(name) != kind:
            raise LakeCorruptError(
                f"{table.name} {where}: column {name} is {found.get(name, 'absent')},"
                f" wanted {kind}",
                way_out=_way_out(table, where),
            )
    extra = [name for name in found if name not in wanted]
    if table.has_features and not features:
        extra = [name for name in extra if found[name] != REAL]
    if len(found) < len(schema):
        extra = [name for name in found if schema.names.count(name) > 1]
    if extra:
        raise LakeCorruptError(
            f"{table.name} {where}: unexpected columns {extra[:5]}", way_out=_way_out(table, where)
        )


def schema_digest(schema: pa.Schema) -> str:
    """Digest of the names and types of columns, in any order: 16 hex digits."""
    text = ";".join(sorted(f"{field.name}:{_kind(field.type)}" for field in schema))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kind(kind: pa.DataType) -> str:
    """Name of a type; of a list without the name of its field, which Parquet changes."""
    return f"list of {kind.value_type}" if pa.types.is_list(kind) else str(kind)


def wanted_schema(table: LakeTable, features: Sequence[str] = ()) -> pa.Schema:
    """Columns that a file of the table must have."""
    more = features if table.has_features else ()
    return pa.schema([*table.columns.items(), *((name, REAL) for name in more)])


def _way_out(table: LakeTable, where: str) -> str:
    if not where:
        return "write every column of mpss_lib.schemas, and no other"
    return (
        f"the file was written by a program with other columns and the same ENGINE: raise the"
        f" ENGINE of {table.stage} in mpss_lib/config.py, or write the files of this version again:"
        f" `mpss run {table.stage} --force`"
    )
