"""What Airflow's database says of runs, read from outside: it works with a dead scheduler too.

Only tables that every Airflow 3 has are read, with plain selects; nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text

from mpss_lib.runtime.airflow_database import DATABASE, broken_files, connected

INGEST = "mpss_ingest"
SCHEDULED = ("mpss_ingest", "mpss_clinical", "mpss_evaluate", "mpss_maintain", "mpss_review")
NIGHTS = 75
"""Scheduled nights that are looked at: the weeks that the last one is compared with."""

_RUNS = text(
    "select dag_id, run_id, run_type, state, run_after, start_date, end_date from dag_run"
    " where dag_id = :dag and (run_type = 'scheduled' or :any_type)"
    " order by run_after desc, id desc limit :most"
)
_FAILED = text(
    "select task_id, map_index from task_instance where dag_id = :dag and run_id = :run"
    " and state = 'failed' order by end_date limit 20"
)
_PAUSED = text("select dag_id, is_paused from dag where dag_id in :dags").bindparams(
    bindparam("dags", expanding=True)
)
_BEAT = text(
    "select max(latest_heartbeat) from job where job_type = 'SchedulerJob' and state = 'running'"
)


@dataclass(frozen=True)
class Run:
    """One run of a DAG.

    Parameters
    ----------
    dag_id, run_id, state : str
    is_scheduled : bool
    due_at : datetime
        When it was due, UTC.
    started_at, ended_at : datetime or None
        UTC; None where it has not begun or ended.
    failed : tuple of str
        Tasks that failed by themselves, of a run that is red.
    """

    dag_id: str
    run_id: str
    state: str
    is_scheduled: bool
    due_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    failed: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether it is over, green or red."""
        return self.state in ("success", "failed")


@dataclass(frozen=True)
class Orchestra:
    """What the database says now.

    Parameters
    ----------
    nights : tuple of Run
        Scheduled runs of the ingest, newest first.
    last : mapping of DAG id to Run
        The newest run that has ended, of whatever type.
    paused : frozenset of str
        DAGs that are paused; those that it does not know are not in it.
    known : frozenset of str
        DAGs that it knows.
    scheduler_beat : datetime or None
        Last heartbeat of a scheduler that is said to run.
    broken : tuple of str
        DAG files that do not import.
    """

    nights: tuple[Run, ...]
    last: Mapping[str, Run]
    paused: frozenset[str]
    known: frozenset[str]
    scheduler_beat: datetime | None
    broken: tuple[str, ...]


def read_orchestra(environment: Mapping[str, str]) -> Orchestra:
    """Ask Airflow's database.

    Parameters
    ----------
    environment : mapping
        Of Airflow's processes; it names the database.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        The database is away, or has no tables yet.
    """
    with connected(environment[DATABASE]) as connection:
        paused = {row[0]: bool(row[1]) for row in connection.execute(_PAUSED, {"dags": SCHEDULED})}
        last = {}
        for dag in SCHEDULED:
            ended = [run for run in _runs(connection, dag, most=25) if run.has_ended]
            if ended:
                last[dag] = _with_failures(connection, max(ended, key=_end_of))
        return Orchestra(
            nights=tuple(run for run in _runs(connection, INGEST, most=NIGHTS, any_type=False)),
            last=last,
            paused=frozenset(name for name, is_paused in paused.items() if is_paused),
            known=frozenset(paused),
            scheduler_beat=time_of(connection.execute(_BEAT).scalar()),
            broken=broken_files(connection),
        )


def _runs(connection: Connection, dag: str, *, most: int, any_type: bool = True) -> list[Run]:
    rows = connection.execute(_RUNS, {"dag": dag, "most": most, "any_type": any_type})
    return [_run(dict(row)) for row in rows.mappings()]


def _run(row: Mapping[str, Any]) -> Run:
    due = time_of(row["run_after"]) or time_of(row["start_date"]) or datetime.now(UTC)
    return Run(
        dag_id=str(row["dag_id"]),
        run_id=str(row["run_id"]),
        state=str(row["state"]),
        is_scheduled=row["run_type"] == "scheduled",
        due_at=due,
        started_at=time_of(row["start_date"]),
        ended_at=time_of(row["end_date"]),
    )


def _end_of(run: Run) -> datetime:
    return run.ended_at or run.due_at


def _with_failures(connection: Connection, run: Run) -> Run:
    if run.state != "failed":
        return run
    rows = connection.execute(_FAILED, {"dag": run.dag_id, "run": run.run_id})
    names = dict.fromkeys(str(row[0]) for row in rows)
    return Run(**{**run.__dict__, "failed": tuple(names)})


def time_of(value: object) -> datetime | None:
    """Give a time of the database as UTC: SQLite has text, without a zone."""
    if value is None:
        return None
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
