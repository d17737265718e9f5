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

User = Annotated[BaseUser, Depends(get_user)]

REVIEW = "mpss_review"

may_look = Depends(requires_access_dag("GET", DagAccessEntity.HITL_DETAIL, REVIEW))
"""To see what waits for a physician: to read the human tasks of the review DAG."""
may_answer = Depends(requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL, REVIEW))
"""To decide about a study: to answer the human tasks of the review DAG."""


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
