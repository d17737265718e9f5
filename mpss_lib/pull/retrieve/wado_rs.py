"""WADO-RS: objects come over HTTP, as they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from pydicom.dataset import Dataset

from mpss_lib.errors import ArchiveBusyError
from mpss_lib.pull.archive.association import QueryFailedError
from mpss_lib.pull.archive.web import WebArchive
from mpss_lib.pull.retrieve.delivery import Basket


class WadoRs:
    """The way WADO-RS.

    Parameters
    ----------
    web : WebArchive or None
        None where the site names no address for it.
    """

    name = "WADO-RS"
    stored_as: Mapping[str, str] = MappingProxyType({})

    def __init__(self, web: WebArchive | None) -> None:
        self._web = web
        self._basket: Basket | None = None

    def lacks(self) -> str:
        """Say what this site does not have for it."""
        return "" if self._web is not None else "this site names no address (archive.web_url)"

    @contextmanager
    def delivering(self, study_uid: str, basket: Basket) -> Iterator[None]:
        """Let what is asked for fall into a basket."""
        self._basket = basket
        try:
            yield
        finally:
            self._basket = None

    def ask(self, query: Dataset) -> str:
        """Ask once; say what went wrong, "" if nothing did."""
        if self._web is None or self._basket is None:
            return self.lacks()
        try:
            for sop_uid, content in self._web.fetch(query):
                self._basket.take(sop_uid, content)
        except QueryFailedError as error:
            return f"{error.problem}: status 0x{error.status:04X}"
        except ArchiveBusyError as error:
            return error.problem
        return ""

    def ask_otherwise(self, study_uid: str) -> None:
        """Do nothing: every syntax is asked for at once."""
