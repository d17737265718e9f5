"""The studies that new records may have changed: of the others the published rows stay.

A relation of ``sql/`` that says ``-- by: study_key`` (or ``record_key``) has rows of one study
each, and they hang on rows of the same study, of the other studies of its patient and of the
registry's records of both: on nothing else that a night changes. Where the rules are the same as in
the published snapshot, those of its tables are carried, and made anew only for the studies that are
touched: the same SQL, in memory, over the rows of these studies. What a study is tied to by
patient, accession or record is touched with it, and so is every study that stands still or breaks
an expectation, now or before. The checks of these relations are asked of the same rows. A rebuild
makes and checks all (`mpss warehouse rebuild`, weekly in the maintenance).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.schemas import TABLES, TEXT
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

_LINKS = """
create temp table study_link as
select study_key, patient_key, nullif(accession_key, '') as accession_key
from raw.study
union all
select study_key, patient_key, nullif(accession_key, '') as accession_key
from {study} as study
where study_key in (select study_key from touched_study);

create temp table record_link as
select record_key, patient_key, nullif(accession_key, '') as accession_key
from {clinical} as record;
"""

_RECORDS = """
insert into touched_record
select link.record_key
from record_link as link
anti join touched_record as there on link.record_key = there.record_key
where
    link.patient_key in ({of_studies})
    or link.accession_key in ({of_studies_too})
"""

_STUDIES = """
insert into touched_study
select distinct link.study_key
from study_link as link
anti join touched_study as there on link.study_key = there.study_key
where
    link.patient_key in ({of_studies} union {of_records})
    or link.accession_key in ({of_studies_too} union {of_records_too})
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
        """Give the SQL condition of the rows that are made anew, by their key."""
        keys = {"study_key": self.studies, RECORD: self.records, "unit_key": self.units}[column]
        return f"{column} in ({', '.join(map(sql_text, keys)) or 'null'})"


def find_touched(
    connection: duckdb.DuckDBPyConnection, sources: Mapping[str, str], seeds: Iterable[str]
) -> Touched:
    """Find what hangs together with some studies.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot, with ``raw.study`` as it was.
    sources : mapping of table to str
        Texts that stand for lake tables.
    seeds : iterable of str
        Studies that new records name, that stand still, or that were held back.
    """
    failures = connection.execute(
        f"select study_key, record_key, unit_key from {sources['expectation_failure']}"  # noqa: S608
    ).fetchall()
    studies = {*seeds, *(study for study, _, _ in failures if study)}
    records = {record for _, record, _ in failures if record}
    for name, keys in (("touched_study", studies), ("touched_record", records)):
        column = f"{name.removeprefix('touched_')}_key"
        connection.register("arrow_keys", pa.table({column: pa.array(sorted(keys), TEXT)}))
        connection.execute(f"create temp table {name} as from arrow_keys")
        connection.unregister("arrow_keys")
    connection.execute(_LINKS.format(study=sources["study"], clinical=sources[RECORDS]))
    while _extended(connection):
        pass
    found = Touched(
        studies=_keys(connection, "study"),
        records=_keys(connection, "record"),
        units=tuple(sorted({*_keys(connection, "study"), *(unit for _, _, unit in failures)})),
    )
    for name in ("touched_study", "touched_record", "study_link", "record_link"):
        connection.execute(f"drop table {name}")
    return found


def _extended(connection: duckdb.DuckDBPyConnection) -> bool:
    """Add the records of the studies, then the studies of both; whether a study came."""
    told = {
        f"of_{kind}{more}": (
            f"select {column} from {one}_link where {one}_key in"  # noqa: S608
            f" (select {one}_key from touched_{one}) and {column} is not null"
        )
        for kind, one in (("studies", "study"), ("records", "record"))
        for more, column in (("", "patient_key"), ("_too", "accession_key"))
    }
    connection.execute(_RECORDS.format(**told))
    [(n_new,)] = connection.execute(_STUDIES.format(**told)).fetchall()
    return bool(n_new)


def _keys(connection: duckdb.DuckDBPyConnection, one: str) -> tuple[str, ...]:
    rows = connection.execute(f"select {one}_key from touched_{one} order by all").fetchall()  # noqa: S608
    return tuple(key for (key,) in rows)


# ------------------------------------------------------------------------ made anew


def kept_tables(relations: Sequence[Relation]) -> frozenset[str]:
    """Qualified names of the tables that are carried, but for what is touched."""
    return frozenset(one.full_name for one in relations if one.by and one.stored == "table")


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
