"""One Parquet file: written so that the same rows give the same bytes, read so that damage is told.

A file that was cut short or lost its footer gives foreign errors of several kinds, some of which
look like a fault of the system. Here each becomes one error with the file's name and the way out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import REAL, TEXT, LakeTable

FEW = 64
"""Rows of a file that is not packed where it holds no doubles: to set up Zstandard for each of its
columns takes more time (.28 of .47 ms for one row of ``instance``) than its 300 bytes are worth."""
_PLAIN = MappingProxyType(
    {"compression": "none", "use_dictionary": False, "write_statistics": False}
)
"""Layout of such a file: without statistics it takes one block of the disk in place of two."""
WAY_OUT = "restore it from the backup, or run its stage again with force"


def read_whole(path: Path) -> pa.Table:
    """Read a file.

    Raises
    ------
    LakeCorruptError
        It cannot be read.
    """
    with named_damage(path.name), pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def read_footer(path: Path, n_rows: int | None = None, *, name: str = "") -> pq.FileMetaData:
    """Read what a file says of itself.

    Parameters
    ----------
    path : Path
    n_rows : int, optional
        Rows that it has by its record.
    name : str
        How the file is called in a message; its file name by default.

    Raises
    ------
    LakeCorruptError
        It cannot be read, or has other than its rows.
    """
    name = name or path.name
    with named_damage(name):
        footer = pq.read_metadata(path)
    if n_rows is not None and footer.num_rows != n_rows:
        raise LakeCorruptError(
            f"{name} has {footer.num_rows} rows, its manifest record says {n_rows}",
            way_out=WAY_OUT,
        )
    return footer


@contextmanager
def named_damage(name: str) -> Iterator[None]:
    """Name the file whose bytes cannot be understood; what the system refused stays as it is.

    Raises
    ------
    LakeCorruptError
        Names the file and what is wrong with it.
    """
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise LakeCorruptError(
            f"{name} cannot be read: {str(error).partition(chr(10))[0][:120]}", way_out=WAY_OUT
        ) from error


def table_bytes(data: pa.Table, spec: LakeTable) -> bytes:
    """Make the file of all rows of a table; see ``writer``."""
    is_packed = data.num_rows >= FEW or REAL in spec.columns.values() or spec.has_features
    layout = {} if is_packed else _PLAIN
    buffer = pa.BufferOutputStream()
    with writer(buffer, data.schema, spec, **layout) as file:
        file.write_table(data)
    return bytes(buffer.getvalue())


def writer(
    path: Path | pa.BufferOutputStream,
    schema: pa.Schema,
    spec: LakeTable | None = None,
    **layout: Any,
) -> pq.ParquetWriter:
    """Open a file for rows: the same rows in the same groups give the same bytes.

    Parameters
    ----------
    path : Path or pyarrow.BufferOutputStream
    schema : pyarrow.Schema
        Doubles are split into streams of bytes (BYTE_STREAM_SPLIT), all is packed by Zstandard.
    spec : LakeTable, optional
        Its texts get a dictionary; by default all texts. ``layout`` may say otherwise.
    **layout
        Of pages, packing and statistics, as ``pyarrow.parquet.ParquetWriter`` takes it.
    """
    columns = spec.columns if spec else dict(zip(schema.names, schema.types, strict=True))
    usual = {
        "compression": "zstd",
        "use_dictionary": [name for name, kind in columns.items() if kind == TEXT],
    }
    return pq.ParquetWriter(
        path,
        schema,
        column_encoding={field.name: "BYTE_STREAM_SPLIT" for field in schema if field.type == REAL},
        store_schema=False,
        **(usual | layout),
    )
