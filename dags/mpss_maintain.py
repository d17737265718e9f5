"""# Keep the platform sound: backup, self-test, second chances, compaction, removal of rubbish.

**Reads** the lake, the vault, the PACS. **Writes** `batch/`, `backup/`, the snapshot, the
backup target; removes temporary and superseded files older than `warehouse.retention_days` and
what the days of `[maintenance]` say. **Runs** weekly. **Safe to repeat.**

**If a task is skipped**: nothing was to do.

**If a task fails**: the others go on, and `maintenance_verdict` is red. `backup` waits for
nothing. `self_test`: the radiomics engine misses published reference values; what would make
features (`quarantine_retry`, `find_undated`, `recheck`) is not done. Do not publish features of
this installation, `mpss verify` shows the family. `check`, of every file anew: a table is at
fault; nothing is published until it is mended. `backup`: no space beside the home or at the target.
`retention`: a stage was writing; it is tried again. `quarantine_retry`: the same studies fail, see
`mpss quarantine ls`. `reconcile`: studies differ from the PACS, `mpss reconcile` names them.
`recheck`: the PACS sends other content than before, `mpss accept` takes it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import chain, dag
from mpss_airflow.steps import step, verdict_task
from mpss_airflow.vocabulary import (
    DEFAULT_ARGS,
    OF_CHECK,
    OF_PACS,
    OF_SNAPSHOT,
    TRUSTED,
    on_time,
    tags,
)


@dag(
    dag_id="mpss_maintain",
    schedule=on_time("0 12 * * 0"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(days=6),  # tasks wait for hours, and for `mpss pacs start`
    tags=tags("radiomics", "warehouse"),
    doc_md=__doc__,
)
def mpss_maintain() -> None:
    """Build the DAG."""
    later: Any = {"trigger_rule": "all_done"}
    studies = [
        step("maintenance", "retry_quarantined", "quarantine_retry", **OF_PACS),
        step("maintenance", "take_undated", "find_undated", **OF_PACS),
        step("upstream", "recheck", **OF_PACS),
    ]
    step("maintenance", "self_test") >> studies
    chain(
        [
            *studies,
            step("upstream", "reconcile", **OF_PACS),
            step("maintenance", "backup", **TRUSTED),
        ],
        step("maintenance", "remove_orphans", **later),
        step("maintenance", "retention", **TRUSTED, **later),
        step("cohort", "check_whole", "check", **OF_CHECK, **later),
        step("cohort", "snapshot_anew", "snapshot", **OF_SNAPSHOT, **later),
        verdict_task("maintenance_verdict"),
    )


mpss_maintain()
