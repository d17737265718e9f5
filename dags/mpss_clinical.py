"""# Import the clinical registry and the calcium scores.

**Reads** the registry (connection `mpss_registry`: any SQL source). **Writes** the lake table
`clinical`, the snapshot. **Runs** nightly, before the ingest's results are read. **Safe to
repeat**: identical rows are skipped. Rows that break the contract are kept with their reasons
(`select * from core.clinical_rejected`), never changed silently.

**If a task is skipped**: nothing here skips.

**If a task fails**: `import_registry`: the registry is down or the mapping names a column that it
does not have; the message says which. `check`: not one row was accepted, or a table is at
fault; correct what the message names, then clear the task. The last snapshot stays published.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from mpss_airflow.steps import snapshot_task
from mpss_airflow.vocabulary import DEFAULT_ARGS, OF_CHECK, TRUSTED, on_time, tags


@dag(
    dag_id="mpss_clinical",
    schedule=on_time("30 23 * * *"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=4),
    tags=tags("pull", "warehouse"),
    doc_md=__doc__,
)
def mpss_clinical() -> None:
    """Build the DAG."""

    @task(**TRUSTED)
    def import_registry() -> dict[str, Any]:
        from mpss_airflow.cohort import import_registry as run

        return run()

    @task(**OF_CHECK)
    def check(counts: dict[str, Any]) -> None:
        from mpss_airflow.cohort import check as check_lake
        from mpss_airflow.cohort import check_registry

        check_registry(counts)
        check_lake()

    check(import_registry()) >> snapshot_task()


mpss_clinical()
