"""One page with the pictures of every study that waits for a physician."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpss_lib.config import Config
from mpss_lib.errors import MpssError
from mpss_lib.pages import render
from mpss_lib.quality.gallery import pictures_of
from mpss_lib.quality.sheet import MARK
from mpss_lib.snapshot_file import asking
from mpss_lib.tables import Lake
from mpss_lib.whole_files import write_bytes

_WAITING = """
    select study_key, verdict, flags, last_decision, acquired_period
    from quality.awaiting_review order by study_key
"""


def waiting_page(lake: Lake, config: Config) -> tuple[Path, int]:
    """Write ``pictures/waiting.html`` of the lake; pictures that are not there yet are drawn.

    Returns
    -------
    (Path, int)
        The page, and how many studies are on it.

    Raises
    ------
    PlatformFaultError
        Nothing is published.
    """
    with asking(lake.snapshot) as snapshot:
        rows = snapshot.execute(_WAITING).fetchall()
    names = ("study_key", "verdict", "flags", "last_decision", "acquired_period")
    page = lake.root / "pictures" / "waiting.html"
    listed = [dict(zip(names, row, strict=True)) for row in rows]
    studies = [_with_pictures(one, page, lake, config) for one in listed]
    write_bytes(page, render("waiting.html", studies=studies, mark=MARK).encode())
    return page, len(studies)


def _with_pictures(study: dict[str, Any], page: Path, lake: Lake, config: Config) -> dict[str, Any]:
    try:
        found = pictures_of(study["study_key"], lake, config)
    except MpssError as error:  # its masks are of another version, say: the others are shown
        return study | {"pictures": {}, "problem": str(error)}
    paths = {kind: path.relative_to(page.parent).as_posix() for kind, path in found.items()}
    return study | {"pictures": paths, "problem": ""}
