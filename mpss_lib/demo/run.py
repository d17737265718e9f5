"""The demo: a synthetic hospital, its PACS, and the whole chain run by Airflow's scheduler."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from mpss_lib import config as settings
from mpss_lib.config import Config
from mpss_lib.demo.archive import Archive
from mpss_lib.demo.clinical import DEFAULT_SIGNAL, SIGNALS
from mpss_lib.demo.cohort import Hospital, make_hospital
from mpss_lib.demo.sources import SIDE_BY_SIDE, SOURCES, compare_sources, with_source
from mpss_lib.demo.summary import print_summary, show
from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.airflow_client import REVIEW_DAG, AirflowClient
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.cluster.shape import Shape
from mpss_lib.runtime.progress import RunProgress
from mpss_lib.runtime.services import LOOPBACK, Services, free_port, only_one, wait_for_file
from mpss_lib.runtime.start import (
    DAGS,
    bring_up,
    print_login,
    start_receiver,
    start_supervisor,
)
from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.tables import Lake
from mpss_lib.warehouse.reader import rows
from mpss_lib.whole_files import read_json, write_bytes, write_json

DEMO_SETTINGS = """\
# Settings of a demo home. Every key: `mpss settings show --explain`.

[cohort]
accept = "pass"      # no physician in the demo: a passed quality check admits a study
                     # (default "reviewed": a physician accepts each study)

[evaluation]
permutations = 20    # (default 199) a first result in minutes: no p-value below 1 / 21

[site]
timezone = "UTC"

[archive]
called_aet = "DEMOPACS"
calling_aet = "MPSS"
"""
GATED_SETTINGS = """
[gated]
measure = true       # (default false) volumes and ejection fraction of the gated series
"""
RUN_S = 3000.0


@dataclass(frozen=True)
class Asked:
    """Of which hospital the demo is: size, what the images tell of calcium, gates, CTs."""

    patients: int
    signal: str
    gated: bool
    with_ct: bool = False

    @property
    def as_dict(self) -> dict[str, Any]:
        """As the home notes it; without gates and CTs it is what homes of before have noted."""
        told: dict[str, Any] = {"patients": self.patients, "signal": self.signal}
        told |= {"gated": True} if self.gated else {}
        return told | ({"with_ct": True} if self.with_ct else {})


@dataclass
class Stopwatch:
    """Wall-clock seconds of each part of the demo."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time one part."""
        start = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start


def run_demo(
    root: Path,
    patients: int,
    console: Console,
    *,
    signal: str = DEFAULT_SIGNAL,
    gated: bool = False,
    with_ct: bool = False,
    shape: Shape | None = None,
) -> int:
    """Run everything; returns the exit status.

    Parameters
    ----------
    root : Path
        The home; made if absent.
    patients : int
        Size of the synthetic cohort (428 is the paper's).
    console : rich.console.Console
        Where progress and results are written.
    signal : str
        What the images tell of calcium: a name in ``clinical.SIGNALS``.
    gated : bool
        Half of the studies have gates that move, and they are measured.
    with_ct : bool
        Patients have calcium CTs and reports, and the cohort is evaluated from each source.
    shape : Shape, optional
        Run it on a cluster of this shape.

    Raises
    ------
    WrongArgumentError
        There is no such signal, or the home holds a demo of another size or signal.
    """
    stays = console.is_terminal and "CI" not in os.environ
    with only_one(root):
        services = Services(root)
        if ended := services.end_all():
            console.print(f"ended what an earlier run had left: {', '.join(ended)}")
        ok = False
        try:
            asked = Asked(patients, signal, gated, with_ct)
            ok = _chain(root, asked, console, services, shape=shape, stays=stays)
        finally:
            if not (stays and ok):
                services.end_all()
    if ok and not stays:
        console.print("No terminal: what the demo had started is ended. `make up` starts it again.")
    return 0 if ok else 1


def start_demo(
    root: Path, console: Console, shape: Shape | None = None, *, is_supervised: bool = True
) -> None:
    """Start PACS and Airflow of a demo home again, as ``start_home`` does it; `mpss up`."""
    with only_one(root):
        services = Services(root)
        services.end_all()
        config = start_archive(root, settings.load(root), services)
        start_receiver(root, config, services)
        airflow = AirflowHome.open(root, shape)
        client = bring_up(airflow, config, services, overwrite=True)
        if is_supervised:
            start_supervisor(airflow, services)
        client.log_in()
        for dag_id in DAGS:
            client.unpause(dag_id)
    print_login(airflow, config, console)


