"""A night of poisoned studies in small: ``tests/bench/poison_studies.py`` does 100."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


def _bench(name):
    path = Path(__file__).parents[1] / "bench" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    bench = importlib.util.module_from_spec(spec)
    sys.modules[name] = bench
    spec.loader.exec_module(bench)
    return bench


@pytest.mark.slow
@pytest.mark.pacs
@pytest.mark.filterwarnings("ignore")
def test_every_sound_study_is_published(tmp_path, monkeypatch):
    bench = _bench("poison_studies")
    some = ("lossy", "nested", "segmentation", "truncated")
    every = bench.kinds()
    monkeypatch.setattr(bench, "kinds", lambda: {kind: every[kind] for kind in some})
    report = bench.run(4, tmp_path)
    assert report.lost == []
    assert dict(report.reasons) == {
        ("lossy", "lossy_compression"): 1,
        ("nested", "unreadable"): 1,
        ("segmentation", "unreadable"): 1,
        ("truncated", "unreadable"): 1,
    }
    looked = {
        report.kinds[key]
        for key, flags in report.flags.items()
        if "intake:unreadable_rival" in flags
    }
    assert looked == {"lossy", "nested", "truncated"}


@pytest.mark.slow
def test_no_mutated_object_raises_anything_foreign():
    report = _bench("fuzz_objects").run(150, seed=20260302)
    assert report.is_sound, (report.foreign, report.slow, report.large)
    assert sum(n for outcome, n in report.outcomes.items() if "pull:" in outcome) == 150
