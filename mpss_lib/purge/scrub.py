"""Taking traces out of JSON values and Parquet tables; what is not theirs stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mpss_lib.parquet import writer
from mpss_lib.schemas import TEXT
from mpss_lib.whole_files import replacing

GONE = "withdrawn"
"""What stands in the place of a text that cannot simply be left out."""

_DROP = object()

Has = Callable[[str], bool]


def scrub(value: Any, has: Has, *, keep_places: bool = False) -> Any:
    """Take traces out of a JSON value.

    Elements of a list that are such a text, or an object that holds one, are left out; other texts
    become ``withdrawn``. A text that is JSON itself is taken apart.

    Parameters
    ----------
    value : JSON value
    has : callable
        Whether a text holds a trace.
    keep_places : bool
        Objects of a list stay where they are with their texts replaced, because something counts
        on their places.
    """
    found = _scrub(value, has, keep_places=keep_places, in_list=False)
    return None if found is _DROP else found


def _scrub(value: Any, has: Has, *, keep_places: bool, in_list: bool) -> Any:
    if isinstance(value, str):
        return _scrub_text(value, has, keep_places=keep_places, in_list=in_list)
    if isinstance(value, list):
        each = (_scrub(one, has, keep_places=keep_places, in_list=True) for one in value)
        return [one for one in each if one is not _DROP]
    if isinstance(value, dict):
        is_theirs = any(isinstance(one, str) and has(one) for one in value.values())
        if in_list and is_theirs and not keep_places:
            return _DROP
        return {
            key: _scrub(one, has, keep_places=keep_places, in_list=False)
            for key, one in value.items()
            if not has(str(key))
        }
    return value


def _scrub_text(text: str, has: Has, *, keep_places: bool, in_list: bool) -> Any:
    if not has(text):
        return text
    if text[:1] in '[{"':
        try:
            inner = json.loads(text)
        except json.JSONDecodeError:
            inner = None
        if isinstance(inner, list | dict | str):
            found = _scrub(inner, has, keep_places=keep_places, in_list=False)
            return json.dumps(found)
    return _DROP if in_list else GONE


# ----------------------------------------------------------------------- Parquet


def rewrite_parquet(path: Path, has: Has, replaced: Mapping[str, str] | None = None) -> int:
    """Write a Parquet file again without the rows and list elements that hold a trace.

    The order of rows, the row groups and the encodings stay; a file without traces is not touched.

    Parameters
    ----------
    path : Path
    has : callable
        Whether a text holds a trace.
    replaced : mapping of str to str, optional
        Texts that are replaced instead; their rows stay.

    Returns
    -------
    int
        Rows and list elements taken out or replaced.
    """
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        texts = [f.name for f in schema if _holds_text(f.type)]
        n_groups = file.num_row_groups
        looked = any(
            _has_any(file.read_row_group(group, columns=texts), has)
            for group in range(n_groups if texts else 0)
        )
        if not looked:
            return 0
        changed = 0
        with replacing(path) as temporary, writer(temporary, schema) as to:
            for group in range(n_groups):
                data, n = _without(file.read_row_group(group), has, replaced or {})
                changed += n
                if data.num_rows or n_groups == 1:
                    to.write_table(data, row_group_size=max(data.num_rows, 1))
    return changed


def _holds_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(getattr(kind, "value_type", kind)))


def _has_any(data: pa.Table, has: Has) -> bool:
    return any(has(text) for column in data.columns for text in _distinct(column))


def _distinct(column: pa.ChunkedArray) -> Iterator[str]:
    values = pa.compute.list_flatten(column) if pa.types.is_list(column.type) else column
    return (text for text in pa.compute.unique(values).to_pylist() if text is not None)


def _without(data: pa.Table, has: Has, replaced: Mapping[str, str]) -> tuple[pa.Table, int]:
    data, changed = _replace(data, replaced)
    keep = pa.array([True] * data.num_rows)
    for name in data.column_names:
        column = data[name]
        if pa.types.is_string(column.type):
            bad = {text for text in _distinct(column) if has(text)}
            if bad:
                is_bad = pa.compute.is_in(column, value_set=pa.array(sorted(bad), TEXT))
                keep = pa.compute.and_(keep, pa.compute.invert(is_bad.combine_chunks()))
    changed += data.num_rows - pa.compute.sum(keep).as_py() if data.num_rows else 0
    data = data.filter(keep)
    return _shorten_lists(data, has, changed)


def _replace(data: pa.Table, replaced: Mapping[str, str]) -> tuple[pa.Table, int]:
    changed = 0
    for index, name in enumerate(data.column_names if replaced else ()):
        column = data[name]
        if not pa.types.is_string(column.type):
            continue
        values = column.to_pylist()
        new = [replaced.get(value, value) for value in values]
        if new != values:
            changed += sum(a != b for a, b in zip(values, new, strict=True))
            data = data.set_column(index, name, pa.array(new, TEXT))
    return data, changed


def _shorten_lists(data: pa.Table, has: Has, changed: int) -> tuple[pa.Table, int]:
    """Take elements out of lists of texts, and those beside them out of lists of equal length.

    ``model`` has ``test_studies`` and, of the same studies in the same order, ``residuals``.
    """
    lists = [name for name in data.column_names if pa.types.is_list(data[name].type)]
    texts = [name for name in lists if _holds_text(data[name].type)]
    if not any(has(text) for name in texts for text in _distinct(data[name])):
        return data, changed
    columns = {name: data[name].to_pylist() for name in lists}
    for row in range(data.num_rows):
        for name in texts:
            here = columns[name][row] or []
            bad = {k for k, text in enumerate(here) if text is not None and has(text)}
            if not bad:
                continue
            changed += len(bad)
            for other in lists:
                beside = columns[other][row]
                if beside is not None and len(beside) == len(here):
                    columns[other][row] = [v for k, v in enumerate(beside) if k not in bad]
    for name, values in columns.items():
        index = data.column_names.index(name)
        data = data.set_column(index, name, pa.array(values, data.schema.field(name).type))
    return data, changed
