"""C-MOVE: the archive sends to our receiver; the task asks, and reads what has arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.dataset import Dataset

from mpss_lib.archive_sections import ReceiverSettings
from mpss_lib.config import Sites
from mpss_lib.errors import PlatformFaultError, ReceiverDownError
from mpss_lib.pull.archive.questions import ArchiveQuestions
from mpss_lib.pull.receiver.arrivals import Arrivals, arrivals_of
from mpss_lib.pull.retrieve.delivery import Basket
from mpss_lib.pull.retrieve.way import asked


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
        last_cut = to.arrivals.last_cut()
        problem = asked(
            archive,
            self.name,
            lambda: archive.association().move(query, to.aet),
            lambda: (to.arrivals.n_of(self._study_uids), to.arrivals.last_byte()),
        )
        self._collect(to)
        if problem:
            self._check_receiver(to)
        if problem and to.arrivals.last_cut() != last_cut:  # the archive says that it cannot send
            return f"{self.name}: our receiver ended the line, on which no byte came any more"
        return problem

    def ask_otherwise(self, study_uid: str) -> None:
        """Do nothing: the archive chooses the syntax when it calls the receiver."""

    def _collect(self, to: Destination) -> None:
        if self._basket is None:
            return
        for study_uid in self._study_uids:
            for sop_uid, arrival in to.arrivals.of_study(study_uid).items():
                self._basket.adopt(sop_uid, arrival.path, has_twin=arrival.has_twin)

    def _check_receiver(self, to: Destination) -> None:
        if not to.arrivals.is_served():
            raise ReceiverDownError(
                "no receiver runs in this home: what the archive moves has nowhere to go",
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
