"""Bodies of the tasks: a stage over a batch, and our errors in Airflow's words.

========================  ==========================================
our error                 the task
========================  ==========================================
``TryAgainError``         fails this try; Airflow's retries go on
``WritersAtWorkError``    fails this try; Airflow's retries go on
any other of ours         fails at once (``AirflowFailException``)
foreign errors            fail this try; Airflow's retries go on
========================  ==========================================
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mpss_airflow.home import connected_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpss_lib.batch import BatchResult

log = logging.getLogger(__name__)


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Translate this package's errors: retry what may pass, fail the rest at once."""
    from airflow.sdk.exceptions import AirflowFailException

    from mpss_lib.errors import MpssError, TryAgainError, WritersAtWorkError

    try:
        yield
    except (TryAgainError, WritersAtWorkError):
        raise
    except MpssError as error:
        raise AirflowFailException(str(error)) from error


def run_stage(stage: str, keys: list[str], *, force: bool = False) -> dict[str, Any]:
    """One study-level stage over the studies of a batch.

    Returns
    -------
    dict
        Counts (given = done + skipped + rejected + quarantined) and ``keys`` for the next stage.
    """
    with airflow_errors():
        result = stage_result(stage, keys, force=force)
    log.info("counts: %s", result.as_dict())
    return result.as_dict()


def stage_result(stage: str, keys: list[str], *, force: bool = False) -> BatchResult:
    """Do as ``run_stage``, in this package's own words: its errors are not translated."""
    from mpss_lib import batch

    home = connected_home()
    return batch.run_stage(
        stage,
        keys,
        home.lake,
        home.config,
        home.sites,
        force=force,
        run_name=current_run(),
        progress=_progress(len(keys)),
    )


def plan_batches(keys: list[str], min_batch: int) -> list[list[str]]:
    """Split keys into batches of max(min_batch, ceil(n / 200)) studies."""
    size = max(min_batch, -(-len(keys) // 200))
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def _progress(total: int) -> Callable[[str, str], None]:
    seen = 0

    def show(key: str, status: str) -> None:
        nonlocal seen
        seen += 1
        log.info("%d of %d: %s %s", seen, total, key, status)

    return show


def current_run() -> str:
    """Id of the DAG run that this task belongs to."""
    from airflow.sdk import get_current_context

    return str(get_current_context()["run_id"])
