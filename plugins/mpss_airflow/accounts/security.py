"""Logins: each one, and each refused one, is a line of the audit log before it counts."""

from __future__ import annotations

from typing import Any

from airflow.providers.fab.auth_manager.security_manager.override import (
    FabAirflowSecurityManagerOverride,
)

NOBODY = "unknown"
"""Who is refused under a name that no account has: the name may be a password, typed too early."""


class SecurityManager(FabAirflowSecurityManagerOverride):  # type: ignore[misc]
    """Flask-AppBuilder's, with an audit: where that cannot be written, nobody gets in."""

    def on_user_login(self, user: Any) -> None:
        """Tell a login by whichever way: password, directory, OAuth."""
        _tell(user.username, is_refused=False)

    def on_user_login_failed(self, user: Any) -> None:
        """Tell a wrong password of an account."""
        _tell(user.username, is_refused=True)

    def auth_user_db(self, username: Any, password: Any, rotate_session_id: bool = True) -> Any:
        """Check name and password; what no active account has is told here."""
        found = super().auth_user_db(username, password, rotate_session_id=rotate_session_id)
        if found is None:
            known = self.find_user(username=username) or self.find_user(email=username)
            if known is None or not known.is_active:
                _tell(NOBODY if known is None else known.username, is_refused=True)
        return found


def refuse_weak(password: str) -> None:
    """Refuse, in Flask-AppBuilder's forms, a password that would be guessed.

    Raises
    ------
    PasswordComplexityValidationError
        With what is wrong.
    """
    from flask_appbuilder.exceptions import PasswordComplexityValidationError

    from mpss_lib.runtime.accounts import weakness_of

    if problem := weakness_of(password):
        raise PasswordComplexityValidationError(f"It {problem}.")


def _tell(name: str, *, is_refused: bool) -> None:
    from flask import has_request_context, request

    from mpss_lib import config as settings
    from mpss_lib.audit.doors import record
    from mpss_lib.audit.message import Event
    from mpss_lib.audit.vocabulary import MINOR, SUCCESS

    root = settings.home()
    where = str(request.remote_addr) if has_request_context() else "the REST interface"
    record(
        Event(
            "login",
            MINOR if is_refused else SUCCESS,
            details={"from": where},
            requester=name,
            problem="refused" if is_refused else "",
        ),
        root,
        settings.load(root),
    )
