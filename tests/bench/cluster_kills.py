"""Kills a cluster's parts in the middle of its runs: each run ends green, and the lake is the same.

Run from the repository's root (the file of rows is taken up again where it ended)::

    PYTHONPATH=.:plugins:tests python tests/bench/cluster_kills.py --kills 300 --seed 1 \
        --folder DIR

A home on a cluster (``mpss cluster``: PostgreSQL, Redis, Celery workers, a supervisor) with a small
hospital is taken once through ingest, evaluate and maintain without a disturbance, then again and
again from the same beginning, with ``--each`` kills in each of the three. A kill happens when so
many of the run's tasks have ended as the seed says. After each turn: every run is green without a
hand, every file of the lake has the bytes of the undisturbed turn, every relation of the snapshot
and every table of the results database the same rows, none twice. Ends with status 1 where one
turn is not so, a lost worker was made good later than ``MOST_LOST_S``, or some kind never
hit some stage.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from killed_cluster import ENDED, KINDS, POLL_S, Cluster, Kill, is_made_good, strike

from mpss_lib.runtime.cluster.supervisor import reap
from mpss_lib.tables import Lake
from mpss_lib.warehouse.reader import rows as snapshot_rows

STAGES = {"ingest": "mpss_ingest", "evaluate": "mpss_evaluate", "maintain": "mpss_maintain"}
MOST_LOST_S = 180.0
MOST_RUN_S = 1500.0
LAST_AFTER = 0.85
"""Share of a run's tasks after which no kill waits any more: the run would end before it."""
LONGEST_S = 2.0
"""Between the end of the task that a kill waits for and the kill."""

STAYS = frozenset(
    {"airflow", "cluster", "logs", "hospital", "archive", "archive.json", "mpss.toml"}
    | {"processes.json", "home.lock", "hospital.json"}
)
"""Of a home: what is no result of its runs; all else is put back before each turn."""
TIMED = ("expectation_", "manifest/", "reports/", "layout", "warehouse", "active.json", "order.")
"""Beginnings of files of the lake that state when something was done (``test_bytes.py``)."""
NAMES_THE_SNAPSHOT = frozenset({"source"})
"""Results tables with the number of the publish: one that was killed and done again counts twice.
They have one row, no more."""


@dataclass(frozen=True)
class Plan:
    """What is killed where, and how often in each stage of a turn."""

    seed: int
    each: int
    kinds: Sequence[str]
    stages: Sequence[str]


def planned(plan: Plan) -> Iterator[list[Kill]]:
    """Give the kills of one turn after the other: each kind comes as often in each stage."""
    rng = random.Random(plan.seed)
    kinds: dict[str, list[str]] = {stage: [] for stage in plan.stages}
    while True:
        turn = []
        for stage, left in kinds.items():
            for _ in range(plan.each):
                if not left:
                    left += rng.sample(plan.kinds, len(plan.kinds))
                later = rng.uniform(0.0, LONGEST_S)
                turn.append(Kill(left.pop(), stage, rng.uniform(0.0, LAST_AFTER), later))
        yield sorted(turn, key=lambda kill: kill.after)


def disturbed(
    cluster: Cluster, stage: str, kills: Sequence[Kill], n_tasks: int, rng: random.Random
) -> tuple[str, float]:
    """Run a stage's DAG with kills; gives its state and its seconds."""
    conf = cluster.window if stage == "ingest" else {}
    run_id, begun = cluster.trigger(STAGES[stage], conf), time.monotonic()
    waiting, struck = [kill for kill in kills if kill.stage == stage], []
    while time.monotonic() - begun < MOST_RUN_S:
        state = cluster.state(run_id)
        if state in ("success", "failed"):
            return state, time.monotonic() - begun
        done = cluster.ended(run_id)
        if waiting and done >= int(waiting[0].after * n_tasks):
            time.sleep(waiting[0].later_s)
            if cluster.state(run_id) == "running" and strike(cluster, waiting[0], run_id, rng):
                say(f"  {stage}: {waiting[0].kind} ({done} of {n_tasks} ended)")
                waiting[0].is_done = True
                struck.append((waiting.pop(0), time.monotonic()))
        for kill, at in struck:
            if kill.lost and kill.made_good_s is None and is_made_good(cluster, kill, run_id):
                kill.made_good_s = round(time.monotonic() - at, 1)
        time.sleep(POLL_S)
    return f"not ended after {MOST_RUN_S:.0f} s", MOST_RUN_S


# ---------------------------------------------------------------- verdict


