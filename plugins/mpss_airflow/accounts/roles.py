"""What each role may do, in the words of Flask-AppBuilder: the one table, and its keeping.

Who may only look, or ask in SQL, sees no task instance, XCom or log: these join study keys with the
true dates of a night, which a researcher must not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mpss_airflow.vocabulary import AUDIT_RIGHT, SQL_RIGHT

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Right = tuple[str, str]
"""Action and resource, as Flask-AppBuilder names them."""


def _rights(actions: str, *resources: str) -> Iterator[Right]:
    for action in actions.split():
        yield from ((action, resource) for resource in resources)


LOOK: frozenset[Right] = frozenset(
    {
        *_rights("can_read", "Website", "DAGs", "DAG Runs", "DAG Versions", "DAG Warnings"),
        *_rights("can_read", "HITL Detail", "Assets", "Plugins"),
        *_rights("can_read can_edit", "My Password", "My Profile"),
        *_rights("menu_access", "DAGs"),
    }
)
"""With "Plugins", because Airflow shows the links of plugins to whoever may read them."""

OPERATE: frozenset[Right] = frozenset(
    {
        *_rights("can_edit", "DAGs"),
        *_rights("can_create can_edit can_delete", "DAG Runs"),
        *_rights("can_read can_create can_edit", "Task Instances"),
        *_rights("can_create", "Assets"),
        *_rights("can_read", "Task Logs", "XComs", "DAG Code", "DAG Dependencies", "ImportError"),
        *_rights("can_read", "Cluster Activity", "Jobs", "Pools", "Connections", "Audit Logs"),
        *_rights("can_read can_create can_edit", "Backfills"),
        *_rights("can_create can_edit", "Pools", "Connections"),
        *_rights("menu_access", "Browse", "Admin", "Pools", "Connections", "Assets", "Jobs"),
        *_rights("menu_access", "Audit Logs", "HITL Detail"),
    }
)

ANSWER: frozenset[Right] = frozenset(
    {
        *_rights("can_edit menu_access", "HITL Detail"),
        *_rights("can_read", "Task Instances"),  # the form of Airflow is a page of one
    }
)

RIGHTS: Mapping[str, frozenset[Right]] = {
    "viewer": LOOK,
    "researcher": LOOK | {("can_read", SQL_RIGHT)},
    "reviewer": LOOK | ANSWER,
    "operator": LOOK | OPERATE,
    "privacy-officer": LOOK | {("can_read", AUDIT_RIGHT)},
}
"""Rights by role; ``admin`` is Flask-AppBuilder's own, which has all."""


def keep_roles(session: Session) -> list[str]:
    """Make the roles, or bring them back to the table; Flask-AppBuilder's own are made too.

    Returns
    -------
    list of str
        What was otherwise in a role that was there: somebody had changed it.
    """
    from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager

    from mpss_lib.runtime.accounts import name_of

    manager = ApplessAirflowSecurityManager(session)
    changed = []
    for word, wanted in RIGHTS.items():
        name = name_of(word)
        known = manager.find_role(name)
        role = known or manager.add_role(name)
        told = list(_bring(manager, role, wanted))
        changed += [f"{name}: {change}" for change in told if known is not None]
    manager.sync_roles()
    return changed


def _bring(manager: Any, role: Any, wanted: frozenset[Right]) -> Iterator[str]:
    has = {(one.action.name, one.resource.name): one for one in role.permissions}
    for action, resource in sorted(wanted - has.keys()):
        manager.add_permission_to_role(role, manager.create_permission(action, resource))
        yield f"{action} on {resource} was missing"
    for action, resource in sorted(has.keys() - wanted):
        manager.remove_permission_from_role(role, has[action, resource])
        yield f"{action} on {resource} was added"
