"""The stages without Airflow: find, run, try again, and the engine's self-test."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mpss_lib.batch import (
    CHAIN,
    BatchResult,
    TooManyFaultsError,
    due,
    run_stage,
    standing_still,
)
from mpss_lib.cli.application import Force, app, console, quarantine_app
from mpss_lib.config import STAGES
from mpss_lib.errors import WrongArgumentError
from mpss_lib.locks import working
from mpss_lib.runtime.home import Home

if TYPE_CHECKING:  # mypy holds the module of each study-level stage against the protocol
    from mpss_lib.batch import Stage
    from mpss_lib.intake import stage as intake
    from mpss_lib.publication import stage as publication
    from mpss_lib.pull import stage as pull
    from mpss_lib.quality import stage as quality
    from mpss_lib.radiomics import stage as radiomics
    from mpss_lib.segmentation import stage as segmentation

    OF_STUDIES: tuple[Stage, ...]
    OF_STUDIES = (pull, intake, segmentation, quality, radiomics, publication)


@app.command()
def verify() -> None:
    """Compare the radiomics engine with the published IBSI digital-phantom values."""
    from mpss_lib.config import ENGINES
    from mpss_lib.radiomics.verify import verify as compare

    results = compare()
    table = Table(title=f"IBSI digital phantom, radiomics engine {ENGINES['radiomics']}")
    for name in ("family", "IBSI", "matched", "not matched", "no published value"):
        table.add_column(name, justify="left" if name in {"family", "IBSI"} else "right")
    for row in results:
        counts = map(str, (row.n_matched, row.n_missed, row.n_without))
        table.add_row(row.family, row.family_code, *counts)
    console.print(table)
    for row in results:
        for line in row.missed:
            typer.echo(f"not matched: {line}")
    missed = sum(row.n_missed for row in results)
    without = [name for row in results for name in row.without]
    typer.echo(f"{sum(row.n_matched for row in results)} matched, {missed} not matched")
    typer.echo(f"no published value: {', '.join(without)}")
    if missed:
        typer.echo("way out: use no feature of this installation; install it again (make install)")
    raise typer.Exit(1 if missed else 0)


@app.command()
def find(
    first: Annotated[datetime | None, typer.Argument(help="First StudyDate.")] = None,
    last: Annotated[datetime | None, typer.Argument(help="Last StudyDate, included.")] = None,
    study: Annotated[
        list[str] | None, typer.Option(help="StudyInstanceUID or accession number; repeat it.")
    ] = None,
    undated: Annotated[bool, typer.Option("--undated", help="Those without a StudyDate.")] = False,
) -> None:
    """Ask the PACS for studies, by a window of dates, by name, or without a date; prints keys."""
    from mpss_lib.pull import stage as pull

    if (first is None) == (not study and not undated):
        raise WrongArgumentError(
            "either dates are given, or --study or --undated",
            way_out="`mpss find 2026-01-05 2026-01-06`, or `mpss find --study NUMBER`",
        )
    home = Home.open()
    lake, config, sites = home.lake, home.config, home.sites
    keys: list[str] = []
    if first is not None:
        keys += pull.find((first.date(), (last or first).date()), lake, config, sites)
    for name in study or []:
        keys += pull.find_named(name, lake, config, sites)
    if undated:
        keys += pull.find_undated(lake, config, sites)
    for key in dict.fromkeys(keys):
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
    home = Home.open()
    if stage == "warehouse":
        console.print(import_module("mpss_lib.warehouse.stage").run(home.lake, home.config))
    elif stage in {"selection", "evaluation"}:
        _run_cohort(stage, keys or [], home, force=force)
    else:
        console.print(run_studies(stage, keys or [], home, force=force).as_dict())


def run_studies(stage: str, keys: list[str], home: Home, *, force: bool = False) -> BatchResult:
    """Do a study-level stage for the keys, or for every study that was found; tell each."""
    return run_stage(
        stage,
        keys or due(stage, home.lake, home.config),
        home.lake,
        home.config,
        home.sites,
        force=force,
        progress=lambda key, status: typer.echo(f"{key} {status}"),
    )


def _run_cohort(stage: str, keys: list[str], home: Home, *, force: bool) -> None:
    from mpss_lib.batch import write_record
    from mpss_lib.warehouse.stage import freeze_cohort

    door = import_module(f"mpss_lib.{stage}.stage")
    lake, config = home.lake, home.config
    for cohort in keys or [freeze_cohort(lake, config)]:
        with working(lake.root):
            answer = dict(door.run(cohort, lake, config, force=force))
            if units := answer.pop("units"):
                write_record(stage, units, lake, config, "by hand")
        console.print(answer)


@quarantine_app.command("ls")
def quarantine_ls() -> None:
    """List the studies that stand still: stage, reason, way out, tries."""
    table = Table(title="Quarantine")
    columns = ("stage", "study_key", "error", "problem", "way_out", "tries")
    for name in columns:
        table.add_column(name)
    for row in Home.open().lake.quarantined():
        table.add_row(*(str(row[name]) for name in columns))
    console.print(table)


@quarantine_app.command("retry")
def quarantine_retry(keys: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Try the stage again at which each study stands still, and the stages after it."""
    home = Home.open()
    lake, config = home.lake, home.config
    still = {stage: standing_still(stage, lake, config) for stage in CHAIN}
    unknown = sorted(set(keys or []).difference(*still.values()))
    held = standing_still("warehouse", lake, config)
    if unknown and unknown[0] in held:
        raise WrongArgumentError(
            f"{unknown[0]} is held back by an expectation: no stage can be tried again",
            way_out="do what `mpss quarantine ls` says, then `mpss warehouse check --publish`",
        )
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
                result = run_studies(stage, going_on, home)
            except TooManyFaultsError as error:
                result = error.result
            going_on = list(result.keys)
            n_left += result.quarantined
            console.print(result.as_dict())
    raise typer.Exit(1 if n_left else 0)
