"""A home of a version before, brought to this one; or back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import AsJson, app, console, show_json, show_table
from mpss_lib.errors import WrongArgumentError

if TYPE_CHECKING:
    from mpss_lib.maintenance.upgrade_parts import Part
    from mpss_lib.tables import Lake


@app.command()
def upgrade(
    check: Annotated[
        bool, typer.Option("--check", help="Say what is due; change nothing.")
    ] = False,
    run: Annotated[
        Path | None, typer.Option(help="Do it; this folder, on another disk, gets the backup.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Bring back what was there before.")
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="With --rollback: lose the nights since.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring lake, vault, snapshot, results tables and Airflow's database to this version.

    The home must be down (`mpss down`), but for `--check`, which also says whether hosts may take
    this version one after the other while a night runs. What was killed is run again and goes on.
    Exit status 1 of `--check`: something is due.
    """
    if (check, run is not None, rollback).count(True) != 1:
        raise WrongArgumentError(
            "one of --check, --run FOLDER and --rollback is needed",
            way_out="`mpss upgrade --check` first",
        )
    root = settings.home()
    if rollback:
        _roll_back(root, discard=discard)
    elif run is not None:
        _run(root, run)
    else:
        _check(root, as_json=as_json)


def _check(root: Path, *, as_json: bool) -> None:
    from mpss_lib.maintenance.upgrade import Journal
    from mpss_lib.maintenance.upgrade import check as parts_of
    from mpss_lib.runtime.side_by_side import differences
    from mpss_lib.tables import Lake

    parts, lake = parts_of(root), Lake(root / "lake")
    is_open = Journal.of(root).is_open
    if as_json:
        found = [{**vars(part), "is_due": part.is_due} for part in parts]
        told = {"parts": found, "is_unfinished": is_open, "not_beside": differences(lake)}
        show_json(told)
    else:
        rows = ((p.name, p.found, p.wanted, "yes" if p.is_due else "") for p in parts)
        show_table(("part", "is", "will be", "due"), rows, title=f"{root}")
        if is_open:
            console.print("an upgrade was begun and has not ended: run it again")
        console.print(_beside(lake), soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1 if is_open or any(part.is_due for part in parts) else 0)


def _beside(lake: Lake) -> str:
    """Say whether hosts may take this version one after the other, while a night runs."""
    from mpss_lib.runtime.side_by_side import WAY_OUT, differences, running_version

    running = running_version(lake)
    if found := differences(lake):
        return f"no host may take it while others work: {'; '.join(found)}\n{WAY_OUT}"
    if running is None:
        return "nothing was brought up here: any version may begin"
    return (
        f"it may work beside {running.code}, which the home runs with: hosts may take it one after"
        " the other, also while a night runs (`mpss cluster roll`, or start each host's services"
        " anew); what is due above comes with the next publish"
    )


def _run(root: Path, target: Path) -> None:
    from mpss_lib.maintenance.upgrade import run as bring_up_to_date

    done = bring_up_to_date(root, target, lambda phase: console.print(f"{phase} ..."))
    for part in done.parts:
        console.print(_told(part), soft_wrap=True, highlight=False)
    if not done.parts and done.backup is None:
        console.print("nothing is due: the home is of this version")
    if done.backup is not None:
        console.print(f"the state before: {done.backup}", soft_wrap=True, highlight=False)
    if done.stages_to_recompute:
        console.print(
            f"results of {', '.join(done.stages_to_recompute)} are of other engines or settings and"
            " stay published; the next night is red until `mpss recompute --activate`",
            soft_wrap=True,
        )


def _told(part: Part) -> str:
    return f"{part.name}: {part.found} -> {part.wanted}"


def _roll_back(root: Path, *, discard: bool) -> None:
    from mpss_lib.maintenance.rollback import roll_back

    done = roll_back(root, discard=discard)
    console.print(
        f"{root.name} is as {done.backup.name} has it; {done.n_discarded} batches were discarded."
        f" Install {done.code_version}, then `mpss warehouse rebuild` and `mpss up` with it. A"
        " results database that the upgrade had changed: drop its schema, `mpss export` fills it.",
        soft_wrap=True,
        highlight=False,
    )
