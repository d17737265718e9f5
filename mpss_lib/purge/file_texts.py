"""The texts of a file, whatever it is: values where compression hides the bytes.

Parquet and DuckDB are read as values, PNG by its text chunks, zip and npz by their members, gz, bz2
and xz unpacked, DICOM up to its pixel data (which no text survives), SQLite as values and as raw
pages (deleted rows), everything else as bytes.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mpss_lib.quoting import sql_name
from mpss_lib.snapshot_file import attach

CHUNK = 1 << 24
PIXELS = b"\xe0\x7f\x10\x00"
"""Tag of the pixel data in little endian (PS3.5 7.1)."""

Texts = Iterator[bytes]


class UnreadableError(Exception):
    """A file that says what it is and cannot be read: nobody can tell what is in it."""


def texts_of(path: Path, overlap: int) -> Texts:
    """Give the bytes of a file in which a text can be found, in pieces.

    Parameters
    ----------
    path : Path
    overlap : int
        Bytes that two pieces of a long file share.

    Raises
    ------
    UnreadableError
        The file is damaged, or vanished while it was read.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(132)
        yield from _reader_of(path, head)(path, overlap)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise UnreadableError(type(error).__name__) from error
    except (duckdb.Error, sqlite3.Error, pa.ArrowException) as error:
        raise UnreadableError(type(error).__name__) from error


def _reader_of(path: Path, head: bytes) -> Callable[[Path, int], Texts]:
    starts: tuple[tuple[bytes, Callable[[Path, int], Texts]], ...] = (
        (b"PAR1", _parquet),
        (b"SQLite format 3\0", _sqlite),
        (b"\x89PNG", _png),
        (b"\x1f\x8b", _packed(gzip.open)),
        (b"BZh", _packed(bz2.open)),
        (b"\xfd7zXZ", _packed(lzma.open)),
        (b"PK\x03\x04", _zip),
    )
    for start, reader in starts:
        if head.startswith(start):
            return reader
    if head[8:12] == b"DUCK":
        return _duckdb
    return _dicom if head[128:132] == b"DICM" else _raw


def _raw(path: Path, overlap: int) -> Texts:
    with path.open("rb") as handle:
        yield from _pieces(handle, overlap)


def _pieces(handle: IO[bytes], overlap: int) -> Texts:
    kept = b""
    while piece := handle.read(CHUNK):
        yield kept + piece
        kept = piece[-overlap:] if overlap else b""


def _packed(opener: Callable[[Path, str], Any]) -> Callable[[Path, int], Texts]:
    def read(path: Path, overlap: int) -> Texts:
        with opener(path, "rb") as handle:
            yield from _pieces(handle, overlap)

    return read


def _parquet(path: Path, _: int) -> Texts:
    with pq.ParquetFile(path) as file:
        yield repr(file.schema_arrow.metadata or "").encode()
        names = [field.name for field in file.schema_arrow if not _is_real(field.type)]
        yield "\n".join(file.schema_arrow.names).encode()
        for group in range(file.num_row_groups if names else 0):
            yield from texts_of_table(file.read_row_group(group, columns=names))


def texts_of_table(data: pa.Table) -> Texts:
    """Give every value that is no real number, as text."""
    for column in data.columns:
        values = column
        while pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
            values = pc.list_flatten(values)
        if not _is_real(values.type):
            found = pc.unique(values).to_pylist()
            yield "\n".join(str(value) for value in found if value is not None).encode()


def _is_real(kind: pa.DataType) -> bool:
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_floating(kind))


def _duckdb(path: Path, _: int) -> Texts:
    with closing(attach(path, of_any_place=True)) as connection:
        views = connection.execute(
            "select sql from duckdb_views() where database_name = 'mpss'"
        ).fetchall()
        yield "\n".join(str(row[0]) for row in views).encode()
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'mpss'"
        ).fetchall()
        for schema, table in tables:
            name = f"{sql_name(schema)}.{sql_name(table)}"
            found = connection.sql(f"select * from {name}")  # noqa: S608 - its own table
            yield from texts_of_table(found.to_arrow_table())


def _sqlite(path: Path, overlap: int) -> Texts:
    yield from _raw(path, overlap)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        names = [row[0] for row in db.execute("select name from sqlite_master where type='table'")]
        for name in names:
            for row in db.execute(f"select * from {sql_name(name)}"):  # noqa: S608 - its own table
                yield b"\n".join(_bytes_of(value) for value in row if value is not None)


def _bytes_of(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def _png(path: Path, _: int) -> Texts:
    content = path.read_bytes()
    at = 8
    while at + 8 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        data = content[at + 8 : at + 8 + size]
        if kind in (b"tEXt", b"iTXt", b"eXIf"):
            yield data
        if kind in (b"zTXt", b"iTXt", b"iCCP") and b"\x78" in data:
            yield _inflated(data)
        at += 12 + size
    yield content[at:]


def _inflated(data: bytes) -> bytes:
    """Unpack what follows the keyword of a compressed text chunk (PNG 11.3.3)."""
    for start in range(len(data)):
        if data[start] == 0x78:
            try:
                return data[:start] + zlib.decompress(data[start:])
            except zlib.error:
                continue
    return data


def _zip(path: Path, overlap: int) -> Texts:
    with zipfile.ZipFile(path) as archive:
        yield archive.comment
        for info in archive.infolist():
            yield info.filename.encode()
            with archive.open(info) as member:
                yield from _pieces(member, overlap)


def _dicom(path: Path, _: int) -> Texts:
    content = path.read_bytes()
    at = content.find(PIXELS)
    yield content if at < 0 else content[:at]
