"""Bodies of the tasks that work on the whole lake or on a frozen cohort."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mpss_airflow import lineage, metrics
from mpss_airflow.batch import airflow_errors, current_run, progress_of, run_stage, without_keys
from mpss_airflow.home import connected_home, open_home

log = logging.getLogger(__name__)


def snapshot_anew() -> dict[str, Any]:
    """Build the snapshot from every record and row: nothing of the published one is carried."""
    return snapshot(is_fresh=True)


def snapshot(*, is_fresh: bool = False) -> dict[str, Any]:
    """Build the snapshot from what is on the lake and swap it in."""
    from mpss_lib.warehouse.stage import run

    home = open_home()
    with airflow_errors():
        counts = run(home.lake, home.config, run_name=current_run(), is_fresh=is_fresh)
        metrics.of_snapshot(home, counts)
    lineage.of_snapshot()
    log.info("published: %s", counts)
    return counts


def check_whole() -> dict[str, Any]:
    """Hold every file anew against the expectations: what changed unseen is found weekly."""
    return check(is_whole=True)


def check(*, is_whole: bool = False) -> dict[str, Any]:
    """Hold the lake against its expectations; a table at fault fails the task and every publish."""
    from mpss_lib.warehouse.stage import check as run

    home = open_home()
    with airflow_errors():
        counts = run(home.lake, home.config, force=is_whole, run_name=current_run())
    log.info("expectations: %s; page: reports/data_quality.html of the lake", counts)
    return counts


def import_registry() -> dict[str, Any]:
    """Read the registry into the lake."""
    from mpss_lib.pull.stage import import_registry as run

    home = connected_home()
    with airflow_errors():
        counts = run(home.lake, home.config, home.sites, run_name=current_run())
    log.info("registry: %s", counts)
    return counts


def check_registry(counts: Mapping[str, Any]) -> None:
    """Fail when not one row of the registry was accepted: the last import stays in force."""
    from airflow.sdk.exceptions import AirflowFailException

    if not counts["accepted"]:
        raise AirflowFailException(
            f"the registry gave {counts['given']} rows and none was accepted | way out: the"
            " reasons stand in core.clinical_rejected; correct the registry or its column"
            " mapping, then clear this task"
        )


def freeze_cohort() -> str:
    """Write the keys and outcomes of today's cohort; returns its hash."""
    from mpss_lib.warehouse.stage import freeze_cohort as run

    home = open_home()
    with airflow_errors():
        cohort = run(home.lake, home.config, run_name=current_run())
    log.info("cohort %s", cohort)
    return cohort


def cohort_step(stage: str, step: str, *arguments: str) -> dict[str, Any]:
    """Do one step of a cohort-level stage and record what it wrote.

    Parameters
    ----------
    stage : str
        ``selection`` or ``evaluation``.
    step : str
        Name of the door in its ``stage.py``.
    *arguments
        Cohort hash, then what the step is mapped over.
    """
    from mpss_lib.steps import cohort_step as do

    home = open_home()
    with airflow_errors():
        answer = do(stage, step, arguments, home.lake, home.config, run_name=current_run())
    lineage.of_stage(stage)
    log.info("%s.%s: %s", stage, step, answer)
    return answer


def measure_stability(cohort: str) -> dict[str, Any]:
    """Measure a cohort under perturbations, if the settings ask for it before a selection."""
    from mpss_lib.steps import measure_stability as do
    from mpss_lib.steps import members_of

    home = open_home()
    if not home.config.stability.before_selection:
        log.info("stability: not asked for (stability.before_selection)")
        return {"cohort": cohort, "is_measured": False}
    with airflow_errors():
        answer = do(
            *(cohort, home.lake, home.config, home.sites),
            run_name=current_run(),
            progress=progress_of(len(members_of(cohort, home.lake, home.config))),
        )
    log.info("stability: %s", answer)
    return answer


def predict() -> dict[str, Any]:
    """Predict every study that has features and was accepted, with the registered model."""
    from mpss_lib.publication.stage import predictable

    with airflow_errors():
        keys = predictable(open_home().lake)
    if not keys:
        log.info("nothing to predict: no accepted study, or no model (run mpss_evaluate first)")
    return without_keys(run_stage("publication", keys))


def export_results() -> dict[str, Any]:
    """Bring the results database to the newest snapshot; without a database, say so and skip."""
    from airflow.sdk.exceptions import AirflowSkipException

    home = connected_home()
    if not home.sites.results_url:
        raise AirflowSkipException(
            "no results database is set, nothing was exported | way out, where one is wanted: add"
            " the connection mpss_results (PostgreSQL) or site.results_url"
        )
    from mpss_lib.publication.stage import export_results as write

    with airflow_errors():
        counts: dict[str, Any] = write(home.lake, home.config, home.sites)
    return counts
