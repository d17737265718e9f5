"""The published snapshot: questions, versions, rebuilding."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import (
    AsJson,
    Force,
    app,
    console,
    show_json,
    show_table,
    warehouse_app,
)
from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake


@app.command()
def sql(
    query: Annotated[
        str | None, typer.Argument(help="Any SELECT over the published snapshot; - reads it.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="File that holds the SELECT.")] = None,
    format: Annotated[
        str | None,
        typer.Option(help="table, csv, json or parquet; else the suffix of --output says it."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File; Parquet needs one.")] = None,
) -> None:
    """Ask the published snapshot, read-only; never waits for a writer.

    A text that begins with a comment is no option: give it by --file or by - (standard input).
    Needs no settings: a researcher's account that reads ``lake/`` only may ask.
    """
    from mpss_lib.warehouse.reader import print_query

    text = _question(query, file)
    print_query(Lake(settings.home() / "lake"), text, _form(format, output), output, console)


def _question(query: str | None, file: Path | None) -> str:
    """Give the SQL text: the argument, what a file holds, or standard input."""
    if (query is None) == (file is None):
        raise WrongArgumentError(
            "give one question" if query is None else "the question is given twice",
            way_out='mpss sql "from core.study", mpss sql --file question.sql or mpss sql -',
        )
    if query == "-":
        return sys.stdin.read()
    if file is None:
        return str(query)
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongArgumentError(
            f"{file} cannot be read: {type(error).__name__}",
            way_out="name a file with one SELECT in UTF-8",
        ) from error


def _form(form: str | None, output: Path | None) -> str:
    """Form of the answer: as it was named, else as the file's suffix says."""
    if form is not None or output is None:
        return form or "table"
    by_suffix = {".txt": "table", ".csv": "csv", ".json": "json", ".parquet": "parquet"}
    if output.suffix.lower() not in by_suffix:
        raise WrongArgumentError(
            f"{output.name} says no format",
            way_out=f"give --format, or a file that ends in {', '.join(by_suffix)}",
        )
    return by_suffix[output.suffix.lower()]


@warehouse_app.command("status")
def warehouse_status(as_json: AsJson = False) -> None:
    """Show the active version of each stage and how many studies have the newest one."""
    from mpss_lib.warehouse.stage import status as versions

    home = Home.open()
    found = versions(home.lake, home.config)
    show_json(found) if as_json else print_versions(found)


@warehouse_app.command("activate")
def warehouse_activate(stage: str) -> None:
    """Publish the version of the settings in force for a stage, or for all.

    What the stage reads moves with it, and what reads it. If the snapshot cannot be built, the
    published version stays.
    """
    from mpss_lib.warehouse.stage import activate
    from mpss_lib.warehouse.stage import status as versions

    home = Home.open()
    moved = activate(stage, home.lake, home.config)
    console.print(f"published now: {', '.join(moved) or 'nothing new, it was active already'}")
    print_versions(versions(home.lake, home.config))


@warehouse_app.command("rebuild")
def warehouse_rebuild() -> None:
    """Build the snapshot again from the lake's files alone (after a home was moved, say)."""
    from mpss_lib.warehouse.stage import rebuild

    home = Home.open()
    console.print(rebuild(home.lake, home.config))


@warehouse_app.command("compact")
def warehouse_compact() -> None:
    """Join batch files into large ones, remove what no reader needs, publish (as weekly)."""
    from mpss_lib.warehouse.maintenance import remove_orphans
    from mpss_lib.warehouse.stage import merge, run

    home = Home.open()
    for step in (merge, remove_orphans, run):
        console.print(step(home.lake, home.config))


@warehouse_app.command("check")
def warehouse_check(
    suites: Annotated[
        list[str] | None, typer.Argument(help="study, clinical, features, predictions; or all.")
    ] = None,
    force: Force = False,
    publish: Annotated[bool, typer.Option("--publish", help="Then publish what passed.")] = False,
) -> None:
    """Hold the lake against its expectations; write the data-quality page.

    Exit status 1 where a study is held back or a table is at fault.
    """
    from mpss_lib.warehouse.stage import check, quality_page, run

    home = Home.open()
    lake, config = home.lake, home.config
    counts = check(lake, config, suites=suites or (), force=force)
    console.print(counts)
    console.print(f"page: {quality_page(lake)}", soft_wrap=True)
    if publish:
        console.print(run(lake, config))
    raise typer.Exit(1 if counts["held_back"] else 0)


def print_versions(found: list[dict[str, Any]]) -> None:
    """Print the active version of each stage."""
    columns = tuple(found[0]) if found else ()
    show_table(columns, (row.values() for row in found), title="Published versions")
