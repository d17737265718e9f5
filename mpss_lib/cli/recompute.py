"""After a change of settings: what is out of date, done again in the right order."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib.cli.application import AsJson, app, console, show_json, show_table
from mpss_lib.runtime.home import Home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpss_lib.maintenance.outdated import Step


@app.command()
def recompute(
    after: Annotated[
        str, typer.Option(help="A setting that was changed, as segmentation.wall_mm; or a section.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what is to be done.")] = False,
    activate: Annotated[
        bool, typer.Option("--activate", help="Publish the new version when it is whole.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Do again what was made with other settings or engines, in the right order.

    Stops before the new version is published, unless --activate is given: then it is published,
    and where models were registered, selection, evaluation and predictions are made anew too. May
    be interrupted: the same command goes on. A change of [pull] asks the PACS again.
    """
    from mpss_lib.maintenance.outdated import outdated
    from mpss_lib.maintenance.recompute import recompute as bring_up

    home = Home.open()
    if dry_run and as_json:
        show_json([asdict(step) for step in outdated(home.lake, home.config, after)])
        return
    if dry_run:
        _show(outdated(home.lake, home.config, after), home)
        return
    left = bring_up(home, after=after, activate=activate, tell=_tell)
    _show(left, home)


def _tell(line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)


def _show(steps: Sequence[Step], home: Home) -> None:
    from mpss_lib.warehouse.stage import shown_otherwise

    others = shown_otherwise(home.lake, home.config)
    if steps:
        _list(steps)
    elif not others:
        _tell("Everything is of the settings in force.")
    if others:
        _tell(
            f"{'' if steps else 'All is made. '}The snapshot shows another version of"
            f" {', '.join(others)}: `mpss warehouse status` counts both; `mpss recompute"
            " --activate` publishes that of the settings in force and does what hangs on it."
        )


def _list(steps: Sequence[Step]) -> None:
    rows = []
    for step in steps:
        counts = (str(len(step.keys)), str(step.n_studies)) if step.n_studies else ("cohort", "")
        rows.append((step.stage, *counts, _time(step.seconds), step.why))
    columns = ("stage", "to do", "of", "estimated", "because of")
    show_table(columns, rows, title="Out of date, in the order of doing")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
