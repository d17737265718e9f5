"""Alarms: shown, tried, looked for."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import AsJson, alarm_app, console, show_json, show_table
from mpss_lib.errors import SettingsError
from mpss_lib.runtime.home import Home


@alarm_app.command("ls")
def alarm_ls(as_json: AsJson = False) -> None:
    """List what is wrong as it was last looked at, and what was not delivered yet."""
    from dataclasses import asdict

    from mpss_lib.alarms.store import read_ledger

    ledger = read_ledger(settings.home())
    opened = [{"since": one.since, **asdict(one.alarm)} for one in ledger.open.values()]
    waiting = [
        {"channel": one.channel, "kind": one.message["kind"], "what": one.message["what"]}
        | {"tries": one.tries, "problem": one.problem}
        for one in ledger.waiting
    ]
    if as_json:
        show_json({"open": opened, "undelivered": waiting})
        return
    rows = [
        (f"{one['since']:%Y-%m-%d %H:%M}", one["rule"], one["what"], one["cause"], one["way_out"])
        for one in opened
    ]
    show_table(("since (UTC)", "rule", "what", "why", "way out"), rows, title="Alarms")
    if waiting:
        columns = ("channel", "kind", "what", "tries", "problem")
        show_table(columns, (one.values() for one in waiting), title="Not delivered yet")


@alarm_app.command("test")
def alarm_test() -> None:
    """Send a test message by every channel of `[alarm]` now; exit status 1 if one fails."""
    from mpss_lib.alarms import try_channels

    answered = try_channels(Home.open())
    if not answered:
        raise SettingsError(
            "nobody is told of an alarm: alarm.mail_to and alarm.webhooks are empty",
            way_out="write [alarm] in mpss.toml (docs/how-to/alarms.md)",
        )
    for channel, problem in answered.items():
        console.print(f"{channel}: {problem or 'taken'}", markup=False, soft_wrap=True)
    raise typer.Exit(1 if any(answered.values()) else 0)


@alarm_app.command("check")
def alarm_check(
    quiet: Annotated[bool, typer.Option(help="Print nothing: for cron.")] = False,
) -> None:
    """Look once, tell what is new or has ended, try again what was not delivered.

    Exit status 1: something is wrong.

    A line of cron does this when nothing of the home runs any more.
    """
    from mpss_lib.alarms import check

    logging.getLogger("mpss_lib.alarms").setLevel(logging.ERROR if quiet else logging.WARNING)
    ledger = check(Home.open(), at_once=True)
    if not quiet:
        alarm_ls(as_json=False)
    raise typer.Exit(1 if ledger.open else 0)


@alarm_app.command("watch")
def alarm_watch() -> None:
    """Look for ever, every `alarm.every_s`: the service that `mpss up` starts."""
    from mpss_lib.alarms.watch import watch

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, which are secrets
    watch(settings.home())
