"""The studies that new records may have changed: of the others the published rows stay.

A relation of ``sql/`` that says ``-- by: study_key`` (or ``record_key``) has rows of one study
each, and they hang on rows of the same study, of the other studies of its patient and of the
registry's records of both: on nothing else that a night changes. Where the rules are the same as in
the published snapshot, those of its tables are carried, and made anew only for the studies that are
touched: the same SQL, in memory, over the rows of these studies. What a study is tied to by
patient, accession or record is touched with it, and so is every study that stands still or breaks
an expectation, now or before. The checks of these relations are asked of the same rows. Views that
name no file of the lake are carried too, comments and all, where each column of the lake's tables
is what it was. A rebuild makes and checks all (`mpss warehouse rebuild`, weekly in the
maintenance).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb

from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.schemas import TABLES
from mpss_lib.shelves import key_of
from mpss_lib.warehouse.compaction import Reading
from mpss_lib.warehouse.manifest import APPEND_ONLY
from mpss_lib.warehouse.meta import META_NAMES
from mpss_lib.warehouse.relations import SCHEMAS, Relation

RECORD = "record_key"
RECORDS = "clinical"
"""Lake table of the registry's records."""

RUN = "meta.run"
"""Taken last: of it the records that name a file of what is touched."""

MOST_TOUCHED = 2000
"""Studies that new records name at most: with more, all are made anew."""

WHOLE = frozenset({"expectation_failure", "expectation_result"})
"""Lake tables of which every row counts: all studies that they name are touched."""

_KEYED = {"unit": "unit_key", "manifest": "unit_key"}
_KEYED |= dict.fromkeys(("study_rows", "quarantine", "upstream"), "study_key")

_OF = """
select {key}, patient_key, nullif(accession_key, '')
from {rows}
where {key} in (select unnest(cast(? as varchar[])))
"""

_TIED = """
select {key}, patient_key, nullif(accession_key, '')
from {rows}
where patient_key in (select unnest(cast(? as varchar[])))
union all
select {key}, patient_key, nullif(accession_key, '')
from {rows}
where accession_key in (select unnest(cast(? as varchar[])))
"""

_NAMED = """
select file.table_name, file.path, file.is_current and pointer.stage is not null
from meta.manifest as file
left join meta.pointer as pointer
    on
        file.stage = pointer.stage
        and file.engine = pointer.engine
        and file.config = pointer.config
"""


@dataclass(frozen=True)
class Touched:
    """Keys of what is made anew.

    Parameters
    ----------
    studies, records : tuple of str
        Sorted.
    units : tuple of str
        Units of the manifest that are asked: the studies, and those that break an expectation.
    """

    studies: tuple[str, ...]
    records: tuple[str, ...]
    units: tuple[str, ...]

    def where(self, column: str) -> str:
        """Give the SQL condition of the rows that are made anew, by their key.

        They are joined: of a list of several values DuckDB compares every row with each.
        """
        keys = {"study_key": self.studies, RECORD: self.records, "unit_key": self.units}[column]
        return f"{column} in (select unnest(cast([{', '.join(map(sql_text, keys))}] as varchar[])))"


def find_touched(
    connection: duckdb.DuckDBPyConnection, sources: Mapping[str, str], seeds: Iterable[str]
) -> Touched:
    """Find what hangs together with some studies, by patient and accession.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot, with ``raw.study`` as it was.
    sources : mapping of table to str
        Texts that stand for lake tables; of ``study`` the rows of the seeds are enough.
    seeds : iterable of str
        Studies that new records name, that stand still, or that were held back.
    """
    failures = connection.execute(
        f"select study_key, record_key, unit_key from {sources['expectation_failure']}"  # noqa: S608
    ).fetchall()
    keys = {
        "study_key": {*seeds, *(study for study, _, _ in failures if study)},
        RECORD: {record for _, record, _ in failures if record},
    }
    places = [("study_key", "raw.study"), ("study_key", f"{sources['study']} as study")]
    places.append((RECORD, f"{sources[RECORDS]} as record"))
    found = []
    for key, rows in places:
        found += connection.execute(_OF.format(key=key, rows=rows), [sorted(keys[key])]).fetchall()
    ties: tuple[set[str], set[str]] = (set(), set())  # patients, accessions
    while new := _new_ties(found, ties):
        found = []
        for key, rows in places:
            tied = connection.execute(_TIED.format(key=key, rows=rows), new).fetchall()
            keys[key] |= {one for one, _, _ in tied}
            found += tied
    units = {*keys["study_key"], *(unit for _, _, unit in failures)}
    return Touched(*(tuple(sorted(one)) for one in (keys["study_key"], keys[RECORD], units)))


