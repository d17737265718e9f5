"""The ``mpss`` command: a thin face over the stages' doors.

Exit status: 0 done, 1 the work found a fault, 2 wrong use.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mpss_lib import config as settings
from mpss_lib.batch import (
    CHAIN,
    BatchResult,
    TooManyFaultsError,
    bound_door,
    run_batch,
    standing_still,
)
from mpss_lib.config import STAGES
from mpss_lib.errors import MpssError, SettingsError, WrongArgumentError
from mpss_lib.tables import Lake

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="MPSS platform: radiomics of myocardial perfusion stress SPECT. Research use only.",
)
archive_app = typer.Typer(no_args_is_help=True, help="The embedded PACS.")
warehouse_app = typer.Typer(no_args_is_help=True, help="The published snapshot.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Studies that stand still.")
app.add_typer(archive_app, name="archive")
app.add_typer(warehouse_app, name="warehouse")
app.add_typer(quarantine_app, name="quarantine")

console = Console(width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True)

Force = Annotated[bool, typer.Option("--force", help="Do again what is identical.")]


def main() -> None:
    """Run the command; errors of this package become one line and an exit status."""
    try:
        app(prog_name="mpss")
    except (SettingsError, WrongArgumentError) as error:
        errors.print(f"[bold red]mpss:[/] {error}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except MpssError as error:
        errors.print(f"[bold red]mpss:[/] {error}", soft_wrap=True, highlight=False)
        sys.exit(1)


def _home() -> tuple[Lake, settings.Config]:
    root = settings.home()
    return Lake(root / "lake"), settings.load(root)


@app.command()
def demo(
    patients: Annotated[int, typer.Option(min=20, max=5000, help="Size of the cohort.")] = 60,
) -> None:
    """Make a synthetic hospital and run everything by Airflow's scheduler, to predictions."""
    from mpss_lib.demo.run import run_demo

    raise typer.Exit(run_demo(settings.home(), patients, console))


@app.command()
def up() -> None:
    """Start this home's Airflow (and its demo PACS), with connections, pools and DAGs ready."""
    from mpss_lib.demo.run import start_home

    start_home(settings.home(), console)


@app.command()
def down() -> None:
    """End everything that `mpss up` or `mpss demo` started in this home."""
    from mpss_lib.demo.services import Services, only_one

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

    from mpss_lib.demo.airflow_home import AirflowHome

    root = settings.home()
    environment = AirflowHome.load(root).environment(settings.load(root))
    command = [sys.executable, "-m", "airflow", *context.args]
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


@app.command()
def warm() -> None:
    """Compile the kernels now, so that no night waits for it."""
    from mpss_lib.demo.warm import compile_kernels

    compile_kernels()


@app.command()
def verify() -> None:
    """Compare the radiomics engine with the published IBSI digital-phantom values."""
    from mpss_lib.radiomics.verify import verify as compare

    results = compare()
    table = Table(title="IBSI digital phantom")
    for name in ("family", "matched", "not matched", "no reference"):
        table.add_column(name, justify="left" if name == "family" else "right")
    for row in results:
        table.add_row(row.family, *map(str, (row.n_matched, row.n_missed, row.n_without)))
    console.print(table)
    missed = sum(row.n_missed for row in results)
    console.print(f"{sum(row.n_matched for row in results)} matched, {missed} not matched")
    raise typer.Exit(1 if missed else 0)


@app.command()
def find(first: datetime, last: datetime) -> None:
    """Ask the PACS for the studies of a window of dates; prints their keys."""
    from mpss_lib.pull.stage import find as ask

    lake, config = _home()
    sites = settings.sites_of(config, settings.home())
    for key in ask((first.date(), last.date()), lake, config, sites, run_name="by hand"):
        typer.echo(key)


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help=f"One of: {', '.join(STAGES)}.")],
    keys: Annotated[list[str] | None, typer.Argument(help="Study keys or a cohort hash.")] = None,
    force: Force = False,
) -> None:
    """Do one stage with no Airflow: for the keys given, or for every study that was found."""
    if stage not in STAGES:
        raise WrongArgumentError(f"{stage!r} is no stage", way_out=f"one of {', '.join(STAGES)}")
    lake, config = _home()
    if stage == "warehouse":
        console.print(import_module("mpss_lib.warehouse.stage").run(lake, config))
    elif stage in {"selection", "evaluation"}:
        _run_cohort(stage, keys or [], lake, config)
    else:
        console.print(_run_studies(stage, keys or [], lake, config, force=force).as_dict())


def _run_studies(
    stage: str, keys: list[str], lake: Lake, config: settings.Config, *, force: bool
) -> BatchResult:
    door = import_module(f"mpss_lib.{stage}.stage")
    sites = settings.sites_of(config, settings.home())
    todo = keys or sorted(lake.current_paths("study", config.address("pull")))
    with bound_door(door, lake, config, sites, force=force) as work:
        return run_batch(
            stage,
            work,
            todo,
            lake,
            config,
            progress=lambda key, status: typer.echo(f"{key} {status}"),
        )


