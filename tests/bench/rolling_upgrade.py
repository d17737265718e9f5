"""Takes a cluster to another version of the code in the middle of a night, a service at a time.

Run from the repository's root (8 to 18 minutes beside other jobs)::

    PYTHONPATH=.:plugins:tests python tests/bench/rolling_upgrade.py --folder DIR

A cluster (``mpss cluster``: PostgreSQL, Redis, three Celery workers) of this checkout takes a small
hospital through a night without a disturbance, then again from the same beginning.

1. Between the two, versions that must not work beside this one (``FORBIDDEN``: an engine, the
   layout, a table, a task of a DAG) are refused by ``mpss cluster roll``, by the bootstrap, and by
   a scheduler and a worker that are started by hand, each in words that name the part; no service
   is replaced and none ends. The roll of one of them is tried in the second night too.
2. In the second night, once some of its tasks have ended, ``mpss cluster roll`` of another version
   (a copy of this checkout with another name, or ``--to`` a folder) replaces worker after worker,
   scheduler, DAG processor, triggerer and API server.

Then the night must end green without a hand, with tasks of both versions; and be as the undisturbed
one: each file of the lake by its bytes, each relation of the snapshot by the values of its rows,
each table of the results database by its rows, the log of tasks by its meaning
(``left_by_runs.py``); but for the name of the code (``LEFT_OUT``). Ends with status 1 where
anything is otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import cluster_kills as kills
from killed_cluster import POLL_S, Cluster, running
from left_by_runs import differences, relations

from mpss_lib.batch import code_version
from mpss_lib.runtime.airflow_home import COMPONENTS
from mpss_lib.runtime.cluster.shape import Shape
from mpss_lib.runtime.cluster.supervisor import reap
from mpss_lib.tables import Lake

HERE = Path(__file__).resolve().parents[2]
COPIED = ("dags", "mpss_lib", "plugins", "sql")
SHAPE = Shape(compute_workers=2, compute_slots=1)
WARM = "mpss_lib.runtime.warm"
BEGIN_AT = 6
"""So many tasks of the night have ended when the roll begins."""
MOST_S = 1200.0
REFUSED_S = 120.0
LEFT_OUT = ("code_version",)
"""Columns of the snapshot and of the results tables that are not compared, beside those of
``left_by_runs.relations``: two versions have two names."""


@dataclass(frozen=True)
class Edit:
    """A version that must not work beside this one: what of a copy is changed, and what is told."""

    path: str
    old: str
    new: str
    told: str


FORBIDDEN = {
    "engine": Edit("mpss_lib/config.py", '"segmentation": "7"', '"segmentation": "8"', "stage seg"),
    "layout": Edit(
        "mpss_lib/warehouse/layout.py", "VERSION = 2\n", "VERSION = 3\n", "layout of the lake"
    ),
    "table": Edit("mpss_lib/schemas.py", "n_grown=", "n_larger=", "tables of the lake"),
    "task": Edit("dags/mpss_ingest.py", '"gated"', '"gating"', "tasks of the DAGs"),
}


@dataclass
class Seen:
    """What the roll looked like from outside."""

    replaced: dict[str, int] = field(default_factory=dict)
    """Tasks of the night that had ended when a service was asked to end."""
    told: str = ""
    seconds: float = 0.0
    state_then: str = ""
    wrong: list[str] = field(default_factory=list)


def copy_of(folder: Path, name: str) -> Path:
    """Copy this checkout's code under another name of its version."""
    target = folder / name
    shutil.rmtree(target, ignore_errors=True)
    for part in COPIED:
        left_out = shutil.ignore_patterns("installed")
        shutil.copytree(HERE / part, target / part, ignore=left_out)  # with its compiled kernels
    (target / "COMMIT").write_text(f"{name}\n")
    return target


def warm(tree: Path) -> None:
    """Compile the kernels of another folder's code before the night, as an operator does."""
    command = [sys.executable, "-c", f"from {WARM} import compile_kernels; compile_kernels()"]
    places = {"PYTHONPATH": os.pathsep.join([str(tree), str(tree / "plugins")])}
    subprocess.run(command, env=os.environ | places, cwd=tree, check=True, timeout=MOST_S)


def changed(folder: Path, name: str, edit: Edit) -> Path:
    """Make a version that must not work beside this one."""
    target = copy_of(folder, name)
    path = target / edit.path
    text = path.read_text()
    assert edit.old in text, f"{edit.path} has no {edit.old!r}: write another edit"
    path.write_text(text.replace(edit.old, edit.new))
    return target


