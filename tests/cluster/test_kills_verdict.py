"""What the bench of kills says of its turns: each way to be red, with whose turns it goes on."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from killed_cluster import task_processes
from left_by_runs import differences


@pytest.fixture(scope="module")
def bench():
    path = Path(__file__).parents[1] / "bench" / "cluster_kills.py"
    spec = importlib.util.spec_from_file_location("cluster_kills", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["cluster_kills"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def plan(bench):
    return bench.Plan(1, 2, ("task", "worker"), ("ingest",))


def kill(kind, **more):
    given = {"kind": kind, "stage": "ingest", "lost": [], "made_good_s": None, "is_alone": False}
    return given | more


@pytest.fixture
def row(bench):
    lost = kill("worker", lost=["intake 0 1"], made_good_s=170.0, is_alone=True)
    return {
        "turn": 0,
        "code": bench.code_version(),
        "seconds": 9.0,
        "states": {"ingest": "success"},
        "kills": [kill("task"), lost],
        "differs": [],
    }


def test_a_turn_like_the_undisturbed_one_is_green(bench, plan, row):
    assert bench.told([row], plan)


@pytest.mark.parametrize(
    "wrong",
    [
        {"states": {"ingest": "failed"}},
        {"differs": ["files: landing/volume/study=1.parquet"]},
        {"kills": [kill("task")]},
        {"kills": [kill("task"), kill("worker", lost=["a 0 1"], made_good_s=181, is_alone=True)]},
        {"kills": [kill("task"), kill("worker", lost=["a 0 1"])]},
    ],
    ids=["run", "lake", "never hit", "late", "not made good"],
)
def test_each_wrong_is_red(bench, plan, row, wrong):
    assert not bench.told([row | wrong], plan)


OTHERS = pytest.mark.parametrize("code", [{}, {"code": "0.1.0+other"}], ids=["none", "other"])


@OTHERS
def test_an_undisturbed_turn_of_another_commit_is_refused(bench, plan, tmp_path, code):
    (tmp_path / "undisturbed.json").write_text(json.dumps({"tasks": {}} | code))
    with pytest.raises(SystemExit, match="take a new --folder"):
        bench.undisturbed(None, tmp_path, plan.stages)


@OTHERS
def test_kills_of_another_commit_are_refused_though_there_are_enough(bench, plan, tmp_path, code):
    row = {"turn": 0, "kills": [kill("task"), kill("worker")]} | code
    (tmp_path / "rows-1.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(SystemExit, match="take a new --folder"):
        bench.kill(tmp_path, plan, 3, 2, 60.0)


SLOT = """
import subprocess, sys, time
ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
ended.stdout.read()
task = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
print(ended.pid, task.pid, flush=True)
time.sleep(99)
"""
WORKER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLOT!r}])"


def test_a_task_that_was_killed_and_not_yet_told_is_not_killed_again():
    """Its process stays as a zombie of its slot: a kill of that would be counted, and be none."""
    with subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE) as worker:
        ended, task = map(int, worker.stdout.readline().split())
        cluster = SimpleNamespace(workers=lambda: ["worker-1"], pid=lambda _: worker.pid)
        try:
            until = time.monotonic() + 20
            while psutil.Process(ended).status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < until
            assert [process.pid for process in task_processes(cluster)] == [task]
        finally:
            for process in psutil.Process(worker.pid).children(recursive=True)[::-1]:
                process.kill()


def test_the_same_results_of_another_commit_are_told():
    """Evaluations and predictions name their code: so two commits differ in these two."""
    log = {"units": [], "current": [], "named": [], "records": []}

    def left(code):
        rows = {name: [f'["a", "{code}"]'] for name in ("evaluation", "prediction")}
        results = rows | {"evaluation_test": ['["a", 1]']}
        return {"files": {}, "rows": {}, "results": results, "twice": [], "log": log}

    assert differences(left("one"), left("one"), {}) == []
    assert differences(left("one"), left("other"), {}) == [
        "results: evaluation",
        "results: prediction",
    ]
