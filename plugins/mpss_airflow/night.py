"""The ends of a night: which studies, and whether everything went well."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mpss_airflow.batch import COUNTS, airflow_errors, plan_batches
from mpss_airflow.home import connected_home
from mpss_airflow.verdict import failures, refuse

log = logging.getLogger(__name__)

STAGE_TASKS = (
    *("fetch", "intake", "segmentation", "quality", "radiomics", "gated", "companions", "calcium"),
)


def find_batches(context: Mapping[str, Any]) -> list[list[str]]:
    """Ask the PACS for the run's window and split the study keys into batches."""
    import pendulum
    from airflow.sdk import conf

    from mpss_airflow.window import window_of
    from mpss_lib.pull.stage import find

    home = connected_home()
    zone = pendulum.timezone(conf.get("core", "default_timezone"))
    run = context["dag_run"]
    start = context.get("data_interval_start")
    with airflow_errors():
        window = window_of(
            str(getattr(run.run_type, "value", run.run_type)),
            dict(context["params"]),
            start.astimezone(zone) if start else None,
            run.run_after.astimezone(zone),
            home.config.pull.lookback_days,
        )
        keys = find(window, home.lake, home.config, home.sites, run_name=str(context["run_id"]))
    log.info("window %s to %s: the PACS returned %d studies", *window, len(keys))
    return plan_batches(keys, home.config.batch.min_batch, conf.getint("core", "parallelism"))


def self_test_first_batch(context: Mapping[str, Any]) -> None:
    """Stop the run if the radiomics engine drifts: done by the first batch only."""
    from mpss_airflow.maintenance import self_test

    if context["ti"].map_index <= 0:
        self_test()


def judge(context: Mapping[str, Any]) -> dict[str, int]:
    """Sum the counts of all batches; fail if any task of the run failed.

    Returns
    -------
    dict
        ``<stage>_<count>`` summed over the batches, and ``batches``.
    """
    ti, bad = context["ti"], failures(context)
    totals = total_counts({task: ti.xcom_pull(task_ids=f"batch.{task}") for task in STAGE_TASKS})
    for task in STAGE_TASKS:
        log.info("%s: %s", task, {name: totals[f"{task}_{name}"] for name in COUNTS})
    refuse(bad)
    if totals["fetch_quarantined"]:
        log.warning(
            "the night is short: %d of the %d studies that the PACS named were not taken whole;"
            " `mpss quarantine ls` says which and why",
            totals["fetch_quarantined"],
            totals["fetch_given"],
        )
    if not totals["fetch_given"]:
        log.info("an empty night: the PACS returned no study for this window, nothing was to do")
    return totals


def total_counts(answers: Mapping[str, Any]) -> dict[str, int]:
    """Sum the counts that the batches' tasks returned.

    Parameters
    ----------
    answers : mapping of task name to list of dicts (None where the task did not answer)
    """
    totals = dict.fromkeys((f"{task}_{name}" for task in answers for name in COUNTS), 0)
    for task, found in answers.items():
        for answer in [found] if isinstance(found, dict) else [a for a in found or [] if a]:
            for name in COUNTS:
                totals[f"{task}_{name}"] += answer[name]
    return totals
