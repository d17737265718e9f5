"""Airflow's part of a purge: what its database knows of a person, found and taken out.

``python -m mpss_airflow.purge`` reads one question as JSON on standard input and writes one
answer as JSON on standard output: ``{"do": "places" | "working" | "clean" | "find" | "results"}``,
with ``traces`` for the two that look. Every table of the database is looked at, whatever Airflow
keeps there: XCom, rendered fields, run configuration, asset events, notes, answers of people.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Engine, Table

    from mpss_lib.purge.traces import Matcher

AT_WORK = (
    *("scheduled", "queued", "running", "restarting"),
    *("up_for_retry", "up_for_reschedule", "deferred"),
)
"""States of a task instance that writes or soon will."""

WAITS = "awaiting_input"
ARCHIVED = "_airflow_deleted__"
"""Copies that `airflow db clean` makes of rows which it deletes; they have no key."""

CONSTANT = frozenset(
    {"serialized_dag", "dag_code", "connection", "slot_pool", "ab_user", "alembic_version"}
)
"""Tables that hold code and settings: searched, never changed."""


def places() -> dict[str, Any]:
    """Home, folder of the task logs, database."""
    from airflow.sdk import conf
    from sqlalchemy.engine import make_url

    url = conf.get("database", "sql_alchemy_conn")
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    return {
        "home": os.environ.get("AIRFLOW_HOME", os.path.expanduser("~/airflow")),  # noqa: PTH111
        "logs": conf.get("logging", "base_log_folder"),
        "database_url": url,
        "sqlite": parsed.database if is_sqlite else "",
    }


def working() -> dict[str, Any]:
    """Find runs that have a task at work, or that have not begun to wait."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.state.in_(["queued", "running"]))).all()
        found = []
        for run in runs:
            states = session.scalars(
                select(TaskInstance.state).where(
                    TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id
                )
            ).all()
            told = [str(getattr(state, "value", state)) for state in states]
            if any(state in AT_WORK for state in told) or WAITS not in told:
                found.append(run.dag_id)
    return {"runs": sorted(found)}


def clean(matcher: Matcher) -> dict[str, Any]:
    """Take the traces out of every row; returns rows changed by table."""
    from airflow import settings

    counts: dict[str, int] = {}
    engine = settings.get_engine()
    with _exclusive(engine) as connection:
        _skip_waiting(connection, matcher)
        for table in _tables(engine):
            if table.name in CONSTANT:
                continue
            if table.name.startswith(ARCHIVED) and _has_any(connection, table, matcher):
                connection.exec_driver_sql(f'drop table "{table.name}"')
                counts[table.name] = 1
                continue
            if changed := _clean_table(connection, table, matcher):
                counts[table.name] = changed
    _forget_old_pages(engine, list(counts))
    return {"tables": counts}


def find(matcher: Matcher) -> dict[str, Any]:
    """Columns that hold a trace, with the kinds."""
    from airflow import settings
    from sqlalchemy import select

    found: dict[str, set[str]] = {}
    engine = settings.get_engine()
    with engine.connect() as connection:
        for table in _tables(engine):
            columns = list(table.columns)
            for row in connection.execution_options(stream_results=True).execute(select(*columns)):
                for column, value in zip(columns, row, strict=True):
                    if kinds := matcher.kinds(_bytes_of(column, value)):
                        found.setdefault(f"{table.name}.{column.name}", set()).update(kinds)
    return {"columns": {name: sorted(kinds) for name, kinds in sorted(found.items())}}


