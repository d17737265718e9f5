"""A home: made, started, ended, and asked how it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import AsJson, app, console, show_json, show_table
from mpss_lib.cli.night import show_night
from mpss_lib.cli.warehouse import print_versions
from mpss_lib.config import STAGES
from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake

if TYPE_CHECKING:
    from mpss_lib.runtime.cluster.shape import Shape


@app.command()
def demo(
    patients: Annotated[int, typer.Option(min=20, max=5000, help="Size of the cohort.")] = 60,
    signal: Annotated[
        str, typer.Option(help="What the images tell of calcium: paper, open, or none.")
    ] = "paper",
    gated: Annotated[
        bool, typer.Option("--gated", help="With gated series that move, and measure them.")
    ] = False,
    with_ct: Annotated[
        bool, typer.Option("--with-ct", help="With calcium CTs and reports, each source evaluated.")
    ] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="On PostgreSQL, Redis and Celery workers.")
    ] = False,
) -> None:
    """Make a synthetic hospital and run everything by Airflow's scheduler, to predictions.

    `--signal paper`: rough perfusion goes with calcium, and risk factors hide it (the pattern of
    the published Table 3); `open`: nothing hides it; `none`: the images tell nothing. `--gated`:
    half of the studies have a gated series with a known volume curve (truth.json). `--with-ct`:
    patients have calcium CTs and reports of a known score; registry, report and CT are the
    cohort's outcome in turn.
    """
    from mpss_lib.demo.run import run_demo
    from mpss_lib.runtime.cluster.shape import Shape

    shape = Shape() if cluster else None
    raise typer.Exit(
        run_demo(
            settings.home(),
            patients,
            console,
            signal=signal,
            gated=gated,
            with_ct=with_ct,
            shape=shape,
        )
    )


@app.command()
def up() -> None:
    """Start this home's Airflow (and its demo PACS), with connections, pools and DAGs ready.

    The first start of a home in which persons have accounts asks for the first one.
    """
    bring_up_home()


def bring_up_home(shape: Shape | None = None, *, is_supervised: bool = True) -> None:
    """Start this home, a demo's or a real one, as ``start_home`` does it."""
    from mpss_lib.cli.account import ask_for_the_first
    from mpss_lib.demo.run import start_demo
    from mpss_lib.runtime.airflow_home import is_demo
    from mpss_lib.runtime.start import start_home

    root = settings.home()
    if is_demo(root):
        start_demo(root, console, shape, is_supervised=is_supervised)
    else:
        start_home(root, console, ask_for_the_first, shape, is_supervised=is_supervised)


@app.command()
def down() -> None:
    """End everything that `mpss up` or `mpss demo` started in this home."""
    bring_down_home()


def bring_down_home() -> None:
    """End everything that runs in this home, and say what it was."""
    from mpss_lib.runtime.services import Services, only_one

    root = settings.home()
    with only_one(root):
        ended = Services(root).end_all()
    console.print(f"ended: {', '.join(ended) or 'nothing was running'}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def airflow(context: typer.Context) -> None:
    """Run Airflow's own command line in this home: `mpss airflow backfill create ...`.

    Its help: `mpss airflow -- backfill create --help`.
    """
    import subprocess

    home = Home.open()
    if home.airflow is None:
        raise PlatformFaultError(
            f"the home {home.root.name} has no Airflow yet",
            way_out="`mpss up` or `mpss demo` first",
        )
    command = [sys.executable, "-m", "airflow", *context.args]
    done = subprocess.run(command, env=dict(home.airflow.environment), check=False)
    raise typer.Exit(done.returncode)


@app.command()
def warm() -> None:
    """Compile the kernels now, so that no night waits for it."""
    from mpss_lib.runtime.warm import compile_kernels

    compile_kernels()


@app.command()
def status(
    night: Annotated[
        bool, typer.Option("--night", help="Where the time of the newest night went.")
    ] = False,
    run: Annotated[str, typer.Option(help="With --night: a run, as Airflow names it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what is on the lake, what stands still, what is published; or why a night was slow."""
    from mpss_lib.warehouse.stage import status as versions

    home = Home.open()
    if night or run:
        show_night(home, run, as_json=as_json)
        return
    lake = home.lake
    rows = []
    waiting = [row["stage"] for row in lake.quarantined()]
    for stage in STAGES:
        records = lake.records(stage)
        units = {unit["key"] for record in records for unit in record["units"]}
        last = records[-1]["written_at"][:19] if records else "-"
        rows.append((stage, len(units), last, waiting.count(stage)))
    columns = ("stage", "units", "last written", "quarantined")
    if as_json:
        stages = [dict(zip(columns, row, strict=True)) for row in rows]
        show_json({"stages": stages, "versions": versions(lake, home.config)})
        return
    show_table(columns, rows, title=f"{home.root}", numbers={"units", "quarantined"})
    _tell_differences(lake)
    _tell_unfinished_purges(home.sites.vault)
    print_versions(versions(lake, home.config))


def _tell_differences(lake: Lake) -> None:
    from collections import Counter

    from mpss_lib.upstream import noted, read_summary

    last = str(read_summary(lake).get("asked_at", "never"))[:19]
    kept = noted(lake)
    counts = Counter(one.kind for one in kept if not one.is_accepted)
    told = ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items())) or "nothing"
    console.print(f"the PACS has otherwise than the lake: {told}; reconciled: {last}")
    if counts:
        console.print("  `mpss reconcile` names each study with its way out (meta.upstream)")


def _tell_unfinished_purges(vault: Path) -> None:
    from mpss_lib.pull.vault import Vault
    from mpss_lib.purge.journal import unfinished

    if not vault.exists():
        return
    for row in unfinished(Vault(vault)):
        console.print(
            f"a purge begun {row['begun_at']} stands at {row['phase']!r}: run the same purge again",
            soft_wrap=True,
        )


@app.command()
def sbom(
    licences: Annotated[
        bool, typer.Option("--licences", help="A table of the licences instead.")
    ] = False,
) -> None:
    """Print what this installation is made of: a bill of materials (CycloneDX 1.6, JSON).

    Every package of Python and of Debian that is installed here: in a container those of the image.
    """
    from mpss_lib.runtime.bill import components, cyclonedx

    found = components()
    if licences:
        rows = ((one.name, one.version, one.licence) for one in found)
        show_table(("package", "version", "licence"), rows)
    else:
        show_json(cyclonedx(found))
