"""The embedded PACS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpss_lib.cli.application import archive_app
from mpss_lib.errors import WrongArgumentError


@archive_app.command("serve")
def archive_serve(
    folder: Annotated[Path, typer.Argument(help="Folder of the archive.")],
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 11112,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    aet: Annotated[str, typer.Option(help="AE title of the archive.")] = "DEMOPACS",
    allow: Annotated[list[str] | None, typer.Option(help="Calling AE titles admitted.")] = None,
    move_to: Annotated[
        list[str] | None,
        typer.Option(metavar="AET:HOST:PORT", help="A destination of C-MOVE."),
    ] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Gets the port when ready.")] = None,
) -> None:
    """Serve a folder of DICOM objects as a PACS (C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET)."""
    from mpss_lib.demo.archive import serve_forever
    from mpss_lib.whole_files import write_json

    def ready(port: int) -> None:
        typer.echo(f"{aet} listens on {host}:{port}")
        if ready_file is not None:
            write_json(ready_file, {"port": port})

    destinations = dict(map(_destination, move_to or ()))
    serve_forever(
        folder, host, port, aet, allow or ["MPSS"], destinations=destinations, ready=ready
    )


def _destination(text: str) -> tuple[str, tuple[str, int]]:
    """Read ``AET:HOST:PORT``.

    Raises
    ------
    WrongArgumentError
        A part is absent, or the port is no number.
    """
    title, _, address = text.partition(":")
    host, _, port = address.rpartition(":")
    if not (title and host and port.isdecimal()):
        raise WrongArgumentError(
            f"--move-to {text!r} is no destination",
            way_out="write AET:HOST:PORT, for example MPSS:127.0.0.1:11113",
        )
    return title, (host, int(port))
