"""A restored home goes through a night, and is compared with its backup: what a backup is worth.

Beside the hospital's own home, which goes on: nothing of the rehearsed one leaves it but questions
to the archive. Every DAG is paused but the night, runs of before are ended, no results database is
written, no alarm is told.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpss_lib.config import Config
from mpss_lib.errors import PlatformFaultError
from mpss_lib.maintenance.restore import Restored
from mpss_lib.maintenance.upgrade import differences, landing_files
from mpss_lib.runtime.airflow_database import DATABASE, connected
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.home import Home
from mpss_lib.runtime.orchestrator import Airflow
from mpss_lib.runtime.services import Services, only_one
from mpss_lib.runtime.start import bring_up
from mpss_lib.snapshot_file import attach

NIGHT, RUN = "mpss_ingest", "rehearsal"
NIGHT_S = 6 * 3600.0
LOOK_S = 2.0
NO_RESULTS = {"MPSS_SITE__RESULTS_URL": '""'}
PAUSED = "update dag set is_paused = true"
QUIET = (
    PAUSED,
    "update task_instance set state = 'failed' where state in ('running', 'queued', 'scheduled',"
    " 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule')",
    "update dag_run set state = 'failed' where state in ('running', 'queued')",
    "delete from connection where conn_id = 'mpss_results'",
)
"""What a database that was copied in the middle of something must not go on with."""
_LOUD = "update dag set is_paused = false where dag_id = 'mpss_ingest'"
_STATE = "select state from dag_run where dag_id = 'mpss_ingest' and run_id = 'rehearsal'"
_PREDICTIONS = "select study_key, segment, configuration, value from result.prediction_latest"


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal found.

    Parameters
    ----------
    state : str
        Of the night: ``success``, ``failed``.
    n_files : int
        Landing files of the backup, each compared by its digest.
    n_predictions : int
        Published before the night.
    wrong : tuple of str
        What is not as the backup has it; empty where all is.
    seconds : float
        From the start of the services to the end of the night.
    """

    state: str
    n_files: int
    n_predictions: int
    wrong: tuple[str, ...]
    seconds: float


def pause(airflow: Airflow) -> None:
    """Pause every DAG of a restored database, before a scheduler sees it.

    The home that it came from may still work: two nights would ask one archive.
    """
    _tell(airflow.places().database_url, PAUSED)


def quieten(airflow: Airflow) -> None:
    """Let nothing go on in a restored database, before a scheduler sees it."""
    _tell(airflow.places().database_url, *QUIET)


def rehearse(restored: Restored, backup: Path, window: Mapping[str, str]) -> Rehearsed:
    """Run a night in a home that was restored and quietened, and compare.

    Parameters
    ----------
    restored : Restored
    backup : Path
        The backup that it came from.
    window : mapping
        ``from`` and ``to`` of the night, as ``mpss_ingest`` takes them; empty: an ordinary night.

    Raises
    ------
    PlatformFaultError
        Airflow does not come up there.
    """
    root = restored.root
    with only_one(root), _without_results():
        home = Home.open(root)
        before, begun = _predictions(home), time.monotonic()
        state = _night(AirflowHome.open(root), home.config, window)
        seconds = time.monotonic() - begun
        wrong = differences(home, backup)
        if lost := before - _predictions(home):
            wrong.append(f"{len(lost)} predictions")
    if state != "success":
        wrong.append(f"the night ended {state}")
    n_files = len(landing_files(backup))
    return Rehearsed(state, n_files, len(before), tuple(wrong), seconds)


def _night(own: AirflowHome, config: Config, window: Mapping[str, str]) -> str:
    services = Services(own.root)
    quiet = config.model_copy(update={"site": config.site.model_copy(update={"results_url": ""})})
    try:
        bring_up(own, quiet, services)
        environment = own.environment(quiet)
        _tell(environment[DATABASE], _LOUD)
        command = ["airflow", "dags", "trigger", NIGHT, "--run-id", RUN]
        Airflow(environment).run(
            [*command, "--conf", json.dumps(dict(window))],
            "the night could not be begun",
            "read its logs",
        )
        return _wait(environment[DATABASE])
    finally:
        services.end_all()


def _wait(url: str) -> str:
    end = time.monotonic() + NIGHT_S
    while time.monotonic() < end:
        with connected(url) as database:
            state = str(database.exec_driver_sql(_STATE).scalar())
        if state in {"success", "failed"}:
            return state
        time.sleep(LOOK_S)
    raise PlatformFaultError(
        f"the rehearsed night did not end within {NIGHT_S / 3600:.0f} h",
        way_out="look at its task logs in the restored home",
    )


def _tell(url: str, *statements: str) -> None:
    """Change a database; one in which no Airflow ever began has nothing that could go on."""
    from sqlalchemy import inspect

    with connected(url) as database:
        if inspect(database).has_table("dag"):
            for statement in statements:
                database.exec_driver_sql(statement)
            database.commit()


def _predictions(home: Home) -> set[tuple[Any, ...]]:
    with closing(attach(home.lake.snapshot)) as connection:
        return set(connection.execute(_PREDICTIONS).fetchall())


@contextmanager
def _without_results() -> Iterator[None]:
    """Let no program that is started know a results database, whatever the settings name."""
    kept = {name: os.environ.get(name) for name in NO_RESULTS}
    os.environ.update(NO_RESULTS)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
