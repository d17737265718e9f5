"""What the rows of a table say, as one text in which secrets are looked for."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc


def text_of(table: pa.Table) -> bytes:
    """Give the names of the columns and each value that a column has, once.

    Numbers between whole ones are left out: eight of their digits are a date by chance.
    """
    told = [without_fractions(value) for column in table.columns for value in _values(column)]
    return repr([table.column_names, told]).encode()


def _values(column: pa.ChunkedArray) -> Iterator[object]:
    if pa.types.is_nested(column.type):
        yield from column.to_pylist()
        return
    if pa.types.is_floating(column.type):
        column = column.filter(pc.equal(pc.trunc(column), column))
    yield from pc.unique(column).to_pylist()


def without_fractions(value: object) -> object:
    """Give the same value without its numbers between whole ones."""
    if isinstance(value, dict):
        return {name: without_fractions(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_fractions(one) for one in value]
    return None if isinstance(value, float) and not value.is_integer() else value
