"""# Pull a night's studies and take each from the PACS to its features.

**Reads** the PACS (connection `mpss_pacs`), the lake. **Writes** the lake, the vault. **Runs**
nightly at midnight of the site's zone; one data interval is one StudyDate. A scheduled run also
asks for the dates before (`pull.lookback_days`); a manual or backfill run asks for exactly its
window. `from` and `to` (ISO dates) load any span in one run. **Safe to repeat**.

**If a task is skipped**: no study in the window (an empty night is green), nothing to predict,
`[gated]`, `[companions]` is off, no results database is set (connection `mpss_results`).

**If a task fails**: `find_studies`, `fetch`: the PACS was away or busy for all of
`archive.patience_h` (the task waits without a worker), or refuses our AE title; test the
connection (C-ECHO), clear the task. A stage task: more studies than `batch.fault_share` are in
quarantine, or the disk is full: `mpss quarantine ls` names study, reason, way out. `check`: a table
is at fault (files, columns, grain): nothing is published until it is mended. `predict`: models of
other settings: `mpss recompute`. `export_results`: PostgreSQL is away. `night_verdict`: any failed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, dag, task, task_group
from mpss_airflow import steps
from mpss_airflow.vocabulary import DEFAULT_ARGS, OF_PACS, SITE_ZONE, START, VERDICTS, tags

STAGES = ("intake", "segmentation", "quality", "radiomics")
ISO_DATE = {"type": ["null", "string"], "format": "date"}


@dag(
    dag_id="mpss_ingest",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone=SITE_ZONE),
    start_date=START,
    catchup=False,
    max_active_runs=2,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(days=7),  # tasks wait for hours, and for `mpss pacs start`
    tags=tags("pull", *STAGES, "gated", "companions", "calcium", "warehouse", "publication"),
    params={
        "from": Param(None, **ISO_DATE, description="First StudyDate (empty: the data interval)"),
        "to": Param(None, **ISO_DATE, description="Last StudyDate, included"),
        "force": Param(False, type="boolean", description="Do again what is identical"),
    },
    doc_md=__doc__,
)
def mpss_ingest() -> None:
    """Build the DAG."""

    @task(**OF_PACS)
    def find_studies(**context: Any) -> list[list[str]]:
        from mpss_airflow.night import find_batches

        return find_batches(context)

    @task_group
    def batch(keys: list[str]) -> None:
        before: Any = steps.stage_task("pull", task_id="fetch")(keys)
        for stage in STAGES:
            before = steps.stage_task(stage)(before)
        steps.stage_task("gated")(before)
        steps.stage_task("calcium")(steps.stage_task("companions")(before))

    @task(trigger_rule="all_done")
    def night_verdict(**context: Any) -> dict[str, int]:
        from mpss_airflow.night import judge

        return judge(context)

    checked = steps.check_task(trigger_rule="all_done")
    published = steps.snapshot_task(trigger_rule="all_done", outlets=[VERDICTS])
    predictions = steps.check_task("check_predictions", trigger_rule="all_done")
    shown = steps.snapshot_task("snapshot_predictions", trigger_rule="all_done")
    batch.expand(keys=find_studies()) >> checked >> published
    published >> steps.step("cohort", "predict") >> predictions >> shown
    shown >> steps.export_task() >> night_verdict()


mpss_ingest()
