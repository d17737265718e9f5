"""The bench of kills in small: one night of a small hospital, each kind of part killed in it.

``make cluster-kills`` does 20 kills and more in ingest and evaluate; ``bench/cluster_kills.py``
says how hundreds are done. A lost worker is not among these: to find it takes 90 s.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

KINDS = (
    *("task", "scheduler", "dag-processor", "triggerer", "api-server"),
    *("redis", "redis without its file", "postgres immediate", "receiver"),
)
BENCH = Path(__file__).parents[1] / "bench" / "cluster_kills.py"


@pytest.mark.kills
def test_a_night_in_which_every_part_is_killed_is_as_one_without(installed):
    installed("redis-server")
    installed("initdb")
    folder = Path(tempfile.mkdtemp(prefix="mpss-kills-", dir="/tmp"))
    folder.chmod(0o711)
    command = [sys.executable, str(BENCH), "--folder", str(folder), "--patients", "3"]
    command += ["--kills", str(len(KINDS)), "--each", str(len(KINDS)), "--stages", "ingest"]
    paths = [str(BENCH.parents[n]) for n in (1, 2)] + [str(BENCH.parents[2] / "plugins")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    kept = {name: text for name, text in environment.items() if not name.startswith("AIRFLOW")}
    try:
        done = subprocess.run(
            [*command, "--kinds", *KINDS],
            env=kept,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        rows = [json.loads(line) for line in (folder / "rows-1.jsonl").read_text().splitlines()]
        assert {kill["kind"] for row in rows for kill in row["kills"]} == set(KINDS)
        for row in rows:
            assert row["states"] == {"ingest": "success"}
            assert row["differs"] == []
    finally:
        shutil.rmtree(folder)
