"""Accounts as the command line asks for them: one question, one answer, both JSON.

``python -m mpss_airflow.accounts`` reads ``{"do": "add" | "ls" | "role" | "password" | "active"}``
with what it needs on standard input: no password is ever on a command line.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import Any


class RefusedError(Exception):
    """The question cannot be done as it is asked; ``way_out`` says what to do."""

    def __init__(self, problem: str, way_out: str) -> None:
        super().__init__(problem)
        self.way_out = way_out


def add(manager: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Make an account."""
    name, mail = asked["name"], asked["mail"]
    if manager.find_user(username=name) or manager.find_user(email=mail):
        raise RefusedError(
            f"an account has the name {name!r} or the mail {mail!r} already",
            "`mpss account ls`; `mpss account role` and `password` change one",
        )
    roles = _roles(manager, asked["roles"])
    manager.add_user(name, asked["first"], asked["last"], mail, roles, asked["password"])
    return {}


def ls(manager: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Give every account."""
    told = [
        {
            "name": one.username,
            "person": f"{one.first_name} {one.last_name}".strip(),
            "mail": one.email,
            "roles": sorted(role.name for role in one.roles),
            "active": bool(one.active),
            "last_login": None if one.last_login is None else one.last_login.isoformat(),
        }
        for one in manager.get_all_users()
    ]
    return {"accounts": sorted(told, key=lambda one: str(one["name"]))}


def role(manager: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Give an account other roles."""
    user = _user(manager, asked["name"])
    roles = _roles(manager, asked["roles"])
    _keep_one(manager, user, is_one="Admin" in asked["roles"])
    user.roles = roles
    return _stored(manager, user)


def password(manager: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Give an account another password and end its logins."""
    user = _user(manager, asked["name"])
    if not manager.reset_password(user.id, asked["password"]):
        raise RefusedError("the password could not be stored", "look at Airflow's database")
    return {}


def active(manager: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Let an account log in or not; the logins that it has end."""
    user = _user(manager, asked["name"])
    _keep_one(manager, user, is_one=asked["active"])
    user.active = asked["active"]
    manager.reset_user_sessions(user)
    return _stored(manager, user)


DOORS = {"add": add, "ls": ls, "role": role, "password": password, "active": active}


def _user(manager: Any, name: str) -> Any:
    found = manager.find_user(username=name)
    if found is None:
        raise RefusedError(f"there is no account {name!r}", "`mpss account ls` lists them")
    return found


def _roles(manager: Any, names: list[str]) -> list[Any]:
    found = {name: manager.find_role(name) for name in names}
    if missing := [name for name, one in found.items() if one is None]:
        raise RefusedError(f"Airflow has no role {missing[0]!r}", "`mpss up` makes the roles")
    return list(found.values())


def _keep_one(manager: Any, user: Any, *, is_one: bool) -> None:
    """Refuse to take away the last administrator: nobody could make accounts in the UI."""
    admins = [one for one in manager.get_all_users() if one.active and _is_admin(one)]
    if not is_one and _is_admin(user) and [one.id for one in admins] == [user.id]:
        raise RefusedError(
            f"{user.username} is the only administrator",
            "make another one first: `mpss account add`",
        )


def _is_admin(user: Any) -> bool:
    return any(one.name == "Admin" for one in user.roles)


def _stored(manager: Any, user: Any) -> dict[str, Any]:
    if not manager.update_user(user):
        raise RefusedError(f"{user.username} could not be stored", "look at Airflow's database")
    return {}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer one question."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        try:
            return DOORS[asked["do"]](builder.sm, asked)
        except RefusedError as refused:
            return {"problem": str(refused), "way_out": refused.way_out}


def main() -> int:
    """Answer on standard output, whatever Airflow's libraries print there meanwhile."""
    with redirect_stdout(sys.stderr):
        told = answer(json.loads(sys.stdin.read()))
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
