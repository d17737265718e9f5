"""Several studies by one request, before the turn of each: what came of them waits for it.

An association for each study (C-MOVE), a request and its answer for each study cost an archive more
than a small object does. One that does not take a list of studies, or breaks off in it, is asked
for each study alone, as ever: nothing is decided by what came ahead but that it is there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from mpss_lib.errors import ArchiveRefusedError
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.archive.queries import studies_query
from mpss_lib.pull.retrieve.delivery import Basket, Delivery, Order
from mpss_lib.pull.retrieve.way import Way

log = logging.getLogger(__name__)

_MOST_FAILURES = 2
"""Requests that may bring less than all, before each study is asked for alone."""


class Ahead:
    """What came ahead of the turn of its study.

    Parameters
    ----------
    known : bool or None
        Whether the archive was seen to take a list of studies.
    """

    def __init__(self, known: bool | None = None) -> None:
        self.takes_lists = known
        self._n_failures = 0
        self._waiting: dict[str, dict[str, Delivery]] = {}

    @property
    def may_ask(self) -> bool:
        """Whether a list of studies may be asked for."""
        return self.takes_lists is not False and self._n_failures < _MOST_FAILURES

    def fetch(self, way: Way, wanted: Mapping[str, Sequence[ObjectAnswer]], folder: Path) -> None:
        """Fetch whole studies; an object that two of them announce is nobody's.

        Parameters
        ----------
        wanted : mapping of Study Instance UID to sequence of ObjectAnswer
            Everything that each of them holds.
        folder : Path
            For what comes; it stays there until its study takes it.

        Raises
        ------
        ArchiveClosedError, ReceiverDownError, PlatformFaultError
            As a study that is fetched alone.
        """
        objects = [one for many in wanted.values() for one in many]
        if len({one.sop_uid for one in objects}) < len(objects):
            return
        basket = Basket(folder, Order("", objects))
        try:
            with way.delivering(tuple(wanted), basket):
                problem = way.ask(studies_query(tuple(wanted)))
        except ArchiveRefusedError as error:  # of a list; a study alone is asked for next
            problem = error.problem
        basket.check_folder()
        self._waiting = {
            study_uid: {
                one.sop_uid: basket.delivered[one.sop_uid]
                for one in many
                if one.sop_uid in basket.delivered
            }
            for study_uid, many in wanted.items()
        }
        if basket.missing:
            self._n_failures += 1
            log.info(
                "%d of %d objects of %d studies came by one request (%s): each is asked for alone",
                len(basket.delivered),
                len(objects),
                len(wanted),
                problem or "it ended with success",
            )
        self.takes_lists = True if basket.is_full else self._judged(basket, problem)

    def whole(self, order: Order) -> dict[str, Delivery]:
        """Give what came of a study, once, if all of it came; else nothing, ``of`` gives it."""
        there = self._waiting.get(order.study_uid, {})
        if any(one.sop_uid not in there for one in order.wanted):
            return {}
        del self._waiting[order.study_uid]
        return {one.sop_uid: there[one.sop_uid] for one in order.wanted}

    def of(self, study_uid: str) -> Mapping[str, Delivery]:
        """Give what came of a study, by SOP Instance UID, once."""
        return self._waiting.pop(study_uid, {})

    def _judged(self, basket: Basket, problem: str) -> bool | None:
        """Whether an archive takes lists, of which not all came; as before where it was away."""
        is_answered = not problem or "ended with status" in problem
        return False if is_answered and not basket.n_came else self.takes_lists
