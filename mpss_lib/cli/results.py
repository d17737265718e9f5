"""The results database."""

from __future__ import annotations

from typing import Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import app, console, open_home


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

    lake, config = open_home()
    if ddl:
        typer.echo(statements(config.site.results_schema), nl=False)
        return
    sites = settings.sites_of(config, settings.home())
    console.print(export_results(lake, config, sites, adopt=adopt))
