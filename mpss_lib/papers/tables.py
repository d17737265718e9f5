"""Tables of Markdown, and the places in a file that hold them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mpss_lib.errors import WrongArgumentError

_PLACE = re.compile(r"(<!-- table: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.S)

Table = Callable[[], str]


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Make a table; a bar within a cell would end it."""
    lines = [columns, ["---"] * len(columns), *rows]
    texts = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in texts)


def filled(text: str, tables: Mapping[str, Table]) -> str:
    """Put each table into the place that bears its name.

    Raises
    ------
    WrongArgumentError
        A place names no table.
    """

    def put(found: re.Match[str]) -> str:
        if found["name"] not in tables:
            raise WrongArgumentError(
                f"no table is called {found['name']!r}", way_out=f"one of {', '.join(tables)}"
            )
        return f"{found[1]}\n{tables[found['name']]()}\n{found[3]}"

    return _PLACE.sub(put, text)


def places(text: str) -> list[str]:
    """Names of the tables that a text has places for."""
    return [found["name"] for found in _PLACE.finditer(text)]


def outdated(folder: Path, tables: Mapping[str, Table], *, rewrites: bool = False) -> list[str]:
    """Names of the papers in a folder whose tables are not those of the code.

    Parameters
    ----------
    rewrites : bool
        Write them anew.
    """
    found = []
    for path in sorted(folder.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        now = filled(text, tables)
        if now != text:
            found.append(path.name)
            if rewrites:
                path.write_text(now, encoding="utf-8")
    return found
