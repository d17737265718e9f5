"""The stages without Airflow: find, run, try again, and the engine's self-test."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib.batch import BatchResult, due, is_asked_for, run_stage
from mpss_lib.cli.application import (
    AsJson,
    Force,
    app,
    console,
    quarantine_app,
    show_json,
    show_table,
)
from mpss_lib.config import STAGES
from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.home import Home
from mpss_lib.steps import cohort_step, in_quarantine, through_chain

if TYPE_CHECKING:  # mypy holds the module of each study-level stage against the protocol
    from mpss_lib.batch import Stage
    from mpss_lib.calcium import stage as calcium
    from mpss_lib.companions import stage as companions
    from mpss_lib.gated import stage as gated
    from mpss_lib.intake import stage as intake
    from mpss_lib.publication import stage as publication
    from mpss_lib.pull import stage as pull
    from mpss_lib.quality import stage as quality
    from mpss_lib.radiomics import stage as radiomics
    from mpss_lib.segmentation import stage as segmentation

    OF_STUDIES: tuple[Stage, ...]
    OF_STUDIES = (
        *(pull, intake, segmentation, quality, radiomics, gated, companions, calcium),
        publication,
    )


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Compare the radiomics engine with the published IBSI digital-phantom values."""
    from mpss_lib.config import ENGINES
    from mpss_lib.radiomics.verify import verify as compare

    results = compare()
    if as_json:
        show_json([asdict(row) for row in results])
        raise typer.Exit(0 if all(row.is_sound for row in results) else 1)
    counts = ("matched", "not matched", "no published value")
    show_table(
        ("family", "IBSI", *counts),
        ((r.family, r.family_code, r.n_matched, r.n_missed, r.n_without) for r in results),
        title=f"IBSI digital phantom, radiomics engine {ENGINES['radiomics']}",
        numbers=counts,
    )
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
    if not is_asked_for(stage, home.config):
        raise WrongArgumentError(
            f"the settings do not ask for {stage}",
            way_out="set [gated] measure, or what is wanted in [companions]",
        )
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
    from mpss_lib.warehouse.stage import freeze_cohort

    lake, config = home.lake, home.config
    for cohort in keys or [freeze_cohort(lake, config)]:
        console.print(cohort_step(stage, "run", [cohort], lake, config, force=force))


@quarantine_app.command("ls")
def quarantine_ls(as_json: AsJson = False) -> None:
    """List the studies that stand still: stage, reason, way out, tries."""
    columns = ("stage", "study_key", "error", "problem", "way_out", "tries")
    found = [{name: row[name] for name in columns} for row in Home.open().lake.quarantined()]
    if as_json:
        show_json(found)
    else:
        show_table(columns, (row.values() for row in found), title="Quarantine")


@quarantine_app.command("retry")
def quarantine_retry(keys: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Try the stage again at which each study stands still, and the stages after it."""
    home = Home.open()
    waiting = in_quarantine(home.lake, home.config, keys or ())
    n_left = 0
    for result in through_chain(waiting, partial(run_studies, home=home)):
        n_left += result.quarantined
        console.print(result.as_dict())
    raise typer.Exit(1 if n_left else 0)
