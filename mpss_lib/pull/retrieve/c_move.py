"""C-MOVE: the archive sends to our receiver; the task asks, and reads what has arrived.

The archive ends a request with one status, whether it cannot send an object or could not reach our
receiver (PS3.4 C.4.2.1.5: "unable to perform sub-operations"). What the receiver saw meanwhile
(``arrivals.Seen``) tells the two apart: ``why_missed`` is the rule.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.dataset import Dataset

from mpss_lib.archive_sections import ReceiverSettings
from mpss_lib.config import Sites
from mpss_lib.errors import PlatformFaultError, ReceiverDownError
from mpss_lib.pull.archive.queries import object_query
from mpss_lib.pull.archive.questions import ArchiveQuestions
from mpss_lib.pull.receiver.arrivals import Arrivals, Seen, arrivals_of
from mpss_lib.pull.retrieve.delivery import Basket
from mpss_lib.pull.retrieve.way import asked, comes_later, is_short

_IN_THE_WAY = {
    Seen.CUT: "our receiver ended the line, on which no byte came any more",
    Seen.FULL: "our receiver had no place left for the archive (receiver.max_associations)",
    Seen.NO_ROOM: "the disk of our receiver took no object",
    Seen.LOST: "the line from the archive to our receiver broke off",
}
"""What keeps objects away from a receiver that the archive has called."""
_NOT_SENT = re.compile("status 0x(A702|B000|C...)$")
"""Ends of what ``asked`` says where sub-operations failed or could not begin (PS3.4 C.4.2.1.5): no
resources for them, failures, unable to process."""
_REFUSED = re.compile("status 0x(A9..|AA..|01..|02..)$")
"""The request itself is refused, whatever the receiver did: its identifier does not match, or it
asks for what is not supported (PS3.4 C.4.2.1.5, PS3.7 C)."""


@dataclass(frozen=True)
class Destination:
    """Where the archive sends: our receiver, and its ledger."""

    aet: str
    settings: ReceiverSettings
    arrivals: Arrivals


def destination_of(sites: Sites) -> Destination | None:
    """Receiver of a site; None where it has none."""
    settings = sites.receiver
    if not settings.port:
        return None
    return Destination(settings.aet or sites.archive.calling_aet, settings, arrivals_of(sites))


class CMove:
    """The way C-MOVE.

    Parameters
    ----------
    archive : ArchiveQuestions
        The association over which it is asked.
    to : Destination or None
    """

    name = "C-MOVE"
    takes_several = True
    stored_as: Mapping[str, str] = MappingProxyType({})

    def __init__(self, archive: ArchiveQuestions, to: Destination | None) -> None:
        self._archive, self._to = archive, to
        self._study_uids: Sequence[str] = ()
        self._basket: Basket | None = None
        self.missed = ""

    def lacks(self) -> str:
        """Say what the archive or this site does not have for it."""
        if self._to is None:
            return "this site has no receiver (receiver.port)"
        return self._archive.lacks_for_move()

    @contextmanager
    def delivering(self, study_uids: Sequence[str], basket: Basket) -> Iterator[None]:
        """Announce studies to the receiver; what a killed task left of them is taken at once."""
        to = self._destination()
        self._check_receiver(to)
        with to.arrivals.announced(*study_uids):
            self._study_uids, self._basket = study_uids, basket
            self._archive.quiet_elsewhere_s = to.arrivals.quiet_s
            try:
                self._collect(to)
                yield
                self._collect(to)
            finally:
                self._basket, self._archive.quiet_elsewhere_s = None, None

    def ask(self, query: Dataset) -> str:
        """Ask once; say what went wrong, "" if nothing did.

        Raises
        ------
        ReceiverDownError, PlatformFaultError
            Nothing could come: no receiver runs, its disk is full.
        """
        to, archive = self._destination(), self._archive
        before = {seen: to.arrivals.when(seen) for seen in Seen}
        self.missed = ""
        problem = asked(
            archive,
            self.name,
            lambda: archive.association().move(query, to.aet),
            lambda: (to.arrivals.n_of(self._study_uids), to.arrivals.when(Seen.BYTE)),
        )
        self._collect(to)
        if self._basket is not None and self._basket.is_full:
            return problem
        if problem:
            self._check_receiver(to)
        now = {seen for seen in Seen if to.arrivals.when(seen) != before[seen]}
        self.missed = why_missed(problem, now)
        is_told = self.missed in _IN_THE_WAY.values()  # else the archive may be unable to send it
        return f"{self.name}: {self.missed}" if is_told else problem

    def ask_otherwise(self, study_uid: str) -> None:
        """Ask for what has come already, where the receiver may be what keeps the rest away.

        Raises
        ------
        ArchiveBusyError
            That does not come either: nothing is said about what is missing.
        """
        basket = self._basket
        if basket is None or not self.missed or not basket.came:
            return
        self.ask(object_query(study_uid, basket.came[0]))
        if self.missed:
            raise comes_later(self)

    def _collect(self, to: Destination) -> None:
        if self._basket is None:
            return
        for study_uid in self._study_uids:
            for sop_uid, arrival in to.arrivals.of_study(study_uid).items():
                self._basket.adopt(sop_uid, arrival.path, has_twin=arrival.has_twin)

    def _check_receiver(self, to: Destination) -> None:
        if not to.arrivals.is_served():
            self.missed = "no receiver runs in this home"
            raise ReceiverDownError(
                f"{self.missed}: what the archive moves has nowhere to go",
                way_out="start it: `mpss up`, `mpss receiver`, or its service",
            )
        free = to.arrivals.free_bytes()
        if free < to.settings.min_free_bytes:
            raise PlatformFaultError(
                f"the receiver takes nothing: {free / 2**30:.1f} GB are free,"
                f" receiver.min_free_gb is {to.settings.min_free_gb:g}",
                way_out="free disk space, then run again",
            )

    def _destination(self) -> Destination:
        if self._to is None:
            raise ReceiverDownError(
                "this site has no receiver", way_out="set receiver.port, then `mpss up`"
            )
        return self._to


def why_missed(problem: str, seen: Container[Seen]) -> str:
    """Say why what was asked for may have missed our receiver, "" where that is not the reason.

    ==============================  ==========================  =================================
    the archive's answer            our receiver turned a call  no call came to an end there
                                    away, or a line broke off
    ==============================  ==========================  =================================
    0xA700, 0xA701, 0xFE00          missed                      missed: see ``is_short``
    0xA702, 0xB000, 0xCxxx          missed                      missed: it could not be called
    0xA801, 0x0000, no answer       missed                      as the archive says
    0xA9xx, 0xAAxx, 0x01xx, 0x02xx  as the archive says         as the archive says
    ==============================  ==========================  =================================

    "No call came to an end": nobody called, else the archive cannot send what it was asked for, as
    it says. Some archives call a destination that does not let them in "unknown" (0xA801).

    Parameters
    ----------
    problem : str
        What ``asked`` says; "" where the request ended with success, and not all has come.
    seen : container of Seen
        What the receiver saw since the request.
    """
    if _REFUSED.search(problem):
        return ""
    for one, why in _IN_THE_WAY.items():
        if one in seen:
            return why
    if is_short(problem):
        return f"the archive is busy ({problem})"
    if _NOT_SENT.search(problem) and Seen.HEARD not in seen:
        return f"the archive did not call our receiver ({problem})"
    return ""
