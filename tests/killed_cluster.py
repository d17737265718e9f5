"""A cluster with a small hospital, and how its parts are killed (``bench/cluster_kills.py``)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from mpss_lib import config as settings
from mpss_lib.demo.archive import Archive
from mpss_lib.demo.cohort import make_hospital
from mpss_lib.demo.run import start_archive
from mpss_lib.runtime.airflow_client import AirflowClient
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.cluster.shape import Shape, folder_of
from mpss_lib.runtime.cluster.supervisor import reap
from mpss_lib.runtime.services import Services, free_port
from mpss_lib.runtime.start import bring_up, start_receiver, start_supervisor
from mpss_lib.tables import Lake

SETTINGS = """\
[cohort]
accept = "pass"
[batch]
min_batch = 9
[evaluation]
n_outer = 8
n_inner = 4
permutations = 2
[site]
timezone = "UTC"
accounts = "shared"
results_url = "{results}"
[archive]
called_aet = "DEMOPACS"
calling_aet = "MPSS"
"""
BY_MOVE = """\
retrieve = "c-move"
[receiver]
port = {port}
min_free_gb = 0
"""
RECEIVER = "receiver"
KINDS = (
    *("task", "worker", "scheduler", "dag-processor", "triggerer", "api-server"),
    *("redis", "redis without its file", "postgres fast", "postgres immediate", RECEIVER),
)
"""With ``RECEIVER`` objects come by C-MOVE, else by C-GET."""
MOST_WAIT_S = 300.0
POLL_S = 0.5


@dataclass
class Kill:
    """One kill: what, in which stage, after which share of the run's tasks.

    ``is_alone``: of a worker; it has first tries only (the pause before each new try is twice as
    long), and until it is made good nothing is killed that this needs.
    """

    kind: str
    stage: str
    after: float
    later_s: float
    is_alone: bool = False
    is_done: bool = False
    at_task: str = ""
    lost: list[str] = field(default_factory=list)
    made_good_s: float | None = None


class Cluster:
    """The home of the bench, and what is asked and done from outside."""

    def __init__(
        self, root: Path, patients: int, *, has_receiver: bool, shape: Shape | None = None
    ) -> None:
        self.root, self.patients, self.has_receiver = root, patients, has_receiver
        self.shape, self.settings = shape or Shape(), SETTINGS
        self.services, self.lake = Services(root), Lake(root / "lake")
        self.window: dict[str, str] = {}

    def start(self) -> None:
        """Make the hospital where it is not, and start everything."""
        root = self.root
        root.mkdir(mode=0o711, parents=True, exist_ok=True)
        hospital = make_hospital(root / "hospital", patients=self.patients)
        self.window = {"from": hospital.first_date, "to": hospital.last_date}
        if not (root / "archive").exists():
            Archive(root / "archive").add(*sorted(hospital.objects.glob("*.dcm")))
        self.airflow = AirflowHome.open(root, self.shape)
        path = root / "mpss.toml"
        path.touch(mode=0o600)
        text = self.settings.format(results=self.url("mpss_results"))
        self.services.end_all()
        path.write_text(text + (BY_MOVE.format(port=free_port()) if self.has_receiver else ""))
        self.config = start_archive(root, settings.load(root), self.services)
        start_receiver(root, self.config, self.services)
        client = bring_up(self.airflow, self.config, self.services, overwrite=True)
        client.log_in()
        client.fail_open_runs()  # of a bench that was broken off
        start_supervisor(self.airflow, self.services)

    def url(self, database: str) -> str:
        """Address of a database of the cluster's server, with a password."""
        shape = self.airflow.shape
        assert shape is not None
        server = shape.database_url.rpartition("/")[0].replace("+psycopg", "")
        return f"{server}/{database}"

    def ask(self, sql: str, *values: object, database: str = "airflow") -> list[tuple[Any, ...]]:
        """Ask a database; waits while its server is away."""
        end = time.monotonic() + MOST_WAIT_S
        while True:
            try:
                with psycopg.connect(
                    self.url(database), connect_timeout=5, autocommit=True
                ) as connection:
                    found = connection.execute(sql, values)
                    return found.fetchall() if found.description else []
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL_S)

    def trigger(self, dag_id: str, conf: dict[str, str]) -> str:
        """Start a run."""
        self.call(lambda client: client.unpause(dag_id))
        return self.call(lambda client: client.trigger(dag_id, conf))

    def call(self, what: Callable[[AirflowClient], Any]) -> Any:
        """Ask the API server, once it answers."""
        end = time.monotonic() + MOST_WAIT_S
        while True:
            client = AirflowClient(self.airflow.address, self.airflow.secrets["password"])
            try:
                client.log_in()
                return what(client)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(1.0)

    def state(self, run_id: str) -> str:
        """State of a run."""
        [(state,)] = self.ask("select state from dag_run where run_id = %s", run_id)
        return str(state)

    def progress(self, run_id: str) -> tuple[str, int]:
        """State of a run, and how many of its tasks have ended."""
        sql = (
            "select state, (select count(*) from task_instance as task"
            " where task.run_id = run.run_id and task.state in ('success', 'skipped'))"
            " from dag_run as run where run_id = %s"
        )
        [(state, n_ended)] = self.ask(sql, run_id)
        return str(state), int(n_ended)

    def tries(self, run_id: str) -> int:
        """Tries of a run's tasks beside the first of each."""
        sql = "select coalesce(sum(greatest(try_number, 1) - 1), 0) from task_instance"
        return int(self.ask(f"{sql} where run_id = %s", run_id)[0][0])

    def pid(self, name: str) -> int:
        """Process of a service."""
        return int(self.services.recorded()[name]["pid"])

    def workers(self) -> list[str]:
        """Names of the workers."""
        return [name for name in self.services.recorded() if name.startswith("worker-")]


