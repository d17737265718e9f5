"""A component of Airflow that must not work beside the others ends as it begins.

The plugin names this module as a listener of Airflow's: ``on_starting`` is called by scheduler, DAG
processor and triggerer. A Celery worker asks by itself (``celery_settings``).
"""

from __future__ import annotations

import sys

from airflow.listeners import hookimpl


@hookimpl  # type: ignore[misc] -- Airflow has no types here
def on_starting(component: object) -> None:
    """Ask before the component does anything; a task, which is told of too, asks by itself."""
    from airflow.jobs.job import Job

    if isinstance(component, Job):
        end_where_it_must_not_work(f"Airflow's {' '.join(sys.argv[1:2])}")


def end_where_it_must_not_work(who: str) -> None:
    """End this process, in words, where its code does not go with the version that the home has.

    An exit and no error: Airflow and Celery write errors of their listeners down and go on.
    """
    from mpss_lib.config import home
    from mpss_lib.runtime.side_by_side import OtherCodeError, check_may_work
    from mpss_lib.tables import Lake

    try:
        check_may_work(Lake(home() / "lake"), who=who)
    except OtherCodeError as error:
        raise SystemExit(str(error)) from error
