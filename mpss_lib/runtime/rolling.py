"""A running cluster takes this version of the code, one service after the other.

The new supervisor comes first: what ends it starts again with its own code. So each service is only
asked to end, a worker once its tasks have ended, and waited for until it is there again. A roll
that was killed is run again: services that had been replaced are replaced once more.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from mpss_lib import config as settings
from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime.airflow_client import AirflowClient
from mpss_lib.runtime.airflow_home import COMPONENTS, AirflowHome
from mpss_lib.runtime.cluster.shape import Shape
from mpss_lib.runtime.services import QUICK, QUICK_S, SERVERS, SUPERVISOR, Services, only_one
from mpss_lib.runtime.side_by_side import (
    WAY_OUT,
    declare,
    differences,
    running_version,
    this_version,
)
from mpss_lib.runtime.start import start_supervisor
from mpss_lib.runtime.warm import compile_kernels
from mpss_lib.tables import Lake

DRAIN_S = 1800.0
"""So long a worker may take to end its tasks; what is not done then is begun again elsewhere."""
BACK_S = 180.0
"""In which a service that has ended is there again, a worker with its stages loaded."""
POLL_S = 0.2

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Rolled:
    """What a roll did: the code that ran before, this one, and the services replaced."""

    before: str
    now: str
    services: tuple[str, ...]


def roll(root: Path, tell: Progress = lambda name: None) -> Rolled:
    """Replace each service of a running cluster by this version's; PostgreSQL and Redis stay.

    Parameters
    ----------
    root : Path
        Home of a cluster that `mpss cluster up` started.
    tell : callable, optional
        Called with ``kernels`` before they are compiled, then with the name of each service before
        it is asked to end.

    Raises
    ------
    PlatformFaultError
        The versions must not work side by side (nothing was changed then); or no cluster with a
        supervisor runs here; or a service did not come back.
    """
    with only_one(root):
        airflow, services, lake = AirflowHome.load(root), Services(root), Lake(root / "lake")
        if airflow is None or airflow.shape is None or not services.is_alive(SUPERVISOR):
            raise PlatformFaultError(
                f"in {root.name} runs no cluster with a supervisor of its own",
                way_out="`mpss cluster up`; `mpss cluster run` is ended and started again whole",
            )
        if found := differences(lake):
            raise PlatformFaultError(
                f"{this_version().code} must not work beside the version that runs here; not the"
                f" same: {'; '.join(found)}",
                way_out=WAY_OUT,
            )
        running = running_version(lake)
        tell("kernels")
        compile_kernels()  # here, while the other version works; then a worker is back in seconds
        services.end({SUPERVISOR})
        start_supervisor(airflow, services)
        names = order(services)
        for name in names:
            tell(name)
            _replace(name, services, airflow, airflow.shape)
        declare(lake)
        return Rolled(running.code if running else "", this_version().code, tuple(names))


def order(services: Services) -> list[str]:
    """Give the services to replace: workers, then Airflow's components, then the others."""
    there = [name for name in services.recorded() if name not in {*SERVERS, SUPERVISOR, "archive"}]
    workers = sorted(name for name in there if name.startswith("worker-"))
    components = [name for name in COMPONENTS if name in there]
    return [*workers, *components, *sorted(set(there) - {*workers, *components})]


def _replace(name: str, services: Services, airflow: AirflowHome, shape: Shape) -> None:
    then = services.recorded()[name]["pid"]
    _ask_to_end(name, services)
    slots = _slots(name, airflow, shape)
    end = time.monotonic() + BACK_S
    while not _is_back(name, then, slots, services, airflow):
        if time.monotonic() > end:
            raise PlatformFaultError(
                f"{name} did not come back with {this_version().code}",
                way_out=f"read logs/{name}.log in the home; `mpss cluster roll` of either version"
                " goes on",
            )
        time.sleep(POLL_S)


def _ask_to_end(name: str, services: Services) -> None:
    """Ask the leader alone: a worker then takes no task any more and waits for those it has."""
    then = services.recorded()[name]["pid"]
    if not services.is_alive(name):
        return
    with suppress(ProcessLookupError):
        os.kill(then, signal.SIGTERM)
    end = time.monotonic() + (QUICK_S if name in QUICK else DRAIN_S)
    while services.is_alive(name) and services.recorded()[name]["pid"] == then:
        if time.monotonic() > end:
            services.end({name})
            return
        time.sleep(POLL_S)


def _slots(name: str, airflow: AirflowHome, shape: Shape) -> int:
    """Count the processes of a worker that takes tasks; 0 for every other service."""
    words = shape.workers(settings.load(airflow.root).archive.max_associations).get(name, ())
    return int(words[words.index("--concurrency") + 1]) if words else 0


def _is_back(name: str, then: int, slots: int, services: Services, airflow: AirflowHome) -> bool:
    now = services.recorded()[name]["pid"]
    if now == then or not services.is_alive(name):
        return False
    if name in COMPONENTS:
        return AirflowClient(airflow.address, airflow.secrets["password"]).is_healthy()
    try:
        return len(psutil.Process(now).children()) >= slots
    except psutil.NoSuchProcess:
        return False
