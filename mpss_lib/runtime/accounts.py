"""Accounts of persons: their roles, what a password must be, and how Airflow is asked for them.

The accounts themselves are Flask-AppBuilder's (``mpss_airflow.accounts``), in Airflow's database; a
password goes there on standard input and is kept as a hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.orchestrator import Airflow

MODULE = "mpss_airflow.accounts"

ROLES: Mapping[str, str] = {
    "viewer": "looks at every page but SQL, the doctor and the audit log",
    "researcher": "looks, and asks the snapshot in SQL",
    "reviewer": "looks, and decides about studies; starts nothing",
    "operator": "looks, starts, clears and pauses, reads task logs, sees the doctor",
    "privacy-officer": "looks, and reads the audit log; purges in the shell",
    "admin": "everything, and makes accounts",
}
"""What an account may be; it may be several at once."""

LEAST_LENGTH, LEAST_VARIETY = 12, 6
"""Of a password: characters, and different ones among them (NIST SP 800-63B asks for length and a
list of what is guessed first, not for kinds of characters)."""
GUESSED_FIRST = (
    "password",
    "passwort",
    "motdepasse",
    "123456",
    "qwert",
    "airflow",
    "mpss",
    "admin",
)


@dataclass(frozen=True)
class Person:
    """Whose account it is.

    Parameters
    ----------
    name : str
        What is typed to log in; it stands beside every decision and in the audit log.
    first, last, mail : str
        ``mail`` is not written to; no two accounts have the same.
    """

    name: str
    first: str
    last: str
    mail: str

    def __post_init__(self) -> None:
        """Refuse what nobody could log in with.

        Raises
        ------
        WrongArgumentError
            The name is empty, or holds a space or a control character.
        """
        if not self.name.isprintable() or not self.name or " " in self.name:
            raise WrongArgumentError(
                f"{self.name!r} is no name of an account", way_out="use letters, digits, . - _"
            )


@dataclass(frozen=True)
class NewAccount:
    """An account to be made; its password is in no text of it."""

    person: Person
    roles: tuple[str, ...]
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse unknown roles and a password that would be guessed."""
        names_of(self.roles)
        check_password(self.password, self.person.name)


def names_of(roles: Sequence[str]) -> list[str]:
    """Give roles the names that they have in Airflow.

    Raises
    ------
    WrongArgumentError
        There is no such role, or none is named.
    """
    for role in roles:
        if role not in ROLES:
            raise WrongArgumentError(f"there is no role {role!r}", way_out=f"{', '.join(ROLES)}")
    if not roles:
        raise WrongArgumentError("an account needs a role", way_out=f"{', '.join(ROLES)}")
    return [name_of(role) for role in roles]


def name_of(role: str) -> str:
    """Give a role the name that it has in Airflow: ours are told apart from those it ships."""
    return "Admin" if role == "admin" else f"MPSS {role}"


def check_password(password: str, name: str = "") -> None:
    """Refuse a password that would be guessed; the message does not hold it.

    Raises
    ------
    WrongArgumentError
        It is too short, of too few characters, or holds what is guessed first.
    """
    if problem := weakness_of(password, name):
        raise WrongArgumentError(
            f"the password {problem}",
            way_out=f"at least {LEAST_LENGTH} characters: some words that do not belong together",
        )


def weakness_of(password: str, name: str = "") -> str:
    """Say what is wrong with a password; "" where nothing is."""
    plain = password.casefold()
    if len(password) < LEAST_LENGTH:
        return f"has fewer than {LEAST_LENGTH} characters"
    if len(set(plain)) < LEAST_VARIETY:
        return f"has fewer than {LEAST_VARIETY} different characters"
    if name and name.casefold() in plain:
        return "holds the name of the account"
    guessed = next((word for word in GUESSED_FIRST if word in plain), "")
    return f"holds {guessed!r}, which is guessed first" if guessed else ""


@dataclass(frozen=True)
class Accounts:
    """The accounts of a home, as Airflow keeps them."""

    airflow: Airflow

    def add(self, account: NewAccount) -> None:
        """Make an account.

        Raises
        ------
        WrongArgumentError
            Somebody has this name or this mail.
        """
        self._ask(
            "add",
            **asdict(account.person),
            roles=names_of(account.roles),
            password=account.password,
        )

    def all(self) -> list[dict[str, Any]]:
        """Give every account: name, person, roles, whether it is active, last login."""
        return list(self._ask("ls")["accounts"])

    def set_roles(self, name: str, roles: Sequence[str]) -> None:
        """Give an account these roles instead of those that it has."""
        self._ask("role", name=name, roles=names_of(roles))

    def set_password(self, name: str, password: str) -> None:
        """Give an account another password; its logins end."""
        check_password(password, name)
        self._ask("password", name=name, password=password)

    def set_active(self, name: str, *, is_active: bool) -> None:
        """Let an account log in or not; its logins end (its token, within half a minute)."""
        self._ask("active", name=name, active=is_active)

    def _ask(self, what: str, **told: object) -> dict[str, Any]:
        answer = self.airflow.run(
            [MODULE],
            "Airflow cannot answer about accounts",
            "check that its database runs; `mpss up` brings it up to date",
            asks=json.dumps({"do": what, **told}),
        )
        found: dict[str, Any] = json.loads(answer)
        if problem := found.get("problem"):
            raise WrongArgumentError(problem, way_out=found["way_out"])
        return found
