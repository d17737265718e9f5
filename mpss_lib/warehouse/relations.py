"""The relations of the snapshot as ``sql/`` declares them, in the order in which they are built.

A relation is one file ``sql/<layer>/<schema>.<relation>.sql``::

    -- One row is one study that the archive named.
    -- grain: study_key
    -- stored: view
    select ...

The first line says what one row is. ``grain`` lists the columns that name a row once. ``stored`` is
``table`` (copied into the snapshot) or ``view``; without the line it follows the layer. A line
``-- checked: with feature.radiomics`` says that another relation's check of the grain covers this
one, ``-- by: study_key`` that its rows are those of a study or patient (``touched``). What a
relation reads is found in its text: names in SQL are always qualified.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from mpss_lib.errors import SettingsError
from mpss_lib.sql_files import first_line_of, header_of, sql_folder, with_limits
from mpss_lib.tables import digest_of

LAYERS: Mapping[str, str] = {"1_raw": "table", "2_core": "table", "3_out": "view"}
"""Layer folder -> how its relations are stored unless their header says otherwise."""

SCHEMAS = (
    "meta",
    "raw",
    "core",
    "quality",
    "feature",
    "selection",
    "evaluation",
    "result",
    "omop",
)

PLACE = re.compile(r"\$\{([a-z_]+)\}")
"""What stands for the rows of a lake table."""

_COMMENT = re.compile(r"--[^\n]*")
_NAME = re.compile(rf"\b({'|'.join(SCHEMAS)})\.([a-z_][a-z0-9_]*)")


@dataclass(frozen=True)
class Relation:
    """One relation of the snapshot.

    Parameters
    ----------
    layer, schema, name : str
    one_row : str
        What one row is: the first line of the file.
    grain : tuple of str
        Columns that together name a row once.
    stored : str
        ``table`` or ``view``.
    sql : str
        The select, with ``${table}`` where the file list of a lake table goes.
    needs : frozenset of str
        Qualified names that it reads.
    checked_with : str
        Relation whose grain covers this one's; "" where it is checked itself.
    by : str
        Key of what a row belongs to, where it hangs on rows of the same study and patient only
        (``touched``); else "".
    """

    layer: str
    schema: str
    name: str
    one_row: str
    grain: tuple[str, ...]
    stored: str
    sql: str
    needs: frozenset[str]
    checked_with: str = ""
    by: str = ""

    @property
    def full_name(self) -> str:
        """Schema and name."""
        return f"{self.schema}.{self.name}"

    @property
    def reads(self) -> frozenset[str]:
        """Names of the lake tables whose files stand in its text when it is created."""
        return frozenset(PLACE.findall(self.sql))


def digest_of_relations(relations: Sequence[Relation]) -> str:
    """Digest of how relations are made."""
    return digest_of(f"{one.full_name} {one.stored} {one.by}\n{one.sql}" for one in relations)


def names_in(sql: str) -> frozenset[str]:
    """Qualified names of our schemas that an SQL text reads; comments do not count."""
    return frozenset(f"{a}.{b}" for a, b in _NAME.findall(_COMMENT.sub("", sql)))


def read_relations(folder: Path | None = None, *, base: Iterable[str] = ()) -> tuple[Relation, ...]:
    """Read every relation of ``sql/``, each after those that it reads.

    Parameters
    ----------
    folder : Path, optional
        ``sql/``; the one of this installation by default.
    base : iterable of str
        Qualified names that the publisher makes itself (schema ``meta``).

    Raises
    ------
    SettingsError
        A file without header, a name that nothing defines, a reference up to a later layer or a
        circle: each names the file.
    """
    folder = sql_folder() if folder is None else folder
    found = {
        relation.full_name: relation
        for layer in LAYERS
        for relation in (_read(path, layer) for path in sorted((folder / layer).glob("*.sql")))
    }
    _check_references(found, frozenset(base))
    return _in_order(found)


def _read(path: Path, layer: str) -> Relation:
    schema, _, name = path.stem.partition(".")
    text = path.read_text(encoding="utf-8")
    header = header_of(text)
    if schema not in SCHEMAS or not name or "grain" not in header:
        raise SettingsError(
            f"{layer}/{path.name}: unknown schema, no relation name or no '-- grain:' line",
            way_out="name it <schema>.<relation>.sql and declare its grain",
        )
    return Relation(
        layer=layer,
        schema=schema,
        name=name,
        one_row=first_line_of(path, text),
        grain=tuple(header["grain"].replace(",", " ").split()),
        stored=header.get("stored", LAYERS[layer]),
        sql=with_limits(text.strip().rstrip(";")),
        needs=names_in(text),
        checked_with=header.get("checked", "").removeprefix("with "),
        by=header.get("by", ""),
    )


def _check_references(found: Mapping[str, Relation], base: frozenset[str]) -> None:
    layers = list(LAYERS)
    for relation in found.values():
        for name in sorted(relation.needs - base):
            other = found.get(name)
            if other is None:
                problem = f"{relation.layer}/{relation.full_name}.sql reads {name}: nobody makes it"
            elif layers.index(other.layer) > layers.index(relation.layer):
                problem = f"{relation.full_name} reads {name} of the later layer {other.layer}"
            else:
                continue
            raise SettingsError(problem, way_out="correct the name, or move one of the files")


def _in_order(found: Mapping[str, Relation]) -> tuple[Relation, ...]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(found):
        sorter.add(name, *sorted(found[name].needs & found.keys()))
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        raise SettingsError(
            f"sql/: relations read each other in a circle: {' -> '.join(error.args[1])}",
            way_out="take one of the references out",
        ) from error
    layers = list(LAYERS)
    return tuple(sorted((found[name] for name in order), key=lambda r: layers.index(r.layer)))