def environment_of(tree: Path, cluster: Cluster) -> dict[str, str]:
    """Give the environment of Airflow's processes with the code of another folder."""
    given = cluster.airflow.environment(cluster.config)
    places = {
        "PYTHONPATH": os.pathsep.join([str(tree), str(tree / "plugins")]),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tree / "dags"),
    }
    return given | places


def call(tree: Path, cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module of another folder's code; it must end by itself."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=environment_of(tree, cluster),
        cwd=tree,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=REFUSED_S,
    )


def not_refused(folder: Path, cluster: Cluster, names: Collection[str]) -> list[str]:
    """Let forbidden versions try to join; gives what was let in, or not told of.

    One alone tries nothing but the roll: a night goes on meanwhile.
    """
    wrong = []
    before = cluster.services.recorded()
    for name, edit in ((name, FORBIDDEN[name]) for name in names):
        tree = folder / f"with-another-{name}"
        tries = {
            "roll": ("mpss_lib.cli", "cluster", "roll"),
            "check": ("mpss_lib.cli", "upgrade", "--check"),
            "bootstrap": ("mpss_airflow.bootstrap",),
            "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
        }
        if name == "layout":  # a lake that is to be migrated; and one worker is enough
            worker = "celery worker --queues compute --concurrency 1 --skip-serve-logs"
            tries["worker"] = ("airflow", *worker.split(), "--celery-hostname", "other@%h")
        for what, words in list(tries.items())[: None if len(names) > 1 else 1]:
            done = call(tree, cluster, *words)
            said = " ".join((done.stdout + done.stderr).split())
            if done.returncode != 1 or edit.told not in said:
                wrong.append(f"another {name}: {what} ended {done.returncode}: {said[-600:]}")
    if cluster.services.recorded() != before:
        wrong.append("a version that was refused has replaced a service")
    dead = [name for name in before if not cluster.services.is_alive(name)]
    return wrong + [f"{name} ended while others were refused" for name in dead]


def reap_these(pids: Collection[int], is_over: Event) -> None:
    """Take the exit status of services that this process started: a zombie would be waited for."""
    while not is_over.wait(POLL_S):
        for pid in pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def rolled(tree: Path, cluster: Cluster, run_id: str) -> Seen:
    """Roll the cluster to the code of a folder, and look at the night meanwhile."""
    seen, begun = Seen(), time.monotonic()
    started = [int(entry["pid"]) for entry in cluster.services.recorded().values()]
    is_over = Event()
    reaper = Thread(target=reap_these, args=(started, is_over))
    reaper.start()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "mpss_lib.cli", "cluster", "roll"],
        env=environment_of(tree, cluster),
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            kills.say(f"  {time.monotonic() - begun:4.0f} s  {line.rstrip()}")
            seen.told += line
            if line.split()[0] in cluster.services.recorded():
                seen.replaced[line.split()[0]] = cluster.progress(run_id)[1]
        if process.wait() != 0:
            seen.wrong.append(f"the roll ended {process.returncode}: {seen.told[-600:]}")
    finally:
        process.kill()
        process.wait()
        is_over.set()
        reaper.join()
    seen.seconds, seen.state_then = time.monotonic() - begun, cluster.state(run_id)
    return seen


def night(cluster: Cluster, folder: Path, tree: Path) -> tuple[str, str, Seen]:
    """Take the cluster through a night that is rolled; gives its run, its state, what was seen."""
    run_id, begun = cluster.trigger("mpss_ingest", cluster.window), time.monotonic()
    while cluster.progress(run_id)[1] < BEGIN_AT:
        assert time.monotonic() - begun < MOST_S, "the night does not begin"
        time.sleep(POLL_S)
    refused = not_refused(folder, cluster, ["engine"])
    seen = rolled(tree, cluster, run_id)
    seen.wrong += refused
    while (state := cluster.state(run_id)) not in ("success", "failed"):
        reap()
        if time.monotonic() - begun > MOST_S:
            break
        time.sleep(POLL_S)
    return run_id, state, seen


# ---------------------------------------------------------------- verdict


def results(cluster: Cluster) -> dict[str, list[str]]:
    """Give the rows of the results tables without the code's name."""
    found, _ = kills.results(cluster)
    named = cluster.ask(
        "select table_name, array_position(array_agg(column_name::text order by column_name),"
        " 'code_version') from information_schema.columns where table_schema = 'mpss'"
        " and data_type not like 'timestamp%%' group by table_name",
        database="mpss_results",
    )
    for table, place in named:
        if place is not None and table in found and table not in kills.NAMES_THE_SNAPSHOT:
            rows = [json.loads(row) for row in found[table]]
            found[table] = sorted(json.dumps(r[: place - 1] + r[place:]) for r in rows)
    return found


