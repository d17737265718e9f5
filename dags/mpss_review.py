"""# Ask a physician about every study that waits, and record each answer.

**Reads** the snapshot. **Writes** the lake table `review`, the snapshot. **Runs** when new quality
verdicts arrive; one run asks for all pending studies. **Safe to repeat**: what was answered is
not asked again; what was not answered in time is asked again after the next night.

**Answer** under *Browse > Required Actions*: Accept, Reject (with a reason), Unsure or Later.
Texts hold pseudonymous keys only; write no names into the reason.

**If a task is skipped**: nobody waits.

**If a task fails**: `decide` only when the answer could not be stored; clear it and answer again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, task, task_group
from mpss_airflow.steps import snapshot_task
from mpss_airflow.vocabulary import DEFAULT_ARGS, START, VERDICTS, tags

STUDY = "{{ ti.xcom_pull(task_ids='pending_studies')[ti.map_index]['%s'] }}"


@dag(
    dag_id="mpss_review",
    schedule=[VERDICTS],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=24),
    tags=tags("quality", "warehouse"),
    doc_md=__doc__,
)
def mpss_review() -> None:
    """Build the DAG."""

    @task
    def pending_studies() -> list[dict[str, str]]:
        from mpss_airflow.review import pending_studies as find

        return find()

    @task_group
    def review(study: dict[str, str]) -> None:
        decide = HITLOperator(
            task_id="decide",
            subject=STUDY % "subject",
            body=STUDY % "body",
            options=["Accept", "Reject", "Unsure", "Later"],
            defaults="Later",
            params={"reason": Param("", type="string", maxLength=500)},
            response_timeout=timedelta(hours=20),
            execution_timeout=None,
        )

        @task
        def record_review(study: dict[str, str], answer: dict[str, Any]) -> str:
            from mpss_airflow.review import record_answer

            return record_answer(study, answer)

        record_review(study, decide.output)

    review.expand(study=pending_studies()) >> snapshot_task(trigger_rule="none_failed")


mpss_review()
