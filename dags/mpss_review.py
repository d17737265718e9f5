"""# Ask a physician about every study that waits, and record each answer.

**Reads** the snapshot. **Writes** the lake table `review`, the snapshot. **Runs** when new quality
verdicts arrive; one run asks for all pending studies, and each answer is published at once.
**Safe to repeat**: what was answered is not asked again; what was not answered in time is asked
again after the next night.

**Answer** under *Browse > Required Actions*: Accept, Reject, Unsure or Later, by one click; a
reason may be added. Texts hold pseudonymous keys only; write no names into the reason.

**If a task is skipped**: nobody waits.

**If a task fails**: `decide` only when the answer could not be stored; clear it and answer again.
`snapshot`: the answer is stored; the message says why no snapshot could be built. Clear it then, or
let the next night publish.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, task, task_group
from mpss_airflow.vocabulary import DEFAULT_ARGS, SNAPSHOT_POOL, START, VERDICTS, tags

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
            params={"reason": Param(None, type=["null", "string"], maxLength=500)},
            response_timeout=timedelta(hours=20),
            execution_timeout=None,
        )

        @task
        def record_review(study: dict[str, str], answer: dict[str, Any]) -> str:
            from mpss_airflow.review import record_answer

            return record_answer(study, answer)

        @task(pool=SNAPSHOT_POOL.name)
        def snapshot(study: dict[str, str]) -> str | None:
            from mpss_airflow.review import publish_answer

            return publish_answer(study)

        record_review(study, decide.output) >> snapshot(study)

    review.expand(study=pending_studies())


mpss_review()
