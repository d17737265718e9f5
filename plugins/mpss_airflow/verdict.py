"""The last task of a run whose tasks do not stop each other: red when any of them failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BAD_STATES = ("failed", "upstream_failed")


def check(context: Mapping[str, Any]) -> None:
    """Fail if any task of the run failed."""
    refuse(failures(context))


def failures(context: Mapping[str, Any]) -> list[str]:
    """Tasks of the run that failed, with their states: by themselves first, then for others."""
    ti, run = context["ti"], context["dag_run"]
    states = ti.get_task_states(dag_id=run.dag_id, run_ids=[run.run_id])
    bad = sorted(
        (BAD_STATES.index(state), f"{task}: {state}")
        for found in states.values()
        for task, state in found.items()
        if state in BAD_STATES and not task.startswith(ti.task_id)
    )
    return [told for _, told in bad]


def refuse(bad: Sequence[str]) -> None:
    """Fail the task, and so the run, if something failed."""
    from airflow.sdk.exceptions import AirflowFailException

    if bad:
        raise AirflowFailException(
            f"{len(bad)} tasks failed: {'; '.join(bad[:10])} | way out: open the first failed task"
            " in the grid; what the others did stands and is published; clear the failed tasks"
        )