def _new_ties(
    found: Sequence[tuple[str, str, str]], ties: tuple[set[str], set[str]]
) -> list[list[str]]:
    """Take in the patients and accessions of rows; gives those that are new, if there is one."""
    new = [{row[place] for row in found} - {None, *ties[place - 1]} for place in (1, 2)]
    for seen, more in zip(ties, new, strict=True):
        seen |= more
    return [sorted(more) for more in new] if any(new) else []


def in_batches(world: duckdb.DuckDBPyConnection, readings: Mapping[str, Reading]) -> frozenset[str]:
    """Name the lake tables of which a batch may hold rows of what is touched.

    Parameters
    ----------
    world : duckdb.DuckDBPyConnection
        With the manifest of what is touched (``world_of``).
    readings : mapping of table to Reading
    """
    alone = {path for reading in readings.values() for path in reading.alone}
    return frozenset(
        table
        for table, path, is_shown in world.execute(_NAMED).fetchall()
        if path not in alone and (is_shown or table in APPEND_ONLY)
    )


def narrowed(
    readings: Mapping[str, Reading], studies: Collection[str], batches_of: Collection[str] = ()
) -> dict[str, Reading]:
    """Give of each table of studies the files that stand alone of some, and the batches of a few.

    Parameters
    ----------
    readings : mapping of table to Reading
    studies : collection of str
    batches_of : collection of str
        Tables of which the batches are read too.
    """
    return {
        name: Reading(
            reading.batches if name in batches_of else (),
            tuple(path for path in reading.alone if key_of(path) in studies),
        )
        for name, reading in readings.items()
        if TABLES[name].unit == "study"
    }


# ------------------------------------------------------------------------ made anew


def kept_tables(relations: Sequence[Relation]) -> frozenset[str]:
    """Qualified names of the tables that are carried, but for what is touched."""
    return frozenset(one.full_name for one in relations if one.by and one.stored == "table")


def kept_views(relations: Sequence[Relation]) -> frozenset[str]:
    """Qualified names of the views that name no file: the same rules give the same text."""
    return frozenset(one.full_name for one in relations if one.stored == "view" and not one.reads)


def worldly(relations: Sequence[Relation]) -> set[str]:
    """Qualified names of the relations that say by what their rows are, and of all they read."""
    return reached(relations, (one.full_name for one in relations if one.by))


def reached(relations: Sequence[Relation], wanted: Iterable[str]) -> set[str]:
    """Qualified names of relations and of all that they read."""
    found = set(wanted)
    for relation in reversed(relations):
        if relation.full_name in found:
            found |= relation.needs
    return found


@contextmanager
def world_of(
    touched: Touched, connection: duckdb.DuckDBPyConnection, wanted: Iterable[str]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection in memory with the tables of schema ``meta`` of what is touched.

    Parameters
    ----------
    touched : Touched
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot, whose ``meta`` is as it will be.
    wanted : iterable of str
        Qualified names of the tables.
    """
    threads = connection.execute("select current_setting('threads')").fetchall()[0][0]
    with duckdb.connect(config={"threads": threads}) as world:
        for schema in SCHEMAS:
            world.execute(f"create schema {schema}")
        for name in sorted(META_NAMES.intersection(wanted), key=lambda one: one == RUN):
            table = name.partition(".")[2]
            where = touched.where(_KEYED[table]) if table in _KEYED else "true"
            if name == RUN and "meta.manifest" in wanted:
                found = world.execute('select distinct "sequence" from meta.manifest').fetchall()
                where = f'"sequence" in ({", ".join(str(one) for (one,) in found) or "null"})'
            rows = connection.sql(f"select * from {name} where {where}").to_arrow_table()  # noqa: S608
            world.register("arrow_rows", rows)
            world.execute(f"create table {name} as from arrow_rows")
            world.unregister("arrow_rows")
        yield world


def restricted(relation: Relation, touched: Touched) -> Relation:
    """Give a relation as it is in the world of what is touched: of the lake only its rows."""
    column = RECORD if relation.name == RECORDS else "study_key"
    is_of_lake = relation.schema == "raw" and relation.name not in WHOLE
    if not is_of_lake or column not in TABLES[relation.name].columns:
        return relation
    sql = f"select * from ({relation.sql}) as every where {touched.where(column)}"  # noqa: S608
    return replace(relation, sql=sql)


def exchange(
    relation: Relation,
    touched: Touched,
    world: duckdb.DuckDBPyConnection,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Put the rows of what is touched in the place of those that a carried table has of it."""
    name, where = relation.full_name, touched.where(relation.by)
    connection.execute(f"delete from {name} where {where}")  # noqa: S608
    rows = world.sql(f"from {name}").to_arrow_table()
    connection.register("arrow_rows", rows)
    columns = ", ".join(map(sql_name, rows.column_names))
    connection.execute(f"insert into {name} ({columns}) from arrow_rows")
    connection.unregister("arrow_rows")