def digests(lake: Lake) -> dict[str, str]:
    """Give the digest of every file of the lake but those that state times."""
    found = {}
    for path in sorted(lake.root.rglob("*")):
        name = path.relative_to(lake.root).as_posix()
        if path.is_file() and not name.removeprefix("landing/").startswith(TIMED):
            content = without_times(path) if path.suffix == ".json" else path.read_bytes()
            found[name] = hashlib.sha256(content).hexdigest()
    return found


def without_times(path: Path) -> bytes:
    """Give a JSON object without what says when something was done (``asked_at``)."""
    told = json.loads(path.read_text())
    return json.dumps({key: told[key] for key in sorted(told) if not key.endswith("_at")}).encode()


def row_counts(lake: Lake) -> dict[str, int]:
    """Count the rows of every relation of the snapshot."""
    names = snapshot_rows(
        lake,
        "select schema_name || '.' || table_name as name from duckdb_tables() union"
        " select schema_name || '.' || view_name from duckdb_views() where not internal",
    )
    found = {}
    for name in sorted(row["name"] for row in names):
        [row] = snapshot_rows(lake, f"select count(*) as n from {name}")
        found[name] = int(row["n"])
    return found


def results(cluster: Cluster) -> tuple[dict[str, list[str]], list[str]]:
    """Give the rows of every results table, without times; and the tables with one twice."""
    tables = cluster.ask(
        "select table_name from information_schema.tables where table_schema = 'mpss'"
        " and table_type = 'BASE TABLE' order by 1",
        database="mpss_results",
    )
    found: dict[str, list[str]] = {}
    for (table,) in tables:
        columns = cluster.ask(
            "select column_name from information_schema.columns where table_schema = 'mpss'"
            " and table_name = %s and data_type not like 'timestamp%%' order by 1",
            table,
            database="mpss_results",
        )
        chosen = ", ".join(f'"{name}"' for (name,) in columns)
        rows = cluster.ask(f"select {chosen} from mpss.{table}", database="mpss_results")
        named = rows if table not in NAMES_THE_SNAPSHOT else [len(rows)]
        found[table] = sorted(json.dumps(row, default=str) for row in named)
    twice = [name for name, rows in found.items() if len(set(rows)) != len(rows)]
    return found, twice


def outcome(cluster: Cluster) -> dict[str, Any]:
    """Give what a turn left: files, rows, results, tables with a row twice."""
    table, twice = results(cluster)
    return {
        "files": digests(cluster.lake),
        "rows": row_counts(cluster.lake),
        "results": table,
        "twice": twice,
    }


def differences(now: dict[str, Any], undisturbed: dict[str, Any]) -> list[str]:
    """Name what is otherwise than after the undisturbed turn."""
    found = []
    for part in ("files", "rows", "results"):
        ours, theirs = now[part], undisturbed[part]
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                counts = f" ({theirs.get(name)}, now {ours.get(name)})" if part == "rows" else ""
                found.append(f"{part}: {name}{counts}")
    return found + [f"twice: {name}" for name in now["twice"]]


# ------------------------------------------------------------------ turns


def keep_beginning(cluster: Cluster, kept: Path) -> None:
    """Copy what a turn begins with."""
    for path in cluster.root.iterdir():
        if path.name not in STAYS:
            _copy(path, kept / path.name)


def begin_again(cluster: Cluster, kept: Path) -> None:
    """Put the home back to what a turn begins with, and empty the results database."""
    for path in cluster.root.iterdir():
        if path.name not in STAYS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in kept.iterdir():
        _copy(path, cluster.root / path.name)
    cluster.ask("drop schema if exists mpss cascade", database="mpss_results")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


@contextmanager
def running(folder: Path, patients: int) -> Iterator[Cluster]:
    """Start the cluster; whatever happens, everything of it is ended."""
    cluster = Cluster(folder / "home", patients)
    begun = time.monotonic()
    try:
        cluster.start()
        say(f"cluster is up after {time.monotonic() - begun:.0f} s")
        yield cluster
    finally:
        cluster.services.end_all()
        reap()


