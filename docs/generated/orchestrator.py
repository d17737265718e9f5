"""DAGs and their tasks, and what a run tells a monitor."""

from __future__ import annotations

import inspect
from typing import Any

from mpss_airflow.metrics import METRICS

from mpss_lib.papers.tables import markdown
from mpss_lib.project import project_folder


def dags() -> str:
    """Give a section for each DAG: its own words, and its tasks."""
    return "\n".join(_section(dag) for _, dag in sorted(loaded().items()))


def loaded() -> dict[str, Any]:
    """Load the DAGs as Airflow does.

    Raises
    ------
    ImportError
        A DAG file does not load.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(project_folder() / "dags")
    if bag.import_errors:
        raise ImportError(str(bag.import_errors))
    return dict(bag.dags)


def _section(dag: Any) -> str:
    said = inspect.cleandoc(dag.doc_md or "").removeprefix("# ")
    rows = [
        (f"`{task.task_id}`", task.queue, task.pool, str(task.trigger_rule.value), task.retries)
        for task in dag.topological_sort()
        if hasattr(task, "queue")
    ]
    columns = ("task", "queue", "pool", "runs when", "retries")
    return f"## `{dag.dag_id}`\n\n{said}\n\n{markdown(columns, rows)}"


def metrics() -> str:
    """Give the metrics by name."""
    rows = [(f"`{name}`", kind, ", ".join(labels)) for name, (kind, labels) in METRICS.items()]
    return markdown(("metric", "kind", "labels"), rows)
