"""A process forked from this one that does orders one after the other, over a plain pipe.

The executor of the standard library does the same with three threads, which hold up the one that
fetches at each order and each answer. Here nobody but the caller sends and reads, and neither
process can wait for the other while that one waits for it: an order goes into the pipe only where
it surely fits, or where the other process has nothing to do and reads.
"""

from __future__ import annotations

import pickle
import select
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from mpss_lib.workers import end_with_parent

O = TypeVar("O")  # noqa: E741 (an order)
R = TypeVar("R")

FITS, MANY = 2**16, 64
"""Bytes, and orders however small, that a pipe takes while nobody reads (Linux: more than 200,000
bytes, of which each message costs some hundred)."""


class NotDoneError(Exception):
    """The other process could not do an order, or ended before: who asked does it, and sees why."""


class OtherProcess(Generic[O, R]):
    """Does orders in a process of its own. For one thread.

    Parameters
    ----------
    work : callable
        ``work(order) -> result``; both can be pickled.

    Attributes
    ----------
    has_ended : bool
        Somebody ended the process: nothing more is done by it.
    """

    def __init__(self, work: Callable[[O], R]) -> None:
        context: Any = get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._pipe, work))
        self._process.start()
        theirs.close()
        self._poll = select.poll()
        self._poll.register(self._pipe.fileno(), select.POLLIN)
        self._waiting: deque[tuple[Future[R], bytes]] = deque()
        self._sent: deque[tuple[Future[R], int]] = deque()
        self.has_ended = False

    @property
    def pid(self) -> int:
        """Id of the process."""
        return int(self._process.pid)

    def submit(self, order: O) -> Future[R]:
        """Have an order done; the future is done once ``look`` or ``wait_for`` has seen it."""
        future: Future[R] = Future()
        self._waiting.append((future, pickle.dumps(order)))
        self._send()
        return future

    def look(self) -> None:
        """Take the answers that are there."""
        while self._sent and self._poll.poll(0):
            self._receive()

    def wait_for(self, future: Future[R]) -> None:
        """Take answers until that of an order is there."""
        while not future.done():
            self._receive()

    def close(self) -> None:
        """End the process; what waits, or is being done, is not done."""
        if self._sent:
            self._process.kill()
        self._pipe.close()
        self._process.join()
        self._process.close()

    def _send(self) -> None:
        """Send what surely fits: the other process reads, or all that was sent has room."""
        try:
            while self._waiting and not self.has_ended and self._has_room():
                future, content = self._waiting.popleft()
                self._sent.append((future, len(content)))
                self._pipe.send_bytes(content)
        except OSError:
            self.has_ended = True
        if self.has_ended:
            self._give_up()

    def _has_room(self) -> bool:
        n_bytes = sum(n for _, n in self._sent) + len(self._waiting[0][1])
        return not self._sent or (n_bytes <= FITS and len(self._sent) < MANY)

    def _receive(self) -> None:
        try:
            is_done, answer = self._pipe.recv()
        except (EOFError, OSError):
            self.has_ended = True
        else:
            future, _ = self._sent.popleft()
            if is_done:
                future.set_result(answer)
            else:
                future.set_exception(NotDoneError())
        self._send()

    def _give_up(self) -> None:
        for future, _ in (*self._sent, *self._waiting):
            future.set_exception(NotDoneError())
        self._sent.clear()
        self._waiting.clear()


def _serve(
    pipe: Connection[Any, Any], other_end: Connection[Any, Any], work: Callable[[Any], Any]
) -> None:
    other_end.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not what the task does with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    with suppress(EOFError, OSError):  # the caller has closed it
        while True:
            order = pipe.recv()
            try:
                answer = (True, work(order))
            except Exception:  # who asked does it again, and sees why
                answer = (False, None)
            pipe.send(answer)
