"""Worklist, study and answers: what a physician opens."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from mpss_airflow.pages.frame import page
from mpss_airflow.pages.rights import (
    User,
    can_answer,
    from_our_pages,
    may_answer,
    may_look,
    reviewer_of,
)

router = APIRouter()

Asked = Annotated[str, Query(max_length=100)]
PICTURES = ("montage", "polar", "bare")
AHEAD = 3
"""Studies whose pictures a browser fetches while the one before is looked at."""


@router.get("/", dependencies=[may_look])
@router.get("/worklist", dependencies=[may_look])
def worklist_page(
    request: Request,
    user: User,
    verdict: Asked = "",
    vendor: Asked = "",
    flag: Asked = "",
    reader: Asked = "",
) -> HTMLResponse:
    """Studies that wait for this account, and why."""
    from mpss_airflow.home import open_home
    from mpss_lib.viewing.published import published
    from mpss_lib.viewing.words import metric_words

    home = open_home()
    with published(home.lake) as snapshot:
        words = metric_words(snapshot)
    asked = {"verdict": verdict, "vendor": vendor, "flag": flag, "reader": reader}
    found = _worklist(user, asked)
    return page(
        request,
        "worklist",
        user=user,
        title="Worklist",
        found=found,
        asked=asked,
        query=_query(asked),
        words=words,
        rule=home.config.review,
    )


@router.get("/studies/{study_key}", dependencies=[may_look])
def study_page(
    request: Request,
    user: User,
    study_key: str,
    verdict: Asked = "",
    vendor: Asked = "",
    flag: Asked = "",
    reader: Asked = "",
) -> HTMLResponse:
    """One study: pictures, metrics beside their limits, how it came here, what was decided."""
    from mpss_airflow.home import open_home
    from mpss_lib.viewing import study
    from mpss_lib.viewing.published import published
    from mpss_lib.viewing.words import REJECT_REASONS

    asked = {"verdict": verdict, "vendor": vendor, "flag": flag, "reader": reader}
    home = open_home()
    with published(home.lake) as snapshot:
        told = study.study_page(
            snapshot, home.lake, study_key, reviewer_of(user), home.config.review
        )
    listed = _worklist(user, asked)
    keys = [row["study_key"] for row in listed.rows]
    return page(
        request,
        "study",
        user=user,
        title=study_key,
        study=told,
        key=study_key,
        place=keys.index(study_key) + 1 if study_key in keys else 0,
        n_listed=listed.n_listed,
        ahead=listed.after(study_key)[:AHEAD],
        before=keys[keys.index(study_key) - 1] if study_key in keys[1:] else "",
        query=_query(asked),
        reasons=REJECT_REASONS,
        can_answer=can_answer(user),
        rule=home.config.review,
    )


@router.get("/studies/{study_key}/{kind}.png", dependencies=[may_look])
def picture(study_key: str, kind: str) -> FileResponse:
    """Give a picture of a study; the first one who asks for it waits until it is drawn."""
    from mpss_airflow.home import open_home
    from mpss_lib.errors import WrongArgumentError
    from mpss_lib.viewing import images
    from mpss_lib.viewing.published import published

    if kind not in PICTURES:
        raise WrongArgumentError(
            f"there is no picture {kind!r} of a study", way_out=f"one of {', '.join(PICTURES)}"
        )
    home = open_home()
    with published(home.lake) as snapshot:
        path = images.picture(snapshot, study_key, kind, home.lake, home.config)
    headers = {"Cache-Control": "private, max-age=3600"}
    return FileResponse(path, media_type="image/png", headers=headers)


@router.get("/studies/{study_key}/slices.json", dependencies=[may_look])
def slices(study_key: str) -> JSONResponse:
    """Give the volume around the heart with its masks, for the viewer of slices."""
    from mpss_airflow.home import open_home
    from mpss_lib.viewing import images
    from mpss_lib.viewing.published import published

    home = open_home()
    with published(home.lake) as snapshot:
        found = images.slices(snapshot, study_key, home.lake, home.config).as_json()
    return JSONResponse(found, headers={"Cache-Control": "private, max-age=3600"})


@router.get("/studies/{study_key}/terms", dependencies=[may_look])
def terms(
    request: Request, user: User, study_key: str, segment: Asked, configuration: Asked
) -> HTMLResponse:
    """Terms of the models behind one prediction: value, coefficient, contribution, share."""
    from mpss_airflow.home import open_home
    from mpss_lib.viewing import study
    from mpss_lib.viewing.published import published

    with published(open_home().lake) as snapshot:
        groups = study.terms(snapshot, study_key, segment, configuration)
    return page(
        request,
        "terms",
        user=user,
        title=study_key,
        groups=groups,
        segment=segment,
        configuration=configuration,
    )


@router.post("/studies/{study_key}/answer", dependencies=[may_answer, Depends(from_our_pages)])
def answer(
    user: User,
    study_key: str,
    decision: Annotated[str, Body(max_length=20)],
    reason: Annotated[str, Body(max_length=40)] = "",
    text: Annotated[str, Body(max_length=450)] = "",
) -> dict[str, Any]:
    """Store what the account decided about a study, and have it published.

    Returns
    -------
    dict
        The decision as it was stored, and ``forms``: which of Airflow's forms about the study are
        answered with it, ``all``, ``one`` or ``none``.
    """
    from mpss_airflow.review import announce, decide, forms_to_close
    from mpss_lib.viewing.words import reason_text

    stored = decide(study_key, decision, reason_text(reason, text), reviewer_of(user))
    announce()
    return {"study_key": study_key, **stored, "forms": forms_to_close(study_key, reviewer_of(user))}


def _worklist(user: User, asked: dict[str, str]) -> Any:
    from mpss_airflow.home import open_home
    from mpss_lib.viewing.published import published
    from mpss_lib.viewing.worklist import Filters, worklist

    home = open_home()
    with published(home.lake) as snapshot:
        return worklist(
            snapshot, home.lake, reviewer_of(user), Filters(**asked), home.config.review
        )


def _query(asked: dict[str, str]) -> str:
    """Give the filters as the end of an address, so that they stay from page to page."""
    told = urlencode({name: value for name, value in asked.items() if value})
    return f"?{told}" if told else ""
