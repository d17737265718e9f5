"""Where the time of a night went: by an oracle of a few rows, and over Airflow's own schema."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fabricated_lake import Builder

from mpss_lib.config import Config, sites_of
from mpss_lib.doctor.night import task_times, time_of_night
from mpss_lib.errors import PlatformFaultError, WrongArgumentError
from mpss_lib.runtime.airflow_database import DATABASE
from mpss_lib.runtime.home import Home
from mpss_lib.runtime.orchestrator import Airflow
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse

DUE = datetime(2026, 3, 20, tzinfo=UTC)


def instance(task, queued, begun, ended, tries=1):
    at = [None if s is None else DUE + timedelta(seconds=s) for s in (queued, begun, ended)]
    return {
        "task_id": task,
        "queued_dttm": at[0],
        "start_date": at[1],
        "end_date": at[2],
        "try_number": tries,
    }


def test_batches_of_a_task_are_summed():
    found = task_times(
        [
            instance("fetch", 0, 2, 12),
            instance("fetch", 0, 30, 35, tries=3),
            instance("check", 40, 41, None),
            instance("predict", 50, None, None),
        ]
    )
    assert [(t.task, t.n, t.seconds, t.longest_s, t.queued_s, t.tries) for t in found] == [
        ("fetch", 2, 15.0, 10.0, 30.0, 3),
        ("check", 1, 0.0, 0.0, 1.0, 1),
    ]


@pytest.mark.airflow
def test_a_night_of_a_home(tmp_path, airflow_tables):
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

    config = Config()
    lake = Lake(tmp_path / "lake")
    airflow = Airflow({DATABASE: str(airflow_tables.url)})
    home = Home(tmp_path, lake, config, sites_of(config, tmp_path), airflow)
    with pytest.raises(PlatformFaultError):
        time_of_night(replace(home, airflow=None))
    with pytest.raises(WrongArgumentError, match="has never run"):
        time_of_night(home)
    run = {"dag_id": "mpss_ingest", "run_id": "scheduled__x", "run_type": "scheduled"}
    with Session(airflow_tables) as session:
        made = DagRun(**run, run_after=DUE, logical_date=DUE, start_date=DUE, state="success")
        made.end_date = DUE + timedelta(minutes=3)
        session.add(made)
        session.commit()
    build = Builder(lake, config)
    build.catalogue()
    build.through("s1", "p1")
    build.through("s2", "p2", seed=1)
    build.flush("scheduled__x")
    warehouse.run(lake, config)
    found = time_of_night(home)
    assert (found["state"], found["seconds"], found["tasks"]) == ("success", 180.0, [])
    assert {(s["stage"], s["status"]): s["n"] for s in found["studies"]}["radiomics", "done"] == 2
    folders = [
        lake.landing_folder(table, config.address("quality"))
        for table in ("quality_metric", "quality_verdict")
    ]
    sizes = [p.stat().st_size for folder in folders for p in folder.rglob("*.parquet")]
    assert found["bytes"]["quality"] == sum(sizes)
    assert found["bytes"]["radiomics"] > found["bytes"]["quality"]
    assert found["bytes"]["pull"] >= 2 * 3000  # the objects as they were received
    assert {one["study_key"] for one in found["largest"]} >= {"s1", "s2"}
