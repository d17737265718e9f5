"""What the archive has otherwise than this home: told, and accepted."""

from __future__ import annotations

import calendar
import re
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib.batch import BatchResult
from mpss_lib.cli.application import AsJson, app, console, show_json, show_table
from mpss_lib.cli.stages import run_studies
from mpss_lib.clock import today
from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.home import Home
from mpss_lib.steps import through_chain
from mpss_lib.tables import Lake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpss_lib.pull.upstream.reconcile import Reconciliation


@app.command()
def reconcile(
    first: Annotated[
        str | None,
        typer.Argument(help="A month such as 2026-03; the last days of the settings by default."),
    ] = None,
    last: Annotated[str | None, typer.Argument(help="The last month of several.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the PACS with the lake, month by month; names every study that differs.

    Exit status 1: something differs that nobody has accepted, or the PACS's list may lack studies.
    """
    from mpss_lib.pull.upstream.reconcile_door import reconcile as compare

    home = Home.open()
    window = _window(first, last, home.config)
    answered = compare(window, home.lake, home.config, home.sites)
    _as_json(answered) if as_json else _show(answered)
    raise typer.Exit(1 if answered.open or answered.doubts else 0)


@app.command()
def accept(keys: Annotated[list[str], typer.Argument(help="Study keys.")]) -> None:
    """Take the corrections of studies that wait, or let a study stay that the PACS lost.

    Other pixels or protocol words become a new version, and the stages after pull are done again;
    the version before stays on the lake. Exit status 1: it could not be taken.
    """
    from mpss_lib.pull.upstream.again import accept as settle

    home = Home.open()
    stays, corrected = settle(keys, home.lake)
    for key, kind in stays:
        typer.echo(f"{key} {kind}: accepted")
    if corrected:
        raise typer.Exit(0 if _fetch_again(corrected, home, accepts=True) else 1)


@app.command()
def recheck(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Study keys; by default recent ones, and older ones in turn."),
    ] = None,
) -> None:
    """Fetch studies again and compare them by their digests with what was received before.

    Demographics and texts follow the PACS; other pixels or protocol words wait for `mpss accept`.
    Exit status 1: something waits, or a study could not be fetched.
    """
    from mpss_lib.pull.upstream.recheck import due

    home = Home.open()
    todo = keys or due(home.lake, home.config, home.sites, today(home.config.site.timezone))
    is_sound = not todo or _fetch_again(todo, home, accepts=False)
    n_waiting = _tell_corrections(home.lake)
    raise typer.Exit(0 if is_sound and not n_waiting else 1)


def _fetch_again(keys: Sequence[str], home: Home, *, accepts: bool) -> bool:
    """Pull again and do the stages after it; returns whether no study stands still."""
    from mpss_lib.pull.upstream.again import fetch_again

    def do(name: str, todo: list[str]) -> BatchResult:
        if name == "pull":
            return fetch_again(todo, home.lake, home.config, home.sites, accepts=accepts)
        return run_studies(name, todo, home)

    n_left = 0
    for result in through_chain({"pull": keys}, do):
        n_left += result.quarantined
        console.print(result.as_dict())
    return n_left == 0


def _tell_corrections(lake: Lake) -> int:
    """Print what waits for an answer; returns how many."""
    from mpss_lib.upstream import CORRECTED, noted

    waiting = [one for one in noted(lake) if one.kind == CORRECTED]
    for one in waiting:
        typer.echo(f"{one.study_key} {one.kind} ({one.detail}) | way out: {one.way_out}")
    return len(waiting)


def _window(first: str | None, last: str | None, config: Config) -> tuple[date, date]:
    if first is None:
        until = today(config.site.timezone)
        return until - timedelta(days=config.maintenance.reconcile_days), until
    begin, end = _month(first), _month(last or first)
    if end < begin:
        raise WrongArgumentError(
            f"{last} is before {first}", way_out="give the first month, then the last one"
        )
    return begin, _last_of(end)


def _last_of(month: date) -> date:
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])


_MONTH = r"([0-9]{4})-(0[1-9]|1[0-2])"


def _month(text: str) -> date:
    found = re.fullmatch(_MONTH, text)
    if found is None or found[1] == "0000":
        raise WrongArgumentError(f"{text!r} is no month", way_out="write a month as 2026-03")
    return date(int(found[1]), int(found[2]), 1)


def _show(answered: Reconciliation) -> None:
    from mpss_lib.pull.upstream.reconcile import FIND_MONTH
    from mpss_lib.upstream import BY_COMPARISON

    numbers = ("PACS", "lake", *BY_COMPARISON)
    rows = (
        (one.name, one.n_archive, one.n_lake, *(one.n_by_kind[kind] for kind in BY_COMPARISON))
        for one in answered.months
    )
    show_table(("month", *numbers), rows, title="PACS and lake", numbers=numbers)
    for month_name, one in answered.found:
        told = f"{one.kind}{f' ({one.detail})' if one.detail else ''}"
        way_out = one.way_out.replace(FIND_MONTH, _find_month(month_name))
        end = "accepted" if one.is_accepted else f"way out: {way_out}"
        typer.echo(f"{month_name} {one.study_key} {told} | {end}")
    for doubt in answered.doubts:
        typer.echo(f"the PACS's list may lack studies: {doubt}")
    n_accepted = len(answered.found) - len(answered.open)
    typer.echo(f"{len(answered.open)} differences, {n_accepted} accepted")


def _as_json(answered: Reconciliation) -> None:
    months = [
        {"month": one.name, "archive": one.n_archive, "lake": one.n_lake, **one.n_by_kind}
        for one in answered.months
    ]
    found = [{"month": month, **asdict(one)} for month, one in answered.found]
    show_json({"months": months, "differences": found, "doubts": list(answered.doubts)})


def _find_month(name: str) -> str:
    """Command that asks for a month, or for the studies without a date."""
    if not re.fullmatch(_MONTH, name):
        return "mpss find --undated"
    first = _month(name)
    return f"mpss find {first} {_last_of(first)}"
