"""The frame of every page: its links, its account, the mark of research use."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import Request
from fastapi.responses import HTMLResponse

from mpss_airflow.pages.rights import links_of
from mpss_airflow.vocabulary import PAGES


def base_of(request: Request) -> str:
    """Path under which the browser finds the pages."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    user: BaseUser | None = None,
    **values: Any,
) -> HTMLResponse:
    """Fill a template of ``mpss_lib/templates/pages``.

    Parameters
    ----------
    request : Request
    template : str
        Its name without ending.
    status : int
    user : BaseUser, optional
        Who looks.
    **values
        What the template names.
    """
    from mpss_lib.pages import render

    base = base_of(request)
    text = render(
        f"pages/{template}.html",
        base=base,
        airflow=base.removesuffix(PAGES),
        here=request.url.path.removeprefix(base).strip("/").split("/")[0],
        links=[] if user is None else links_of(user),
        account="" if user is None else str(user.get_name()),
        **values,
    )
    return HTMLResponse(text, status_code=status)
