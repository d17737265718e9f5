"""Queries of ``sql/checks``: each is an expectation, and returns the rows that break it.

A file ``<schema>.<relation>.<rule>.sql`` says in its head what must be so, to which suite it
belongs and what follows from a row::

    -- at most one volume of a study is chosen
    -- suite: study
    -- consequence: quarantine
    -- by: study_key

The last line says that a row hangs on rows of the same study only, or (``record_key``) of the same
registry record and of the studies that it may belong to (``expectations.unjudged``).
Those of suite ``snapshot`` are about relations that are made while a snapshot is published, and are
run there, with the grain of every relation as its file declares it; what they find is counted in
``quality.check_result``. The others are about lake tables and are run with their suite
(``expectations``). Consequences: ``stop`` (the table itself is at fault: nothing is published),
``quarantine`` (the study is held back; not in ``snapshot``), ``warn`` (it is shown).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from mpss_lib.errors import LakeCorruptError, SettingsError
from mpss_lib.quoting import sql_name
from mpss_lib.schemas import DATE, FLAG, REAL, TABLES, TEXT, WHOLE
from mpss_lib.sections import BINS, CohortSettings
from mpss_lib.sql_files import first_line_of, header_of, sql_folder, with_limits
from mpss_lib.warehouse.expectations.rules import CONSEQUENCES, Consequence, Rule
from mpss_lib.warehouse.expectations.suites import SUITES
from mpss_lib.warehouse.relations import Relation, names_in

log = logging.getLogger(__name__)

N_EXAMPLES = 3

BY_STUDY = frozenset({"meta.unit", "meta.manifest", "meta.study_rows"})
"""Tables that the publisher makes itself and of which new records add rows of their own units."""

SNAPSHOT = "snapshot"
"""Suite of the queries about a snapshot, run while it is published."""

_TYPES: Mapping[pa.DataType, str] = {
    TEXT: "varchar",
    FLAG: "boolean",
    REAL: "double",
    WHOLE: "bigint",
    DATE: "date",
}

Columns = frozenset[tuple[str, str, str, int]]
"""Table, name, type and place of each column."""

_RAW_COLUMNS = """
    select table_name, column_name, data_type, column_index,
    from duckdb_columns()
    where schema_name = 'raw' and database_name = current_database()
"""

_RESULT = (
    ("check_name", TEXT),
    ("severity", TEXT),
    ("says", TEXT),
    ("n_bad", WHOLE),
    ("examples", TEXT),
)


@dataclass(frozen=True)
class Check:
    """One query: ``sql`` returns the rows that are not as it ``says``.

    ``by`` is ``study_key`` where a row hangs on rows of the same study only, ``record_key`` where
    it hangs on a registry record and its studies. ``quick``, if given, is a cheaper query that
    gives a row wherever ``sql`` gives one, and is asked before it.
    """

    name: str
    suite: str
    consequence: Consequence
    says: str
    sql: str
    by: str = ""
    quick: str = ""

    @property
    def table(self) -> str:
        """Relation that the rule is about, without its schema."""
        return self.name.split(".")[1]

    def as_rule(self) -> Rule:
        """Give the expectation that the query is."""
        name = self.name.rpartition(".")[2]
        kind, arguments = "ExpectSqlToReturnNoRows", {"sql": self.sql}
        return Rule(name, self.says, self.consequence, kind, arguments)

    @property
    def needs(self) -> frozenset[str]:
        """Qualified names of the relations that it reads."""
        return names_in(self.sql)


def duckdb_type(kind: pa.DataType) -> str:
    """Give DuckDB's name for a column type of the lake, lists of them included."""
    if pa.types.is_list(kind):
        return f"{duckdb_type(kind.value_type)}[]"
    return _TYPES[kind]


def read_checks(
    folder: Path | None = None,
    bins: Sequence[int] = BINS,
    cohort: CohortSettings | None = None,
) -> tuple[Check, ...]:
    """Read the queries of ``sql/checks``, sorted by name.

    Parameters
    ----------
    folder : Path, optional
        The one of this installation by default.
    bins : sequence of int
        Grey levels of the features: what stands for ``${bins}``.
    cohort : CohortSettings, optional
        What stands for ``${lvef_difference}`` and ``${cac_difference}``; the defaults otherwise.

    Raises
    ------
    SettingsError
        A head that lacks the suite or the consequence, or names one that there is not.
    """
    folder = sql_folder() / "checks" if folder is None else folder
    differences = (cohort or CohortSettings()).model_dump(
        include={"lvef_difference", "cac_difference"}
    )
    limits = {"bins": list(bins), **differences}
    return tuple(_read(path, limits) for path in sorted(folder.glob("*.sql")))


def grain_checks(relations: Sequence[Relation]) -> tuple[Check, ...]:
    """One check for each relation: its grain names a row once and is never null."""
    return tuple(_grain_check(relation) for relation in relations if not relation.checked_with)


def raw_columns(connection: duckdb.DuckDBPyConnection) -> Columns:
    """Give the columns of the lake's tables as a snapshot shows them."""
    return frozenset(connection.execute(_RAW_COLUMNS).fetchall())


