"""The book, from the disk: whoever is logged in may read it, and nothing of it asks a network."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, HTMLResponse

router = APIRouter()

_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.S)


@router.get("/book/{path:path}")
def book(path: str) -> Response:
    """Give a page or file of this book."""
    from mpss_lib.project import book_file

    found = book_file(path)
    if found.suffix != ".html":
        return FileResponse(found, headers={"Cache-Control": "private, max-age=300"})
    text = found.read_text(encoding="utf-8")
    return HTMLResponse(text, headers={"Content-Security-Policy": policy_of(text)})


def policy_of(text: str) -> str:
    """Say what a page of the book may do: run what Sphinx wrote into it, told by its digests.

    Parameters
    ----------
    text : str
        The page, HTML.

    Returns
    -------
    str
        A Content-Security-Policy (W3C, level 3): files of this host, no other one, no frame around
        it but Airflow's.
    """
    digests = {sha256(one.encode()).digest() for one in _INLINE.findall(text)}
    scripts = "".join(f" 'sha256-{b64encode(one).decode()}'" for one in sorted(digests))
    return (
        f"default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self';"
        " frame-ancestors 'self'; base-uri 'none'"
    )
