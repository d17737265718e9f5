"""Objects that are read where they lie: over HTTP by WADO-RS, or from the files of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Protocol

from pydicom.dataset import Dataset

from mpss_lib.errors import ArchiveBusyError
from mpss_lib.pull.archive.association import QueryFailedError
from mpss_lib.pull.retrieve.delivery import Basket


class Source(Protocol):
    """Lists and gives objects itself, without an association."""

    def echo(self) -> None:
        """Verify that it is there."""

    def find(self, query: Dataset) -> Iterator[Dataset | None]:
        """Yield the answers to an identifier, None for one that cannot be decoded."""

    def fetch(self, query: Dataset) -> Iterator[tuple[str, bytes]]:
        """Yield the objects of an identifier: SOP Instance UID, and the file."""

    def close(self) -> None:
        """End what it holds open."""


class Direct:
    """A way that reads objects from a source.

    Parameters
    ----------
    name : str
        How an operator calls it.
    source : Source or None
        None where the site names none.
    setting : str
        The setting that would name one.
    """

    takes_several = False
    stored_as: Mapping[str, str] = MappingProxyType({})

    def __init__(self, name: str, source: Source | None, setting: str) -> None:
        self.name = name
        self._source, self._setting = source, setting
        self._basket: Basket | None = None
        self.missed = ""

    def lacks(self) -> str:
        """Say what this site does not have for it."""
        return "" if self._source is not None else f"this site names none ({self._setting})"

    @contextmanager
    def delivering(self, study_uids: Sequence[str], basket: Basket) -> Iterator[None]:
        """Let what is asked for fall into a basket."""
        self._basket = basket
        try:
            yield
        finally:
            self._basket = None

    def ask(self, query: Dataset) -> str:
        """Ask once; say what went wrong, "" if nothing did."""
        self.missed = ""
        if self._source is None or self._basket is None:
            return self.lacks()
        try:
            for sop_uid, content in self._source.fetch(query):
                self._basket.take(sop_uid, content)
        except QueryFailedError as error:
            return f"{error.problem}: status 0x{error.status:04X}"
        except ArchiveBusyError as error:
            self.missed = error.problem
            return error.problem
        return ""

    def ask_otherwise(self, study_uid: str) -> None:
        """Do nothing: every syntax is asked for at once."""
