"""Cohort, evaluation, data quality and questions in SQL: what a researcher opens."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from mpss_airflow.pages.frame import page
from mpss_airflow.pages.rights import (
    User,
    from_our_pages,
    may_ask,
    may_read_cohort,
    reviewer_of,
)

router = APIRouter()

KINDS = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
REPORT_KINDS = {
    ".html": "text/html",
    ".json": "application/json",
    ".csv": "text/csv",
    ".png": "image/png",
}
REPORT_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:;"
        " frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )
}
"""A report is one file with its style in it, and no script."""


@router.get("/cohort", dependencies=[may_read_cohort])
def cohort_page(request: Request, user: User, run: str = "") -> HTMLResponse:
    """Tables of the cohort and its evaluation, and the reports; ``run`` is the tab's of Airflow."""
    from mpss_airflow.home import open_home
    from mpss_lib.viewing import cohort
    from mpss_lib.viewing.published import published

    lake = open_home().lake
    with published(lake) as snapshot:
        tables = cohort.tables(snapshot)
    return page(
        request,
        "cohort",
        user=user,
        title="Cohort and evaluation",
        tables=tables,
        reports=cohort.reports(lake),
        run=run,
    )


@router.get("/cohort/{name}.{kind}", dependencies=[may_read_cohort])
def cohort_table(name: str, kind: str) -> Response:
    """Give one table of the cohort page as a file: exactly its rows."""
    from mpss_airflow.home import open_home
    from mpss_lib.viewing.cohort import TABLES
    from mpss_lib.viewing.questions import download

    table = next((one for one in TABLES if one.name == name), None)
    if table is None or kind not in KINDS:
        raise HTTPException(404, "there is no such table")
    return _file(download(open_home().lake, table.sql, kind), name, kind)


@router.get("/quality", dependencies=[may_read_cohort])
def quality_page(request: Request, user: User) -> HTMLResponse:
    """Show the page of the last check of the data."""
    from mpss_airflow.home import open_home
    from mpss_lib.viewing.cohort import QUALITY_PAGE, reports

    names = {one["name"] for one in reports(open_home().lake)}
    shown = QUALITY_PAGE if QUALITY_PAGE in names else ""
    return page(request, "report", user=user, title="Data quality", report=shown)


@router.get("/report/{name}", dependencies=[may_read_cohort])
def report_page(request: Request, user: User, name: str) -> HTMLResponse:
    """Show one report of the lake in the frame."""
    _report(name)
    return page(request, "report", user=user, title=name, report=name)


@router.get("/reports/{name}", dependencies=[may_read_cohort])
def report_file(name: str) -> FileResponse:
    """Give one file of the lake's reports."""
    path = _report(name)
    return FileResponse(path, media_type=REPORT_KINDS[path.suffix], headers=REPORT_HEADERS)


@router.get("/sql", dependencies=[may_ask])
def sql_page(request: Request, user: User) -> HTMLResponse:
    """Show a box for one question, with the worked ones."""
    from mpss_lib.viewing import questions

    return page(
        request,
        "sql",
        user=user,
        title="SQL",
        examples=questions.worked_queries(),
        most=questions.MOST_SHOWN,
        seconds=questions.SECONDS,
    )


@router.post("/sql", dependencies=[may_ask, Depends(from_our_pages)])
def sql_answer(
    request: Request,
    user: User,
    sql: Annotated[str, Body(max_length=20_000)],
    kind: Annotated[str, Body(max_length=10)] = "",
) -> Response:
    """Answer one question: a table for the page, or a file (``csv``, ``parquet``).

    The audit log has who asked, before the answer, and the SHA-256 of the text: a text may name
    somebody.
    """
    from mpss_airflow.home import open_home
    from mpss_lib.audit.doors import record
    from mpss_lib.audit.message import Event
    from mpss_lib.audit.vocabulary import SUCCESS
    from mpss_lib.viewing import questions

    if kind and kind not in KINDS:
        raise HTTPException(404, f"there is no form {kind!r}")
    home = open_home()
    lake = home.lake
    told = {"question": hashlib.sha256(sql.encode()).hexdigest(), "form": kind or "page"}
    record(
        Event("question", SUCCESS, details=told, requester=reviewer_of(user)),
        home.root,
        home.config,
    )
    if kind:
        return _file(questions.download(lake, sql, kind), "answer", kind)
    found = questions.ask(lake, sql)
    return page(request, "answer", user=user, title="Answer", found=found)


def _file(content: bytes, name: str, kind: str) -> Response:
    told = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return Response(content, media_type=KINDS[kind], headers=told)


def _report(name: str) -> Any:
    from mpss_airflow.home import open_home

    folder = open_home().lake.root / "reports"
    path = folder / name
    if path.parent != folder or path.suffix not in REPORT_KINDS or not path.is_file():
        raise HTTPException(404, "there is no such report")
    return path
