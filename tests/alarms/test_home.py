"""What is gathered of a real home: Airflow's own schema, a published snapshot, files, ports."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from certificates import Issuer
from fabricated_lake import Builder

from mpss_lib.alarms import gather
from mpss_lib.alarms.studies import digest_of_run
from mpss_lib.archive_sections import ReceiverSettings
from mpss_lib.config import Config, sites_of
from mpss_lib.runtime.home import DATABASE, Home
from mpss_lib.runtime.orchestrator import Airflow
from mpss_lib.runtime.services import free_port
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.whole_files import write_json

pytestmark = pytest.mark.airflow
NOW = datetime.now(UTC)


@pytest.fixture
def watched(tmp_path, airflow_tables):
    config = Config()
    airflow = Airflow({DATABASE: str(airflow_tables.url)})
    return Home(tmp_path, Lake(tmp_path / "lake"), config, sites_of(config, tmp_path), airflow)


@pytest.fixture
def runs(airflow_tables):
    """Add runs to that database."""
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

    def add(dag, state, days, *, kind="scheduled"):
        due = NOW - timedelta(days=days)
        run_id = f"{kind}__{due:%Y%m%dT%H%M}"
        run = DagRun(
            dag_id=dag,
            run_id=run_id,
            run_type=kind,
            run_after=due,
            state=state,
            start_date=due,
            logical_date=due,
        )
        run.end_date = due + timedelta(hours=1) if state in ("success", "failed") else None
        with Session(airflow_tables) as session:
            session.add(run)
            session.commit()
        return run_id

    return add


def test_runs_are_read_from_the_database_of_airflow(watched, runs):
    runs("mpss_ingest", "success", 2)
    red = runs("mpss_ingest", "failed", 1)
    runs("mpss_ingest", "running", 0)
    runs("mpss_clinical", "success", 1)
    runs("mpss_ingest", "success", 0.5, kind="manual")
    told = gather(watched)
    assert told.unknown == {}
    found = told.orchestra
    assert [run.state for run in found.nights] == ["running", "failed", "success"]
    assert found.nights[1].run_id == red
    assert found.last["mpss_ingest"].is_scheduled is False
    assert found.last["mpss_clinical"].state == "success"
    assert found.nights[0].due_at.tzinfo is not None


def test_a_database_that_is_away_is_unknown_and_told(watched, tmp_path):
    lost = replace(
        watched, airflow=Airflow({DATABASE: "postgresql+psycopg://u:s3cret@127.0.0.1:1/x"})
    )
    facts = gather(lost)
    assert facts.orchestra is None
    assert facts.unknown == {"orchestra": "OperationalError"}


def test_nights_are_counted_by_the_names_of_their_runs(watched, runs):
    run_id = runs("mpss_ingest", "success", 0)
    build = Builder(watched.lake, watched.config)
    build.catalogue()
    build.through("s1", "p1")
    build.through("s2", "p2", seed=1)
    build.pull("s3", "p3")
    build.set_aside("intake", "s3")
    build.flush(run_id)
    warehouse.run(watched.lake, watched.config)
    facts = gather(watched)
    assert facts.unknown == {}
    night = facts.studies.nights[digest_of_run(run_id)]
    assert (night.n_new, night.n_worked, night.n_quarantined) == (3, 3, 1)
    assert facts.studies.verdicts.recent == {"pass": 2}
    assert facts.studies.since is not None


def test_a_damaged_snapshot_is_unknown(watched):
    watched.lake.root.mkdir()
    watched.lake.snapshot.write_bytes(b"no database")
    assert "cannot be opened" in gather(watched).unknown["studies"]


def test_certificates_and_their_issuers_are_looked_at(watched, tmp_path):
    issuer = Issuer(tmp_path, "ca")
    ours = issuer.sign("us", days=20.5)
    archive = watched.config.archive.model_copy(
        update={
            "tls": True,
            "tls_certificate": ours.certificate,
            "tls_issuers": issuer.path,
        }
    )
    looked = replace(watched, sites=replace(watched.sites, archive=archive))
    ends = gather(looked).certificates
    assert (ends[ours.certificate] - NOW).days == 20
    assert (ends[issuer.path] - NOW).days >= 3649
    gone = archive.model_copy(update={"tls_issuers": str(tmp_path / "none.pem")})
    looked = replace(watched, sites=replace(watched.sites, archive=gone))
    assert gather(looked).unknown == {"certificates": "FileNotFoundError"}


def test_a_receiver_answers_or_does_not(watched):
    port = free_port()
    config = Config(receiver=ReceiverSettings(port=port))
    looked = replace(watched, config=config)
    assert gather(looked).receiver.startswith(f"port {port}: ")
    with socket.create_server(("127.0.0.1", port)):
        assert gather(looked).receiver == ""


def test_a_service_that_ended_by_itself_is_told(watched):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        started = psutil.Process(process.pid).create_time()
        entry = {"pid": process.pid, "started": started, "home": str(watched.root)}
        write_json(watched.root / "processes.json", {"triggerer": entry})
        assert gather(watched).dead == ()
        process.kill()
    facts = gather(watched)
    assert (facts.dead, facts.has_services) == (("triggerer",), True)


def test_the_watch_is_a_process_that_looks_and_says_so(watched, tmp_path):
    from mpss_lib.alarms import heartbeat

    (watched.root / "mpss.toml").write_text("[alarm]\nmin_free_gb = 1e9\n")
    command = [sys.executable, "-m", "mpss_lib.cli", "alarm", "check"]
    told = subprocess.run(
        command, env=os.environ | {"MPSS_HOME": str(tmp_path)}, capture_output=True, text=True
    )
    assert told.returncode == 1, told.stderr
    assert "disk_low" in told.stdout
    assert heartbeat(watched.root) is None
