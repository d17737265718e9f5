"""Who may do what, by Flask-AppBuilder, with one rule less and every login in our audit log."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.fab.auth_manager.models import User

ANSWERS = "HITL Detail"


class MpssAuthManager(FabAuthManager):  # type: ignore[misc] -- Airflow has no types here
    """Flask-AppBuilder's manager, in which an answer to a human task is no change of its DAG.

    There, whoever answers must be allowed to edit the DAG, and could pause it. Here they must be
    allowed to read the DAG, and to edit answers.
    """

    def is_authorized_dag(
        self,
        *,
        method: Any,
        user: User,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Whether an account may do something with a DAG or what belongs to it."""
        asked = {"user": user, "access_entity": access_entity, "details": details}
        if access_entity is DagAccessEntity.HITL_DETAIL and method != "GET":
            may = self.is_authorized_custom_view(method=method, resource_name=ANSWERS, user=user)
            return may and super().is_authorized_dag(method="GET", **asked)
        return bool(super().is_authorized_dag(method=method, **asked))

    @cached_property
    def security_manager(self) -> Any:
        """Give the part that checks passwords; a ``webserver_config.py`` may name another."""
        from flask import current_app

        from mpss_airflow.accounts.security import SecurityManager, refuse_weak

        for name, value in {
            "SECURITY_MANAGER_CLASS": SecurityManager,
            "FAB_PASSWORD_COMPLEXITY_ENABLED": True,
            "FAB_PASSWORD_COMPLEXITY_VALIDATOR": refuse_weak,
        }.items():
            current_app.config.setdefault(name, value)
        return super().security_manager
