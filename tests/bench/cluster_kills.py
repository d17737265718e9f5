"""Kills a cluster's parts in the middle of its runs: each run ends green, and the lake is the same.

Run from the repository's root (the file of rows is taken up again where it ended)::

    PYTHONPATH=.:plugins:tests python tests/bench/cluster_kills.py --kills 300 --seed 1 \
        --folder DIR

A home on a cluster (``mpss cluster``: PostgreSQL, Redis, Celery workers, a supervisor) with a small
hospital is taken once through ingest, evaluate and maintain without a disturbance, then again and
again from the same beginning, with ``--each`` kills in each of the three. A kill is due when so
many of the run's tasks have ended as the seed says, and happens a moment after the kill before it;
what does not run just then is killed when it runs again. Of the workers that are lost every second
one is lost alone, with first tries only: until it is made good nothing is killed that this needs.

After each turn: every run is green without a hand, every file of the lake has the bytes of the
undisturbed turn, every relation of the snapshot and every table of the results database the same
rows, none twice; the log of tasks has the same meaning (``left_by_runs.py``). What a writer was at
when it was killed (``.tmp-``) is told, and is no file of the lake. Ends with status 1
where one turn is not so, a worker that was lost alone was made good later than ``MOST_LOST_S``, or
some kind never hit some stage. All turns of a folder are of one commit: evaluations and predictions
name the code that made them, and with another one the bench refuses to go on.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from killed_cluster import (
    ENDED,
    KINDS,
    OPEN,
    POLL_S,
    RECEIVER,
    Cluster,
    Kill,
    is_made_good,
    running,
    strike,
)
from left_by_runs import differences, digests, log_of, relations, unfinished

from mpss_lib.batch import code_version

STAGES = {"ingest": "mpss_ingest", "evaluate": "mpss_evaluate", "maintain": "mpss_maintain"}
MOST_LOST_S = 180.0
MOST_RUN_S = 3600.0
LAST_AFTER = 0.85
"""Share of a run's tasks after which no kill waits any more: the run would end before it."""
NIGHT_S = 20.0
"""In which a scheduler that is up begins the night that fell due while the bench did not run."""
LONGEST_S = 2.0
"""Between a kill that is due and the kill before it."""
TIMES = {"task": 5, "redis": 3, "redis without its file": 3, "scheduler": 2, "receiver": 2}
"""Of so many kills of a kind a round consists, of the others one. What is dear to make good comes
seldom: a lost worker costs two minutes, PostgreSQL takes Airflow down with it."""
BESIDE_LOST = frozenset({"task", "dag-processor", "triggerer"})
"""What may be killed while a worker is made good alone."""

STAYS = frozenset(
    {"airflow", "cluster", "logs", "hospital", "archive", "archive.json", "mpss.toml"}
    | {"processes.json", "home.lock", "hospital.json", "received", "receiver-ready.json"}
)
"""Of a home: what is no result of its runs, or its receiver's; all else is put back before each
turn."""
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
    """Give the kills of one turn after the other; in each stage one round follows the other.

    A round has each kind once, then what is left of it.
    """
    rng = random.Random(plan.seed)
    rest = [kind for kind in plan.kinds for _ in range(TIMES.get(kind, 1) - 1)]
    left: dict[str, list[str]] = {stage: [] for stage in plan.stages}
    n_lost = 0
    while True:
        turn = []
        for stage in plan.stages:
            for _ in range(plan.each):
                if not left[stage]:
                    left[stage] = rng.sample(plan.kinds, len(plan.kinds))
                    left[stage] += rng.sample(rest, len(rest))
                kind = left[stage].pop(0)
                n_lost += kind == "worker"
                is_alone = kind == "worker" and bool(n_lost % 2)
                later = rng.uniform(0.0, LONGEST_S)
                turn.append(Kill(kind, stage, rng.uniform(0.0, LAST_AFTER), later, is_alone))
        yield sorted(turn, key=lambda kill: kill.after)


