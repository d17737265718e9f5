"""Accounts of persons: made, listed, given roles and passwords, closed."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpss_lib.audit.doors import recording
from mpss_lib.cli.application import AsJson, account_app, show_json, show_table
from mpss_lib.errors import SettingsError, WrongArgumentError

if TYPE_CHECKING:
    from mpss_lib.runtime.accounts import Accounts, NewAccount
    from mpss_lib.runtime.home import Home

Name = Annotated[str, typer.Argument(help="Name of the account.")]
Role = Annotated[
    list[str],
    typer.Option(
        help="viewer, researcher, reviewer, operator, privacy-officer or admin; several are told"
        " one by one."
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="File (mode 0600) that holds the password; - reads it from standard input."),
]


@account_app.command("add")
def account_add(
    name: Name,
    role: Role,
    first: Annotated[str, typer.Option(help="First name.")] = "",
    last: Annotated[str, typer.Option(help="Last name.")] = "",
    mail: Annotated[str, typer.Option(help="Told apart by it; nothing is sent.")] = "",
    password_file: PasswordFile = None,
) -> None:
    """Make an account; asks for the password, or reads it from a file. Works before `mpss up`."""
    from mpss_lib.runtime.accounts import NewAccount, Person, names_of

    names_of(role)  # before anybody types a password
    person = Person(name, first or name, last or "-", mail or f"{name}@localhost")
    made = NewAccount(person, tuple(role), _password(password_file))
    with (
        _opened() as (home, accounts),
        recording("account", home.root, home.config, things=[name]) as told,
    ):
        told.details = {"did": "added", "roles": ", ".join(role)}
        accounts.add(made)
    typer.echo(f"{name} may log in: {', '.join(role)}")


@account_app.command("ls")
def account_ls(as_json: AsJson = False) -> None:
    """List the accounts with their roles, and what each role is for."""
    from mpss_lib.runtime.accounts import ROLES

    with _opened() as (_, accounts):
        found = accounts.all()
    if as_json:
        show_json(found)
        return
    columns = ("name", "person", "roles", "may log in", "last login")
    rows = [
        (
            *(one["name"], one["person"], ", ".join(one["roles"])),
            *("yes" if one["active"] else "no", str(one["last_login"] or "never")[:19]),
        )
        for one in found
    ]
    show_table(columns, rows, title="Accounts")
    show_table(("role", "is for who"), ROLES.items())


@account_app.command("role")
def account_role(name: Name, role: Role) -> None:
    """Give an account these roles instead of those that it has."""
    with (
        _opened() as (home, accounts),
        recording("account", home.root, home.config, things=[name]) as told,
    ):
        told.details = {"did": "roles", "roles": ", ".join(role)}
        accounts.set_roles(name, role)
    typer.echo(f"{name} is {', '.join(role)} now, at the latest in half a minute")


@account_app.command("password")
def account_password(name: Name, password_file: PasswordFile = None) -> None:
    """Give an account another password; its logins end."""
    password = _password(password_file)
    with (
        _opened() as (home, accounts),
        recording("account", home.root, home.config, things=[name]) as told,
    ):
        told.details = {"did": "password"}
        accounts.set_password(name, password)
    typer.echo(f"{name} has another password")


@account_app.command("disable")
def account_disable(name: Name) -> None:
    """Let an account log in no more; what it did keeps its name."""
    _set_active(name, is_active=False)
    typer.echo(f"{name} is shut out, at the latest in half a minute")


@account_app.command("enable")
def account_enable(name: Name) -> None:
    """Let an account log in again."""
    _set_active(name, is_active=True)
    typer.echo(f"{name} may log in again")


def ask_for_the_first() -> NewAccount:
    """Ask at the terminal for the first account, which may do everything.

    Raises
    ------
    SettingsError
        Nobody sits at a terminal.
    """
    from mpss_lib.runtime.accounts import NewAccount, Person

    if not sys.stdin.isatty():
        raise SettingsError(
            "nobody can log in to this home: it has no account of an administrator",
            way_out="`mpss account add NAME --role admin --password-file FILE` makes it without a"
            ' terminal; site.accounts = "shared" is one account for everybody',
        )
    typer.echo("This home has no account yet. The first one may do everything, and make others.")
    while True:
        try:
            person = Person(
                typer.prompt("Name to log in with"),
                typer.prompt("First name"),
                typer.prompt("Last name"),
                typer.prompt("Mail (told apart by it; nothing is sent)"),
            )
            return NewAccount(person, ("admin",), _typed())
        except WrongArgumentError as refused:
            typer.echo(str(refused), err=True)


def _set_active(name: str, *, is_active: bool) -> None:
    with (
        _opened() as (home, accounts),
        recording("account", home.root, home.config, things=[name]) as told,
    ):
        told.details = {"did": "enabled" if is_active else "disabled"}
        accounts.set_active(name, is_active=is_active)


@contextmanager
def _opened() -> Iterator[tuple[Home, Accounts]]:
    """Open the home and its accounts; Airflow's database is made where there is none yet.

    The servers of a cluster that does not run are up for as long as the command.
    """
    from mpss_lib import config as settings
    from mpss_lib.runtime.accounts import Accounts
    from mpss_lib.runtime.airflow_home import has_persons
    from mpss_lib.runtime.home import Home
    from mpss_lib.runtime.orchestrator import Airflow
    from mpss_lib.runtime.services import Services
    from mpss_lib.runtime.start import is_stopped_cluster, prepared

    root = settings.home()
    if not has_persons(root, settings.load(root)):
        raise WrongArgumentError(
            "this home has one account for everybody",
            way_out='site.accounts = "persons" in mpss.toml, then `mpss up`; a demo has no others',
        )
    home = Home.open(root)
    airflow, is_stopped = home.airflow, is_stopped_cluster(root)
    if airflow is None or is_stopped:
        airflow = Airflow(prepared(root).environment(home.config))
    try:
        yield home, Accounts(airflow)
    finally:
        if is_stopped:
            Services(root).end_all()


def _password(file: Path | None) -> str:
    if file is None:
        if sys.stdin.isatty():
            return _typed()
        raise WrongArgumentError(
            "nobody is there to type the password", way_out="name its file: --password-file"
        )
    if str(file) == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise SettingsError(
            f"{file.name} holds a password and other accounts may read it",
            way_out=f"`chmod 600 {file}`, and another password if somebody has read it",
        )
    return file.read_text(encoding="utf-8").rstrip("\r\n")


def _typed() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
