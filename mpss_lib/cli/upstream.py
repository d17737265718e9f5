"""What the archive has otherwise than this home: told, and accepted."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mpss_lib import config as settings
from mpss_lib.cli.application import app, console, open_home
from mpss_lib.errors import WrongArgumentError

if TYPE_CHECKING:
    from mpss_lib.pull.reconcile import Reconciliation


@app.command()
def reconcile(
    first: Annotated[
        str | None,
        typer.Argument(help="A month such as 2026-03; the last days of the settings by default."),
    ] = None,
    last: Annotated[str | None, typer.Argument(help="The last month of several.")] = None,
) -> None:
    """Compare the PACS with the lake, month by month; names every study that differs.

    Exit status 1: something differs that nobody has accepted, or the PACS's list may lack studies.
    """
    from mpss_lib.pull.reconcile_door import reconcile as compare

    lake, config = open_home()
    window = _window(first, last, config)
    answered = compare(window, lake, config, settings.sites_of(config, settings.home()))
    _show(answered)
    raise typer.Exit(1 if answered.open or answered.doubts else 0)


@app.command()
def accept(keys: Annotated[list[str], typer.Argument(help="Study keys.")]) -> None:
    """Let a study stay as it is although the PACS no longer has it, or no longer lists it."""
    from mpss_lib.upstream import DELETED, EXTRA, stay

    lake, _ = open_home()
    for key in keys:
        kinds = [kind for kind in (DELETED, EXTRA) if stay(lake, key, kind)]
        if not kinds:
            raise WrongArgumentError(
                f"{key!r} has nothing that waits for an answer",
                way_out="`mpss reconcile` and `mpss status` name the studies that do",
            )
        typer.echo(f"{key} {', '.join(kinds)}: accepted")


def _window(first: str | None, last: str | None, config: settings.Config) -> tuple[date, date]:
    if first is None:
        today = date.today()  # noqa: DTZ011 - study dates are local dates
        return today - timedelta(days=config.upkeep.reconcile_days), today
    begin, end = _month(first), _month(last or first)
    if end < begin:
        raise WrongArgumentError(
            f"{last} is before {first}", way_out="give the first month, then the last one"
        )
    return begin, end.replace(day=calendar.monthrange(end.year, end.month)[1])


def _month(text: str) -> date:
    found = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", text)
    if found is None or found[1] == "0000":
        raise WrongArgumentError(f"{text!r} is no month", way_out="write a month as 2026-03")
    return date(int(found[1]), int(found[2]), 1)


def _show(answered: Reconciliation) -> None:
    from mpss_lib.upstream import BY_COMPARISON

    table = Table(title="PACS and lake")
    for name in ("month", "PACS", "lake", *BY_COMPARISON):
        table.add_column(name, justify="left" if name == "month" else "right")
    for month in answered.months:
        counts = (month.n_archive, month.n_lake, *(month.n_by_kind[k] for k in BY_COMPARISON))
        table.add_row(month.name, *map(str, counts))
    console.print(table)
    for month_name, one in answered.found:
        told = f"{one.kind}{f' ({one.detail})' if one.detail else ''}"
        end = "accepted" if one.is_accepted else f"way out: {one.way_out}"
        typer.echo(f"{month_name} {one.study_key} {told} | {end}")
    for doubt in answered.doubts:
        typer.echo(f"the PACS's list may lack studies: {doubt}")
    n_accepted = len(answered.found) - len(answered.open)
    typer.echo(f"{len(answered.open)} differences, {n_accepted} accepted")
