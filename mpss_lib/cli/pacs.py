"""Traffic with the archives: stopped, allowed again, looked at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.audit.doors import record
from mpss_lib.audit.message import Event, account
from mpss_lib.audit.vocabulary import SUCCESS
from mpss_lib.cli.application import AsJson, pacs_app, show_json
from mpss_lib.errors import WrongArgumentError

if TYPE_CHECKING:
    from pathlib import Path

STOPS_WITHIN_S = 30.0
LONGEST_REASON = 200


@pacs_app.command("stop")
def pacs_stop(
    reason: Annotated[str, typer.Option(help="Why; is shown to whoever waits.")] = "",
) -> None:
    """Stop all traffic with the archives, within 30 s also in the middle of a transfer.

    Tasks of Airflow wait, commands end with a message; nothing is lost: `mpss pacs start` lets them
    go on. Exit status 1: something still talks after 30 s.
    """
    from mpss_lib.pull.archive.gate import gates_of, stop_traffic

    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise WrongArgumentError(
            "the reason is too long or holds control characters",
            way_out=f"say it in one line of at most {LONGEST_REASON} characters",
        )
    root, config = _home()
    stop_traffic(root, account(), reason)
    record(Event("pacs_stop", SUCCESS, things=[reason] if reason else []), root, config)
    gates, began = gates_of(settings.sites_of(config, root)), time.monotonic()
    while left := sum(gate.n_taken() for gate in gates if gate.root is not None):
        if time.monotonic() - began > STOPS_WITHIN_S:
            typer.echo(f"stopped; {left} associations are still open: look at `mpss pacs status`")
            raise typer.Exit(1)
        time.sleep(0.5)
    typer.echo(f"stopped; no association is open ({time.monotonic() - began:.0f} s)")


@pacs_app.command("start")
def pacs_start() -> None:
    """Allow traffic again; tasks that wait go on within a minute or two."""
    from mpss_lib.pull.archive.gate import allow_traffic

    root, config = _home()
    allow_traffic(root)
    record(Event("pacs_start", SUCCESS), root, config)
    typer.echo("traffic with the archives is allowed")


@pacs_app.command("status")
def pacs_status(as_json: AsJson = False) -> None:
    """Say whether traffic is stopped, who talks, and what the settings allow now."""
    from mpss_lib.pull.archive.gate import gates_of, state_of, stop_of

    root, config = _home()
    stop = stop_of(root)
    states = [state_of(gate) for gate in gates_of(settings.sites_of(config, root))]
    if as_json:
        show_json({"archives": states, "stopped": vars(stop) if stop else None})
        return
    if stop is None:
        typer.echo("traffic is allowed")
    else:
        why = f": {stop.reason}" if stop.reason else ""
        typer.echo(f"stopped by {stop.by} at {stop.at}{why}")
    for state in states:
        typer.echo(
            f"{state['archive']}: {state['associations']} of {state['max_associations']}"
            f" associations; bulk loads {state['window']}, nightly pull {state['night_window']};"
            f" studies a minute: {state['max_studies_per_minute']}"
        )


@pacs_app.command("sheet")
def pacs_sheet() -> None:
    """Print the AE configuration sheet of this home, for the PACS and network teams."""
    from mpss_lib.papers.network import sheet

    root, config = _home()
    for what, value in sheet(config, root).items():
        typer.echo(f"{what:44}{value}")


def _home() -> tuple[Path, settings.Config]:
    """Folder and settings of the home; its lake is not opened: a writer may be at work there."""
    root = settings.home()
    return root, settings.load(root)
