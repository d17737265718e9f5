"""A short run of the mutated answers: ``tests/bench/answer_mutations.py`` does 50,000."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench" / "answer_mutations.py"


def test_no_mutated_answer_raises_anything_foreign():
    """In a process of its own: the peak of memory that is judged is that of the reading alone."""
    command = [sys.executable, str(BENCH), "--answers", "600", "--seed", "20260302"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counts = dict(_count(line) for line in ended.stdout.splitlines() if line[:8].strip().isdigit())
    assert not [outcome for outcome in counts if outcome.startswith("FOREIGN")]
    assert sum(counts.values()) == 600
    assert counts["STUDY read"] > 100


def _count(line: str) -> tuple[str, int]:
    number, _, outcome = line.strip().partition("  ")
    return outcome, int(number)
