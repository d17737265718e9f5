"""Bodies of the tasks that look at the archive again: red where something differs or waits."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from mpss_airflow import batch
from mpss_airflow import upstream as tasks
from pacs_objects import make_nm
from peer import Peer, Script

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.batch import run_stage
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive
from mpss_lib.pull import stage
from mpss_lib.runtime.home import Home
from mpss_lib.sections import MaintenanceSettings
from mpss_lib.tables import Lake

pytestmark = [pytest.mark.airflow, pytest.mark.pacs]


@pytest.fixture
def home(tmp_path, monkeypatch):
    archive, script = Archive(tmp_path / "pacs"), Script()
    today = datetime.now(UTC).date()
    archive.add(make_nm(1, study_date=f"{today - timedelta(days=3):%Y%m%d}"))
    lake, config = (
        Lake(tmp_path / "lake"),
        Config(maintenance=MaintenanceSettings(reconcile_days=30)),
    )
    with Peer(archive, script) as peer:
        site = ArchiveSettings(port=peer.port, called_aet="HOSPITAL")
        sites = Sites(tmp_path / "vault.sqlite", tmp_path / "staging", site)
        window = (today - timedelta(days=10), today)
        [key] = stage.find(window, lake, config, sites)
        stage.run(key, lake, config, sites)

        def do(name, keys, *, force=False):
            if name != "pull":
                keys = keys[:0]
            return run_stage(name, keys, lake, config, sites, force=force)

        monkeypatch.setattr(tasks, "connected_home", lambda: Home(tmp_path, lake, config, sites))
        monkeypatch.setattr(batch, "stage_result", do)
        yield SimpleNamespace(archive=archive, script=script, key=key, lake=lake)


def test_what_is_alike_is_green(home):
    assert tasks.reconcile() == {"n_archive": 1, "n_lake": 1}
    assert tasks.recheck()["pull"]["done"] == 1


def test_a_late_study_turns_the_reconciliation_red(home):
    from airflow.sdk.exceptions import AirflowFailException

    home.archive.add(
        make_nm(2, study_date=f"{datetime.now(UTC).date() - timedelta(days=12):%Y%m%d}")
    )
    with pytest.raises(AirflowFailException, match="missing 1"):
        tasks.reconcile()


def test_a_correction_turns_the_recheck_red_until_it_is_accepted(home):
    from airflow.sdk.exceptions import AirflowFailException

    home.script.edit_object = lambda dataset: setattr(dataset, "RescaleSlope", "2")
    with pytest.raises(AirflowFailException, match="corrections of 1 studies wait"):
        tasks.recheck()
    with pytest.raises(AirflowFailException, match="corrections of 1 studies wait"):
        tasks.recheck()
