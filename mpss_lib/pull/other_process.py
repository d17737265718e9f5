"""A process forked from this one that does orders, oldest first; this one can take them back.

The executor of the standard library does the same with three threads, which hold up the one that
fetches at each order and each answer. Here nobody but the caller sends and reads, and neither
process can wait for the other while that one waits for it: an order goes only where there is room.
Orders are messages of a socket from which both processes may read: each goes to one of them.
"""

from __future__ import annotations

import pickle
import select
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from socket import AF_UNIX, MSG_DONTWAIT, SOCK_SEQPACKET, socket, socketpair
from typing import Any, Generic, TypeVar

from mpss_lib.workers import end_with_parent

O = TypeVar("O")  # noqa: E741 (an order)
R = TypeVar("R")

MOST = 2**20
"""Bytes of an order, more than a socket takes: a larger one is given back."""


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
        self._orders, self._theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        self._answers, answers = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(self._theirs, answers, work))
        self._process.start()
        answers.close()
        self._poll = select.poll()
        self._poll.register(self._answers.fileno(), select.POLLIN)
        self._numbers = count()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._open: dict[int, tuple[Future[R], O]] = {}
        self._room = bytearray(MOST)
        self.has_ended = False

    @property
    def pid(self) -> int:
        """Id of the process."""
        return int(self._process.pid)

    def submit(self, order: O) -> Future[R]:
        """Have an order done; the future is done once ``look`` or ``wait_for`` has seen it."""
        future: Future[R] = Future()
        number = next(self._numbers)
        self._open[number] = (future, order)
        self._waiting.append((number, pickle.dumps((number, order))))
        self._send()
        return future

    def take_back(self) -> tuple[Future[R], O] | None:
        """Take back the oldest order that nobody has begun: who asked does it."""
        try:
            n_bytes = self._theirs.recv_into(self._room, flags=MSG_DONTWAIT)
        except BlockingIOError:
            number = self._waiting.popleft()[0] if self._waiting else None
        else:
            number, _ = pickle.loads(memoryview(self._room)[:n_bytes])  # noqa: S301 (our own)
            self._send()
        return None if number is None else self._open.pop(number)

    def look(self) -> None:
        """Take the answers that are there."""
        while self._open and self._poll.poll(0):
            self._receive()

    def wait_for(self, future: Future[R]) -> None:
        """Take answers until that of an order is there."""
        while not future.done():
            self._receive()

    def finish(self) -> None:
        """Take answers until there is one for each order."""
        while self._open:
            self._receive()

    def end(self) -> None:
        """End the process; what waits, or is being done, is not done. Then ``close`` it."""
        self._process.kill()

    def close(self) -> None:
        """Wait until the process has ended."""
        for end in (self._orders, self._theirs, self._answers):
            end.close()
        self._process.join()
        self._process.close()

    def _send(self) -> None:
        while self._waiting and not self.has_ended:
            number, content = self._waiting[0]
            try:
                self._orders.send(content, MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:  # it is too large
                self._open.pop(number)[0].set_exception(NotDoneError())
            self._waiting.popleft()
        if self.has_ended:
            self._give_up()

    def _receive(self) -> None:
        try:
            number, is_done, answer = self._answers.recv()
        except (EOFError, OSError):
            self.has_ended = True
        else:
            future, _ = self._open.pop(number)
            if is_done:
                future.set_result(answer)
            else:
                future.set_exception(NotDoneError())
        self._send()

    def _give_up(self) -> None:
        for future, _ in self._open.values():
            future.set_exception(NotDoneError())
        self._open.clear()
        self._waiting.clear()


def _serve(orders: socket, answers: Connection[Any, Any], work: Callable[[Any], Any]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not what the task does with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    room = bytearray(MOST)
    with suppress(EOFError, OSError):  # the caller has closed it
        while n_bytes := orders.recv_into(room):
            number, order = pickle.loads(memoryview(room)[:n_bytes])  # noqa: S301 (our own)
            try:
                answer = (number, True, work(order))
            except Exception:  # who asked does it again, and sees why
                answer = (number, False, None)
            answers.send(answer)
