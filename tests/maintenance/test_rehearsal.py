"""A rehearsed home is quiet, and what it lost is found."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from invented_home import settings
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.config import load
from mpss_lib.errors import PlatformFaultError
from mpss_lib.maintenance import rehearsal
from mpss_lib.maintenance.backup import create
from mpss_lib.maintenance.rehearsal import RUN, pause, quieten, rehearse
from mpss_lib.maintenance.restore import restore
from mpss_lib.runtime.airflow_database import DATABASE
from mpss_lib.runtime.home import Home
from mpss_lib.warehouse import stage

MARK = "lake/landing/moved.current"
"""Which of a unit's files is current: a night moves it."""


@pytest.fixture(autouse=True)
def no_airflow(monkeypatch):
    monkeypatch.delenv(DATABASE, raising=False)


@pytest.mark.airflow
def test_nothing_goes_on_in_a_restored_database(airflow_tables):
    from airflow.models.connection import Connection
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    with Session(airflow_tables) as session:
        session.add(DagBundleModel(name="dags-folder"))
        session.add_all(
            DagModel(dag_id=name, bundle_name="dags-folder", is_paused=False)
            for name in ("mpss_ingest", "mpss_maintain")
        )
        session.add_all(
            DagRun(dag_id="mpss_ingest", run_id=f"{state}", run_type="manual", state=state)
            for state in ("success", "running", "queued")
        )
        for name in ("mpss_pacs", "mpss_results"):
            session.add(Connection(conn_id=name, conn_type="generic"))
        session.commit()
    places = SimpleNamespace(database_url=str(airflow_tables.url))
    pause(SimpleNamespace(places=lambda: places))
    with Session(airflow_tables) as session:
        assert set(session.scalars(select(DagModel.is_paused))) == {True}
        states = sorted(session.scalars(select(DagRun.state)))
        assert states == ["queued", "running", "success"]  # of a restore nothing else is touched
        assert len(session.scalars(select(Connection.conn_id)).all()) == 2
    quieten(SimpleNamespace(places=lambda: places))
    with Session(airflow_tables) as session:
        assert set(session.scalars(select(DagModel.is_paused))) == {True}
        states = {run.run_id: run.state for run in session.scalars(select(DagRun))}
        assert states == {"success": "success", "running": "failed", "queued": "failed"}
        assert session.scalars(select(Connection.conn_id)).all() == ["mpss_pacs"]


@pytest.mark.parametrize("tell", [pause, quieten])
def test_where_no_airflow_ever_began_nothing_goes_on(tmp_path, tell):
    places = SimpleNamespace(database_url=f"sqlite:///{tmp_path / 'airflow.db'}")
    tell(SimpleNamespace(places=lambda: places))


@pytest.fixture
def restored(home, tmp_path):
    backup = create(home, tmp_path / "elsewhere")
    manifest = json.loads((backup / "manifest.json").read_text())
    manifest["files"][MARK] = {"bytes": 0, "sha256": sha256(b"").hexdigest(), "mtime_ns": 0}
    (backup / "manifest.json").write_text(json.dumps(manifest))
    (backup / MARK).touch()
    back = restore(backup, tmp_path / "new")
    opened = Home.open(back.root)
    stage.rebuild(opened.lake, settings())
    return back, backup


def test_a_night_that_loses_something_is_found(restored, monkeypatch):
    back, backup = restored
    seen = []

    def night(own, config, window):
        seen.append((load(back.root).site.results_url, dict(window)))
        if len(seen) == 1:
            (back.root / MARK).unlink()
            return "success"
        next((back.root / "lake" / "landing").rglob("*.parquet")).unlink()
        return "failed"

    monkeypatch.setattr(rehearsal, "_night", night)
    monkeypatch.setenv("MPSS_SITE__RESULTS_URL", '"postgresql://there/results"')
    found = rehearse(back, backup, {"from": "2026-01-01"})
    assert (found.state, found.wrong) == ("success", ())
    assert found.n_files > 20
    assert found.n_predictions > 0
    assert seen == [("", {"from": "2026-01-01"})]
    assert load(back.root).site.results_url == "postgresql://there/results"
    found = rehearse(back, backup, {})
    assert found.wrong[-1] == "the night ended failed"
    assert any(name.startswith("lake/landing/") for name in found.wrong)


def test_only_the_night_runs_and_everything_ends(restored, monkeypatch):
    told, ended = [], []
    monkeypatch.setattr(rehearsal, "bring_up", lambda own, config, services: told.append(config))
    monkeypatch.setattr(rehearsal, "_tell", lambda url, *statements: told.append(statements))
    monkeypatch.setattr(rehearsal.Airflow, "run", lambda self, command, *_: told.append(command))
    monkeypatch.setattr(rehearsal, "_wait", lambda url: "success")
    monkeypatch.setattr(rehearsal.Services, "end_all", lambda self: ended.append(self.root))
    rehearse(*restored, {"to": "2026-02-01"})
    assert told[0].site.results_url == ""
    assert told[1] == ("update dag set is_paused = false where dag_id = 'mpss_ingest'",)
    assert told[2][-3:] == [RUN, "--conf", json.dumps({"to": "2026-02-01"})]
    assert ended == [restored[0].root]


def test_a_night_that_never_ends_is_given_up(airflow_tables, monkeypatch):
    monkeypatch.setattr(rehearsal, "NIGHT_S", 0.05)
    monkeypatch.setattr(rehearsal, "LOOK_S", 0.01)
    with pytest.raises(PlatformFaultError, match="did not end"):
        rehearsal._wait(str(airflow_tables.url))


def test_the_command_restores_rehearses_and_tells(home, tmp_path, monkeypatch):
    create(home, tmp_path / "elsewhere")
    seen = []

    def found(restored, backup, window):
        seen.append((Path(restored.root), dict(window)))
        return rehearsal.Rehearsed("failed", 3, 2, ("the night ended failed",), 61.0)

    monkeypatch.setattr(rehearsal, "rehearse", found)
    words = ["backup", "rehearse", str(tmp_path / "elsewhere"), "--home", str(tmp_path / "new")]
    told = CliRunner().invoke(cli.app, [*words, "--from", "2026-01-01"])
    assert told.exit_code == 1
    assert "3 landing files and 2 predictions compared" in told.stdout
    assert seen == [(tmp_path / "new", {"from": "2026-01-01"})]
