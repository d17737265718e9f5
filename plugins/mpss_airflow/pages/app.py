"""The application: every route behind Airflow's login, strict headers, errors in plain words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from mpss_airflow.pages import audit, book, health, night, research, review
from mpss_airflow.pages.frame import page

STATIC = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'self'; frame-src 'self';"
        " base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer that brings none of its own."""


def make_app() -> FastAPI:
    """Make the pages; Airflow mounts them under ``vocabulary.PAGES``."""
    from mpss_lib.errors import MpssError

    app = FastAPI(
        title="MPSS pages",
        dependencies=[Depends(get_user)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.middleware("http")(_with_headers)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(MpssError)(_failed)
    app.get("/static/{name}")(static)
    for part in (review, night, research, health, audit, book):
        app.include_router(part.router)
    return app


def static(name: str) -> FileResponse:
    """Give a style, a script or an icon of the pages."""
    path = STATIC / name
    if path.parent != STATIC or path.suffix not in KINDS or not path.is_file():
        raise HTTPException(404, "there is no such file")
    headers = {"Cache-Control": "private, max-age=300"}
    return FileResponse(path, media_type=KINDS[path.suffix], headers=headers)


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    answer = await call_next(request)
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


async def _refused(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    said = {
        401: ("You are not logged in", "This page opens afterwards."),
        403: (
            "Your account has no right to this",
            "Ask the administrator for a role that has it (docs/how-to/accounts.md).",
        ),
    }.get(status, (str(getattr(error, "detail", "")), ""))
    return _told(request, status, *said)


async def _failed(request: Request, error: Exception) -> Response:
    """Tell an error of the library in its own words: a wrong name, or a platform at fault."""
    from mpss_lib.errors import StudyRejectedError, WrongArgumentError
    from mpss_lib.warehouse.query_rows import QueryError

    status = 503
    if isinstance(error, WrongArgumentError | StudyRejectedError | QueryError):
        status = 422 if request.method == "POST" else 404
    problem = str(getattr(error, "problem", error))
    return _told(request, status, problem, str(getattr(error, "way_out", "") or ""))


def _told(request: Request, status: int, problem: str, way_out: str) -> Response:
    content: dict[str, Any] = {"problem": problem, "way_out": way_out}
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse(content, status_code=status)
    if status == 401:  # nobody is there: a page without anything of ours
        login = escape(get_auth_manager().get_url_login(next_url=request.url.path))
        return HTMLResponse(
            f"<!doctype html><html lang=en><title>{problem}</title><h1>{problem}</h1>"
            f'<p><a href="{login}">Log in</a>. {way_out}</p></html>',
            status_code=status,
        )
    return page(request, "message", status=status, title=problem, **content)
