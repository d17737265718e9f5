"""The results database."""

from __future__ import annotations

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
