"""C-GET: objects come over the association that asked for them; no port of ours is open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pydicom.dataset import Dataset

from mpss_lib.dicom.syntaxes import LOSSLESS, NAMED
from mpss_lib.pull.archive.queries import object_query
from mpss_lib.pull.archive.questions import ArchiveQuestions
from mpss_lib.pull.retrieve.delivery import Basket
from mpss_lib.pull.retrieve.way import asked, is_short


class CGet:
    """The way C-GET.

    Parameters
    ----------
    archive : ArchiveQuestions
        The association over which objects come.
    """

    name = "C-GET"
    takes_several = True

    def __init__(self, archive: ArchiveQuestions) -> None:
        self._archive = archive
        self._basket: Basket | None = None
        self.missed = ""

    @property
    def stored_as(self) -> Mapping[str, str]:
        """SOP Instance UID -> name of the syntax in which an object was seen that is not kept."""
        return self._archive.stored_as

    def lacks(self) -> str:
        """Say what the archive does not offer for it."""
        return self._archive.lacks_for_get()

    @contextmanager
    def delivering(self, study_uids: Sequence[str], basket: Basket) -> Iterator[None]:
        """Let the objects that the association brings fall into a basket."""
        self._archive.receiver = self._basket = basket
        try:
            yield
        finally:
            self._archive.receiver = self._basket = None

    def ask(self, query: Dataset) -> str:
        """Ask once; say what went wrong, "" if nothing did."""
        basket, archive = self._basket, self._archive
        self.missed = ""
        problem = asked(
            archive,
            self.name,
            lambda: archive.association().get(query),
            lambda: 0 if basket is None else basket.n_came,
        )
        self.missed = f"the archive is busy ({problem})" if is_short(problem) else ""
        return problem

    def ask_otherwise(self, study_uid: str) -> None:
        """Ask for what did not come in the syntaxes in which it may be stored.

        Some archives send over the first context that they accepted and cannot where the object is
        compressed. What comes in a syntax that is not accepted is not kept; ``stored_as`` names it.
        """
        basket = self._basket
        for syntaxes in (LOSSLESS, NAMED):
            if basket is None or basket.is_full:
                return
            missing = [one for one in basket.missing if one.sop_uid not in self.stored_as]
            if not missing:
                return
            with self._archive.offering(syntaxes):
                for one in missing:
                    self.ask(object_query(study_uid, one))
