"""# Keep the platform sound: self-test, compaction, removal of rubbish, backup, second chances.

**Reads** the lake, the vault, the PACS. **Writes** `batch/`, `backup/`, the snapshot, the
backup target; removes temporary and superseded files older than `warehouse.retention_days` and
what the days of `[maintenance]` say. **Runs** weekly. **Safe to repeat.**

**If a task is skipped**: nothing was to do.

**If a task fails**: `self_test`: the radiomics engine misses published reference values; do not
publish features of this installation, `mpss verify` shows the family. `validate`: a table is at
fault; nothing is published until it is mended. `backup`: no space beside the home or at the target.
`retention`: a stage was writing; it is tried again. `quarantine_retry`: the same studies fail, see
`mpss quarantine ls`. `reconcile`: studies differ from the PACS, `mpss reconcile` names them.
`recheck`: the PACS sends other content than before, `mpss accept` takes it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import chain, dag, task
from mpss_airflow.steps import snapshot_task, undated_task, upstream_task, validate_task
from mpss_airflow.vocabulary import DEFAULT_ARGS, PACS_POOL, on_time, tags


@dag(
    dag_id="mpss_maintain",
    schedule=on_time("0 12 * * 0"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=12),
    tags=tags("radiomics", "warehouse"),
    doc_md=__doc__,
)
def mpss_maintain() -> None:
    """Build the DAG."""

    @task(retries=0)
    def self_test() -> int:
        from mpss_airflow.maintenance import self_test as run

        return run()

    @task(pool=PACS_POOL.name)
    def quarantine_retry() -> dict[str, Any]:
        from mpss_airflow.maintenance import retry_quarantined

        return retry_quarantined()

    @task
    def remove_orphans() -> dict[str, Any]:
        from mpss_airflow.maintenance import remove_orphans as run

        return run()

    @task
    def retention() -> dict[str, Any]:
        from mpss_airflow.maintenance import retention as run

        return run()

    @task
    def backup() -> str:
        from mpss_airflow.maintenance import backup as run

        return run()

    before = (self_test(), quarantine_retry(), remove_orphans(), retention(), validate_task())
    chain(*before, snapshot_task(), backup(), upstream_task("recheck"))
    upstream_task("reconcile")
    undated_task()


mpss_maintain()
