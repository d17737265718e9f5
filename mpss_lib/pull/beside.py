"""Who works beside the fetching: a process that takes objects apart, a thread that stores them."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import current_process, get_context
from typing import ParamSpec, TypeVar

from mpss_lib.pull.taking import TakenStudy, Taker, TakingOrder
from mpss_lib.workers import end_with_parent

P = ParamSpec("P")
T = TypeVar("T")

STORING = 2
"""Groups that are stored side by side: one waits for the disk while another one computes."""
BESIDE = 8
"""Files that are written side by side, of all groups."""

_taker: Taker | None = None
"""Of the process that takes, in that process."""


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
        self._takes: Executor | None = None
        self._stores: Executor = ThreadPoolExecutor(STORING) if is_worth_it else _Here()
        self.writers: Executor = ThreadPoolExecutor(BESIDE) if is_worth_it else _Here()

    def close(self) -> None:
        """End them; what is being stored is stored, what waits to be taken is not taken."""
        if self._takes is not None:
            self._takes.shutdown(cancel_futures=True)
            gc.unfreeze()
        self._stores.shutdown()
        self.writers.shutdown()

    def take(self, order: TakingOrder) -> Future[TakenStudy]:
        """Take the objects of a study."""
        if self._takes is None:
            self._takes = self._started() if self._has_process and is_alone() else _Here()
        if not isinstance(self._takes, _Here):
            try:
                return self._takes.submit(_take, order)
            except BrokenProcessPool:
                self._takes = _Here()
        return self._takes.submit(self._taker.take_all, order)

    def taken(self, future: Future[TakenStudy], order: TakingOrder) -> TakenStudy:
        """Wait for what became of an order; where its process was ended, do it here."""
        try:
            return future.result()
        except BrokenProcessPool:
            self._takes = _Here()
            return self._taker.take_all(order)

    def take_here(self, order: TakingOrder) -> Future[TakenStudy]:
        """Take the objects of a study in the caller's thread."""
        return _Here().submit(self._taker.take_all, order)

    def store(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Store studies, some calls side by side."""
        return self._stores.submit(work, *args, **kwargs)

    def _started(self) -> Executor:
        """Fork: everything is loaded, and no collection of garbage goes through it any more."""
        gc.freeze()
        return ProcessPoolExecutor(
            1, get_context("fork"), initializer=_begin, initargs=(self._taker,)
        )


def is_alone() -> bool:
    """Whether no other thread runs: a fork would copy the locks that one holds."""
    return threading.active_count() == 1


def _begin(taker: Taker) -> None:
    global _taker
    _taker = taker
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not what the task does with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def _take(order: TakingOrder) -> TakenStudy:
    if _taker is None:
        raise RuntimeError("the process that takes objects was not begun")
    return _taker.take_all(order)
