"""The receiver of C-MOVE."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import app


@app.command()
def receiver(
    ready_file: Annotated[Path | None, typer.Option(help="Gets the port when ready.")] = None,
) -> None:
    """Take what the PACS sends by C-MOVE, until it is ended (`receiver.port` and its section)."""
    from mpss_lib.pull.receiver.service import serve_forever
    from mpss_lib.whole_files import write_json

    root = settings.home()
    sites = settings.sites_of(settings.load(root), root)

    def ready(port: int) -> None:
        typer.echo(f"the receiver listens at {sites.receiver.host}:{port}")
        if ready_file is not None:
            write_json(ready_file, {"port": port}, mode=0o600)

    serve_forever(sites, ready=ready)
