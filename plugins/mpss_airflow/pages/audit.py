"""The audit log: who touched what, newest first; that it was read is written too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from mpss_airflow.pages.frame import page
from mpss_airflow.pages.rights import User, may_audit, reviewer_of

router = APIRouter()

MOST = 200
Asked = Annotated[str, Query(max_length=100)]


@router.get("/audit", dependencies=[may_audit])
def audit_page(
    request: Request, user: User, kind: Asked = "", study: Asked = "", who: Asked = ""
) -> HTMLResponse:
    """Show the newest entries; ``kind``, ``study`` and ``who`` ask for some of them."""
    from mpss_airflow.home import open_home
    from mpss_lib.audit.doors import chain_of, record
    from mpss_lib.audit.listing import Wanted, as_row, newest
    from mpss_lib.audit.message import Event
    from mpss_lib.audit.vocabulary import KINDS, SUCCESS

    home = open_home()
    asked = {"kind": kind, "study": study.strip(), "who": who.strip()}
    found = newest(chain_of(home.root, home.config).folder, Wanted(**asked), MOST)
    told = Event(
        "audit_read",
        SUCCESS,
        [asked["study"]] if asked["study"] else [],
        requester=reviewer_of(user),
    )
    record(told, home.root, home.config)
    return page(
        request,
        "audit",
        user=user,
        title="Audit",
        entries=[as_row(one) for one in reversed(found)],
        kinds={name: one.means for name, one in KINDS.items()},
        asked=asked,
        most=MOST,
    )
