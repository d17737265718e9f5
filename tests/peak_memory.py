"""Peak memory of this process alone.

``getrusage`` does not tell it: ``ru_maxrss`` of a process that another one started begins at the
peak of its parent (Linux carries it over ``fork`` and ``exec``), and never falls again.
"""

from __future__ import annotations

import re
from pathlib import Path

PROCESS = Path("/proc/self")
RESET_PEAK = "5"
"""What ``/proc/[pid]/clear_refs`` takes to set the peak to what is resident now (proc(5))."""


def forget_peak() -> float:
    """Begin anew: the peak is what is resident now; returned, in MiB."""
    (PROCESS / "clear_refs").write_text(RESET_PEAK)
    return peak_mb()


def peak_mb() -> float:
    """Most that this process had resident since its program began or ``forget_peak``, in MiB."""
    status = (PROCESS / "status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found, "the kernel tells no VmHWM"
    return int(found[1]) / 1024
