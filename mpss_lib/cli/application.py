"""The application, its groups of commands, and what every command shares."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Literal

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
calcium_app = typer.Typer(no_args_is_help=True, help="Calcium of a CT, to files.")
backup_app = typer.Typer(no_args_is_help=True, help="Copies of the whole home.")
alarm_app = typer.Typer(no_args_is_help=True, help="What is wrong, and whom it is told to.")
settings_app = typer.Typer(no_args_is_help=True, help="The settings of this home.")
model_app = typer.Typer(no_args_is_help=True, help="Registered models as files.")
audit_app = typer.Typer(no_args_is_help=True, help="Who touched identifying data, and when.")
account_app = typer.Typer(no_args_is_help=True, help="Who may log in, and do what.")
cluster_app = typer.Typer(no_args_is_help=True, help="Airflow on Celery, PostgreSQL and Redis.")
pacs_app = typer.Typer(no_args_is_help=True, help="Traffic with the archives.")
app.add_typer(account_app, name="account")
app.add_typer(audit_app, name="audit")
app.add_typer(pacs_app, name="pacs")
app.add_typer(cluster_app, name="cluster")
app.add_typer(backup_app, name="backup")
app.add_typer(archive_app, name="archive")
app.add_typer(warehouse_app, name="warehouse")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(segmentation_app, name="segmentation")
app.add_typer(quality_app, name="quality")
app.add_typer(calcium_app, name="calcium")
app.add_typer(alarm_app, name="alarm")
app.add_typer(settings_app, name="settings")
app.add_typer(model_app, name="model")

console = Console(width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON, nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Do again what is identical.")]


IDENTIFIER = re.compile(r"[0-9a-f]{12}")
"""Of a word that is copied: keys and digests are at least so many hexadecimal figures."""
LEAST_WIDTH = 10


def show_table(
    columns: Sequence[str],
    rows: Iterable[Iterable[object]],
    *,
    title: str | None = None,
    numbers: Collection[str] = (),
) -> None:
    """Print rows as a table; the columns named in ``numbers`` stand to the right.

    What is copied from a table stands whole in one line, and the table is wider than the terminal
    where it must be: columns named ``..._key``, numbers, and each word with a key or a digest.
    """
    table = Table(title=title)
    texts = [[str(value) for value in row] for row in rows]
    needed = 1
    for k, name in enumerate(columns):
        is_number = name in numbers
        least = max(
            (_whole(row[k], is_number or name.endswith("_key")) for row in texts), default=0
        )
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(name, justify=justify, overflow="fold", min_width=least or None)
        needed += max(least, min(len(name), LEAST_WIDTH)) + 3
    for row in texts:
        table.add_row(*row)
    console.print(table, width=max(console.width, needed), crop=False)


def _whole(text: str, is_whole: bool) -> int:
    """Characters of a cell that stay in one line."""
    if is_whole:
        return len(text)
    return max((len(word) for word in text.split() if IDENTIFIER.search(word)), default=0)


def show_json(found: object) -> None:
    """Print JSON, for programs; what JSON has no type for is printed as text."""
    sys.stdout.write(json.dumps(found, indent=1, default=str, ensure_ascii=False) + "\n")
