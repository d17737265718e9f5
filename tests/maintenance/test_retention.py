"""Each layer is kept as long as the settings say; 0 is for ever."""

from __future__ import annotations

import os
import time

import pytest

from mpss_lib.errors import WritersAtWorkError
from mpss_lib.locks import alone
from mpss_lib.maintenance import retention
from mpss_lib.maintenance.backup import create, verify

DAY_S = 86400.0


def with_days(config, **days):
    return config.model_copy(update={"maintenance": config.maintenance.model_copy(update=days)})


def age(path, days):
    then = time.time() - days * DAY_S
    for one in (path, *path.rglob("*")):
        os.utime(one, (then, then))


def test_zero_days_keep_everything(invented):
    config = with_days(
        invented.config, **dict.fromkeys(("logs_days", "snapshots_days", "backups_days"), 0.0)
    )
    age(invented.root, 5000)
    counts = retention.apply(invented.root, invented.lake, config)
    assert set(counts.values()) == {0}


@pytest.mark.parametrize(
    ("layer", "setting", "n"), [("quarantine", "quarantine_days", 4), ("dicom", "dicom_days", 4)]
)
def test_a_layer_goes_after_its_days(layer, setting, n, invented):
    config = with_days(invented.config, **{setting: 10.0})
    age(invented.lake.root, 9)
    assert retention.apply(invented.root, invented.lake, config)[layer] == 0
    age(invented.lake.root, 11)
    assert retention.apply(invented.root, invented.lake, config)[layer] == n
    assert list((invented.lake.root / layer).glob("*/*")) == []


def test_task_logs_go_and_the_open_log_of_a_service_stays(invented):
    config = with_days(invented.config, logs_days=10.0)
    age(invented.root, 11)
    logs = invented.root / "airflow" / "logs"
    counts = retention.apply(invented.root, invented.lake, config, logs=logs)
    assert counts["logs"] == 2
    assert (invented.root / "logs" / "scheduler.log").exists()


def test_only_databases_beside_the_published_one_go(invented):
    other = invented.lake.root / "trial.duckdb"
    other.write_bytes(b"x")
    age(invented.lake.root, 11)
    assert retention.apply(invented.root, invented.lake, invented.config)["snapshots"] == 1
    assert not other.exists()
    assert invented.lake.snapshot.exists()


def test_versions_that_nobody_publishes_go_and_published_ones_stay(invented, source, tmp_path):
    from fabricated_lake import Builder

    from mpss_lib.config import Config

    other = invented.config.model_dump()
    other["segmentation"]["wall_mm"] = 12.0
    build = Builder(invented.lake, Config.model_validate(other))
    build.catalogue()
    build.radiomics(invented.of(1)[0].study_key, 3)
    build.flush()
    config = with_days(invented.config, versions_days=10.0)
    age(invented.lake.root, 11)
    landed = invented.lake.root / "landing"
    before = set(landed.rglob("*.parquet"))
    assert retention.apply(invented.root, invented.lake, config)["versions"] == 2
    gone = {path.parts[-4] for path in before - set(landed.rglob("*.parquet"))}
    assert gone == {"feature_once", "feature_binned"}
    from mpss_lib.warehouse import stage

    assert stage.run(invented.lake, config)["studies"] == 4
    made = create(source, tmp_path / "elsewhere")
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
                retention.apply(invented.root, invented.lake, invented.config)
        finally:
            child.kill()
    with alone(invented.lake.root, "a test"):
        retention.apply(invented.root, invented.lake, invented.config)