@contextmanager
def running(
    root: Path,
    patients: int,
    *,
    has_receiver: bool = False,
    shape: Shape | None = None,
    min_batch: int = 9,
) -> Iterator[Cluster]:
    """Start the cluster; whatever happens, everything of it is ended."""
    cluster = Cluster(root, patients, has_receiver=has_receiver, shape=shape)
    cluster.settings = SETTINGS.replace("min_batch = 9", f"min_batch = {min_batch}")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.services.end_all()
        reap()


# ------------------------------------------------------------------ kills


def task_processes(cluster: Cluster) -> list[psutil.Process]:
    """List the processes of running tasks: children of a worker's slots that have not ended.

    One that was killed stays as a zombie until its slot has told Airflow: it is no task any more.
    """
    found = []
    for name in cluster.workers():
        try:
            slots = psutil.Process(cluster.pid(name)).children()
            found += [child for slot in slots for child in slot.children() if _lives(child)]
        except psutil.NoSuchProcess:
            continue
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


ENDED = "select count(*) from dag_run where state in ('success', 'failed')"
OPEN = "select count(*) from dag_run where state in ('queued', 'running')"
RUNNING = (
    "select task_id, map_index, try_number from task_instance"
    " where run_id = %s and state = 'running'"
)
TRY = (
    "select try_number, state from task_instance"
    " where run_id = %s and task_id = %s and map_index = %s"
)


def strike(cluster: Cluster, kill: Kill, run_id: str, rng: random.Random) -> bool:
    """Do a kill; False where there is nothing to kill now (no task runs, it is away)."""
    try:
        return _strike(cluster, kill, run_id, rng)
    except (psutil.NoSuchProcess, ProcessLookupError):  # it ended by itself just now
        return False


def _strike(cluster: Cluster, kill: Kill, run_id: str, rng: random.Random) -> bool:
    kind = kill.kind
    service = kind.partition(" ")[0]
    if service in cluster.services.recorded() and not cluster.services.is_alive(service):
        return False  # another kill hit it: it comes again first
    kill.at_task = ", ".join(sorted({row[0] for row in cluster.ask(RUNNING, run_id)}))
    if kind == "task":
        running = task_processes(cluster)
        if not running:
            return False
        _kill(rng.choice(running))
    elif kind == "worker":
        return _lose_worker(cluster, kill, run_id, rng)
    elif kind.startswith("postgres"):
        number = signal.SIGINT if kind.endswith("fast") else signal.SIGQUIT
        os.kill(cluster.pid("postgres"), number)
    elif kind.startswith("redis"):
        _kill(psutil.Process(cluster.pid("redis")))
        if kind.endswith("file"):
            shutil.rmtree(folder_of(cluster.root) / "redis" / "appendonlydir", ignore_errors=True)
    else:
        process = psutil.Process(cluster.pid(kind))
        for one in [process, *process.children(recursive=True)]:
            _kill(one)
    return True


def _lose_worker(cluster: Cluster, kill: Kill, run_id: str, rng: random.Random) -> bool:
    """End a worker with everything below it, as a host that is lost; one with a task."""
    busy = []
    for name in cluster.workers():
        leader = psutil.Process(cluster.pid(name))
        if any(_lives(child) for slot in leader.children() for child in slot.children()):
            busy.append((name, leader))
    if not busy:
        return False
    name, leader = rng.choice(busy)
    is_compute = "compute" in name
    sql = RUNNING + " and queue = any(%s)"
    queues = ["compute"] if is_compute else ["pacs", "publish"]
    had = cluster.ask(sql, run_id, queues)
    if kill.is_alone and any(number > 1 for _, _, number in had):
        return False
    kill.lost = [f"{task} {index} {number}" for task, index, number in had]
    for one in [leader, *leader.children(recursive=True)]:
        _kill(one)
    return True


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def is_made_good(cluster: Cluster, kill: Kill, run_id: str) -> bool:
    """Whether every task that a lost worker had is done again, or was done just before."""
    for text in kill.lost:
        task, index, number = text.rsplit(" ", 2)
        [(now, state)] = cluster.ask(TRY, run_id, task, int(index))
        is_again = now > int(number) and state in ("running", "success", "skipped")
        if not (is_again or state == "success"):
            return False
    return True