def _chain(
    root: Path,
    asked: Asked,
    console: Console,
    services: Services,
    *,
    shape: Shape | None,
    stays: bool,
) -> bool:
    watch = Stopwatch()
    _write_settings(root, asked)
    config = settings.load(root)
    airflow = AirflowHome.open(root, shape)
    with watch.part("demo hospital"):
        hospital = _make_hospital(root, asked, console)
        _fill_archive(root, hospital)
    with watch.part("PACS and Airflow start"):
        config = start_archive(root, config, services)
        start_receiver(root, config, services)
        client = bring_up(airflow, config, services, overwrite=True)
        start_supervisor(airflow, services)
        client.log_in()
        client.fail_open_runs()
    console.print(f"Airflow is up at {airflow.address}")
    window = {"from": hospital.first_date, "to": hospital.last_date}
    client.unpause(REVIEW_DAG)
    lake = Lake(root / "lake")

    def run(dag_id: str, conf: dict[str, str] | None = None) -> bool:
        with watch.part(dag_id):
            return _run(client, dag_id, conf or {}, console)

    ok = all([run("mpss_clinical"), run("mpss_ingest", window)])
    ok &= _each_source(root, lake, run, console) if asked.with_ct else run("mpss_evaluate")
    print_summary(lake, (asked.patients, asked.signal), watch.seconds, console)
    print_login(airflow, config, console)
    if stays:  # else the night that is due would start only to be ended
        for dag_id in DAGS:
            client.unpause(dag_id)
    return ok


def _write_settings(root: Path, asked: Asked) -> None:
    if (root / "mpss.toml").exists():
        return
    text = with_source(DEMO_SETTINGS) if asked.with_ct else DEMO_SETTINGS
    text += GATED_SETTINGS if asked.gated else ""
    write_bytes(root / "mpss.toml", text.encode(), mode=PRIVATE_FILE)


def _each_source(root: Path, lake: Lake, run: Callable[[str], bool], console: Console) -> bool:
    """Evaluate the cohort of each source of calcium, and show them side by side."""
    found = compare_sources(root, lake, run)
    show(console, "Calcium scores, and their median differences", rows(lake, SIDE_BY_SIDE))
    show(console, "Cohort and predictions by the source of the outcome", found)
    return len(found) == len(SOURCES)


def _make_hospital(root: Path, asked: Asked, console: Console) -> Hospital:
    _remember(root, asked.as_dict)
    with console.status("making the demo hospital") as status:

        def show(done: int, total: int) -> None:
            status.update(f"making the demo hospital: {done} of {total} studies")
            if not console.is_terminal and done == total:
                console.print(f"demo hospital: {total} studies")

        return make_hospital(root / "hospital", **asked.as_dict, progress=show)


def _remember(root: Path, asked: dict[str, Any]) -> None:
    """Note of which size and signal the home's hospital is, and whether it has gates that move.

    Raises
    ------
    WrongArgumentError
        It is of others already, or there is no such signal.
    """
    if asked["signal"] not in SIGNALS:
        raise WrongArgumentError(
            f"signal {asked['signal']!r}", way_out=f"use one of {', '.join(sorted(SIGNALS))}"
        )
    path = root / "hospital.json"
    known = {"signal": DEFAULT_SIGNAL} | read_json(path) if path.exists() else asked
    if known != asked:
        patients, signal = asked["patients"], asked["signal"]
        raise WrongArgumentError(
            f"the home {root.name} holds a demo of {known['patients']} patients, signal"
            f" {known['signal']}{_extras_of(known)}, not of {patients}, signal"
            f" {signal}{_extras_of(asked)}",
            way_out=f"`MPSS_HOME={root.parent}/.mpss-{patients}-{signal} mpss demo --patients"
            f" {patients} --signal {signal}`, or `make clean` first",
        )
    write_json(path, asked, mode=PRIVATE_FILE)


def _extras_of(asked: dict[str, Any]) -> str:
    names = [name for key, name in (("gated", "gates"), ("with_ct", "CTs")) if asked.get(key)]
    return f" with {' and '.join(names)}" if names else ""


def _fill_archive(root: Path, hospital: Hospital) -> None:
    archive = Archive(root / "archive")
    if len(archive) != hospital.n_objects:
        archive.add(*sorted(hospital.objects.glob("*.dcm")))


def start_archive(root: Path, config: Config, services: Services) -> Config:
    """Start the PACS; returns the settings with its port, and with the hospital's registry."""
    ready = root / "archive.json"
    known = int(read_json(ready)["port"]) if ready.exists() else None
    port = free_port(known)
    ready.unlink(missing_ok=True)
    archive = config.archive
    command = [
        *(sys.executable, "-m", "mpss_lib.cli", "archive", "serve", str(root / "archive")),
        *("--port", str(port), "--aet", archive.called_aet, "--allow", archive.calling_aet),
        *("--ready-file", str(ready)),
    ]
    if config.receiver.port:
        title = config.receiver.aet or archive.calling_aet
        command += ["--move-to", f"{title}:{LOOPBACK}:{config.receiver.port}"]
    services.start("archive", command, os.environ)
    wait_for_file(ready, services, "archive", 60.0)
    write_json(ready, {"port": port}, mode=PRIVATE_FILE)
    registry = f"sqlite:///{root / 'hospital' / 'registry.sqlite'}"
    there = {
        "archive": archive.model_copy(update={"port": port}),
        "site": config.site.model_copy(update={"registry_url": registry}),
    }
    return config.model_copy(update=there)


def _run(client: AirflowClient, dag_id: str, conf: dict[str, str], console: Console) -> bool:
    client.unpause(dag_id)
    run_id = client.trigger(dag_id, conf)
    with RunProgress(dag_id, console) as progress:
        state = client.wait_for_run(dag_id, run_id, RUN_S, progress.show)
    if state != "success":
        console.print(f"[bold red]{dag_id} ended {state}[/]: {progress.failed_tasks()}")
    return state == "success"
