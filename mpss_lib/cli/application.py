"""The application, its groups of commands, and what every command shares."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="MPSS platform: radiomics of myocardial perfusion stress SPECT. Research use only.",
)
archive_app = typer.Typer(no_args_is_help=True, help="The embedded PACS.")
warehouse_app = typer.Typer(no_args_is_help=True, help="The published snapshot.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Studies that stand still.")
segmentation_app = typer.Typer(no_args_is_help=True, help="Masks from files, and to files.")
quality_app = typer.Typer(no_args_is_help=True, help="Limits and pictures of the quality check.")
backup_app = typer.Typer(no_args_is_help=True, help="Copies of the whole home.")
model_app = typer.Typer(no_args_is_help=True, help="Registered models as files.")
app.add_typer(backup_app, name="backup")
app.add_typer(archive_app, name="archive")
app.add_typer(warehouse_app, name="warehouse")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(segmentation_app, name="segmentation")
app.add_typer(quality_app, name="quality")
app.add_typer(model_app, name="model")

console = Console(width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True)

Force = Annotated[bool, typer.Option("--force", help="Do again what is identical.")]


def show_table(
    columns: Sequence[str],
    rows: Iterable[Iterable[object]],
    *,
    title: str | None = None,
    numbers: Collection[str] = (),
) -> None:
    """Print rows as a table; the columns named in ``numbers`` stand to the right."""
    table = Table(title=title)
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
