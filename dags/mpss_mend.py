"""# Try again what stands still, or accept what the archive has otherwise: by hand.

**Reads** the quarantine, the archive, the lake. **Writes** the lake, the snapshot. **Runs** only
when somebody starts it: the page *Nights* does. `retry` tries every study in quarantine again from
the stage at which it stands; `accept` names studies whose correction or absence in the archive is
right (as `mpss accept`). **Safe to repeat**: what is done is skipped.

**If a task is skipped**: none ever is.

**If a task fails**: `mend`: a study named in `accept` has nothing that waits for an answer, or the
archive is away; the message says which. What is still broken stays in quarantine and fails nothing.
`snapshot`: the message says why no snapshot could be built; clear it then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from mpss_airflow import steps
from mpss_airflow.vocabulary import DEFAULT_ARGS, OF_PACS, START, tags


@dag(
    dag_id="mpss_mend",
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,  # it does nothing until somebody starts it
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=12),
    tags=tags("pull", "warehouse"),
    params={
        "retry": Param(False, type="boolean", description="Try what stands in quarantine again"),
        "accept": Param([], type="array", items={"type": "string"}, description="Study keys"),
    },
    doc_md=__doc__,
)
def mpss_mend() -> None:
    """Build the DAG."""

    @task(**OF_PACS)
    def mend(params: dict[str, Any] | None = None) -> dict[str, Any]:
        from mpss_airflow.upstream import mend as do

        return do(dict(params or {}))

    mend() >> steps.check_task() >> steps.snapshot_task()


mpss_mend()
