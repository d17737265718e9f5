"""Backups of the home: made, listed, verified, brought back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.audit.doors import recording
from mpss_lib.cli.application import AsJson, backup_app, console, errors, show_json
from mpss_lib.cli.purge import show_copies, show_report
from mpss_lib.runtime.home import Home

if TYPE_CHECKING:
    from mpss_lib.maintenance.restore import Restored
    from mpss_lib.runtime.orchestrator import Airflow


@backup_app.command("create")
def backup_create(target: Annotated[Path, typer.Argument(help="Folder on another disk.")]) -> None:
    """Copy vault, lake, settings and Airflow's database; a night may go on meanwhile."""
    from mpss_lib.maintenance.backup import create, read_manifest
    from mpss_lib.runtime.start import database_running

    with database_running(settings.home()):
        made = create(Home.open(), target)
    told = read_manifest(made)
    console.print(f"{made}: {told['n_files']} files, {told['bytes'] / 1e6:.1f} MB", soft_wrap=True)


@backup_app.command("ls")
def backup_ls(
    target: Annotated[Path | None, typer.Argument(help="Folder; all known ones if absent.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the backups of this home, or of a folder, with their expiry."""
    from mpss_lib.maintenance.copies import every_copy, whole_copies

    if as_json:
        found = whole_copies(target.resolve()) if target else every_copy(Home.open())
        show_json([asdict(one) if is_dataclass(one) else {"path": one} for one in found])
    elif target is not None:
        for path in whole_copies(target.resolve()):
            console.print(str(path), soft_wrap=True, highlight=False)
    else:
        show_copies("Backups", list(every_copy(Home.open())))


@backup_app.command("verify")
def backup_verify(target: Annotated[Path, typer.Argument(help="A backup, or a folder.")]) -> None:
    """Read every file of a backup (of a folder: of its newest) and compare the digests."""
    from mpss_lib.maintenance.backup import read_manifest, verify
    from mpss_lib.maintenance.restore import newest

    folder = newest(target.resolve())
    wrong = verify(folder)
    for line in wrong:
        errors.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(f"{folder.name}: {read_manifest(folder)['n_files']} files, {len(wrong)} faults")
    raise typer.Exit(1 if wrong else 0)


@backup_app.command("restore")
def backup_restore(
    target: Annotated[Path, typer.Argument(help="A backup, or a folder: then its newest.")],
    home: Annotated[Path, typer.Option(help="The new home: an empty folder.")],
    tombstones: Annotated[
        Path | None, typer.Option(help="A newer tombstones.json than the one of the folder.")
    ] = None,
) -> None:
    """Bring a home back, build its snapshot, and withdraw again whoever was withdrawn since.

    Every DAG is paused there: the home that it came from may still work.
    """
    from mpss_lib.maintenance.rehearsal import pause
    from mpss_lib.maintenance.restore import newest

    restored = _bring_back(newest(target.resolve()), home, tombstones, prepare=pause)
    console.print(
        f"{restored.n_files} files restored to {restored.root}; its DAGs are paused", soft_wrap=True
    )


@backup_app.command("rehearse")
def backup_rehearse(
    target: Annotated[Path, typer.Argument(help="A backup, or a folder: then its newest.")],
    home: Annotated[Path, typer.Option(help="An empty folder; remove it afterwards.")],
    first: Annotated[str, typer.Option("--from", help="First StudyDate, 2026-01-31.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last StudyDate.")] = "",
) -> None:
    """Restore into an empty place, run a night there, and compare with the backup.

    The real home may go on: the rehearsed one asks the archive, and tells nobody anything. Exit
    status 1: something is not as the backup has it.
    """
    from mpss_lib.maintenance.rehearsal import quieten, rehearse
    from mpss_lib.maintenance.restore import newest

    backup = newest(target.resolve())
    restored = _bring_back(backup, home, None, prepare=quieten)
    window = {name: value for name, value in (("from", first), ("to", last)) if value}
    found = rehearse(restored, backup, window)
    console.print(
        f"night {found.state} after {found.seconds:.0f} s; {found.n_files} landing files and"
        f" {found.n_predictions} predictions compared; wrong:"
        f" {'; '.join(found.wrong) or 'nothing'}",
        soft_wrap=True,
    )
    raise typer.Exit(1 if found.wrong else 0)


def _bring_back(
    source: Path,
    home: Path,
    tombstones: Path | None,
    prepare: Callable[[Airflow], None] | None = None,
) -> Restored:
    """Restore, with the database; ``prepare`` is told of it before anything else asks it."""
    from mpss_lib.maintenance.restore import restore, restore_database
    from mpss_lib.purge.reapply import reapply
    from mpss_lib.runtime.start import database_running
    from mpss_lib.warehouse.stage import rebuild

    restored = restore(source, home.resolve(), more_tombstones=tombstones)
    with database_running(restored.root):
        found = Home.open(restored.root)
        with recording("restore", found.root, found.config, things=[str(source)], begins=True):
            if restored.has_postgres and found.airflow is not None:
                restore_database(restored.root, found.airflow)
            if prepare is not None and found.airflow is not None:
                prepare(found.airflow)
            counts = rebuild(found.lake, found.config)
            again = reapply(restored.tombstones, found)
    console.print(f"{counts['studies']} studies, withdrawn again: {len(again)}")
    for report in again:
        show_report(report)
    return restored