def undisturbed(cluster: Cluster, folder: Path, stages: Sequence[str]) -> dict[str, Any]:
    """Give what the turn without kills left, and its tasks; done once, then read."""
    path, kept = folder / "undisturbed.json", folder / "beginning"
    if path.exists():
        return json.loads(path.read_text())
    cluster.ask("drop database if exists mpss_results", database="postgres")
    cluster.ask("create database mpss_results", database="postgres")
    run_id = cluster.trigger("mpss_clinical", {})
    for dag_id in (STAGES[stage] for stage in stages):
        cluster.call(lambda client, dag_id=dag_id: client.unpause(dag_id))
    _wait(lambda: cluster.ask(ENDED) == [(2,)])  # the registry, and the night that was due
    assert cluster.state(run_id) == "success"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    keep_beginning(cluster, kept)
    n_tasks, seconds = {}, {}
    for stage in stages:
        state, seconds[stage] = disturbed(cluster, stage, [], 0, random.Random(0))
        assert state == "success", f"{stage} ended {state} without a kill"
        [(n_tasks[stage],)] = cluster.ask(
            "select count(*) from task_instance where dag_id = %s and run_id ="
            " (select run_id from dag_run where dag_id = %s order by id desc limit 1)",
            STAGES[stage],
            STAGES[stage],
        )
    found = outcome(cluster) | {"tasks": n_tasks, "seconds": seconds}
    path.write_text(json.dumps(found))
    say(f"undisturbed: {n_tasks} tasks in { ({k: round(v) for k, v in seconds.items()}) } s")
    return found


def _wait(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + MOST_RUN_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(POLL_S)


def turn(
    cluster: Cluster, folder: Path, number: int, kills: list[Kill], before: dict[str, Any]
) -> dict[str, Any]:
    """Take the home through all stages with kills; gives the row of the turn."""
    begin_again(cluster, folder / "beginning")
    rng, states, begun = random.Random(number), {}, time.monotonic()
    for stage in before["tasks"]:
        states[stage], _ = disturbed(cluster, stage, kills, before["tasks"][stage], rng)
    done = [asdict(kill) for kill in kills if kill.is_done]
    return {
        "turn": number,
        "seconds": round(time.monotonic() - begun, 1),
        "states": states,
        "kills": done,
        "differs": differences(outcome(cluster), before),
    }


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows that are whole."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def told(rows: Sequence[dict[str, Any]], plan: Plan) -> bool:
    """Print what was found; whether everything was as it must be."""
    hits = Counter((kill["kind"], kill["stage"]) for row in rows for kill in row["kills"])
    say(f"{'kind':<24}" + "".join(f"{stage:>10}" for stage in plan.stages))
    for kind in plan.kinds:
        say(f"{kind:<24}" + "".join(f"{hits[kind, stage]:>10}" for stage in plan.stages))
    red = [row["turn"] for row in rows if set(row["states"].values()) != {"success"}]
    other = [row["turn"] for row in rows if row["differs"]]
    lost = [
        kill["made_good_s"]
        for row in rows
        for kill in row["kills"]
        if kill["made_good_s"] is not None
    ]
    say(
        f"{len(rows)} turns, {sum(hits.values())} kills; not green: {red or 'none'};"
        f" not the same: {other or 'none'}; lost workers made good: {len(lost)},"
        f" longest {max(lost, default=0):.0f} s"
    )
    cells = [(kind, stage) for kind in plan.kinds for stage in plan.stages]
    missed = [f"{kind} in {stage}" for kind, stage in cells if not hits[kind, stage]]
    say(f"never hit: {', '.join(missed) or 'none'}")
    return not (red or other or missed or max(lost, default=0) > MOST_LOST_S)


def main() -> int:
    """Kill so often, say what came of it."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--kills", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--each", type=int, default=6, help="kills in each stage of a turn")
    options.add_argument("--patients", type=int, default=14)
    options.add_argument("--most-s", type=float, default=float("inf"), help="no turn begins later")
    options.add_argument("--stages", nargs="+", choices=STAGES, default=[*STAGES])
    options.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    options.add_argument("--folder", type=Path, required=True, help="a folder of its own, kept")
    given = options.parse_args()
    plan = Plan(given.seed, given.each, given.kinds, given.stages)
    given.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    rows = kill(given.folder, plan, given.patients, given.kills, given.most_s)
    return 0 if told(rows, plan) else 1


def kill(
    folder: Path, plan: Plan, patients: int, n_kills: int, most_s: float
) -> list[dict[str, Any]]:
    """Do turn after turn until there were so many kills; gives the rows, also those from before."""
    path, begun = folder / f"rows-{plan.seed}.jsonl", time.monotonic()
    rows = read_rows(path)
    with running(folder, patients) as cluster:
        before = undisturbed(cluster, folder, plan.stages)
        for number, kills in enumerate(planned(plan)):
            if sum(len(row["kills"]) for row in rows) >= n_kills:
                break
            if number < len(rows):
                continue
            if time.monotonic() - begun > most_s:
                break
            row = turn(cluster, folder, number, kills, before)
            rows.append(row)
            with path.open("a") as handle:
                handle.write(json.dumps(row) + "\n")
            say(json.dumps({name: row[name] for name in ("turn", "seconds", "states", "differs")}))
    return rows


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