def _run_cohort(stage: str, keys: list[str], lake: Lake, config: settings.Config) -> None:
    from mpss_lib.batch import write_record
    from mpss_lib.warehouse.stage import freeze_cohort

    for cohort in keys or [freeze_cohort(lake, config)]:
        answer = dict(import_module(f"mpss_lib.{stage}.stage").run(cohort, lake, config))
        if units := answer.pop("units"):
            write_record(stage, units, lake, config, "by hand")
        console.print(answer)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="Any SELECT over the published snapshot.")],
    format: Annotated[str, typer.Option(help="table, csv, json or parquet.")] = "table",
    output: Annotated[Path | None, typer.Option(help="File; Parquet needs one.")] = None,
) -> None:
    """Ask the published snapshot, read-only; never waits for a writer."""
    from mpss_lib.warehouse.reader import print_query

    lake, _ = _home()
    print_query(lake, query, format, output, console)


@app.command()
def status() -> None:
    """Say what is on the lake, what stands still, what is published."""
    from mpss_lib.warehouse.stage import status as versions

    lake, config = _home()
    table = Table(title=f"{settings.home()}")
    for name in ("stage", "units", "last written", "quarantined"):
        table.add_column(name, justify="left" if name in {"stage", "last written"} else "right")
    waiting = [row["stage"] for row in lake.quarantined()]
    for stage in STAGES:
        records = lake.records(stage)
        units = {unit["key"] for record in records for unit in record["units"]}
        last = records[-1]["written_at"][:19] if records else "-"
        table.add_row(stage, str(len(units)), last, str(waiting.count(stage)))
    console.print(table)
    _print_versions(versions(lake, config))


def _print_versions(found: list[dict[str, Any]]) -> None:
    table = Table(title="Published versions")
    for name in found[0] if found else ():
        table.add_column(name, overflow="fold")
    for row in found:
        table.add_row(*map(str, row.values()))
    console.print(table)


@archive_app.command("serve")
def archive_serve(
    folder: Annotated[Path, typer.Argument(help="Folder of the archive.")],
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 11112,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    aet: Annotated[str, typer.Option(help="AE title of the archive.")] = "DEMOPACS",
    allow: Annotated[list[str] | None, typer.Option(help="Calling AE titles admitted.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Gets the port when ready.")] = None,
) -> None:
    """Serve a folder of DICOM objects as a PACS (C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET)."""
    from mpss_lib.demo.archive import serve_forever
    from mpss_lib.tables import write_json

    def ready(port: int) -> None:
        typer.echo(f"{aet} listens on {host}:{port}")
        if ready_file is not None:
            write_json(ready_file, {"port": port})

    serve_forever(folder, host, port, aet, allow or ["MPSS"], ready=ready)


@quarantine_app.command("ls")
def quarantine_ls() -> None:
    """List the studies that stand still: stage, reason, way out, tries."""
    lake, _ = _home()
    table = Table(title="Quarantine")
    columns = ("stage", "study_key", "error", "problem", "way_out", "tries")
    for name in columns:
        table.add_column(name)
    for row in lake.quarantined():
        table.add_row(*(str(row[name]) for name in columns))
    console.print(table)


@quarantine_app.command("retry")
def quarantine_retry(keys: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Try the stage again at which each study stands still, and the stages after it."""
    lake, config = _home()
    still = {stage: standing_still(stage, lake, config) for stage in CHAIN}
    unknown = sorted(set(keys or []).difference(*still.values()))
    if unknown:
        raise WrongArgumentError(
            f"{unknown[0]!r} is no study in quarantine", way_out="`mpss quarantine ls` lists them"
        )
    going_on: list[str] = []
    n_left = 0
    for stage in CHAIN:
        going_on += [key for key in still[stage] if not keys or key in keys]
        if going_on:
            try:
                result = _run_studies(stage, going_on, lake, config, force=False)
            except TooManyFaultsError as error:
                result = error.result
            going_on = list(result.keys)
            n_left += result.quarantined
            console.print(result.as_dict())
    raise typer.Exit(1 if n_left else 0)


@warehouse_app.command("status")
def warehouse_status() -> None:
    """Show the active version of each stage and how many studies have the newest one."""
    from mpss_lib.warehouse.stage import status as versions

    _print_versions(versions(*_home()))


@warehouse_app.command("activate")
def warehouse_activate(stage: str) -> None:
    """Make the version of the settings in force the published one for a stage."""
    from mpss_lib.warehouse.stage import activate, run

    lake, config = _home()
    activate(stage, lake, config)
    console.print(run(lake, config))


@warehouse_app.command("rebuild")
def warehouse_rebuild() -> None:
    """Build the snapshot again from the Parquet files (after a home was moved, say)."""
    from mpss_lib.warehouse.stage import run

    console.print(run(*_home()))


if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    main()
