"""# Ask a physician about every study that waits, and record each answer.

**Reads** the lake. **Writes** the lake table `review`, pictures. **Runs** when there are new
verdicts; one run asks for all pending studies; `mpss_answers` publishes answers. **Safe to
repeat**: what was answered is not asked again, the rest is asked again after the next night.

**Answer** on the page *MPSS* (it closes the form too; two who read blind have only the page) or
under *Browse > Required Actions*: Accept, Reject, Unsure (asks a second reader) or Later, by one
click; an artefact and a reason may be added. Write no names into the reason.
**If a task is skipped**: nobody waits, or two read blind. **If a task fails**: `record_review`: no
answer was stored, clear it; `pictures`: as a full disk.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, task, task_group
from mpss_airflow.vocabulary import ANSWERS, ARTEFACTS, DEFAULT_ARGS, START, TRUSTED, VERDICTS, tags

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

    @task
    def pictures() -> dict[str, int]:
        from mpss_airflow.review import draw_pictures as draw

        return draw()

    @task_group
    def review(study: dict[str, str]) -> None:
        decide = HITLOperator(
            task_id="decide",
            subject=STUDY % "subject",
            body=STUDY % "body",
            options=["Accept", "Reject", "Unsure", "Later"],
            defaults="Later",
            params={
                "artefact": Param(None, type=["null", "string"], enum=[None, *ARTEFACTS]),
                "reason": Param(None, type=["null", "string"], maxLength=450),
            },
            response_timeout=timedelta(hours=20),
            execution_timeout=None,
        )

        @task(outlets=[ANSWERS], **TRUSTED)
        def record_review(study: dict[str, str], answer: dict[str, Any]) -> str:
            from mpss_airflow.review import record_answer

            return record_answer(study, answer)

        record_review(study, decide.output)

    pictures()
    review.expand(study=pending_studies())


mpss_review()
