"""Airflow's part of ``mpss doctor``: one JSON object about its database on standard output."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

STUCK_H = 13
"""Longer than every ``dagrun_timeout`` but that of the review, which waits for people."""

WAITS = "mpss_review"


def examine() -> dict[str, Any]:
    """Say what the database knows: revision, pools, archive, DAGs, runs, versions.

    Returns
    -------
    dict
        ``revision`` is "" and only ``head`` is with it where there are no tables.
    """
    from airflow.models.connection import Connection
    from airflow.models.pool import Pool
    from airflow.utils.db import _get_script_object
    from airflow.utils.session import create_session
    from sqlalchemy import inspect, select, text

    from mpss_airflow.vocabulary import PACS_CONNECTION, POOLS
    from mpss_lib.runtime.airflow_home import is_demo

    head = str(_get_script_object().get_current_head())
    with create_session() as session:
        if not inspect(session.get_bind()).has_table("alembic_version"):
            return {"revision": "", "head": head}
        revision = session.execute(text("select version_num from alembic_version")).scalar()
        if revision != head:
            return {"revision": str(revision), "head": head}
        pacs = session.scalar(select(Connection).where(Connection.conn_id == PACS_CONNECTION))
        return {
            "revision": str(revision),
            "head": head,
            "wanted_pools": [vars(pool) for pool in POOLS],
            "pools": {pool.pool: pool.slots for pool in session.scalars(select(Pool))},
            "archive": None if pacs is None else {"host": pacs.host, "port": pacs.port},
            "is_demo": is_demo(Path(os.environ["MPSS_HOME"])),
            **_runs(session),
        }


def _runs(session: Session) -> dict[str, Any]:
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.errors import ParseImportError
    from sqlalchemy import select

    now = datetime.now(UTC)
    ours = DagModel.dag_id.like("mpss_%")
    has_run = select(DagRun.dag_id).where(DagRun.run_type == "scheduled").distinct()
    paused = select(DagModel.dag_id).where(ours, DagModel.is_paused, DagModel.dag_id.in_(has_run))
    stuck = select(DagRun.dag_id, DagRun.state, DagRun.queued_at).where(
        DagRun.state.in_(["running", "queued"]),
        DagRun.dag_id != WAITS,
        DagRun.run_after < now - timedelta(hours=STUCK_H),
        DagRun.queued_at < now - timedelta(hours=STUCK_H),
    )
    files = session.scalars(select(ParseImportError.filename))
    return {
        "paused": sorted(session.scalars(paused)),
        "broken": sorted({Path(name).name for name in files if name}),
        "stuck": [
            {
                "dag_id": run.dag_id,
                "state": str(getattr(run.state, "value", run.state)),
                "hours": int((now - run.queued_at).total_seconds() // 3600),
            }
            for run in session.execute(stuck)
        ],
    }


def main() -> int:
    """Answer."""
    sys.stdout.write(json.dumps(examine()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
