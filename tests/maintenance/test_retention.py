"""Each layer is kept as long as the settings say; 0 is for ever."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mpss_lib.errors import WritersAtWorkError
from mpss_lib.locks import alone
from mpss_lib.maintenance import retention
from mpss_lib.maintenance.backup import create, verify

DAY_S = 86400.0


def with_days(invented, **days):
    maintenance = invented.config.maintenance.model_copy(update=days)
    config = invented.config.model_copy(update={"maintenance": maintenance})
    return replace(invented.home, config=config)


def age(path, days):
    then = time.time() - days * DAY_S
    for one in (path, *path.rglob("*")):
        os.utime(one, (then, then))


def test_zero_days_keep_everything(invented):
    home = with_days(
        invented, **dict.fromkeys(("logs_days", "snapshots_days", "backups_days"), 0.0)
    )
    age(invented.root, 5000)
    counts = retention.apply(home)
    assert set(counts.values()) == {0}


@pytest.mark.parametrize(
    ("layer", "setting", "n"), [("quarantine", "quarantine_days", 4), ("dicom", "dicom_days", 4)]
)
def test_a_layer_goes_after_its_days(layer, setting, n, invented):
    home = with_days(invented, **{setting: 10.0})
    age(invented.lake.root, 9)
    assert retention.apply(home)[layer] == 0
    age(invented.lake.root, 11)
    assert retention.apply(home)[layer] == n
    assert list((invented.lake.root / layer).glob("*/*")) == []


def test_task_logs_go_and_the_open_log_of_a_service_stays(invented, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "task.log").write_text("x")
    airflow = SimpleNamespace(places=lambda: SimpleNamespace(logs=elsewhere))
    home = replace(with_days(invented, logs_days=10.0), airflow=airflow)
    age(invented.root, 11)
    age(elsewhere, 11)
    counts = retention.apply(home)
    assert counts["logs"] == 3
    assert (invented.root / "logs" / "scheduler.log").exists()


def test_only_databases_beside_the_published_one_go(invented):
    other = invented.lake.root / "trial.duckdb"
    other.write_bytes(b"x")
    age(invented.lake.root, 11)
    assert retention.apply(invented.home)["snapshots"] == 1
    assert not other.exists()
    assert invented.lake.snapshot.exists()


def test_versions_that_nobody_publishes_go_and_published_ones_stay(invented, home, tmp_path):
    from fabricated_lake import Builder

    from mpss_lib.config import Config

    other = invented.config.model_dump()
    other["segmentation"]["wall_mm"] = 12.0
    build = Builder(invented.lake, Config.model_validate(other))
    build.catalogue()
    build.radiomics(invented.of(1)[0].study_key, 3)
    build.flush()
    home = with_days(invented, versions_days=10.0)
    age(invented.lake.root, 11)
    landed = invented.lake.root / "landing"
    before = set(landed.rglob("*.parquet"))
    assert retention.apply(home)["versions"] == 2
    gone = {path.parts[-5] for path in before - set(landed.rglob("*.parquet"))}
    assert gone == {"feature_once", "feature_binned"}
    from mpss_lib.warehouse import stage

    assert stage.run(invented.lake, home.config)["studies"] == 4
    made = create(home, tmp_path / "elsewhere")
    assert verify(made) == []


def test_nothing_goes_while_somebody_writes(invented):
    import subprocess
    import sys

    code = (
        "import sys, time\nfrom pathlib import Path\nfrom mpss_lib.locks import working\n"
        "with working(Path(sys.argv[1])):\n    print('in', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(invented.lake.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        try:
            child.stdout.readline()
            with pytest.raises(WritersAtWorkError):
                retention.apply(invented.home)
        finally:
            child.kill()
    with alone(invented.lake.root, "a test"):
        retention.apply(invented.home)
