"""What is wrong with a home, and the settings in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mpss_lib import config as settings
from mpss_lib.cli.application import AsJson, app, console, settings_app, show_json
from mpss_lib.secrecy import SETTINGS_FILE

if TYPE_CHECKING:
    from mpss_lib.doctor import Report


@app.command()
def doctor(
    as_json: AsJson = False,
    fix: Annotated[bool, typer.Option("--fix", help="Run the commands that are safe.")] = False,
) -> None:
    """Say what is wrong with this home, each with the command that mends it.

    Exit status 1: there is a fault (warnings alone are 0).
    """
    from mpss_lib.doctor import examine, mend

    report = examine(settings.home())
    mended = []
    if fix:
        for finding, problem in mend(report.findings):
            mended.append({"what": finding.what, "command": finding.command, "problem": problem})
            if not as_json:
                _line(f"{'not mended' if problem else 'mended'}: {finding.what} {problem}".strip())
        report = examine(settings.home()) if mended else report
    if as_json:
        show_json(report.as_json() | {"mended": mended})
    else:
        _show(report)
    raise typer.Exit(0 if report.is_healthy else 1)


def _show(report: Report) -> None:
    for name, value in report.facts.items():
        told = ", ".join(_told(value)) if isinstance(value, Mapping) else str(value)
        _line(f"{name.replace('_', ' '):18} {told if told not in ('', 'None') else '-'}")
    for finding in report.findings:
        style = "red" if finding.level == "fault" else "yellow"
        console.print(f"\n{finding.level} ({finding.check}): ", style=style, end="", markup=False)
        _line(finding.what)
        if finding.command:
            _line(
                f"  $ {finding.command}" + ("   (safe: --fix runs it)" if finding.is_safe else "")
            )
        if finding.advice:
            _line(f"  {finding.advice}")
    n_faults = sum(finding.level == "fault" for finding in report.findings)
    n_warnings = len(report.findings) - n_faults
    _line(f"\n{n_faults} faults, {n_warnings} warnings, in {report.seconds:.1f} s")


def _told(value: Mapping[str, Any]) -> list[str]:
    inner = [f"{k} ({', '.join(_told(v))})" for k, v in value.items() if isinstance(v, Mapping)]
    return [f"{k} {v}" for k, v in value.items() if not isinstance(v, Mapping)] + inner


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


@settings_app.command("show")
def settings_show(
    as_json: AsJson = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each means.")] = False,
) -> None:
    """Print the settings in force; passwords and addresses that hold one are left out."""
    from mpss_lib.doctor.shown_settings import meanings, shown

    found = shown(settings.load())
    if as_json:
        show_json(found)
        return
    said = meanings()
    for section, values in found.items():
        for name, (value, is_default) in values.items():
            _line(f"{section}.{name} = {value!r}{'' if is_default else '   (set here)'}")
            if explain:
                _line(f"    {said[section][name]}")


@settings_app.command("move")
def settings_move() -> None:
    """Give settings that carry an old name the new one; the file of before stays beside it."""
    from mpss_lib.doctor.settings_file import move_old_names

    moved = move_old_names(settings.home() / SETTINGS_FILE)
    for old, new in moved.items():
        _line(f"{old} is {new} now")
    if not moved:
        _line("no setting has an old name")
