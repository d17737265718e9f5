"""A checkpoint at which pynetdicom's background thread really stands still.

pynetdicom pauses an association's thread while a request waits for its answers, so that the
thread does not take them. Its flag says "paused" a moment too early: on a busy machine the
thread goes past the checkpoint and takes the first answer, and a C-FIND list comes back short
with status success (seen in 2 of 970 studies with four processes on two cores). Here ``clear``
returns only when the thread waits.
"""

from __future__ import annotations

import threading
import time


class Checkpoint(threading.Event):
    """Stands in for ``Association._reactor_checkpoint``.

    Parameters
    ----------
    thread : threading.Thread
        The association: the only one that waits here.
    """

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__()
        self._thread = thread
        self._changed = threading.Condition()
        self._is_open = True
        self._is_parked = False

    def is_set(self) -> bool:
        """Whether the thread may go on."""
        return self._is_open

    def set(self) -> None:
        """Let the thread go on."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait (the association's thread only) until it may go on, however often it is woken."""
        with self._changed:
            self._is_parked = True
            self._changed.wait_for(lambda: self._is_open, timeout)
            self._is_parked = False
            return self._is_open

    def clear(self) -> None:
        """Close the checkpoint and return when the thread stands at it, or has ended."""
        with self._changed:
            self._is_open = False
        if threading.current_thread() is self._thread:
            return
        while self._thread.is_alive() and not self._stands():
            time.sleep(0.0005)

    def _stands(self) -> bool:
        with self._changed:
            return self._is_parked or self._is_open