def check_schemas(connection: duckdb.DuckDBPyConnection) -> Columns:
    """Compare the columns of each ``raw`` relation with the schema of its lake table.

    Gives the columns (``raw_columns``).

    Raises
    ------
    LakeCorruptError
        Names the table, the column and both types.
    """
    found: dict[str, dict[str, str]] = {}
    shown = raw_columns(connection)
    for table, column, kind, _ in shown:
        found.setdefault(table, {})[column] = kind.lower()
    for name, columns in found.items():
        for column, kind in TABLES[name].columns.items():
            if columns.get(column) != duckdb_type(kind):
                raise LakeCorruptError(
                    f"raw.{name}: column {column} is {columns.get(column, 'absent')},"
                    f" wanted {duckdb_type(kind)}",
                    way_out="files of another version lie at this address: raise the stage's"
                    " ENGINE, or remove them and run the stage again",
                )
    return shown


def run_checks(
    connection: duckdb.DuckDBPyConnection,
    relations: Sequence[Relation],
    found: Sequence[Check] | None = None,
    *,
    world: duckdb.DuckDBPyConnection | None = None,
) -> int:
    """Run every check, keep the results in ``quality.check_result``, count the bad rows.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of the new snapshot.
    relations : sequence of Relation
    found : sequence of Check, optional
        Beside those of the grain; those of ``sql/checks`` by default.
    world : duckdb.DuckDBPyConnection, optional
        Rows of what is touched, where the others are as the published snapshot has them: checks
        that stop are asked of these, if all that they read says by what its rows are.

    Raises
    ------
    LakeCorruptError
        A check found rows, and its consequence is ``stop``; it is named with an example.
    """
    own = [check for check in read_checks() if check.suite == SNAPSHOT] if found is None else found
    every = (*grain_checks(relations), *own)
    by_study = {*BY_STUDY, *(one.full_name for one in relations if one.by)}
    results = [
        (check, *_bad_rows(_place_of(check, connection, world, by_study), check)) for check in every
    ]
    told = [(c.name, c.consequence, c.says, n, text) for c, n, text in results]
    columns = zip(_RESULT, zip(*told, strict=True), strict=True)
    connection.register(
        "arrow_results", pa.table({name: pa.array(c, kind) for (name, kind), c in columns})
    )
    connection.execute("create table quality.check_result as from arrow_results")
    connection.unregister("arrow_results")
    connection.execute(
        "comment on table quality.check_result is 'One row is one check of this snapshot.'"
    )
    for check, n_bad, examples in results:
        if n_bad and check.consequence == "stop":
            raise LakeCorruptError(
                f"check {check.name}: {n_bad} bad rows, such as {examples} ({check.says})",
                way_out="the published snapshot stays; mend the table that is named",
            )
        if n_bad:
            log.warning("check %s: %d rows (%s)", check.name, n_bad, check.says)
    return sum(n_bad for _, n_bad, _ in results)


def _place_of(
    check: Check,
    connection: duckdb.DuckDBPyConnection,
    world: duckdb.DuckDBPyConnection | None,
    by_study: Collection[str],
) -> duckdb.DuckDBPyConnection:
    is_inside = check.consequence == "stop" and check.needs <= set(by_study)
    return world if world is not None and is_inside else connection


def _read(path: Path, limits: Mapping[str, object]) -> Check:
    text = path.read_text(encoding="utf-8")
    head = header_of(text)
    suite, consequence = head.get("suite", ""), head.get("consequence", "")
    allowed = {c: c for c in CONSEQUENCES if suite != SNAPSHOT or c != "quarantine"}
    is_of_lake = path.stem.partition(".")[0] == "raw" and path.stem.split(".")[1] in TABLES
    if suite not in (SNAPSHOT, *(SUITES if is_of_lake else ())) or consequence not in allowed:
        raise SettingsError(
            f"checks/{path.name}: suite is {suite!r}, consequence is {consequence!r}",
            way_out=f"write '-- suite: {SNAPSHOT}' (of raw.<lake table> also {', '.join(SUITES)})"
            f" and '-- consequence: {' or '.join(allowed)}' below the first line",
        )
    sql = with_limits(text.strip().rstrip(";"), **limits)
    says = first_line_of(path, text)
    return Check(path.stem, suite, allowed[consequence], says, sql, head.get("by", ""))


def _grain_check(relation: Relation) -> Check:
    columns = ", ".join(sql_name(column) for column in relation.grain)
    nulls = " or ".join(f"{sql_name(column)} is null" for column in relation.grain)
    name = relation.full_name
    # Grouping one hash costs a third of grouping five texts; most often no hash stands twice.
    suspect = (
        f"select hash({columns}) as key from {name}"  # noqa: S608
        f" group by key having count(*) > 1 or bool_or({nulls})"
    )
    sql = (
        f"select {columns}, count(*) as row_count from {name}"  # noqa: S608
        f" where hash({columns}) in ({suspect})"
        f" group by all having count(*) > 1 or {nulls}"
    )
    says = f"the grain of {relation.full_name} names a row once"
    return Check(f"{relation.full_name}.grain", SNAPSHOT, "stop", says, sql, quick=suspect)


def _bad_rows(connection: duckdb.DuckDBPyConnection, check: Check) -> tuple[int, str]:
    try:
        if check.quick and connection.execute(check.quick).fetchone() is None:
            return 0, "[]"
        result = connection.execute(check.sql)
        names = [column[0] for column in result.description or ()]
        rows = result.fetchall()
    except duckdb.Error as error:
        raise LakeCorruptError(
            f"check {check.name} cannot run: {str(error).partition(chr(10))[0][:300]}",
            way_out="the published snapshot stays; mend the check or the file that is named",
        ) from error
    examples: list[dict[str, Any]] = [dict(zip(names, r, strict=True)) for r in rows[:N_EXAMPLES]]
    return len(rows), json.dumps(examples, default=str)
