"""Memory of a service and all below it: each page that several processes share is counted once.

PSS (proportional set size): of a page that n processes share each has 1/n (Linux' ``proc(5)``,
``/proc/PID/smaps_rollup``); so the services of a home may be added.
"""

from __future__ import annotations

from pathlib import Path

import psutil

PROC = Path("/proc")


def pss_mb(pid: int) -> float | None:
    """Give the PSS of a process and its descendants.

    Returns
    -------
    float or None
        MB (10^6 bytes); None where one of them belongs to another account.
    """
    try:
        leader = psutil.Process(pid)
        processes = [leader, *leader.children(recursive=True)]
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


def _pss_kib(text: str) -> int:
    [line] = [line for line in text.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1])
