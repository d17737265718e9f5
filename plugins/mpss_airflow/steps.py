"""Tasks that more than one DAG has: a stage over a batch, validate, snapshot, predict, exports."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from mpss_airflow.vocabulary import PACS_POOL, SNAPSHOT_POOL


def stage_task(stage: str, task_id: str | None = None) -> Any:
    """Make the task of a study-level stage.

    It takes the batch's study keys, or the answer of the stage before, and answers counts and
    the keys that go on. Pull waits for a slot of the PACS pool.
    """
    pool = {"pool": PACS_POOL.name} if stage == "pull" else {}

    @task(task_id=task_id or stage, **pool)
    def work(before: list[str] | dict[str, Any], **context: Any) -> dict[str, Any]:
        from mpss_airflow.batch import run_stage
        from mpss_airflow.night import self_test_first_batch

        if stage == "radiomics":
            self_test_first_batch(context)
        keys = before["keys"] if isinstance(before, dict) else before
        return run_stage(stage, list(keys), force=bool(context["params"].get("force")))

    return work


def upstream_task(step: str) -> Any:
    """Make a task that looks at the archive again: ``reconcile`` or ``recheck``."""

    @task(task_id=step, pool=PACS_POOL.name)
    def work() -> dict[str, Any]:
        from mpss_airflow import upstream

        answer: dict[str, Any] = getattr(upstream, step)()
        return answer

    return work()


def validate_task(task_id: str = "validate", **arguments: Any) -> Any:
    """Make the task that holds the lake against its expectations, before it is published."""

    @task(task_id=task_id, **arguments)
    def validate() -> dict[str, Any]:
        from mpss_airflow.cohort import validate as check

        return check()

    return validate()


def undated_task() -> Any:
    """Take the studies without a StudyDate through the chain."""

    @task(task_id="find_undated", pool=PACS_POOL.name)
    def find_undated() -> dict[str, Any]:
        from mpss_airflow.maintenance import take_undated

        return take_undated()

    return find_undated()


def snapshot_task(task_id: str = "snapshot", **arguments: Any) -> Any:
    """Make the task that publishes the snapshot (one at a time)."""

    @task(task_id=task_id, pool=SNAPSHOT_POOL.name, **arguments)
    def snapshot() -> dict[str, Any]:
        from mpss_airflow.cohort import snapshot as publish

        return publish()

    return snapshot()


def predict_task() -> Any:
    """Make the task that predicts every accepted study with the registered model."""

    @task(task_id="predict")
    def predict() -> dict[str, Any]:
        from mpss_airflow.cohort import predict as apply

        return apply()

    return predict()


def results_task() -> Any:
    """Make the task that brings the results database up to date; skipped where there is none."""

    @task(task_id="export_results")
    def results() -> dict[str, Any]:
        from mpss_airflow.cohort import export_results as write

        return write()

    return results()


def cohort_task(stage: str, step: str) -> Any:
    """Make the task of one step of a cohort-level stage, mapped over ``part`` if it has parts."""

    @task(task_id=step)
    def work(cohort: str, part: str = "") -> dict[str, Any]:
        from mpss_airflow.cohort import cohort_step

        return cohort_step(stage, step, cohort, *([part] if part else []))

    return work
