"""Commands: what each does, its arguments and options, as the command line itself tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from mpss_lib import cli
from mpss_lib.papers.tables import markdown


def commands() -> str:
    """Give a section for each command."""
    return "\n".join(_section(name, command) for name, command in walked())


def walked() -> Iterator[tuple[str, Any]]:
    """Yield the whole name of each command, and the command."""
    yield from _below("mpss", typer.main.get_command(cli.app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, one in sorted(command.commands.items()):
        if not one.hidden:
            yield from _below(f"{name} {word}", one)


def _section(name: str, command: Any) -> str:
    told = [one for one in command.params if one.name != "help"]
    arguments = [one for one in told if one.param_type_name == "argument"]
    usage = " ".join([name, *(_argument(one) for one in arguments)])
    rows = [(_spelled(one), _shown_default(one), one.help or "") for one in told]
    table = markdown(("argument or option", "default", "meaning"), rows) if rows else ""
    return f"## `{name}`\n\n```text\n{usage}\n```\n\n{_prose(command.help or '')}\n\n{table}\n"


def _prose(text: str) -> str:
    """Take the marks out with which the help is laid out on a screen."""
    lines = [line.strip() for line in text.replace("\b", "").splitlines()]
    return "\n".join(lines).strip()


def _argument(one: Any) -> str:
    name = (one.metavar or one.name).upper() + ("..." if one.nargs == -1 else "")
    return name if one.required else f"[{name}]"


def _spelled(one: Any) -> str:
    if one.param_type_name == "argument":
        return f"`{one.name.upper()}`"
    return ", ".join(f"`{spelling}`" for spelling in (*one.opts, *one.secondary_opts))


def _shown_default(one: Any) -> str:
    if one.required:
        return "required"
    value = one.default() if callable(one.default) else one.default
    return "" if value in (None, "", (), [], False) else f"`{value}`"
