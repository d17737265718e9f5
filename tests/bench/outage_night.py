"""A night of Airflow whose archive is away, or stopped, for minutes: it waits, then goes green.

``PYTHONPATH=.:plugins:tests python tests/bench/outage_night.py --minutes 45``: a hospital of two
patients, its archive away when the night begins and back so many minutes later; the DAG
``mpss_ingest`` with the pauses that a site has. It says how often and when the archive was asked,
and what came of the night. ``--stopped``: the archive is there, and somebody has stopped the
traffic (``mpss pacs stop``) for so long.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from peer import free_port

SETTINGS = '[cohort]\naccept = "pass"\n'


def main() -> int:
    """Run the night; exit status 1 where it is not green, or a study lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--stopped", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outage") as folder:
        told = night(Path(folder), 60.0 * given.minutes, is_stopped=given.stopped)
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if told["state"] == "success" and told["pulled"] == told["studies"] else 1


def night(root: Path, away_s: float, *, is_stopped: bool) -> dict[str, object]:
    """Make a home, run its night, and count."""
    project = Path(__file__).resolve().parents[2]
    os.environ |= {
        "MPSS_HOME": str(root),
        "AIRFLOW_HOME": str(root / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{root / 'airflow.db'}",
    }
    (root / "mpss.toml").write_text(SETTINGS)
    from airflow.dag_processing.dagbag import DagBag
    from mpss_airflow import patience
    from mpss_airflow.bootstrap import prepare

    from mpss_lib.demo.archive import Archive
    from mpss_lib.demo.cohort import make_hospital
    from mpss_lib.pull.archive.gate import allow_traffic, stop_traffic
    from mpss_lib.tables import Lake

    prepare({})
    hospital = make_hospital(root / "hospital", patients=2, workers=1)
    archive = Archive(root / "archive")
    archive.add(*sorted(hospital.objects.glob("*.dcm")))
    port = free_port()
    extra = {"called_aet": "DEMOPACS", "calling_aet": "MPSS"}
    connection = {"conn_type": "dicom", "host": "127.0.0.1", "port": port, "extra": extra}
    os.environ["AIRFLOW_CONN_MPSS_PACS"] = json.dumps(connection)
    asked, began = [], time.monotonic()
    note(patience, "wait_for_opening" if is_stopped else "wait_or_give_up", asked, began)
    servers = []

    def serve():
        servers.append(archive.serve(port=port, aet="DEMOPACS", allowed_aets=["MPSS"]))

    if is_stopped:
        serve()
        stop_traffic(root, "somebody", "for the bench")
    timer = threading.Timer(away_s, lambda: allow_traffic(root) if is_stopped else serve())
    timer.daemon = True
    timer.start()
    window = {"from": hospital.first_date, "to": hospital.last_date}
    dag = DagBag(str(project / "dags")).dags["mpss_ingest"]
    done = dag.test(run_conf=window)
    lake = Lake(root / "lake")
    found = {unit["key"] for record in lake.records("pull") for unit in record["units"]}
    for server in servers:
        server.stop()
    return {
        "away_minutes": away_s / 60,
        "asked_after_minutes": asked,
        "ended_after_minutes": round((time.monotonic() - began) / 60, 1),
        "state": str(done.state),
        "studies": len({key for key in found if key.startswith("S")}),
        "pulled": _n_pulled(lake),
    }


def note(patience, name, asked, began) -> None:
    """Let the waits of tasks be noted, in minutes."""
    wait = getattr(patience, name)

    def noted(error):
        asked.append(round((time.monotonic() - began) / 60, 1))
        return wait(error)

    setattr(patience, name, noted)


def _n_pulled(lake) -> int:
    """Studies that have rows of ``instance``."""
    from mpss_lib.config import load

    address = load(Path(os.environ["MPSS_HOME"])).address("pull")
    return len(lake.current_paths("instance", address))


if __name__ == "__main__":
    sys.exit(main())
