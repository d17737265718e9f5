"""Memory of a service and all below it: each page that several processes share is counted once.

PSS (proportional set size): of a page that n processes share each has 1/n (Linux' ``proc(5)``,
``/proc/PID/smaps_rollup``); so the services of a home may be added.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import psutil

PROC = Path("/proc")


def pss_mb(pid: int, others: Collection[int] = ()) -> float | None:
    """Give the PSS of a process and its descendants.

    Parameters
    ----------
    pid : int
    others : collection of int
        Processes that are left out with all below them: the supervisor is the parent of what
        it has started again.

    Returns
    -------
    float or None
        MB (10^6 bytes); None where one of them belongs to another account.
    """
    try:
        processes = _below(psutil.Process(pid), {*others} - {pid})
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for process in processes:
        try:
            total += _pss_kib((PROC / str(process.pid) / "smaps_rollup").read_text())
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        except PermissionError:
            return None
    return total * 1024 / 1e6


def _below(process: psutil.Process, others: set[int]) -> list[psutil.Process]:
    found = [process]
    for child in process.children():
        if child.pid not in others:
            found += _below(child, others)
    return found


def _pss_kib(text: str) -> int:
    [line] = [line for line in text.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1])
