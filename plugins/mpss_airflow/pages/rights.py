"""Who may open which page: asked of Airflow's auth manager, whichever it is.

Airflow mounts an application of a plugin without any authentication. So each route names its right
here, and the application itself asks who is there.
"""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import (
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends, HTTPException, Request

from mpss_airflow.vocabulary import AUDIT_RIGHT, SQL_RIGHT

User = Annotated[BaseUser, Depends(get_user)]

REVIEW, NIGHT, COHORT = "mpss_review", "mpss_ingest", "mpss_evaluate"

may_look = Depends(requires_access_dag("GET", DagAccessEntity.HITL_DETAIL, REVIEW))
"""To see what waits for a physician: to read the human tasks of the review DAG."""
may_answer = Depends(requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL, REVIEW))
"""To decide about a study: to answer the human tasks of the review DAG."""

may_operate = Depends(requires_access_dag("PUT", DagAccessEntity.RUN, NIGHT))
"""To see what is wrong and the commands that mend it: to change the runs of the nightly DAG."""
may_see_nights = Depends(requires_access_dag("GET", DagAccessEntity.RUN, NIGHT))
"""To see nights: to read the runs of the nightly DAG."""
may_read_cohort = Depends(requires_access_dag("GET", DagAccessEntity.RUN, COHORT))
"""To see cohort, evaluation and data quality: to read the runs of the DAG that evaluates."""


def may_ask_sql(user: User) -> None:
    """Refuse an account that may not put questions to the snapshot.

    Raises
    ------
    HTTPException
        403.
    """
    if not can_ask(user):
        raise HTTPException(403, "Forbidden")


def may_read_audit(user: User) -> None:
    """Refuse an account that may not read the audit log.

    Raises
    ------
    HTTPException
        403.
    """
    if not can_audit(user):
        raise HTTPException(403, "Forbidden")


may_ask = Depends(may_ask_sql)
may_audit = Depends(may_read_audit)


def can_ask(user: BaseUser) -> bool:
    """Whether an account may put questions to the snapshot."""
    return _has_own_right(SQL_RIGHT, user)


def can_audit(user: BaseUser) -> bool:
    """Whether an account may read the audit log."""
    return _has_own_right(AUDIT_RIGHT, user)


def _has_own_right(name: str, user: BaseUser) -> bool:
    """Whether an account has a right of our own, by the name under which a manager keeps it.

    Who may read the configuration of Airflow (an administrator) has it too: no auth manager knows
    the name by itself.
    """
    manager = get_auth_manager()
    told: dict[str, Any] = {"method": "GET", "user": user}
    return bool(
        manager.is_authorized_custom_view(resource_name=name, **told)
        or manager.is_authorized_configuration(**told)
    )


def can_run(user: BaseUser) -> bool:
    """Whether an account may start runs of the nightly DAG: its page has the buttons."""
    return _may_dag("POST", DagAccessEntity.RUN, NIGHT, user)


def links_of(user: BaseUser) -> list[tuple[str, str]]:
    """Path and name of the pages that an account may open, in the order of the links."""
    pages = [
        ("worklist", "Worklist", _may_dag("GET", DagAccessEntity.HITL_DETAIL, REVIEW, user)),
        ("night", "Nights", _may_dag("GET", DagAccessEntity.RUN, NIGHT, user)),
        ("cohort", "Cohort", _may_dag("GET", DagAccessEntity.RUN, COHORT, user)),
        ("quality", "Data quality", _may_dag("GET", DagAccessEntity.RUN, COHORT, user)),
        ("sql", "SQL", can_ask(user)),
        ("doctor", "Doctor", _may_dag("PUT", DagAccessEntity.RUN, NIGHT, user)),
        ("audit", "Audit", can_audit(user)),
    ]
    return [(path, name) for path, name, may in pages if may]


def reviewer_of(user: BaseUser) -> str:
    """Name under which the decisions of an account are kept; its number where it has no name."""
    return str(user.get_name() or user.get_id())


def can_answer(user: BaseUser) -> bool:
    """Whether an account may decide: its page has the buttons."""
    return _may_dag("PUT", DagAccessEntity.HITL_DETAIL, REVIEW, user)


def _may_dag(method: Any, entity: DagAccessEntity, dag_id: str, user: BaseUser) -> bool:
    return bool(
        get_auth_manager().is_authorized_dag(
            method=method, access_entity=entity, details=DagDetails(id=dag_id), user=user
        )
    )


def from_our_pages(request: Request) -> None:
    """Refuse a change that another site's page asked for in the name of who is logged in.

    The header is one that a form cannot send, and for which a browser asks another origin first.

    Raises
    ------
    HTTPException
        403.
    """
    if request.headers.get("x-requested-with") != "mpss":
        raise HTTPException(403, "this request does not come from a page of the platform")
