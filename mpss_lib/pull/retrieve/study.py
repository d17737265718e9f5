"""A study fetched by one way: as a whole, then one by one what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mpss_lib.dicom.syntaxes import NAMED
from mpss_lib.errors import IncompleteStudyError
from mpss_lib.pull.archive.queries import get_queries, object_query
from mpss_lib.pull.archive.questions import wait_before
from mpss_lib.pull.retrieve.delivery import Basket, Delivery, Order
from mpss_lib.pull.retrieve.way import Way

_NAMES = frozenset(syntax.name for syntax in NAMED)

CANNOT_SEND = (0xA702, 0xB000, *range(0xC000, 0xD000))
_CANNOT_SEND = tuple(f"status 0x{code:04X}" for code in CANNOT_SEND)
"""Ends of what ``Way.ask`` says where the archive has the object and cannot send it
(PS3.4 C.4.3.1.4): no accepted transfer syntax, a file that it cannot read."""


def fetch_study(
    way: Way,
    order: Order,
    folder: Path,
    size: int,
    doubt: Callable[[str], None],
    there: Mapping[str, Delivery],
) -> dict[str, Delivery]:
    """Fetch the objects of an order into a folder, and again one by one what did not come.

    Parameters
    ----------
    way : Way
    order : Order
    folder : Path
        Must be there.
    size : int
        UIDs in one request.
    doubt : callable
        Called with what went wrong, once, while nothing at all has come: raises where the archive
        delivers nothing of other studies either.
    there : mapping of SOP Instance UID to Delivery
        What came ahead.

    Returns
    -------
    dict of str to Delivery
        By SOP Instance UID; what did not come lacks. One that the archive has and, asked for alone,
        says it cannot send, and a spared one that does not come, carry a problem.

    Raises
    ------
    IncompleteStudyError
        If objects are still missing.
    """
    basket = Basket(folder, order)
    for sop_uid, one in there.items():
        basket.claim(sop_uid, one)
    loop = _Loop(way, order, basket)
    problem = ""
    if not basket.is_full:
        with way.delivering((order.study_uid,), basket):
            problem = loop.ask_for_series(size)
            if not basket.n_came and not basket.is_full:
                problem = way.ask(object_query(order.study_uid, basket.missing[0])) or problem
    if not basket.is_full:
        if not basket.n_came:
            doubt(problem)
        with way.delivering((order.study_uid,), basket):
            loop.ask_one_by_one()
            way.ask_otherwise(order.study_uid)
    loop.give_up()
    basket.check_folder()
    if basket.missing:
        raise IncompleteStudyError(
            f"{len(basket.missing)} of {len(order.wanted)} announced objects did not come"
            f" ({loop.why_not()})",
            way_out="look at this study in the archive; then `mpss quarantine retry`",
        )
    return basket.delivered


class _Loop:
    """The requests of one order, and what was answered to them."""

    def __init__(self, way: Way, order: Order, basket: Basket) -> None:
        self._way, self._order, self._basket = way, order, basket
        self._problem = ""
        self._answers: dict[str, str] = {}

    def ask_for_series(self, size: int) -> str:
        """Ask for whole series, by lists; give the last thing that went wrong."""
        order = self._order
        for query in get_queries(order.study_uid, order.wanted, order.whole_series, size):
            if self._basket.is_full:
                break
            self._problem = self._way.ask(query) or self._problem
        return self._problem

    def ask_one_by_one(self) -> None:
        """Ask for each object that is missing, as often as the order says."""
        for attempt in range(self._order.attempts):
            if self._basket.is_full:
                return
            wait_before(attempt)
            for one in self._basket.missing:
                answer = self._way.ask(object_query(self._order.study_uid, one))
                self._answers[one.sop_uid] = answer
                self._problem = answer or self._problem

    def give_up(self) -> None:
        """Note of what cannot come, and of what nobody waits for, why it did not."""
        for uid, answer in self._answers.items():
            syntax = self._way.stored_as.get(uid, "")
            syntax = syntax if syntax in _NAMES else ""
            if uid in self._order.spared or syntax or answer.endswith(_CANNOT_SEND):
                self._basket.give_up(uid, answer or "every request ended with success", syntax)

    def why_not(self) -> str:
        """Say what went wrong last, and how objects are stored that are not accepted."""
        names = sorted({name for name in self._way.stored_as.values() if name in _NAMES})
        stored = f"; stored as {', '.join(names)}, which is not accepted" if names else ""
        return (self._problem or "every request ended with success") + stored
