"""What leaves the platform: the results database, OMOP's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpss_lib.cli.application import app, console
from mpss_lib.runtime.home import Home


@app.command()
def export(
    ddl: Annotated[
        bool, typer.Option("--ddl", help="Print the SQL that makes the tables, change nothing.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over tables that another lake wrote.")
    ] = False,
) -> None:
    """Bring the results database (PostgreSQL, `site.results_url`) to the newest snapshot."""
    from mpss_lib.publication.results_tables import ddl as statements
    from mpss_lib.publication.stage import export_results

    home = Home.open()
    if ddl:
        typer.echo(statements(home.config.site.results_schema), nl=False)
        return
    console.print(export_results(home.lake, home.config, home.sites, adopt=adopt))


@app.command()
def omop(
    folder: Annotated[Path, typer.Argument(help="Where the Parquet files go.")],
) -> None:
    """Write OMOP's tables (CDM 5.4, imaging extension) of the newest snapshot as Parquet files."""
    from mpss_lib.audit.doors import recording
    from mpss_lib.publication.omop import export_omop

    home = Home.open()
    things = [str(folder)]
    with recording("export_omop", home.root, home.config, things=things) as told:
        counts = export_omop(home.lake, folder)
        told.details |= {name: str(count) for name, count in counts.items()}
    console.print(counts)