def results() -> dict[str, Any]:
    """URL of the results database, by its connection."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from mpss_airflow.home import url_of
    from mpss_airflow.vocabulary import RESULTS_CONNECTION

    with create_session() as session:
        known = session.scalar(select(Connection).where(Connection.conn_id == RESULTS_CONNECTION))
        if known is None:
            return {"url": ""}
        return {"url": url_of(known)}


# ------------------------------------------------------------------------- tables


def _tables(engine: Engine) -> list[Table]:
    """Every table with its columns as plain text: what is stored, not what Airflow makes of it."""
    from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, inspect

    known = inspect(engine)
    metadata = MetaData()
    found = []
    for name in sorted(known.get_table_names()):
        keys = set(known.get_pk_constraint(name)["constrained_columns"])
        columns = []
        for one in known.get_columns(name):
            kind = one["type"]
            is_json = "JSON" in type(kind).__name__.upper()
            is_text = is_json or "CHAR" in str(kind).upper() or "TEXT" in str(kind).upper()
            is_bytes = isinstance(kind, LargeBinary)
            plain = Text() if is_text and engine.dialect.name == "sqlite" else kind
            if is_text or is_bytes or one["name"] in keys:
                columns.append(Column(one["name"], plain, primary_key=one["name"] in keys))
        found.append(Table(name, metadata, *columns))
    return found


def _bytes_of(column: Column[Any], value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if column.table.name == "trigger" and column.name == "kwargs" and isinstance(value, str):
        value = _decrypted(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text.encode("utf-8", "replace")


def _decrypted(text: str) -> str:
    from airflow.models.crypto import get_fernet
    from cryptography.fernet import InvalidToken

    try:
        return str(get_fernet().decrypt(text.encode()).decode())
    except (InvalidToken, ValueError):
        return text


def _has_any(connection: Connection, table: Table, matcher: Matcher) -> bool:
    from sqlalchemy import select

    columns = list(table.columns)
    return any(
        matcher.kinds(_bytes_of(column, value))
        for row in connection.execute(select(*columns)).all()
        for column, value in zip(columns, row, strict=True)
    )


def _clean_table(connection: Connection, table: Table, matcher: Matcher) -> int:
    from sqlalchemy import and_, delete, select, update

    keys = [column for column in table.columns if column.primary_key]
    columns = list(table.columns)
    changed = 0
    for row in connection.execute(select(*columns)).all():
        values = dict(zip(columns, row, strict=True))
        bad = [c for c, value in values.items() if matcher.kinds(_bytes_of(c, value))]
        if not bad:
            continue
        where = and_(*(key == values[key] for key in keys))
        if any(c.primary_key or c.name == "kwargs" for c in bad):
            connection.execute(delete(table).where(where))
        else:
            new = {column.name: _scrubbed(values[column], matcher) for column in bad}
            connection.execute(update(table).where(where).values(new))
        changed += 1
    return changed


def _scrubbed(value: Any, matcher: Matcher) -> Any:
    from mpss_lib.purge.scrub import scrub

    return None if isinstance(value, bytes) else scrub(value, matcher.has, keep_places=True)


def _skip_waiting(connection: Connection, matcher: Matcher) -> None:
    """Let nobody be asked about a withdrawn study: its question is skipped."""
    from sqlalchemy import text

    rows = connection.execute(
        text("select ti_id, subject, body, params from hitl_detail where responded_at is null")
    ).all()
    for row in rows:
        if matcher.kinds(" ".join(str(value) for value in row[1:]).encode()):
            connection.execute(
                text("update task_instance set state = 'skipped' where id = :id"), {"id": row[0]}
            )
            connection.execute(text("delete from hitl_detail where ti_id = :id"), {"id": row[0]})


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    """One transaction; what SQLite deletes is overwritten."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("pragma secure_delete = on")
        yield connection


def _forget_old_pages(engine: Engine, tables: list[str]) -> None:
    """Write the tables anew: old versions of rows lie in free pages otherwise."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("vacuum")
            connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
        elif engine.dialect.name == "postgresql":
            for name in tables:
                quoted = engine.dialect.identifier_preparer.quote(name)
                connection.exec_driver_sql(f"vacuum full {quoted}")


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Answer one question."""
    from mpss_lib.purge.traces import Matcher, Trace

    plain = {"places": places, "working": working, "results": results}
    if question["do"] in plain:
        return plain[question["do"]]()
    matcher = Matcher(Trace(**trace) for trace in question["traces"])
    return {"clean": clean, "find": find}[question["do"]](matcher)


def main() -> int:
    """Answer on standard output, whatever Airflow's libraries print there meanwhile."""
    question = json.loads(sys.stdin.read())
    out = os.dup(1)
    os.dup2(2, 1)
    told = answer(question)
    with os.fdopen(out, "w", encoding="utf-8") as handle:
        json.dump(told, handle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
