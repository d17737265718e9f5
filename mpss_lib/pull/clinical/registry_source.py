"""Where the clinical rows come from: a table of any SQLAlchemy source, or a CSV file.

The address decides: ``csv:///relative.csv`` or ``csv:////absolute/path.csv`` is a file, anything
else an SQLAlchemy URL. Both give the same: rows by our column names, in an order of their content.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    MetaData,
    Table,
    create_engine,
    inspect,
    select,
    type_coerce,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.types import NullType

from mpss_lib.contract import COLUMNS, OPTIONAL
from mpss_lib.errors import PlatformFaultError, SettingsError
from mpss_lib.pull.clinical.row import FAULT
from mpss_lib.sections import PullSettings

log = logging.getLogger(__name__)

RawRow = dict[str, object]

CSV_SCHEME = "csv:///"
MAX_LINES_OF_RECORD = 20
_MARKS = {
    codecs.BOM_UTF8: ("utf-8", "utf-8-sig"),
    codecs.BOM_UTF16_LE: ("utf-16",),
    codecs.BOM_UTF16_BE: ("utf-16",),
}


def read_rows(url: str, settings: PullSettings) -> list[RawRow]:
    """Read the registry by our column names, in an order of its own content.

    A row of a file that cannot be read whole has the reason in the column ``contract.FAULT``.

    Raises
    ------
    PlatformFaultError
        Nobody answers, or the file is not there.
    SettingsError
        No address, no driver, no such table or column, another encoding.
    """
    if not url:
        raise SettingsError(
            "no registry is set",
            way_out="give site.registry_url or the connection mpss_registry (any SQLAlchemy URL,"
            " or csv:////path/of/a/file.csv)",
        )
    if url.startswith(CSV_SCHEME):
        rows = _csv_rows(Path(url.removeprefix(CSV_SCHEME)), settings)
    else:
        rows = _sql_rows(url, settings)
    return sorted(rows, key=canonical)


def canonical(row: Mapping[str, object]) -> str:
    """Write a row as text: the same values, the same text."""
    return json.dumps(row, sort_keys=True, default=str)


def _present(names: Sequence[str], settings: PullSettings) -> dict[str, str]:
    """Our column -> the source's, for those that are there."""
    mapping = settings.registry_columns
    unknown = sorted(set(mapping) - set(COLUMNS))
    twice = sorted(name for name, n in Counter(names).items() if n > 1 and name)
    missing = [
        name
        for name in COLUMNS
        if mapping.get(name, name) not in names and (name not in OPTIONAL or name in mapping)
    ]
    if unknown or missing or twice:
        raise SettingsError(
            f"the registry's columns do not fit: missing {missing}, unknown in the mapping"
            f" {unknown}, there twice {twice}",
            way_out="set pull.registry_columns, our name = the site's column;"
            f" the registry has: {', '.join(sorted(map(str, names)))[:2000]}",
        )
    found = {name: mapping.get(name, name) for name in COLUMNS}
    found = {name: theirs for name, theirs in found.items() if theirs in names}
    unread = sorted(set(names) - set(found.values()))
    if unread:
        log.info("registry: %d columns are not read: %s", len(unread), ", ".join(unread)[:500])
    return found


# ------------------------------------------------------------------ CSV


def _csv_rows(path: Path, settings: PullSettings) -> list[RawRow]:
    form = settings.registry_format
    text = _decoded(path, form.encoding)
    lines = list(io.StringIO(text, newline=""))
    used, header = _record(lines, 0, form.delimiter) if lines else (0, [])
    if not isinstance(header, list) or not any(name.strip() for name in header):
        raise SettingsError(
            f"the registry file {path.name} has no header line",
            way_out="its first line must name the columns; check pull.registry_format.delimiter",
        )
    names = [name.strip() for name in header]
    present = _present(names, settings)
    places = {name: names.index(theirs) for name, theirs in present.items()}
    cells = _records(lines, used, form.delimiter, len(names))
    return list(_by_our_names(cells, places, len(names)))


def _by_our_names(
    lines: Iterable[list[str] | str], places: Mapping[str, int], width: int
) -> Iterator[RawRow]:
    for line in lines:
        if isinstance(line, str):
            yield {FAULT: line}
        elif any(cell.strip() for cell in line):  # a line without anything is no row
            if len(line) != width:  # nobody can tell which value belongs to which column
                yield {FAULT: f"row_fields: {len(line)} fields, the header has {width}"}
                continue
            row: RawRow = {name: line[at] for name, at in places.items()}
            if any(_is_undecoded(cell) for cell in line):
                row[FAULT] = "row_encoding: not in the encoding of pull.registry_format"
            yield row


def _records(
    lines: Sequence[str], at: int, delimiter: str, width: int
) -> Iterator[list[str] | str]:
    """Give the cells of each record, or why a line cannot be read; the others go on."""
    while at < len(lines):
        used, cells = _record(lines, at, delimiter, width)
        at += used
        yield cells


