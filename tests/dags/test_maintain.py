"""A maintenance in which tasks fail: the others are done, the backup is there, the run is red."""

from dataclasses import replace

import pytest
from fabricated_lake import Builder, fabricate, settings

from mpss_lib.pull.vault import Vault
from mpss_lib.radiomics import verify
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore"),  # Airflow and its libraries use what they deprecate
    pytest.mark.filterwarnings("error:::mpss_"),
]

DONE = ("backup", "remove_orphans", "retention", "check", "snapshot")
BEHIND = ("quarantine_retry", "find_undated", "recheck")


@pytest.fixture
def root(tmp_path, monkeypatch):
    root = tmp_path / "home"
    root.mkdir()
    (root / "mpss.toml").write_text(
        '[cohort]\naccept = "pass"\n[archive]\nport = 1\npatience_h = 0\n'
    )
    fabricate(Builder(Lake(root / "lake"), settings()))
    warehouse.run(Lake(root / "lake"), settings())
    Vault(root / "vault.sqlite")
    monkeypatch.setenv("MPSS_HOME", str(root))
    monkeypatch.delenv("AIRFLOW_CONN_MPSS_PACS", raising=False)
    return root


def test_a_drift_and_a_dead_archive_stop_neither_the_backup_nor_the_cleaning(
    root, dagbag, airflow_database, monkeypatch
):
    name, sound = next(iter(verify.PHANTOM_REFERENCE.items()))
    other = replace(sound, value=sound.value + 10 * sound.tolerance + 1.0)
    monkeypatch.setattr(verify, "PHANTOM_REFERENCE", {**verify.PHANTOM_REFERENCE, name: other})
    dag = dagbag.dags["mpss_maintain"]
    for task in dag.tasks:
        monkeypatch.setattr(task, "retries", 0)
    run = dag.test()
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    assert states == {
        "self_test": "failed",
        "reconcile": "failed",
        **dict.fromkeys(BEHIND, "upstream_failed"),
        **dict.fromkeys(DONE, "success"),
        "maintenance_verdict": "failed",
    }
    assert str(run.state) == "failed"
    assert len(list((root / "backup").glob("vault-*.sqlite"))) == 1