def left(cluster: Cluster, run_id: str) -> dict[str, Any]:
    """Give all that a night left, without the code's name."""
    found = kills.outcome(cluster, {run_id: "ingest"})
    return found | {"results": results(cluster), "rows": relations(cluster.lake, LEFT_OUT)}


def versions(lake: Lake) -> dict[str, Counter[str]]:
    """Count the records of each stage by the code that wrote them."""
    found: dict[str, Counter[str]] = {}
    for path in (lake.root / "manifest").glob("*/*.json"):
        told = json.loads(path.read_text())
        found.setdefault(path.parent.name, Counter())[told["code_version"]] += 1
    return found


def wrong_in(seen: Seen, n_tasks: int, by_stage: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Name what shows that the roll was not one in mid-night."""
    wanted = {"worker-pacs", "worker-compute-1", "worker-compute-2", *COMPONENTS}
    if missing := wanted - seen.replaced.keys():
        yield f"not replaced: {sorted(missing)}"
    if seen.state_then != "running":
        yield f"the night was {seen.state_then} before the last service was replaced: more patients"
    if max(seen.replaced.values(), default=n_tasks) >= n_tasks:
        yield "no task was left when the last service was replaced"
    both = [stage for stage, count in by_stage.items() if len(count) > 1]
    if not both:
        yield f"no stage has records of both versions: {by_stage}"


def undisturbed(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """Give what a night without a roll left, and its tasks; done once in a folder, then read."""
    path, kept = folder / "undisturbed.json", folder / "beginning"
    if path.exists():
        return kills.of_this_code(json.loads(path.read_text()))
    if not kept.exists():
        kills.make_beginning(cluster, kept, ["ingest"])
    kills.begin_again(cluster, kept)
    run_id, state, seconds = kills.disturbed(cluster, "ingest", [], 0, random.Random(0))
    assert state == "success", f"the undisturbed night ended {state}"
    n_tasks = cluster.progress(run_id)[1]
    kills.say(f"undisturbed: {n_tasks} tasks in {seconds:.0f} s")
    found = left(cluster, run_id) | {"tasks": n_tasks, "code": code_version()}
    path.write_text(json.dumps(found))
    return found


def turns(folder: Path, tree: Path, patients: int) -> list[str]:
    """Do both nights; gives what is wrong."""
    begun = time.monotonic()
    with running(folder / "home", patients, shape=SHAPE, min_batch=1) as cluster:
        kills.say(f"cluster is up after {time.monotonic() - begun:.0f} s")
        before = undisturbed(cluster, folder)
        time.sleep(kills.NIGHT_S)
        kills._wait(lambda: cluster.ask(kills.OPEN) == [(0,)])
        wrong = not_refused(folder, cluster, FORBIDDEN)
        kills.say(f"refused: {', '.join(FORBIDDEN)}: {wrong or 'all'}")
        kills.begin_again(cluster, folder / "beginning")
        known = versions(cluster.lake)
        run_id, state, seen = night(cluster, folder, tree)
        now, tries = left(cluster, run_id), {"ingest": cluster.tries(run_id)}
        [(n_dags,)] = cluster.ask("select count(*) from dag_version where dag_id = 'mpss_ingest'")
        found = {
            stage: n - known.get(stage, Counter()) for stage, n in versions(cluster.lake).items()
        }
    by_stage = {stage: dict(count) for stage, count in found.items() if count}
    kills.say(f"rolled in {seen.seconds:.0f} s; tasks ended as each was replaced: {seen.replaced}")
    kills.say(f"second tries: {tries['ingest']}; records by code: {by_stage}")
    kills.say(
        f"compared: {len(now['files'])} files of the lake, {len(now['rows'])} relations,"
        f" {len(now['results'])} results tables; versions of the DAG: {n_dags}"
    )
    wrong += seen.wrong
    wrong += wrong_in(seen, before["tasks"], by_stage)
    wrong += [] if state == "success" else [f"the night ended {state}"]
    return wrong + differences(now, before, tries)


def main() -> int:
    """Roll, compare, say what came of it."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--patients", type=int, default=20)
    options.add_argument("--folder", type=Path, required=True, help="a folder of its own, kept")
    options.add_argument("--to", type=Path, help="the other version: a folder with its code")
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))  # and ends the cluster
    given.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    for name, edit in FORBIDDEN.items():
        changed(given.folder, f"with-another-{name}", edit)
    tree = given.to.resolve() if given.to else copy_of(given.folder, "the-next-one")
    warm(tree)
    wrong = turns(given.folder, tree, given.patients)
    for line in wrong:
        kills.say(f"wrong: {line}")
    kills.say("NOT the same" if wrong else "wrong: nothing")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
