"""A home's Airflow on Celery workers by role, PostgreSQL and Redis, all of this machine."""

from __future__ import annotations

import signal
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import AsJson, cluster_app, show_json, show_table
from mpss_lib.cli.home import bring_down_home, bring_up_home
from mpss_lib.errors import PlatformFaultError

if TYPE_CHECKING:
    from mpss_lib.runtime.cluster.shape import Shape
    from mpss_lib.runtime.cluster.supervisor import Supervisor

Workers = Annotated[
    int | None, typer.Option(min=1, max=32, help="Workers of the role compute (1, or as before).")
]
Slots = Annotated[
    int | None, typer.Option(min=1, max=64, help="Tasks that each runs at once (2, or as before).")
]


@cluster_app.command("up")
def cluster_up(workers: Workers = None, slots: Slots = None) -> None:
    """Start PostgreSQL, Redis, Airflow's components, workers by role, and their supervisor.

    The first time it makes the home a cluster; `mpss up` and `mpss down` work there too.
    """
    bring_up_home(_shape(workers, slots))


@cluster_app.command("down")
def cluster_down() -> None:
    """End everything of this home, what the others write to last."""
    bring_down_home()


@cluster_app.command("run")
def cluster_run(workers: Workers = None, slots: Slots = None) -> None:
    """Start everything and stay in the foreground: an interrupt or SIGTERM ends it all."""
    stop = _asked_to_stop()
    try:
        bring_up_home(_shape(workers, slots), is_supervised=False)
        _supervisor().run(stop)
    finally:
        bring_down_home()


@cluster_app.command("roll")
def cluster_roll() -> None:
    """Let this version take the place of the one that runs, a service at a time, in mid-night.

    A worker ends its tasks first. It is refused, and nothing is changed, where the two must not
    work side by side (`mpss upgrade --check` says what differs). What was killed is run again.
    """
    from mpss_lib.cli.application import console
    from mpss_lib.runtime.rolling import roll

    done = roll(settings.home(), lambda name: console.print(f"{name} ...", highlight=False))
    console.print(f"{done.before} -> {done.now}: {len(done.services)} services", highlight=False)


@cluster_app.command("supervise", hidden=True)
def cluster_supervise() -> None:
    """Start again what ends; what `mpss cluster up` leaves running."""
    _supervisor().run(_asked_to_stop())


@cluster_app.command("status")
def cluster_status(as_json: AsJson = False) -> None:
    """Say of each service whether it runs, how often it was started again, and its memory.

    The memory is the PSS of all its processes: services may be added up. Exit status 1 where one
    does not run.
    """
    from mpss_lib.runtime.cluster.memory import pss_mb
    from mpss_lib.runtime.cluster.supervisor import state_of
    from mpss_lib.runtime.services import Services

    root = settings.home()
    services, past = Services(root), state_of(root)
    leaders = {int(entry["pid"]) for entry in services.recorded().values()}
    rows = [
        {
            "service": name,
            "runs": services.is_alive(name),
            "pid": entry["pid"],
            "pss_mb": pss_mb(entry["pid"], leaders) if services.is_alive(name) else 0.0,
            "started_again": past.get(name, {}).get("starts", 0),
            "ended_last": past.get(name, {}).get("ended_at", ""),
        }
        for name, entry in services.recorded().items()
    ]
    if not rows:
        raise PlatformFaultError(f"nothing runs in {root.name}", way_out="`mpss cluster up`")
    if as_json:
        show_json({"services": rows})
    else:
        columns = tuple(rows[0])
        shown = ([_shown(value) for value in row.values()] for row in rows)
        show_table(columns, shown, title=str(root), numbers={"pid", "pss_mb", "started_again"})
    raise typer.Exit(0 if all(row["runs"] for row in rows) else 1)


@cluster_app.command("lock-trial")
def cluster_lock_trial(
    hold: Annotated[
        float, typer.Option(min=0, max=3600, help="Hold the lock here for so many seconds.")
    ] = 0,
) -> None:
    """Try on two hosts whether a lock of the lake holds between them.

    With `--hold 60` on one host, then without on the other one. Exit status 1 where the lock does
    not hold, or the lake's file system is mounted so that hosts must not share it.
    """
    from mpss_lib.cli.application import console
    from mpss_lib.runtime.cluster import shared_lake

    def tell(text: str) -> None:
        console.print(text, highlight=False)

    root = settings.home() / "lake"
    mount = shared_lake.mount_of(root)
    faults = shared_lake.faults_of(mount)
    for fault in faults:
        tell(f"{mount.point} ({mount.kind}): {fault}")
    if hold:
        shared_lake.hold(root, hold, tell)
        raise typer.Exit(1 if faults else 0)
    trial = shared_lake.tried(root)
    where = trial.host if trial.is_other else f"{trial.host}, which is this host: it proves nothing"
    tell(f"the lock of {where} {'holds here' if trial.holds else 'does NOT hold here'}")
    raise typer.Exit(0 if trial.holds and trial.is_other and not faults else 1)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.0f}"
    return "" if value is None else str(value)


def _shape(workers: int | None, slots: int | None) -> Shape:
    """Give the shape of this home as it was, with what was asked for."""
    from dataclasses import replace

    from mpss_lib.runtime.airflow_home import AirflowHome
    from mpss_lib.runtime.cluster.shape import Shape

    airflow = AirflowHome.load(settings.home())
    known = (airflow.shape if airflow else None) or Shape()
    return replace(
        known,
        compute_workers=workers or known.compute_workers,
        compute_slots=slots or known.compute_slots,
    )


def _supervisor() -> Supervisor:
    from mpss_lib.runtime.airflow_home import AirflowHome
    from mpss_lib.runtime.start import supervisor_of

    root = settings.home()
    airflow = AirflowHome.load(root)
    if airflow is None:
        raise PlatformFaultError(
            f"the home {root.name} has no Airflow yet", way_out="`mpss cluster up` first"
        )
    return supervisor_of(airflow, settings.load(root))


def _asked_to_stop() -> Event:
    """Give what is set when this process is asked to end."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
