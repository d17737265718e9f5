"""A way by which objects come from the archive: what each of them must be able to do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from pydicom.dataset import Dataset

from mpss_lib.errors import ArchiveBusyError
from mpss_lib.pull.archive.association import NOT_AUTHORISED, SUCCESS
from mpss_lib.pull.archive.questions import ArchiveQuestions
from mpss_lib.pull.retrieve.delivery import Basket

_SHORT = re.compile("status 0x(A700|A701|FE00)$")


class Way(Protocol):
    """One way of retrieval; the loop over what is missing is ``study.fetch_study``."""

    @property
    def name(self) -> str:
        """How an operator calls it, ``C-GET``."""

    @property
    def stored_as(self) -> Mapping[str, str]:
        """SOP Instance UID -> name of the syntax in which an object was seen that is not kept."""

    def lacks(self) -> str:
        """Say what it takes and is not there, "" where it can be tried."""

    @property
    def takes_several(self) -> bool:
        """Whether objects of several studies may come by one request."""

    @property
    def missed(self) -> str:
        """Why what was asked for last may come another time; "" where nothing speaks for it."""

    def delivering(self, study_uids: Sequence[str], basket: Basket) -> AbstractContextManager[None]:
        """Let objects of studies fall into a basket, within the block."""

    def ask(self, query: Dataset) -> str:
        """Ask for series or objects, once; say what went wrong, "" if nothing did.

        Raises
        ------
        ArchiveRefusedError
            The archive does not allow it.
        ArchiveBusyError
            Something of ours that the way needs is away.
        """

    def ask_otherwise(self, study_uid: str) -> None:
        """Ask for what is missing in another manner, where the way has one.

        Raises
        ------
        ArchiveBusyError
            Nothing can come this way now.
        """


def comes_later(way: Way) -> ArchiveBusyError:
    """Make the error of a way by which nothing comes now."""
    return ArchiveBusyError(
        f"nothing comes by {way.name}: {way.missed}",
        way_out="try again; if it lasts, ask the PACS team for its log, and by C-MOVE which address"
        " and port it has for our receiver, and whether its network lets them pass",
    )


def is_short(problem: str) -> bool:
    """Whether ``asked`` says that the archive lacked resources or cancelled: busy, not a refusal.

    "Unable to calculate number of matches" (0xA701; 0xA700 of older archives) and "terminated due
    to cancel" (0xFE00), though we cancel nothing: PS3.4 C.4.2.1.5 and C.4.3.1.4. 0xA702 is none of
    them: it ends a request of which no sub-operation succeeded, for whatever reason.
    """
    return _SHORT.search(problem) is not None


def asked(
    archive: ArchiveQuestions,
    service: str,
    answers: Callable[[], Iterable[int | None]],
    progress: Callable[[], object],
) -> str:
    """Follow the answers to a C-GET or C-MOVE to their end.

    Parameters
    ----------
    answers : callable
        Sends the request; the status of each answer, None for one that lacks.
    progress : callable
        Another value each time something has come. Answers that stay pending without anything
        coming for twice the time-out are not waited for.

    Returns
    -------
    str
        What went wrong, "" if nothing did.
    """
    try:
        code = _last_status(archive, service, answers(), progress)
        if code in NOT_AUTHORISED:
            raise archive.failed(service, code)
    except ArchiveBusyError as error:
        archive.drop()
        return error.problem
    return "" if code == SUCCESS else f"{service} ended with status 0x{code:04X}"


def _last_status(
    archive: ArchiveQuestions,
    service: str,
    answers: Iterable[int | None],
    progress: Callable[[], object],
) -> int:
    code, seen, since = SUCCESS, progress(), time.monotonic()
    for answer in answers:
        if answer is None:
            raise archive.lost(service)
        code = answer
        now = progress()
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > 2 * archive.settings.dimse_timeout_s:
            raise archive.lost(f"{service} (pending, and nothing came)")
    return code
