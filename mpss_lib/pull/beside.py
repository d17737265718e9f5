"""Who works beside the fetching: processes that take objects apart, and bring files to the lake.

Not threads: one that moves files waits for the interpreter's lock after each call of the system,
however fast the disk is.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import current_process
from typing import Any, Generic, TypeVar

from mpss_lib.pull.other_process import NotDoneError, OtherProcess

O = TypeVar("O")  # noqa: E741 (an order)
R = TypeVar("R")


class Helper(Generic[O, R]):
    """Does orders: in a process of its own, once one was forked; else in the caller's thread.

    Parameters
    ----------
    work : callable
        ``work(order) -> result``; both can be pickled.
    """

    def __init__(self, work: Callable[[O], R]) -> None:
        self._work = work
        self._process: OtherProcess[O, R] | None = None

    def fork(self) -> None:
        """Have the orders done in a process of its own from now on."""
        self._process = OtherProcess(self._work)

    def submit(self, order: O) -> Future[R]:
        """Have an order done."""
        if self._process is not None:
            return self._process.submit(order)
        future: Future[R] = Future()
        self._do(future, order)
        return future

    def look(self) -> None:
        """See which orders were done meanwhile."""
        if self._process is not None:
            self._process.look()

    def result(self, future: Future[R], order: O) -> R:
        """Wait for what became of an order; where its process was ended, do it here."""
        try:
            if self._process is not None:
                self._process.wait_for(future)
            return future.result()
        except NotDoneError:
            if self._process is not None and self._process.has_ended:
                self.end()
                self.close()
            return self._work(order)

    def help(self) -> bool:
        """Do the oldest order that nobody has begun here; whether there was one."""
        taken = None if self._process is None else self._process.take_back()
        if taken is None:
            return False
        future, order = taken
        self._do(future, order)
        return True

    def _do(self, future: Future[R], order: O) -> None:
        try:
            future.set_result(self._work(order))
        except Exception as error:
            future.set_exception(error)

    def finish(self) -> None:
        """Wait until nothing is being done any more."""
        if self._process is not None:
            self._process.finish()

    def end(self) -> None:
        """End the process, if there is one; what waits, or is being done, is not done."""
        if self._process is not None:
            self._process.end()

    def close(self) -> None:
        """Wait until the process has ended, if there is one."""
        if self._process is not None:
            self._process.close()
            self._process = None


class Helpers:
    """Helpers of one batch, each with a process where that is worth it.

    Parameters
    ----------
    *helpers : Helper
    is_worth_it : bool
        Whether there is enough to do.
    """

    def __init__(self, *helpers: Helper[Any, Any], is_worth_it: bool) -> None:
        self._helpers = helpers
        has_cores = len(os.sched_getaffinity(0)) > 1 and not current_process().daemon
        self._may_fork = is_worth_it and has_cores
        self._have_started = self._is_frozen = False

    def start(self) -> None:
        """Fork them, at the first call, where it is worth it and no other thread runs.

        Everything is loaded by then, and no collection of garbage goes through it any more. All at
        once: after each fork this process copies again what it writes to.
        """
        if self._have_started:
            return
        self._have_started = True
        if self._may_fork and is_alone():
            gc.freeze()
            self._is_frozen = True
            for helper in self._helpers:
                helper.fork()

    def close(self) -> None:
        """End them; what waits, or is being done, is not done."""
        for one in self._helpers:
            one.end()
        for one in self._helpers:
            one.close()
        if self._is_frozen:
            gc.unfreeze()
            self._is_frozen = False


def is_alone() -> bool:
    """Whether no other thread runs: a fork would copy the locks that one holds."""
    return threading.active_count() == 1
