"""OpenLineage's events of one real run: do they name our datasets, and no study?

Needs the extra ``lineage``. A run of ``mpss_answers`` publishes a decision in a home of twenty
fabricated studies; events are written to a file by the provider's own transport.

    PYTHONPATH=.:plugins:tests python tests/bench/lineage_events.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fabricated_lake import Builder, fabricate, settings

from mpss_lib.quality.review import record_review
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse

PROJECT = Path(__file__).resolve().parents[2]
RUN = """
from mpss_airflow.bootstrap import prepare
from airflow.dag_processing.dagbag import DagBag
from pages_server import tell_dags
prepare({})
tell_dags(["mpss_answers"])
DagBag(dag_folder="dags/mpss_answers.py").dags["mpss_answers"].test()
"""


def events_of(root: Path) -> list[dict]:
    """Publish one decision by Airflow; returns the events."""
    lake, log = Lake(root / "lake"), root / "events.jsonl"
    fabricate(Builder(lake, settings()))
    warehouse.run(lake, settings())
    record_review(lake, settings(), "s08", "accept", "", "dr_a")
    told = {
        "MPSS_HOME": str(root),
        "AIRFLOW_HOME": str(root / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "OPENLINEAGE__TRANSPORT__TYPE": "file",
        "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": str(log),
        "OPENLINEAGE__TRANSPORT__APPEND": "true",
        "OPENLINEAGE_NAMESPACE": "hospital",
    }
    subprocess.run([sys.executable, "-c", RUN], env=os.environ | told, cwd=PROJECT, check=True)
    return [json.loads(line) for line in log.read_text().splitlines()]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        events = events_of(Path(folder))
    (end,) = [
        one for one in events
        if (one["job"]["name"], one["eventType"]) == ("mpss_answers.snapshot", "COMPLETE")
    ]  # fmt: skip
    inputs = {(one["namespace"], one["name"]) for one in end["inputs"]}
    outputs = {(one["namespace"], one["name"]) for one in end["outputs"]}
    is_named = inputs == {("mpss://lake", name) for name in TABLES}
    is_named &= outputs == {("mpss://lake", "warehouse.duckdb")}
    sys.stdout.write(
        f"{len(events)} events; mpss_answers.snapshot: {len(inputs)} inputs, outputs {outputs}:"
        f" {'as wanted' if is_named else 'NOT as wanted'}\n"
    )
    return 0 if is_named else 1


if __name__ == "__main__":
    sys.exit(main())
