"""The bench of a rolling upgrade: one night of a small hospital on two versions of the code."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench" / "rolling_upgrade.py"


@pytest.mark.kills
def test_a_night_on_two_versions_is_as_one_on_one(installed):
    installed("redis-server")
    installed("initdb")
    folder = Path(tempfile.mkdtemp(prefix="mpss-rolling-", dir="/tmp"))
    folder.chmod(0o711)
    paths = [str(BENCH.parents[n]) for n in (1, 2)] + [str(BENCH.parents[2] / "plugins")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    kept = {name: text for name, text in environment.items() if not name.startswith("AIRFLOW")}
    try:
        done = subprocess.run(
            [sys.executable, str(BENCH), "--folder", str(folder)],
            env=kept,
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        assert "wrong: nothing" in done.stdout
    finally:
        shutil.rmtree(folder)
