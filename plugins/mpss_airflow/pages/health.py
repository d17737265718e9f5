"""How the platform is: for monitors as JSON, for operators as a page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from mpss_airflow.pages.frame import page
from mpss_airflow.pages.rights import User, may_operate, may_see_nights

router = APIRouter()


@router.get("/health", dependencies=[may_see_nights])
def health() -> JSONResponse:
    """Say whether there is a fault: 200 or 503, the faults by name, numbers; no paths."""
    from mpss_lib import config
    from mpss_lib.doctor import examine

    report = examine(config.home(), asks_outside=False)
    faults = sorted({one.check for one in report.findings if one.level == "fault"})
    warnings = sorted({one.check for one in report.findings if one.level == "warning"})
    told = {"healthy": report.is_healthy, "faults": faults, "warnings": warnings}
    return JSONResponse(told, 200 if report.is_healthy else 503)


@router.get("/doctor", dependencies=[may_operate])
def doctor_page(request: Request, user: User) -> HTMLResponse:
    """Show what is wrong, each with the command that mends it."""
    from mpss_lib import config
    from mpss_lib.doctor import examine

    report = examine(config.home(), asks_outside=False)
    return page(request, "doctor", user=user, title="Doctor", report=report)