def _record(
    lines: Sequence[str], at: int, delimiter: str, width: int | None = None
) -> tuple[int, list[str] | str]:
    """Read one record: how many lines it takes, and its cells or why there are none.

    A quoted value may hold line breaks. A quote that nobody closes would swallow the rows behind
    it: a record of several lines counts only where it has as many fields as the header.
    """
    problem = ""
    for end in range(at + 1, min(at + MAX_LINES_OF_RECORD, len(lines)) + 1):
        try:
            cells = next(csv.reader(lines[at:end], delimiter=delimiter, strict=True))
        except csv.Error as error:
            problem = problem or f"row_unreadable: {error}"
            if "unexpected end of data" not in str(error):
                break
        else:
            if end == at + 1 or width in (None, len(cells)):
                return end - at, cells
            break
    return 1, problem


def _is_undecoded(cell: str) -> bool:
    return any("\udc80" <= sign <= "\udcff" for sign in cell)


def _decoded(path: Path, encoding: str) -> str:
    """Text of a file; bytes that are none of the encoding stay visible as lone surrogates."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PlatformFaultError(
            f"the registry file {path} cannot be read: {error.strerror}",
            way_out="check the path of site.registry_url and the rights of the file",
        ) from error
    name = codecs.lookup(encoding).name
    for mark, fitting in _MARKS.items():
        if content.startswith(mark) and name not in fitting:
            raise SettingsError(
                f"the registry file {path.name} begins with the byte order mark of {fitting[0]},"
                f" pull.registry_format.encoding is {encoding}",
                way_out=f'set encoding = "{fitting[0]}"',
            )
    if name == "utf-8":
        content = content.removeprefix(codecs.BOM_UTF8)
    errors = "surrogateescape" if name in ("utf-8", "utf-8-sig", "ascii") else "strict"
    try:
        return content.decode(encoding, errors=errors)
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"the registry file {path.name} is not {encoding} (byte {error.start})",
            way_out="set pull.registry_format.encoding as the file was written",
        ) from None


# ------------------------------------------------------------------ SQL


def _sql_rows(url: str, settings: PullSettings) -> list[RawRow]:
    engine = _engine(url)
    try:
        table = _table(engine, settings)
        present = _present(list(table.c.keys()), settings)
        columns = [
            _as_given(table.c[theirs], engine).label(name) for name, theirs in present.items()
        ]
        with engine.connect() as connection:
            found = connection.execute(select(*columns)).mappings().all()
    except DataError as error:
        raise PlatformFaultError(
            f"table {settings.registry_table} holds a value that the registry's driver cannot give"
            f" ({type(error.orig).__name__})",
            way_out="look for dates such as infinity or of year 0; a view that casts the column to"
            " text lets each row be judged by itself",
        ) from None
    except SQLAlchemyError as error:
        raise _unreachable(engine, error) from None  # its text may quote rows or the password
    finally:
        engine.dispose()
    return [dict(row) for row in found]


def _as_given(column: Column[Any], engine: Engine) -> ColumnElement[Any]:
    """Take a value of SQLite as it is stored: a column says DATE and holds what was written."""
    return type_coerce(column, NullType()) if engine.dialect.name == "sqlite" else column


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            raise PlatformFaultError(
                f"the registry {parsed.render_as_string(hide_password=True)} is not there",
                way_out="check the path of the SQLite file in site.registry_url",
            )
        return create_engine(parsed)
    except (ArgumentError, ImportError) as error:
        lacking = getattr(error, "name", None)  # of a driver that is not installed
        cause = f"no module {lacking}" if lacking else type(error).__name__
        raise SettingsError(
            f"site.registry_url cannot be used ({cause})",
            way_out="write it as dialect+driver://user:password@host/database and install the"
            " driver that it names",
        ) from None  # the text of the error holds the URL with its password


def _table(engine: Engine, settings: PullSettings) -> Table:
    schema, _, name = settings.registry_table.rpartition(".")
    try:
        return Table(name, MetaData(), autoload_with=engine, schema=schema or None)
    except NoSuchTableError:
        tables = sorted(inspect(engine).get_table_names(schema=schema or None))
        raise SettingsError(
            f"the registry has no table {settings.registry_table}",
            way_out=f"set pull.registry_table; it has: {', '.join(tables[:10]) or 'none'}",
        ) from None


def _unreachable(engine: Engine, error: SQLAlchemyError) -> PlatformFaultError:
    where = engine.url.render_as_string(hide_password=True)
    cause = type(getattr(error, "orig", None) or error).__name__
    return PlatformFaultError(
        f"the registry {where} does not answer ({cause})",
        way_out="check that it runs, the network, and user and password of site.registry_url",
    )
