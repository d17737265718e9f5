"""A home brought up: Airflow's database, connections, components and DAGs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from mpss_lib import config as settings
from mpss_lib.audit.doors import recording
from mpss_lib.config import Config
from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime.accounts import Accounts, NewAccount
from mpss_lib.runtime.airflow_home import (
    USER,
    AirflowClient,
    AirflowHome,
    has_persons,
    lacks_administrator,
)
from mpss_lib.runtime.orchestrator import Airflow
from mpss_lib.runtime.services import Services, only_one, wait_for_file
from mpss_lib.secrecy import seal
from mpss_lib.snapshot_file import moved_away
from mpss_lib.tables import Lake

DAGS = (
    *("mpss_clinical", "mpss_ingest", "mpss_evaluate"),
    *("mpss_review", "mpss_answers", "mpss_mend", "mpss_maintain"),
)
PREPARE_S = 300.0
READY_S = 60.0


def start_home(root: Path, console: Console, ask: Callable[[], NewAccount]) -> None:
    """Start Airflow of an existing home; `mpss up`.

    Parameters
    ----------
    root : Path
    console : rich.console.Console
    ask : callable
        Gives the first account; asked before anything starts or ends.
    """
    with only_one(root):
        config = settings.load(root)
        first = ask() if lacks_administrator(root, config) else None
        services = Services(root)
        services.end_all()
        airflow = AirflowHome.open(root)
        start_receiver(root, config, services)
        bring_up(airflow, config, services, first=first)
        start_watch(root, services)
    print_login(airflow, config, console)
    console.print(
        "A DAG runs once it is unpaused: test the connections (Admin > Connections) first,"
        " then unpause mpss_clinical and mpss_ingest, the others after the first night."
    )


def start_receiver(root: Path, config: Config, services: Services) -> None:
    """Start the receiver of C-MOVE where the home has one and objects may come that way."""
    if not config.receiver.port or config.archive.retrieve == "c-get":
        return
    ready = root / "receiver-ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "mpss_lib.cli", "receiver", "--ready-file", str(ready)]
    services.start("receiver", command, dict(os.environ) | {"MPSS_HOME": str(root)})
    wait_for_file(ready, services, "receiver", READY_S)


def start_watch(root: Path, services: Services) -> None:
    """Start what looks at the home from outside and tells what is wrong (``mpss alarm``)."""
    command = [sys.executable, "-m", "mpss_lib.cli", "alarm", "watch"]
    services.start("watch", command, dict(os.environ) | {"MPSS_HOME": str(root)})


def prepared(root: Path) -> AirflowHome:
    """Make Airflow's database of a home that was never started; nothing is started."""
    with only_one(root):
        airflow = AirflowHome.open(root)
        _prepare(airflow, settings.load(root), overwrite=False)
        return airflow


def bring_up(
    airflow: AirflowHome,
    config: Config,
    services: Services,
    *,
    overwrite: bool = False,
    first: NewAccount | None = None,
) -> AirflowClient:
    """Prepare and start Airflow of a home; wait until it is healthy and knows every DAG.

    Parameters
    ----------
    airflow : AirflowHome
    config : Config
        Its sections ``site`` and ``archive`` become the connections.
    services : Services
        Where the processes are recorded.
    overwrite : bool
        Change connections that are there: a demo's PACS has a new port at each start.
    first : NewAccount, optional
        The first account, where the home has none.
    """
    _prepare(airflow, config, overwrite=overwrite)
    if first is not None:
        with recording("account", airflow.root, config, things=[first.person.name]) as told:
            told.details = {"did": "added", "roles": ", ".join(first.roles)}
            Accounts(Airflow(airflow.environment(config))).add(first)
    airflow.start(config, services)
    client = airflow.wait_until_healthy(services)
    airflow.wait_for_dags(set(DAGS), config)
    seal(airflow.root)
    return client


def _prepare(airflow: AirflowHome, config: Config, *, overwrite: bool) -> None:
    process = airflow.prepare(config, connections(config), overwrite=overwrite)
    if process.wait(timeout=PREPARE_S) != 0:
        raise PlatformFaultError(
            "Airflow's database could not be prepared",
            way_out="read bootstrap.log in the home's logs",
        )


def print_login(airflow: AirflowHome, config: Config, console: Console) -> None:
    """Say where the UI is and how to get in; and that the home was moved, where it was."""
    way_in = f"user {USER}  password {airflow.secrets['password']}  (generated for this home;"
    if has_persons(airflow.root, config):
        way_in = "(log in with your account, `mpss account ls` lists them;"
    console.print(
        f"Airflow UI: {config.alarm.link or airflow.address}  {way_in} `mpss down` ends it)",
        soft_wrap=True,
    )
    if moved := moved_away(Lake(airflow.root / "lake").snapshot):
        console.print(moved, style="bold red", markup=False, soft_wrap=True)


def connections(config: Config) -> dict[str, dict[str, Any]]:
    """Airflow connections of a home, as its settings say."""
    archive, site = config.archive, config.site
    found: dict[str, dict[str, Any]] = {
        name: {
            "conn_type": "dicom",
            "host": one.host,
            "port": one.port,
            "description": "A PACS that the platform pulls from",
            "extra": {"called_aet": one.called_aet, "calling_aet": one.calling_aet},
        }
        for name, one in (
            ("mpss_pacs", archive),
            *((f"mpss_pacs_{name}", one) for name, one in archive.others.items()),
        )
    }
    told = {
        "mpss_registry": (
            site.registry_url,
            "Clinical registry with the calcium scores (SQLAlchemy URL in extra)",
        ),
        "mpss_results": (
            site.results_url,
            "Results database (address of PostgreSQL in extra)",
        ),
    }
    for name, (url, description) in told.items():
        if url:
            found[name] = {
                "conn_type": "generic",
                "host": "",
                "port": None,
                "description": description,
                "extra": {"url": url},
            }
    return found
