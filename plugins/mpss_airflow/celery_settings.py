"""Celery's settings on a cluster: ``CELERY__CELERY_CONFIG_OPTIONS`` names ``CONFIG``.

A worker loads the stages before it forks its slots, as the LocalExecutor of one machine does
(``mpss_airflow.executor``); code is read when it starts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import import_modules

from mpss_airflow.beginning import end_where_it_must_not_work
from mpss_airflow.executor import preload
from mpss_airflow.vocabulary import COMPUTE_QUEUE

CONFIG: dict[str, Any] = {
    **DEFAULT_CELERY_CONFIG,
    # While the broker is away a message is tried until ``[celery] operation_timeout`` ends the try:
    # only such a one is sent again by the scheduler, any other error fails the task.
    "task_publish_retry_policy": {"max_retries": None, "interval_start": 0.1, "interval_max": 0.5},
    # A worker waits for its broker for as long as that is away.
    "broker_connection_max_retries": None,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}


@import_modules.connect  # type: ignore[misc] -- Celery has no types
def load_stages(**_: object) -> None:
    """Import and compile what tasks need, in the worker's first process, if it may work here."""
    end_where_it_must_not_work("a worker")
    preload(with_kernels=COMPUTE_QUEUE in queues_of(sys.argv))


def queues_of(words: Sequence[str]) -> list[str]:
    """Give the queues that a worker is started with (``--queues pacs,publish``)."""
    told = [words[k + 1] for k, word in enumerate(words[:-1]) if word in ("-q", "--queues")]
    return [queue for one in told for queue in one.split(",")]
