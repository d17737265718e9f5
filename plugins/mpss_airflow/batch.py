"""Bodies of the tasks: a stage over a batch, and our errors in Airflow's words.

========================  ===================================================
our error                 the task
========================  ===================================================
``ArchiveClosedError``    is put back until the archive may be asked again
                          (`mpss pacs start`, ``archive.window``), however long
``ArchiveBusyError``,     is put back and tried again, at no try's cost,
``ArchiveDownError``      until ``archive.patience_h`` is over (``patience``)
``TryAgainError``         fails this try; Airflow's retries go on
``WritersAtWorkError``    fails this try; Airflow's retries go on
any other of ours         fails at once (``AirflowFailException``)
foreign errors            fail this try; Airflow's retries go on
========================  ===================================================
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from mpss_airflow import lineage, metrics
from mpss_airflow.home import connected_home, open_home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mpss_lib.batch import BatchResult

log = logging.getLogger(__name__)

OUTWARD = ("pull", "companions", "publication")
"""Stages that touch more than the lake: only they look Airflow's connections up."""
COUNTS = ("given", "done", "skipped", "rejected", "quarantined")
BATCHES_PER_SLOT = 3
MOST_STUDIES = 100
"""Studies of a batch at most, unless there would be more than ``MOST_BATCHES``: what a failed task
does again."""
MOST_BATCHES = 200
"""Of a run: Airflow maps a task over 1024 at most, and a grid shows no more."""


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Translate this package's errors: retry what may pass, fail the rest at once."""
    from airflow.sdk.exceptions import AirflowFailException

    from mpss_airflow.patience import wait_for_opening, wait_or_give_up
    from mpss_lib.errors import (
        ArchiveBusyError,
        ArchiveClosedError,
        ArchiveDownError,
        MpssError,
        TryAgainError,
        WritersAtWorkError,
    )

    try:
        yield
    except ArchiveClosedError as error:
        raise wait_for_opening(error) from error
    except (ArchiveBusyError, ArchiveDownError) as error:
        raise wait_or_give_up(error) from error
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
    if not keys:  # the stage is not even imported
        log.info("%s: no study, nothing to do", stage)
        return {"stage": stage, **dict.fromkeys(COUNTS, 0), "keys": []}
    leave_out(stage)
    with airflow_errors():
        result = stage_result(stage, keys, force=force)
    log.info("counts: %s", result.as_dict())
    return result.as_dict()


def leave_out(stage: str) -> None:
    """Skip the task of a stage that the settings do not ask for."""
    from airflow.sdk.exceptions import AirflowSkipException

    from mpss_lib.batch import is_asked_for

    if not is_asked_for(stage, open_home().config):
        raise AirflowSkipException(f"the settings do not ask for {stage}")


def stage_result(stage: str, keys: list[str], *, force: bool = False) -> BatchResult:
    """Do as ``run_stage``, in this package's own words: its errors are not translated."""
    from mpss_lib import batch

    home = connected_home() if stage in OUTWARD else open_home()
    begun = monotonic()
    result = batch.run_stage(
        stage,
        keys,
        home.lake,
        home.config,
        home.sites,
        force=force,
        run_name=current_run(),
        progress=progress_of(len(keys)),
    )
    if batch.is_asked_for(stage, home.config):
        metrics.of_stage(stage, result.as_dict(), monotonic() - begun)
        lineage.of_stage(stage)
    return result


def do_chain(
    waiting: Mapping[str, Sequence[str]], *, fetches_again: bool = False
) -> dict[str, dict[str, Any]]:
    """Take studies through the chain, each from the stage on at which it waits.

    Returns
    -------
    dict
        Counts of each stage that had something to do.
    """
    from mpss_lib.steps import through_chain

    def do(stage: str, keys: list[str]) -> BatchResult:
        return stage_result(stage, keys, force=fetches_again and stage == "pull")

    with airflow_errors():
        done = [result.as_dict() for result in through_chain(waiting, do)]
    return {str(counts["stage"]): without_keys(counts) for counts in done}


def without_keys(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Take the studies that go on out of what a batch returned."""
    return {name: value for name, value in counts.items() if name != "keys"}


def plan_batches(keys: list[str], least: int, slots: int) -> list[list[str]]:
    """Split keys into batches: few enough to start, enough to keep every slot at work.

    Parameters
    ----------
    keys : list of str
        Study keys.
    least : int
        Studies of a batch at least (but for the last one).
    slots : int
        Tasks that run side by side; each gets ``BATCHES_PER_SLOT`` batches, so that the grid shows
        where a night broke and no slot waits long for another one's last batch.
    """
    size = max(least, -(-len(keys) // (BATCHES_PER_SLOT * slots)))
    size = min(size, max(least, MOST_STUDIES))
    size = max(size, -(-len(keys) // MOST_BATCHES))
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def progress_of(total: int) -> Callable[[str, str], None]:
    """Make what is called after each of ``total`` studies: it logs how far a task is."""
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
