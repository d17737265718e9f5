"""Where the time of a night went: seconds and queue of each task, bytes by stage and study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from mpss_lib.alarms.nights import INGEST, time_of
from mpss_lib.alarms.studies import digest_of_run
from mpss_lib.errors import PlatformFaultError, WrongArgumentError
from mpss_lib.runtime.airflow_database import DATABASE, connected
from mpss_lib.runtime.home import Home
from mpss_lib.snapshot_file import asking

MOST_STUDIES = 10

_RUN = text(
    "select run_id, state, run_after, start_date, end_date from dag_run where dag_id = :dag"
    " and (run_id = :run or :run = '') order by start_date desc limit 1"
)
_TASKS = text(
    "select task_id, map_index, state, queued_dttm, start_date, end_date, try_number"
    " from task_instance where dag_id = :dag and run_id = :run"
)
_STAGES = """
    select
        unit.stage,
        unit.status,
        count(distinct unit.unit_key) as n_studies,
    from meta.unit as unit
    inner join meta.run as run on unit.record = run.record
    where run.run_digest = ?
    group by all
    order by all
"""
_BYTES = """
    select
        file.stage,
        file.unit_key,
        sum(coalesce(seen.n_bytes, 0))
        + coalesce(any_value(received.n_bytes) filter (where file.stage = 'pull'), 0) as n_bytes,
    from meta.manifest as file
    inner join meta.run as run on file.record = run.record
    left join meta.lake_file as seen on file.path = seen.path
    left join (
        select study_key, sum(n_bytes) as n_bytes from raw.instance where is_stored group by all
    ) as received on file.unit_key = received.study_key
    where run.run_digest = ?
    group by all
    order by n_bytes desc, file.unit_key
"""


@dataclass(frozen=True)
class TaskTime:
    """One task of a run, all its batches together.

    Parameters
    ----------
    task : str
    n : int
        Batches that ran.
    seconds : float
        Of all of them, side by side or not.
    longest_s : float
        The longest.
    queued_s : float
        Seconds between being queued and being begun, the longest.
    tries : int
        The most.
    """

    task: str
    n: int
    seconds: float
    longest_s: float
    queued_s: float
    tries: int


def time_of_night(home: Home, run_id: str = "") -> dict[str, Any]:
    """Say where the time of a run of the ingest went; by default of the newest one.

    Parameters
    ----------
    home : Home
    run_id : str
        As Airflow shows it.

    Returns
    -------
    dict
        ``run``, ``state``, ``seconds``, ``busy_seconds`` (of all tasks), ``tasks`` (by their
        longest first), ``studies`` by stage and status, ``bytes`` by stage, ``largest`` studies.

    Raises
    ------
    PlatformFaultError
        The home has no Airflow.
    WrongArgumentError
        There is no such run.
    """
    if home.airflow is None:
        raise PlatformFaultError("the home has no Airflow", way_out="`mpss up` first")
    with connected(home.airflow.environment[DATABASE]) as database:
        run = database.execute(_RUN, {"dag": INGEST, "run": run_id}).mappings().first()
        if run is None:
            raise WrongArgumentError(
                f"{INGEST} has no run {run_id!r}" if run_id else f"{INGEST} has never run",
                way_out="`mpss airflow dags list-runs mpss_ingest` names the runs",
            )
        asked = {"dag": INGEST, "run": run["run_id"]}
        rows = [dict(row) for row in database.execute(_TASKS, asked).mappings()]
    tasks = task_times(rows)
    return {
        "run": run["run_id"],
        "state": run["state"],
        "seconds": _between(run["start_date"], run["end_date"]),
        "busy_seconds": round(sum(one.seconds for one in tasks), 1),
        "tasks": [asdict(one) for one in tasks],
        **_of_lake(home, str(run["run_id"])),
    }


def task_times(rows: Sequence[dict[str, Any]]) -> list[TaskTime]:
    """Sum task instances by task; the longest batch first.

    Parameters
    ----------
    rows : sequence of dict
        ``task_id``, ``queued_dttm``, ``start_date``, ``end_date``, ``try_number``.
    """
    by_task: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["start_date"] is not None:
            by_task[row["task_id"]].append(row)
    found = []
    for task, instances in by_task.items():
        seconds = [_between(row["start_date"], row["end_date"]) or 0.0 for row in instances]
        queued = [_between(row["queued_dttm"], row["start_date"]) or 0.0 for row in instances]
        tries = max(int(row["try_number"] or 1) for row in instances)
        n = len(instances)
        found.append(TaskTime(task, n, round(sum(seconds), 1), max(seconds), max(queued), tries))
    return sorted(found, key=lambda one: (-one.longest_s, one.task))


def _of_lake(home: Home, run_id: str) -> dict[str, Any]:
    if not home.lake.snapshot.is_file():
        return {"studies": [], "bytes": {}, "largest": []}
    digest = digest_of_run(run_id)
    with asking(home.lake.snapshot) as snapshot:
        stages = snapshot.execute(_STAGES, [digest]).fetchall()
        files = snapshot.execute(_BYTES, [digest]).fetchall()
    by_stage: dict[str, int] = defaultdict(int)
    by_study: dict[str, int] = defaultdict(int)
    for stage, key, n_bytes in files:
        by_stage[stage] += int(n_bytes)
        by_study[key] += int(n_bytes)
    largest = sorted(by_study.items(), key=lambda one: (-one[1], one[0]))[:MOST_STUDIES]
    return {
        "studies": [{"stage": s, "status": status, "n": n} for s, status, n in stages],
        "bytes": dict(sorted(by_stage.items())),
        "largest": [{"study_key": key, "n_bytes": n} for key, n in largest],
    }


def _between(begin: object, end: object) -> float | None:
    first, last = time_of(begin), time_of(end)
    return None if first is None or last is None else round(_seconds(first, last), 1)


def _seconds(first: datetime, last: datetime) -> float:
    return (last - first).total_seconds()
