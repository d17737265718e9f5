"""How large a cluster is, and what Airflow must know because of that.

Each pool has the slots that the workers of its role have, so a task is handed to the broker only
when a worker is free: what waits is "scheduled", for as long as it takes, and a task that is
"queued" for two minutes was lost with the broker or a worker, and is handed out again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpss_lib.secrecy import SERVERS_FOLDER

LOOPBACK = "127.0.0.1"
DATABASE_NAME = "airflow"
DATABASE_USER = "airflow"

TRUSTED_SLOTS, CHECK_SLOTS, SNAPSHOT_SLOTS = 1, 1, 1
"""Slots of the worker of ``pacs`` and ``publish`` beside the PACS's associations."""

HEARTBEAT_S, LOST_AFTER_S, LOOK_S = 5, 90, 5
"""A task's sign of life; without one for so long its worker is lost; how often that is looked at.
With ``DEFAULT_ARGS`` of the DAGs (the first pause before a new try is 20 to 40 s) a lost worker is
made good within three minutes."""
QUEUED_S = 120
"""A free worker takes a task in a second; one that is not begun by then is handed out again."""
MANY = 10_000
"""Tries to hand a task out while the broker is away, and times that it may get lost with it."""


@dataclass(frozen=True)
class Shape:
    """The workers of a cluster, and where its servers are.

    Parameters
    ----------
    compute_workers, compute_slots : int
        Workers of the role ``compute``, and tasks that each of them runs side by side. One worker
        more has the roles ``pacs`` and ``publish``.
    postgres_port, redis_port : int
    password : str
        Of both servers.
    """

    compute_workers: int = 1
    compute_slots: int = 2
    postgres_port: int = 0
    redis_port: int = 0
    password: str = field(default="", repr=False)

    @classmethod
    def read(cls, secrets: Mapping[str, Any]) -> Shape | None:
        """Read it from a home's ``secrets.json``; None where the home is no cluster."""
        kept = secrets.get(SERVERS_FOLDER)
        return None if kept is None else cls(**kept)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of Airflow's database."""
        login = f"{DATABASE_USER}:{self.password}"
        return f"postgresql+psycopg://{login}@{LOOPBACK}:{self.postgres_port}/{DATABASE_NAME}"

    def pool_slots(self, associations: int) -> dict[str, int]:
        """Slots of each pool of the DAGs (``mpss_airflow.vocabulary``).

        Parameters
        ----------
        associations : int
            That the PACS allows: ``archive.max_associations``.
        """
        return {
            "mpss_pacs": associations,
            "mpss_trusted": TRUSTED_SLOTS,
            "mpss_check": CHECK_SLOTS,
            "mpss_snapshot": SNAPSHOT_SLOTS,
            "mpss_compute": self.compute_workers * self.compute_slots,
        }

    def workers(self, associations: int) -> dict[str, tuple[str, ...]]:
        """Map each worker's name to the words after ``airflow``.

        Their log servers would listen on every interface (see ``COMPONENTS``).
        """
        slots = self.pool_slots(associations)
        compute = slots.pop("mpss_compute")
        found = {"worker-pacs": _worker("pacs", "pacs,publish", sum(slots.values()))}
        for number in range(1, self.compute_workers + 1):
            name = f"compute-{number}"
            found[f"worker-{name}"] = _worker(name, "compute", compute // self.compute_workers)
        return found

    def settings(self, associations: int) -> dict[str, object]:
        """Give the settings of Airflow that follow from the shape, without ``AIRFLOW__``."""
        slots = sum(self.pool_slots(associations).values())
        return {
            "CORE__EXECUTOR": "CeleryExecutor",
            "CORE__PARALLELISM": slots,
            "CORE__MAX_ACTIVE_TASKS_PER_DAG": max(16, slots),
            "OPERATORS__DEFAULT_QUEUE": "compute",
            "DATABASE__SQL_ALCHEMY_CONN": self.database_url,
            "CELERY__BROKER_URL": f"redis://:{self.password}@{LOOPBACK}:{self.redis_port}/0",
            "CELERY__RESULT_BACKEND": f"db+{self.database_url}",
            "CELERY__CELERY_CONFIG_OPTIONS": "mpss_airflow.celery_settings.CONFIG",
            "CELERY__WORKER_PREFETCH_MULTIPLIER": 1,
            "CELERY__TASK_ACKS_LATE": True,
            "CELERY__SYNC_PARALLELISM": 1,  # else a process is forked for each handful of tasks
            "CELERY__TASK_PUBLISH_MAX_RETRIES": MANY,
            # Longer than the longest task: what a lost worker had is begun again by its heartbeat.
            "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": 86400,
            "SCHEDULER__TASK_QUEUED_TIMEOUT": QUEUED_S,
            "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": 15,
            "SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": MANY,
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": HEARTBEAT_S,
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": LOST_AFTER_S,
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": LOOK_S,
            # A scheduler that was killed had tasks: the next one takes them over after this (300).
            "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 30,
            # A task outlives an API server or a database that is away for a minute and a half.
            "WORKERS__MIN_HEARTBEAT_INTERVAL": HEARTBEAT_S,
            "WORKERS__MAX_FAILED_HEARTBEATS": LOST_AFTER_S // HEARTBEAT_S,
            "WORKERS__EXECUTION_API_RETRIES": 15,
            "WORKERS__EXECUTION_API_RETRY_WAIT_MAX": 10,
            "WORKERS__EXECUTION_API_TIMEOUT": 30,
        }

    def kept(self) -> dict[str, Any]:
        """Give what ``read`` reads."""
        kept: dict[str, Any] = json.loads(json.dumps(self.__dict__))
        return kept


def folder_of(root: Path) -> Path:
    """Folder of a home in which its servers keep their files."""
    return root / SERVERS_FOLDER


def _worker(name: str, queues: str, slots: int) -> tuple[str, ...]:
    return (
        *("celery", "worker", "--queues", queues, "--concurrency", str(slots)),
        *("--celery-hostname", f"{name}@%h", "--without-gossip", "--without-mingle"),
        "--skip-serve-logs",
    )
