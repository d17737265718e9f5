"""Nights: the last ones by stage, and what stands still, with a button where a task mends it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from mpss_airflow.pages.frame import page
from mpss_airflow.pages.rights import NIGHT, User, can_run, may_see_nights

router = APIRouter()

LAST = 31


@router.get("/night", dependencies=[may_see_nights])
def night_page(request: Request, user: User, run: str = "") -> HTMLResponse:
    """Tonight and the last 30, by stage; ``run`` names another night to look into."""
    from mpss_airflow.home import open_home
    from mpss_lib.upstream import ACCEPTABLE
    from mpss_lib.viewing import nights
    from mpss_lib.viewing.published import published

    lake = open_home().lake
    with published(lake) as snapshot:
        found = last_nights(nights.counts_of(snapshot))
        stands = nights.standing(snapshot)
    shown = next((one for one in found if one.run_id == run), found[0] if found else None)
    before = found[found.index(shown) + 1 :] if shown else []
    return page(
        request,
        "night",
        user=user,
        title="Nights",
        nights=found,
        shown=shown,
        stages=nights.durations(shown, before) if shown else [],
        usual=_usual(before),
        said=nights.said,
        dag=NIGHT,
        can_run=can_run(user),
        acceptable=ACCEPTABLE,
        **stands,
    )


def _usual(before: Any) -> float | None:
    from statistics import median

    known = [one.seconds for one in before if one.state == "success" and one.seconds is not None]
    return median(known) if known else None


def last_nights(counts: Any) -> list[Any]:
    """Give the last runs of ``mpss_ingest`` from Airflow's database, the newest first.

    Parameters
    ----------
    counts : mapping of the digest of a run's name to its counts
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    from mpss_lib.viewing.nights import NOTHING, Night, digest_of_run

    ti = TaskInstance
    sums = (func.count(), func.sum(ti.duration), func.min(ti.start_date), func.max(ti.end_date))
    with create_session() as session:
        runs = session.execute(
            select(DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.end_date)
            .where(DagRun.dag_id == NIGHT)
            .order_by(DagRun.run_after.desc())
            .limit(LAST)
        ).all()
        rows = session.execute(
            select(ti.run_id, ti.task_id, ti.state, *sums)
            .where(ti.dag_id == NIGHT, ti.run_id.in_([run[0] for run in runs]))
            .group_by(ti.run_id, ti.task_id, ti.state)
        ).all()
    by_run: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        by_run.setdefault(row[0], {}).setdefault(row[1], []).append(row)
    return [
        Night(
            str(run_id),
            str(getattr(state, "value", state)),
            start,
            end,
            _tasks(by_run.get(run_id, {})),
            counts.get(digest_of_run(str(run_id)), NOTHING),
        )
        for run_id, state, start, end in runs
    ]


def _tasks(rows: dict[str, list[Any]]) -> list[Any]:
    """Join the states of each task; in the order in which they began."""
    from mpss_lib.viewing.nights import Task

    found = []
    for name, parts in rows.items():
        starts = [part[5] for part in parts if part[5] is not None]
        ends = [part[6] for part in parts if part[6] is not None]
        found.append(
            Task(
                name,
                sum(float(part[4] or 0.0) for part in parts),
                {str(getattr(part[2], "value", part[2]) or "waits"): part[3] for part in parts},
                min(starts, default=None),
                max(ends, default=None),
            )
        )
    return sorted(found, key=lambda task: (task.start is None, task.start or 0, task.name))
