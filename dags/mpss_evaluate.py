"""# Choose features blind to the outcome, evaluate, register a model, predict.

**Reads** the snapshot (once, to freeze the cohort), the feature files, the frozen outcomes.
**Writes** the tables of stability (where `stability.before_selection` asks for it), selection,
evaluation and publication, the report, the snapshot. **Runs** weekly, or by hand. **Safe to
repeat**: the same cohort and settings give the same cohort hash, and every step answers that its
output is there; `measure_stability` goes on with the study at which it was stopped.

**If a task is skipped**: `export_results`: no results database is set.

**If a task fails**: `freeze_cohort`: nobody is in the cohort; `select * from core.cohort_flow`
says why for each study. A later step: its message names the column or the setting. The model
registered before stays in force until `register_model` has succeeded. `check`: a table is at
fault; nothing is published until it is mended.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import chain, dag
from mpss_airflow.steps import (
    check_task,
    cohort_task,
    export_task,
    snapshot_task,
    stability_task,
    step,
)
from mpss_airflow.vocabulary import DEFAULT_ARGS, SEGMENT_TASKS, on_time, tags


@dag(
    dag_id="mpss_evaluate",
    schedule=on_time("0 6 * * 0"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=12),
    tags=tags("stability", "selection", "evaluation", "publication", "warehouse"),
    doc_md=__doc__,
)
def mpss_evaluate() -> None:
    """Build the DAG."""
    cohort = step("cohort", "freeze_cohort")
    chain(
        stability_task()(cohort),
        cohort_task("selection", "select_features")(cohort),
        cohort_task("evaluation", "univariate")(cohort),
        cohort_task("evaluation", "evaluate").partial(cohort=cohort).expand(part=SEGMENT_TASKS),
        cohort_task("evaluation", "summarise")(cohort),
        cohort_task("evaluation", "register_model")(cohort),
        snapshot_task(),
        step("cohort", "predict"),
        check_task(),
        snapshot_task("snapshot_predictions"),
        export_task(),
    )


mpss_evaluate()
