"""Which way objects come: found out by fetching one object, before the first study."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mpss_lib.errors import ArchiveBusyError, ArchiveRefusedError
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.archive.queries import object_query
from mpss_lib.pull.retrieve.delivery import Basket, Order
from mpss_lib.pull.retrieve.way import Way, comes_later

log = logging.getLogger(__name__)

Sample = tuple[str, ObjectAnswer]
"""A study (its UID) and one of its objects."""


def possible(ways: Sequence[Way]) -> tuple[list[Way], dict[str, str]]:
    """Give the ways that can be tried, and for each other one what is missing."""
    lacks = {way.name: way.lacks() for way in ways}
    return [way for way in ways if not lacks[way.name]], {k: v for k, v in lacks.items() if v}


def choose(ways: Sequence[Way], samples: Iterable[Sample], folder: Path) -> Way:
    """Find the first way that delivers; one that is alone is taken without a trial.

    Parameters
    ----------
    ways : sequence of Way
        In the order in which they are wanted.
    samples : iterable of Sample
        Objects of several studies: one that cannot be had proves nothing.
    folder : Path
        For what comes; within the trusted zone.

    Raises
    ------
    ArchiveRefusedError
        No way delivers: names what is missing and what was tried.
    ArchiveBusyError
        None does, and one of them may do it later.
    """
    left, why_not = possible(ways)
    if len(left) == 1:
        return left[0]
    found = None
    chosen = list(samples) if left else []
    for way in left:
        problems = tried(way, chosen, folder)
        if "" in problems:
            found = way
            break
        why_not[way.name] = f"{len(problems)} objects were tried, none came ({problems[0]})"
    if found is None:
        for way in (one for one in left if one.missed):
            raise comes_later(way)
        raise nothing_comes(why_not)
    log.info("objects come by %s%s", found.name, _told(why_not, "; "))
    return found


def tried(way: Way, samples: Iterable[Sample], folder: Path) -> list[str]:
    """Fetch one object after the other until one comes: what went wrong, "" for the one."""
    problems: list[str] = []
    for study_uid, one in samples:
        problems.append(_problem(way, study_uid, one, folder / "trial"))
        if problems[-1] == "":
            break
    return problems or ["there is no object to try"]


def nothing_comes(why_not: Mapping[str, str]) -> ArchiveRefusedError:
    """Make the error of an archive that delivers nothing."""
    return ArchiveRefusedError(
        f"no object can be fetched from the archive: {_told(why_not)}",
        way_out="ask the PACS team to allow C-GET for our AE title, or C-MOVE to our receiver"
        " (its AE title, address and port: section [receiver]); then run again",
    )


def _problem(way: Way, study_uid: str, one: ObjectAnswer, folder: Path) -> str:
    folder.mkdir(mode=0o700)
    basket = Basket(folder, Order(study_uid, [one]))
    try:
        with way.delivering((study_uid,), basket):
            problem = way.ask(object_query(study_uid, one))
    except (ArchiveBusyError, ArchiveRefusedError) as error:
        return error.problem
    finally:
        shutil.rmtree(folder)
    basket.check_folder()
    return "" if basket.n_came else problem or "it ended with success, and nothing came"


def _told(why_not: Mapping[str, str], before: str = "") -> str:
    return before + "; ".join(f"{name}: {why}" for name, why in why_not.items()) if why_not else ""
