"""# Publish what physicians decided, within a minute of the answer.

**Reads** the lake table `review`. **Writes** the snapshot. **Runs** when an answer was stored, by a
page or by the form of `mpss_review`; answers that come while it runs are published by one more run.
**Safe to repeat**: with nothing new on the lake it publishes nothing.

**If a task is skipped**: none ever is.

**If a task fails**: `snapshot`: the answers are stored; the message says why no snapshot could be
built. Clear it then, or let the next night publish.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task
from mpss_airflow.vocabulary import ANSWERS, DEFAULT_ARGS, OF_SNAPSHOT, START, tags


@dag(
    dag_id="mpss_answers",
    is_paused_upon_creation=False,  # it does nothing until somebody answers
    schedule=[ANSWERS],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=2),
    tags=tags("quality", "warehouse"),
    doc_md=__doc__,
)
def mpss_answers() -> None:
    """Build the DAG."""

    @task(**OF_SNAPSHOT)
    def snapshot() -> list[str]:
        from mpss_airflow.review import publish_answers

        return publish_answers()

    snapshot()


mpss_answers()
