"""Names that every DAG uses: owner, tags, pools, assets, connections, default arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import Asset, CronTriggerTimetable, conf

OWNER = "mpss"
SITE_ZONE = conf.get("core", "default_timezone", fallback="UTC")
START = pendulum.datetime(2020, 1, 1, tz=SITE_ZONE)

INGEST = "mpss_ingest"
PACS_CONNECTION = "mpss_pacs"
REGISTRY_CONNECTION = "mpss_registry"
RESULTS_CONNECTION = "mpss_results"


@dataclass(frozen=True)
class PoolSpec:
    """A pool that the bootstrap creates."""

    name: str
    slots: int
    description: str


PACS_POOL = PoolSpec("mpss_pacs", 2, "Associations that the PACS allows at the same time")
SNAPSHOT_POOL = PoolSpec("mpss_snapshot", 1, "The one publisher of warehouse.duckdb")
CHECK_POOL = PoolSpec("mpss_check", 4, "Checks of the lake before it is published")
TRUSTED_POOL = PoolSpec("mpss_trusted", 4, "Work in the trusted zone that does not ask the PACS")
COMPUTE_POOL = PoolSpec("mpss_compute", 128, "Work that needs the lake only")
POOLS = (PACS_POOL, SNAPSHOT_POOL, CHECK_POOL, TRUSTED_POOL, COMPUTE_POOL)
"""Each is of tasks of one queue. On a cluster it has as many slots as the workers of that queue, so
that a task is handed to the broker only when one is free; on one machine the executor's slots are
the limit of the last three."""

PACS_QUEUE, COMPUTE_QUEUE, PUBLISH_QUEUE = QUEUES = ("pacs", "compute", "publish")
"""Roles of hosts: the tasks that a Celery worker takes (``--queues``); one machine takes them all.
``pacs``: what needs the vault, its key, the audit log, the PACS or the registry; ``compute``: the
lake only; ``publish``: the snapshot and the checks before it."""

OF_PACS: Mapping[str, str] = {"pool": PACS_POOL.name, "queue": PACS_QUEUE}
TRUSTED: Mapping[str, str] = {"pool": TRUSTED_POOL.name, "queue": PACS_QUEUE}
OF_CHECK: Mapping[str, str] = {"pool": CHECK_POOL.name, "queue": PUBLISH_QUEUE}
OF_SNAPSHOT: Mapping[str, str] = {"pool": SNAPSHOT_POOL.name, "queue": PUBLISH_QUEUE}
"""Arguments of a task that asks the PACS, of one that works in the trusted zone without asking it,
of one that checks the lake, and of the one that publishes."""

HANDED_ON = 1
"""Raised by hand when a task hands something else to the next one, or its answer has another
meaning: versions with different numbers never work side by side."""

VERDICTS = Asset(name="mpss_quality_verdicts", uri="mpss://lake/quality_verdict")
"""New quality verdicts are in the snapshot: studies may wait for a physician."""

ANSWERS = Asset(name="mpss_review_answers", uri="mpss://lake/review")
"""A physician decided: the lake has a decision that no snapshot may have yet."""

ARTEFACTS = (
    *("motion", "misregistration", "overcorrection", "attenuation", "spillover", "truncation"),
    *("noise", "contours", "other"),
)
"""Why a study is rejected, in the form: codes of ``mpss_lib.viewing.words.REJECT_REASONS``."""

PAGES = "/mpss"
"""Where the API server holds the pages, below its own address."""

SQL_RIGHT = "MPSS SQL"
"""Resource that an auth manager's role may read: questions to the published snapshot (pages)."""

AUDIT_RIGHT = "MPSS audit"
"""Resource that an auth manager's role may read: the audit log (page)."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "queue": COMPUTE_QUEUE,
    "pool": COMPUTE_POOL.name,
    # A try is used up by a lost worker too. Pauses: 20 to 40 s, twice as long each time.
    "retries": 6,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=20),
    "execution_timeout": timedelta(hours=2),
}

SEGMENT_TASKS = ("MYO", "LAD3", "LCX3", "RCA3", "LAD17", "LCX17", "RCA17")
"""The seven analysed segments: one mapped evaluation task for each."""


def on_time(cron: str) -> CronTriggerTimetable:
    """Run at the cron's times in the site's zone, never at once because one was just missed.

    Use it without a start date: with one, Airflow also runs the last time before the DAG is
    unpaused.
    """
    return CronTriggerTimetable(cron, timezone=SITE_ZONE, run_immediately=timedelta(0))


def tags(*stages: str) -> list[str]:
    """Tags of a DAG: the platform and the stages that it runs."""
    return ["mpss", *stages]
