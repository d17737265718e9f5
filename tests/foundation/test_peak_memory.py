"""The peak that a check of memory judges is of its own process, and of its own time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from peak_memory import forget_peak, peak_mb

LARGE_MB = 300
ASK = "import sys; sys.path[:0] = sys.argv[1:]; from peak_memory import peak_mb; print(peak_mb())"


def test_peak_tells_what_was_held_for_a_moment_and_forgets_it():
    before = forget_peak()
    _hold()
    assert peak_mb() - before > 0.9 * LARGE_MB
    assert forget_peak() - before < 0.5 * LARGE_MB


def test_a_process_does_not_inherit_the_peak_of_its_parent():
    forget_peak()
    _hold()
    here = next(path for path in sys.path if path.endswith("tests"))
    told = subprocess.run(
        [sys.executable, "-c", ASK, here], capture_output=True, text=True, check=True
    )
    assert float(told.stdout) < 100 < peak_mb()


def _hold():
    return int(np.ones(LARGE_MB * 2**20, np.uint8)[::4096].sum())
