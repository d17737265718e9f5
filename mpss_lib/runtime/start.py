"""A home brought up: Airflow's database, connections, components and DAGs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from mpss_lib import config as settings
from mpss_lib.audit.doors import recording
from mpss_lib.config import Config
from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime.accounts import Accounts, NewAccount
from mpss_lib.runtime.airflow_client import USER, AirflowClient
from mpss_lib.runtime.airflow_home import (
    AirflowHome,
    has_persons,
    lacks_administrator,
)
from mpss_lib.runtime.cluster import servers
from mpss_lib.runtime.cluster.shape import Shape
from mpss_lib.runtime.cluster.supervisor import Supervisor
from mpss_lib.runtime.orchestrator import Airflow
from mpss_lib.runtime.services import Program, Services, only_one, wait_for_file
from mpss_lib.secrecy import seal
from mpss_lib.snapshot_file import moved_away
from mpss_lib.tables import Lake

DAGS = (
    *("mpss_clinical", "mpss_ingest", "mpss_evaluate"),
    *("mpss_review", "mpss_answers", "mpss_mend", "mpss_maintain"),
)
PREPARE_S = 300.0
READY_S = 60.0


def start_home(
    root: Path,
    console: Console,
    ask: Callable[[], NewAccount],
    shape: Shape | None = None,
    *,
    is_supervised: bool = True,
) -> None:
    """Start Airflow of an existing home; `mpss up`.

    Parameters
    ----------
    root : Path
    console : rich.console.Console
    ask : callable
        Gives the first account; asked before anything starts or ends.
    shape : Shape, optional
        Makes the home a cluster, see ``AirflowHome.open``.
    is_supervised : bool
        Start a cluster's supervisor too; without it the caller does its work.
    """
    with only_one(root):
        config = settings.load(root)
        known = AirflowHome.load(root)
        if shape and not (known and known.shape):
            AirflowHome.open(root, shape)  # whoever makes the first account, makes it there
        first = ask() if lacks_administrator(root, config) else None
        services = Services(root)
        services.end_all()
        airflow = AirflowHome.open(root, shape)
        start_receiver(root, config, services)
        bring_up(airflow, config, services, first=first)
        services.launch("watch", watch_program(root))
        if is_supervised:
            start_supervisor(airflow, services)
    print_login(airflow, config, console)
    console.print(
        "A DAG runs once it is unpaused: test the connections (Admin > Connections) first,"
        " then unpause mpss_clinical and mpss_ingest, the others after the first night."
    )


def start_receiver(root: Path, config: Config, services: Services) -> None:
    """Start the receiver of C-MOVE where the home has one and objects may come that way."""
    if not config.receiver.port or config.archive.retrieve == "c-get":
        return
    _receiver_ready(root).unlink(missing_ok=True)
    services.launch("receiver", receiver_program(root))
    wait_for_file(_receiver_ready(root), services, "receiver", READY_S)


def start_supervisor(airflow: AirflowHome, services: Services) -> None:
    """Start what starts a cluster's services again (``mpss cluster supervise``)."""
    if airflow.shape:
        services.launch("supervisor", _own(airflow.root, "cluster", "supervise"))


def supervisor_of(airflow: AirflowHome, config: Config) -> Supervisor:
    """Make the supervisor of what this cluster has started."""
    if airflow.shape is None:
        raise PlatformFaultError(
            f"the home {airflow.root.name} is no cluster", way_out="`mpss cluster up` makes it one"
        )
    known = servers.programs(airflow.root, airflow.shape) | airflow.programs(config)
    known |= {"receiver": receiver_program(airflow.root), "watch": watch_program(airflow.root)}
    recorded = Services(airflow.root).recorded()
    return Supervisor(airflow.root, {name: known[name] for name in known if name in recorded})


def receiver_program(root: Path) -> Program:
    """Give what runs as the receiver of C-MOVE."""
    return _own(root, "receiver", "--ready-file", str(_receiver_ready(root)))


def watch_program(root: Path) -> Program:
    """Give what looks at the home from outside and tells what is wrong (``mpss alarm``)."""
    return _own(root, "alarm", "watch")


def _own(root: Path, *words: str) -> Program:
    """Give a command of ours in this home."""
    command = [sys.executable, "-m", "mpss_lib.cli", *words]
    return Program(command, dict(os.environ) | {"MPSS_HOME": str(root)})


def _receiver_ready(root: Path) -> Path:
    return root / "receiver-ready.json"


def prepared(root: Path) -> AirflowHome:
    """Make Airflow's database of a home that does not run; nothing of Airflow is started.

    The servers of a cluster are, and go on: end them (``Services.end_all``) after the work.
    """
    with only_one(root):
        airflow = AirflowHome.open(root)
        if airflow.shape:
            servers.start(airflow.root, airflow.shape, Services(root))
        prepare_database(airflow, settings.load(root), overwrite=False)
        return airflow


def is_stopped_cluster(root: Path) -> bool:
    """Whether a home is a cluster whose database does not run."""
    airflow = AirflowHome.load(root)
    shape = airflow.shape if airflow else None
    return shape is not None and not servers.is_listening(shape.postgres_port)


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
    if airflow.shape:
        servers.start(airflow.root, airflow.shape, services)
    prepare_database(airflow, config, overwrite=overwrite)
    if first is not None:
        with recording("account", airflow.root, config, things=[first.person.name]) as told:
            told.details = {"did": "added", "roles": ", ".join(first.roles)}
            Accounts(Airflow(airflow.environment(config))).add(first)
    airflow.start(config, services)
    client = airflow.wait_until_healthy(config, services)
    airflow.wait_for_dags(set(DAGS), config)
    seal(airflow.root)
    return client


@contextmanager
def database_running(root: Path) -> Iterator[None]:
    """Run the servers of a cluster that is down for as long as the block takes; else nothing.

    A port that somebody else has taken meanwhile, for instance the home that this one is a copy of,
    is replaced by a free one: the block opens the home.
    """
    known, services = AirflowHome.load(root), Services(root)
    if known is None or known.shape is None or services.is_alive("postgres"):
        yield
        return
    airflow = AirflowHome.open(root)
    try:
        if airflow.shape:
            servers.start(root, airflow.shape, services)
        yield
    finally:
        services.end_all()


def prepare_database(airflow: AirflowHome, config: Config, *, overwrite: bool) -> None:
    """Bring Airflow's database to this version, with pools, roles and connections.

    Raises
    ------
    PlatformFaultError
        It could not be done.
    """
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
