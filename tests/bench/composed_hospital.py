"""A synthetic hospital beside a compose file's services, and its first night (see composed.py).

Given to ``python -`` in a container: everything that it does, it does as the image's user.
"""

import secrets
import sys
from pathlib import Path

from rich.console import Console

from mpss_lib import config as settings
from mpss_lib.demo.archive import Archive
from mpss_lib.demo.cohort import make_hospital
from mpss_lib.demo.run import DEMO_SETTINGS
from mpss_lib.demo.summary import print_summary
from mpss_lib.runtime.accounts import Accounts, NewAccount, Person
from mpss_lib.runtime.airflow_client import USER, AirflowClient
from mpss_lib.runtime.home import Home
from mpss_lib.runtime.progress import RunProgress
from mpss_lib.runtime.start import connections
from mpss_lib.tables import Lake
from mpss_lib.warehouse.reader import rows

ADDRESS = "http://api-server:8080"
RUN_S = 3000.0


def main(patients: int) -> int:
    """Fill the PACS, tell Airflow of it, run three DAGs; 0 where all is green."""
    root, console = settings.home(), Console(width=100)
    (root / "mpss.toml").write_text(DEMO_SETTINGS)
    hospital = make_hospital(root / "hospital", patients=patients, workers=1)
    Archive(root / "archive").add(*sorted(hospital.objects.glob("*.dcm")))
    home = Home.open(root)
    registry = f"sqlite:///{root / 'hospital' / 'registry.sqlite'}"
    there = {
        "archive": home.config.archive.model_copy(update={"host": "pacs", "port": 11112}),
        "site": home.config.site.model_copy(update={"registry_url": registry}),
    }
    bootstrap(home, connections(home.config.model_copy(update=there)))
    password = secrets.token_urlsafe(24)
    person = Person(USER, "First", "Account", f"{USER}@hospital.example")
    Accounts(home.airflow).add(NewAccount(person, ("admin",), password))
    client = AirflowClient(ADDRESS, password)
    client.log_in()
    window = {"from": hospital.first_date, "to": hospital.last_date}
    states = [
        run(client, dag, conf, console)
        for dag, conf in (("mpss_clinical", {}), ("mpss_ingest", window), ("mpss_evaluate", {}))
    ]
    lake = Lake(root / "lake")
    print_summary(lake, (patients, "paper"), {}, console)
    [told] = rows(lake, "select count(*) as n from result.prediction_latest")
    console.print(f"states {states}, predictions {told['n']}, user {Path('/proc/self').owner()}")
    return 0 if set(states) == {"success"} and told["n"] else 1


def bootstrap(home: Home, found: dict) -> None:
    """Give Airflow the connections, as docs/how-to/cluster.md does it."""
    import json

    asks = json.dumps({"connections": found, "overwrite": True})
    home.airflow.run(["mpss_airflow.bootstrap"], "no bootstrap", "read on", asks=asks)


def run(client: AirflowClient, dag: str, conf: dict, console: Console) -> str:
    """Run a DAG to its end; gives its state."""
    client.unpause(dag)
    with RunProgress(dag, console) as progress:
        state = client.wait_for_run(dag, client.trigger(dag, conf), RUN_S, progress.show)
    console.print(f"{dag}: {state}; failed: {progress.failed_tasks()}")
    return state


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