def disturbed(
    cluster: Cluster, stage: str, kills: Sequence[Kill], n_tasks: int, rng: random.Random
) -> tuple[str, str, float]:
    """Run a stage's DAG with kills; gives its name, its state and its seconds."""
    conf = cluster.window if stage == "ingest" else {}
    run_id, begun = cluster.trigger(STAGES[stage], conf), time.monotonic()
    waiting = [kill for kill in kills if kill.stage == stage]
    struck: list[tuple[Kill, float]] = []
    next_at = begun
    while (now := time.monotonic()) - begun < MOST_RUN_S:
        state, done = cluster.progress(run_id)
        for kill, at in struck:
            if kill.lost and kill.made_good_s is None and is_made_good(cluster, kill, run_id):
                kill.made_good_s = round(time.monotonic() - at, 1)
        if state in ("success", "failed"):
            return run_id, state, time.monotonic() - begun
        due = _due(waiting, struck, done / n_tasks) if waiting else []
        if due and now >= next_at and state == "running":
            for kill in due:
                if strike(cluster, kill, run_id, rng):
                    say(f"  {stage}: {kill.kind} ({done} of {n_tasks} ended)")
                    kill.is_done = True
                    waiting.remove(kill)
                    struck.append((kill, time.monotonic()))
                    next_at = time.monotonic() + kill.later_s
                    break
        time.sleep(POLL_S)
    return run_id, f"not ended after {MOST_RUN_S:.0f} s", MOST_RUN_S


def _due(waiting: Sequence[Kill], struck: Sequence[tuple[Kill, float]], share: float) -> list[Kill]:
    """Give the kills whose time has come, in their order; see ``Kill.is_alone``."""
    is_held = any(kill.is_alone and kill.lost and kill.made_good_s is None for kill, _ in struck)
    return [
        kill
        for kill in waiting
        if kill.after <= share and (not is_held or kill.kind in BESIDE_LOST)
    ]


# ---------------------------------------------------------------- verdict


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


def outcome(cluster: Cluster, runs: Mapping[str, str]) -> dict[str, Any]:
    """Give what a turn left; ``runs``: stage by the run's name."""
    table, twice = results(cluster)
    return {
        "files": digests(cluster.lake),
        "rows": relations(cluster.lake),
        "log": log_of(cluster.lake, runs),
        "results": table,
        "twice": twice,
    }


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


def undisturbed(cluster: Cluster, folder: Path, stages: Sequence[str]) -> dict[str, Any]:
    """Give what the turn without kills left, and its tasks; done once, then read."""
    path, kept = folder / "undisturbed.json", folder / "beginning"
    if path.exists():
        return of_this_code(json.loads(path.read_text()))
    if not kept.exists():
        make_beginning(cluster, kept, stages)
    begin_again(cluster, kept)
    n_tasks, seconds, runs = {}, {}, {}
    for stage in stages:
        run_id, state, seconds[stage] = disturbed(cluster, stage, [], 0, random.Random(0))
        assert state == "success", f"{stage} ended {state} without a kill"
        runs[run_id] = stage
        sql = "select count(*) from task_instance where run_id = %s"
        [(n_tasks[stage],)] = cluster.ask(sql, run_id)
    found = outcome(cluster, runs) | {"tasks": n_tasks, "seconds": seconds}
    found["code"] = code_version()
    path.write_text(json.dumps(found))
    say(f"undisturbed: {n_tasks} tasks in { ({k: round(v) for k, v in seconds.items()}) } s")
    return found


def of_this_code(kept: dict[str, Any]) -> dict[str, Any]:
    """Give a turn that was kept back; ends the bench where another commit made it."""
    made_by, now = kept.get("code", "no known commit"), code_version()
    if made_by != now:
        sys.exit(f"the folder has a turn of {made_by}, this is {now}: take a new --folder")
    return kept


