"""A scripted DICOM peer: an archive over real sockets that misbehaves as it is told to."""

from __future__ import annotations

import atexit
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import pydicom
from pydicom import dcmread
from pydicom.dataset import Dataset

from mpss_lib.demo.archive import Archive
from mpss_lib.demo.archive_server import PENDING, ArchiveServer


@dataclass
class Script:
    """What the peer does wrong; nothing by default.

    Parameters
    ----------
    find_status : int
        Last status of every C-FIND, after all its answers.
    find_abort_after : int
        The association is aborted after so many answers of one C-FIND.
    find_cap : int
        At most so many answers in one list.
    find_cap_status : int
        Status of a list that was cut short (0x0000: silently).
    hidden : tuple of str
        Keywords that answers lack.
    edit_answer : callable, optional
        Changes each answer before it is sent.
    edit_query : callable, optional
        Changes each question before it is answered.
    edit_list : callable, optional
        Makes another list of answers: ``edit_list(question, answers)``.
    refuses : callable, optional
        Status with which a question is refused, 0 where it is answered.
    get_abort_after : int
        The association is aborted after so many objects of one C-GET.
    get_status : int
        Status that ends every C-GET before the first object.
    lists_refused : bool
        A C-GET with a list of UIDs ends with 0xA900.
    withheld : tuple of str
        SOP Instance UIDs that never come.
    twins : tuple of str
        SOP Instance UIDs that come twice, the second time with other pixels.
    edit_object : callable, optional
        Changes each object before it is sent.
    delay_s : float
        Wait before each answer of a C-FIND.
    """

    find_status: int = 0x0000
    find_abort_after: int | None = None
    find_cap: int | None = None
    find_cap_status: int = 0xA700
    hidden: tuple[str, ...] = ()
    edit_answer: Callable[[Dataset], None] | None = None
    edit_query: Callable[[Dataset], None] | None = None
    edit_list: Callable[[Dataset, list[Dataset]], list[Dataset]] | None = None
    refuses: Callable[[Dataset], int] | None = None
    get_abort_after: int | None = None
    get_status: int | None = None
    lists_refused: bool = False
    withheld: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    edit_object: Callable[[Dataset], None] | None = None
    delay_s: float = 0.0
    n_find: int = 0
    n_get: int = 0
    get_levels: list[str] = field(default_factory=list)


class Peer(ArchiveServer):
    """An embedded archive that follows a script."""

    def __init__(self, archive: Archive, script: Script, **options: object) -> None:
        self.script = script
        super().__init__(archive, "127.0.0.1", 0, "HOSPITAL", (), {}, **options)

    def _on_find(self, event) -> Iterator[tuple[int, Dataset | None]]:
        script = self.script
        script.n_find += 1
        refusal = script.refuses(event.identifier) if script.refuses is not None else 0
        if refusal:
            yield refusal, None
            return
        answers = self._answers(event)
        cap = script.find_cap
        is_cut = cap is not None and len(answers) > cap
        for number, (status, answer) in enumerate(answers[:cap] if is_cut else answers):
            time.sleep(script.delay_s)
            if script.find_abort_after is not None and number >= script.find_abort_after:
                event.assoc.abort()
                return
            yield status, self._changed(answer)
        if is_cut and script.find_cap_status:
            yield script.find_cap_status, None
        elif script.find_status:
            yield script.find_status, None

    def _answers(self, event) -> list[tuple[int, Dataset | None]]:
        script = self.script
        if script.edit_query is None and script.edit_list is None:
            return list(super()._on_find(event))
        query = event.identifier
        if script.edit_query is not None:
            script.edit_query(query)
        with pydicom.config.disable_value_validation():
            found = self._archive.index.find(query)
        if script.edit_list is not None:
            found = script.edit_list(event.identifier, found)
        return [(PENDING, answer) for answer in found]

    def _changed(self, answer: Dataset) -> Dataset:
        for keyword in self.script.hidden:
            if keyword in answer:
                delattr(answer, keyword)
        if self.script.edit_answer is not None:
            self.script.edit_answer(answer)
        return answer

    def _on_get(self, event) -> Iterator[object]:
        script = self.script
        script.n_get += 1
        script.get_levels.append(event.identifier.QueryRetrieveLevel)
        if script.get_status is not None or (script.lists_refused and _has_list(event.identifier)):
            yield 1
            yield (0xA900 if script.get_status is None else script.get_status), None
            return
        datasets = [dcmread(found.path) for found in self._wanted(event)]
        datasets = [one for one in datasets if one.SOPInstanceUID not in script.withheld]
        twins = [_twin(one) for one in datasets if one.SOPInstanceUID in script.twins]
        yield len(datasets) + len(twins)
        for number, dataset in enumerate([*datasets, *twins]):
            if script.get_abort_after is not None and number >= script.get_abort_after:
                event.assoc.abort()
                return
            if script.edit_object is not None:
                script.edit_object(dataset)
            yield PENDING, dataset


def _has_list(query: Dataset) -> bool:
    return any(
        not isinstance(query.get(keyword, ""), str)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )


def _twin(dataset: Dataset) -> Dataset:
    twin = Dataset()
    twin.update(dataset)
    twin.file_meta = dataset.file_meta
    twin.PixelData = bytes(len(dataset.PixelData))
    return twin


@contextmanager
def silent_port(*, closes: bool) -> Iterator[int]:
    """A port that accepts connections and then says nothing, or closes them at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.close() if closes else taken.append(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)
        for connection in taken:
            connection.close()


_GIVEN = ExitStack()
atexit.register(_GIVEN.close)


def free_port() -> int:
    """A port where nobody listens, of nobody else: it stays bound here until the process ends.

    A server that sets SO_REUSEADDR, as all of them do, may listen there all the same; no other
    socket is given the port, and a client is refused.
    """
    held = _GIVEN.enter_context(socket.socket())
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return int(held.getsockname()[1])
