"""A short run of the mutated answers: ``tests/bench/answer_mutations.py`` does 50,000."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def test_no_mutated_answer_raises_anything_foreign():
    path = Path(__file__).parents[1] / "bench" / "answer_mutations.py"
    spec = importlib.util.spec_from_file_location("answer_mutations", path)
    bench = importlib.util.module_from_spec(spec)
    sys.modules["answer_mutations"] = bench
    spec.loader.exec_module(bench)
    report = bench.run(600, seed=20260302)
    assert report.foreign == {}
    assert report.is_sound
    assert sum(report.outcomes.values()) == 600
    assert report.outcomes["STUDY read"] > 100
