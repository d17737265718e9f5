"""Who works beside the fetching: a process that takes objects apart, a thread that stores them."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing import current_process
from typing import ParamSpec, TypeVar

from mpss_lib.pull.other_process import NotDoneError, OtherProcess
from mpss_lib.pull.taking import TakenStudy, Taker, TakingOrder

P = ParamSpec("P")
T = TypeVar("T")

STORING = 2
"""Groups that are stored side by side: one waits for the disk while another one computes."""
BESIDE = 8
"""Files that are written side by side, of all groups."""


class _Here(Executor):
    """Does what is submitted at once, in the caller's thread."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Helpers:
    """A process and a thread where they are worth it; else everything is done here.

    Parameters
    ----------
    taker : Taker
    is_worth_it : bool
        Whether there is enough to do.

    Attributes
    ----------
    writers : Executor
        Writes files side by side.
    """

    def __init__(self, taker: Taker, *, is_worth_it: bool) -> None:
        self._taker = taker
        has_cores = len(os.sched_getaffinity(0)) > 1 and not current_process().daemon
        self._has_process = is_worth_it and has_cores
        self._takes: OtherProcess[TakingOrder, TakenStudy] | None = None
        self._stores: Executor = ThreadPoolExecutor(STORING) if is_worth_it else _Here()
        self.writers: Executor = ThreadPoolExecutor(BESIDE) if is_worth_it else _Here()

    def close(self) -> None:
        """End them; what is being stored is stored, what waits to be taken is not taken."""
        self._end_process()
        self._stores.shutdown()
        self.writers.shutdown()

    def take(self, order: TakingOrder) -> Future[TakenStudy]:
        """Take the objects of a study."""
        if self._takes is None and self._has_process:
            self._has_process = is_alone()
            self._takes = self._started() if self._has_process else None
        return self.take_here(order) if self._takes is None else self._takes.submit(order)

    def look(self) -> None:
        """See which orders were done meanwhile."""
        if self._takes is not None:
            self._takes.look()

    def taken(self, future: Future[TakenStudy], order: TakingOrder) -> TakenStudy:
        """Wait for what became of an order; where its process was ended, do it here."""
        try:
            if self._takes is not None:
                self._takes.wait_for(future)
            return future.result()
        except NotDoneError:
            if self._takes is not None and self._takes.has_ended:
                self._end_process()
                self._has_process = False
            return self._taker.take_all(order)

    def take_here(self, order: TakingOrder) -> Future[TakenStudy]:
        """Take the objects of a study in the caller's thread."""
        return _Here().submit(self._taker.take_all, order)

    def store(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Store studies, some calls side by side."""
        return self._stores.submit(work, *args, **kwargs)

    def _started(self) -> OtherProcess[TakingOrder, TakenStudy]:
        """Fork: everything is loaded, and no collection of garbage goes through it any more."""
        gc.freeze()
        return OtherProcess(self._taker.take_all)

    def _end_process(self) -> None:
        if self._takes is not None:
            self._takes.close()
            self._takes = None
            gc.unfreeze()


def is_alone() -> bool:
    """Whether no other thread runs: a fork would copy the locks that one holds."""
    return threading.active_count() == 1
