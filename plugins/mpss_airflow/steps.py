"""The tasks of the DAGs, made alike: a body of this package, by its module and name."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from mpss_airflow.vocabulary import OF_CHECK, OF_PACS, OF_SNAPSHOT, TRUSTED


def step(module: str, body: str, task_id: str | None = None, **arguments: Any) -> Any:
    """Make the task of a body that takes nothing.

    Parameters
    ----------
    module, body : str
        ``mpss_airflow.<module>.<body>``, imported when the task runs.
    task_id : str, optional
        The body's name by default.
    **arguments
        Of the task: pool, trigger rule, retries.
    """

    @task(task_id=task_id or body, multiple_outputs=False, **arguments)
    def work() -> Any:
        from importlib import import_module

        return getattr(import_module(f"mpss_airflow.{module}"), body)()

    return work()


def check_task(task_id: str = "check", **arguments: Any) -> Any:
    """Make the task that holds the lake against its expectations, before it is published."""
    return step("cohort", "check", task_id, **OF_CHECK, **arguments)


def snapshot_task(task_id: str = "snapshot", **arguments: Any) -> Any:
    """Make the task that publishes the snapshot (one at a time)."""
    return step("cohort", "snapshot", task_id, **OF_SNAPSHOT, **arguments)


def export_task() -> Any:
    """Make the task that brings the results database up to date (the audit log names it)."""
    return step("cohort", "export_results", **TRUSTED)


def stage_task(stage: str, task_id: str | None = None) -> Any:
    """Make the task of a study-level stage.

    It takes the batch's study keys, or the answer of the stage before, and returns counts and
    the keys that go on. Stages that ask the PACS wait for a slot of
    its pool.
    """
    where: Any = OF_PACS if stage in ("pull", "companions") else {}

    @task(task_id=task_id or stage, multiple_outputs=False, **where)
    def work(before: list[str] | dict[str, Any], **context: Any) -> dict[str, Any]:
        from mpss_airflow.batch import run_stage
        from mpss_airflow.night import self_test_first_batch

        if stage == "radiomics":
            self_test_first_batch(context)
        keys = before["keys"] if isinstance(before, dict) else before
        return run_stage(stage, list(keys), force=bool(context["params"].get("force")))

    return work


def cohort_task(stage: str, name: str) -> Any:
    """Make the task of one step of a cohort-level stage, mapped over ``part`` if it has parts."""

    @task(task_id=name, multiple_outputs=False)
    def work(cohort: str, part: str = "") -> dict[str, Any]:
        from mpss_airflow.cohort import cohort_step

        return cohort_step(stage, name, cohort, *([part] if part else []))

    return work


def stability_task() -> Any:
    """Make the task that measures the stability of features before they are chosen."""

    @task(task_id="measure_stability", multiple_outputs=False)
    def work(cohort: str) -> dict[str, Any]:
        from mpss_airflow.cohort import measure_stability

        return measure_stability(cohort)

    return work


def verdict_task(task_id: str) -> Any:
    """Make the last task of a run whose tasks do not stop each other: red if any failed."""

    @task(task_id=task_id, trigger_rule="all_done")
    def verdict(**context: Any) -> None:
        from mpss_airflow.verdict import check

        check(context)

    return verdict()