def make_beginning(cluster: Cluster, kept: Path, stages: Sequence[str]) -> None:
    """Import the registry, let the night that is due run, and keep what each turn begins with."""
    cluster.ask("drop database if exists mpss_results", database="postgres")
    cluster.ask("create database mpss_results", database="postgres")
    run_id = cluster.trigger("mpss_clinical", {})
    for dag_id in (STAGES[stage] for stage in stages):
        cluster.call(lambda client, dag_id=dag_id: client.unpause(dag_id))
    _wait(lambda: cluster.ask(ENDED) == [(1 + ("ingest" in stages),)])
    assert cluster.state(run_id) == "success"
    half = kept.with_name("beginning-half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    keep_beginning(cluster, half)
    half.rename(kept)


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
    rng, states, runs, begun = random.Random(number), {}, {}, time.monotonic()
    for stage in before["tasks"]:
        run_id, states[stage], _ = disturbed(cluster, stage, kills, before["tasks"][stage], rng)
        runs[run_id] = stage
    tries = {stage: cluster.tries(run_id) for run_id, stage in runs.items()}
    now = outcome(cluster, runs)
    done = [asdict(kill) for kill in kills if kill.is_done]
    return {
        "turn": number,
        "code": before["code"],
        "seconds": round(time.monotonic() - begun, 1),
        "states": states,
        "tries_more": tries,
        "records": [len(one["log"]["records"]) for one in (before, now)],
        "kills": done,
        "unfinished": unfinished(cluster.lake),
        "differs": differences(now, before, tries),
    }


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows that are whole."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def never_hit(rows: Sequence[dict[str, Any]], plan: Plan) -> list[str]:
    """Name each kind that did not hit each stage yet."""
    hits = {(kill["kind"], kill["stage"]) for row in rows for kill in row["kills"]}
    cells = [(kind, stage) for kind in plan.kinds for stage in plan.stages]
    return [f"{kind} in {stage}" for kind, stage in cells if (kind, stage) not in hits]


def told(rows: Sequence[dict[str, Any]], plan: Plan) -> bool:
    """Print what was found; whether everything was as it must be."""
    kills = [kill for row in rows for kill in row["kills"]]
    hits = Counter((kill["kind"], kill["stage"]) for kill in kills)
    say(f"{'kind':<24}" + "".join(f"{stage:>10}" for stage in plan.stages))
    for kind in plan.kinds:
        say(f"{kind:<24}" + "".join(f"{hits[kind, stage]:>10}" for stage in plan.stages))
    red = [row["turn"] for row in rows if set(row["states"].values()) != {"success"}]
    other = [row["turn"] for row in rows if row["differs"]]
    say(
        f"{len(rows)} turns of {sum(row['seconds'] for row in rows):.0f} s, {len(kills)} kills;"
        f" not green: {red or 'none'}; not the same: {other or 'none'}"
    )
    say(f"made by: {', '.join(sorted({row.get('code', 'unknown') for row in rows})) or 'none'}")
    lost = {is_alone: _made_good(kills, is_alone=is_alone) for is_alone in (True, False)}
    for is_alone, seconds in lost.items():
        how = "alone" if is_alone else "among other kills"
        longest = max(seconds, default=0)
        say(f"lost workers made good {how}: {len(seconds)}, longest {longest:.0f} s")
    never = sum(bool(kill["lost"]) and kill["made_good_s"] is None for kill in kills)
    say(f"lost workers whose tasks were not seen again: {never}")
    missed = never_hit(rows, plan)
    say(f"never hit: {', '.join(missed) or 'none'}")
    return not (red or other or missed or never or max(lost[True], default=0) > MOST_LOST_S)


def _made_good(kills: Sequence[dict[str, Any]], *, is_alone: bool) -> list[float]:
    return [
        kill["made_good_s"]
        for kill in kills
        if kill["made_good_s"] is not None and kill["is_alone"] == is_alone
    ]


def main() -> int:
    """Kill so often, say what came of it."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--kills", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--each", type=int, default=30, help="kills in each stage of a turn")
    options.add_argument("--patients", type=int, default=14)
    options.add_argument(
        "--most-s",
        type=float,
        default=float("inf"),
        help="no turn begins later; 0: tell what is there",
    )
    options.add_argument("--stages", nargs="+", choices=STAGES, default=[*STAGES])
    options.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    options.add_argument("--folder", type=Path, required=True, help="a folder of its own, kept")
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))  # and ends the cluster
    plan = Plan(given.seed, given.each, given.kinds, given.stages)
    given.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    rows = kill(given.folder, plan, given.patients, given.kills, given.most_s)
    return 0 if told(rows, plan) else 1


def kill(
    folder: Path, plan: Plan, patients: int, n_kills: int, most_s: float
) -> list[dict[str, Any]]:
    """Do turn after turn until there were so many kills, and each kind has hit each stage.

    Gives the rows, also those from before.
    """
    path, begun = folder / f"rows-{plan.seed}.jsonl", time.monotonic()
    rows = read_rows(path)
    if most_s <= 0:
        return rows
    for row in rows:
        of_this_code(row)
    if _is_enough(rows, plan, n_kills):
        return rows
    with running(folder / "home", patients, has_receiver=RECEIVER in plan.kinds) as cluster:
        say(f"cluster is up after {time.monotonic() - begun:.0f} s")
        before = undisturbed(cluster, folder, plan.stages)
        time.sleep(NIGHT_S)
        _wait(lambda: cluster.ask(OPEN) == [(0,)])
        for number, kills in enumerate(planned(plan)):
            if _is_enough(rows, plan, n_kills):
                break
            if number < len(rows):
                continue
            if time.monotonic() - begun > most_s:
                break
            row = turn(cluster, folder, number, kills, before)
            rows.append(row)
            with path.open("a") as handle:
                handle.write(json.dumps(row) + "\n")
            say(json.dumps({name: row[name] for name in row if name != "kills"}))
    return rows


def _is_enough(rows: Sequence[dict[str, Any]], plan: Plan, n_kills: int) -> bool:
    return sum(len(row["kills"]) for row in rows) >= n_kills and not never_hit(rows, plan)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
