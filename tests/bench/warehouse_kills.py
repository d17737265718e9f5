"""300 ``kill -9`` of stage writers, compaction and publish at random moments of every phase.

Run from the repository's root; ends after ``--seconds``; run again with the same ``--state`` to go
on where it stopped (about 6 CPU minutes in all)::

    PYTHONPATH=.:tests python tests/bench/warehouse_kills.py --kills 300 --state kills.jsonl

A writer is a process that adds one study (landing files, manifest records), publishes, and joins
batches. It tells each phase as it enters it; the kill is aimed at each phase in turn and comes at a
random moment of the time that the phase usually takes, and counts for the phase in which it found
the writer. A writer that had ended before is not counted.

After every kill a reader opens the published snapshot: it must be whole and no older than before.
After every ``ROUND`` kills the lake is published again without repeating any work: a study whose
records were written must be there (else lost). Then the killed work is done again, as Airflow would
do it, rubbish is removed, batches are joined, and everything is compared: each study once (else
duplicated), the values that it was given, and every file that a record names against its digest
(else corrupt). Prints one JSON line; status 1 if anything is wrong or a phase was never hit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from fabricated_lake import Builder

from mpss_lib.config import Config
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake, sha256_of
from mpss_lib.warehouse import planning, snapshot, stage
from mpss_lib.warehouse.maintenance import RUBBISH_AGE_S, remove_orphans

PHASES = ("landing", "record", "plan", "batch", "build", "check", "swap", "merge")
ROUND = 24
CONFIG = Config.model_validate(
    {
        "cohort": {"accept": "pass"},
        "warehouse": {"threads": 1, "compact_from": 3, "compact_studies": 6, "merge_studies": 30},
    }
)
STATE = """
select
    (select sequence from meta.snapshot) as sequence,
    (select count(*) from feature.radiomics) as n_rows,
    (select count(distinct (study_key, segment, bins)) from feature.radiomics) as n_distinct,
    (select count(distinct study_key) from feature.radiomics) as n_studies,
    (
        select sum(n_series_announced) from core.study
        where study_key in (select study_key from feature.radiomics)
    ) as promised,
    (select sum(stat_mean) from feature.radiomics where segment = 'MYO' and bins = 4) as once,
    (select sum(ih_entropy) from feature.radiomics where segment = 'MYO' and bins = 4) as binned,
    (select list(distinct study_key) from feature.radiomics) as keys
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--kills", type=int, default=300)
    options.add_argument("--seconds", type=float, default=540)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--state", type=Path, help="file that a later run goes on from")
    chosen = options.parse_args()
    done = _read(chosen.state)
    ends = time.monotonic() + chosen.seconds
    typical: dict[str, float] = {}
    while _n_kills(done) < chosen.kills and time.monotonic() < ends:
        rng = random.Random(chosen.seed + len(done))
        n = min(ROUND, chosen.kills - _n_kills(done))
        with tempfile.TemporaryDirectory(prefix="mpss-kills-") as folder:
            told = one_round(Path(folder) / "lake", n, rng, typical, ends)
        done.append(told)
        if chosen.state is not None:
            with chosen.state.open("a") as handle:
                handle.write(json.dumps(told) + "\n")
    hit = sum((Counter(told["hit"]) for told in done), Counter())
    faults = {
        name: [f for t in done for f in t[name]] for name in ("corrupt", "lost", "duplicated")
    }
    answer = {"kills": hit.total(), "hit": {name: hit[name] for name in PHASES}} | faults
    sys.stdout.write(json.dumps(answer) + "\n")
    is_sound = not any(faults.values()) and all(hit[name] for name in PHASES)
    sys.exit(0 if is_sound and hit.total() >= chosen.kills else 1)


def one_round(
    root: Path, n_kills: int, rng: random.Random, typical: dict[str, float], ends: float
) -> dict[str, object]:
    """Kill up to ``n_kills`` writers on one lake, then recover and compare."""
    told: dict[str, object] = {"hit": [], "corrupt": [], "lost": [], "duplicated": []}
    in_child(lambda: begin(root))
    if not typical:
        typical |= usual_times(root)
    recorded: list[int] = []
    sequence, number = 0, 100
    while len(told["hit"]) < n_kills and time.monotonic() < ends:
        number += 1
        aimed = PHASES[number % len(PHASES)]
        phases, was_killed = kill_writer(root, number, aimed, rng.uniform(0, typical[aimed]))
        if was_killed:
            told["hit"].append(phases[-1])
        if "plan" in phases:
            recorded.append(number)
        state = in_child(lambda: look(root))
        told["corrupt"] += faults_of(state, f"after a kill in {phases[-1]}")
        if state.get("sequence", 0) < sequence:
            told["corrupt"].append(f"went back after a kill in {phases[-1]}")
        sequence = state.get("sequence", 0)
    numbers = range(101, number + 1)
    found = in_child(lambda: recover(root, recorded, numbers))
    for name in ("corrupt", "lost", "duplicated"):
        told[name] += found.get(name, [])
    shutil.rmtree(root)
    return told


def kill_writer(root: Path, number: int, aimed: str, delay: float) -> tuple[list[str], bool]:
    """Start a writer, kill it ``delay`` s into a phase; its phases, and whether it lived."""
    pid, pipe = start(lambda tell: write(root, number, tell))
    told = b""
    while aimed.encode() not in told:
        more = os.read(pipe, 4096)
        if not more:
            break
        told += more
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    while more := os.read(pipe, 4096):
        told += more
    os.close(pipe)
    phases = told.decode().split()
    return phases, os.WIFSIGNALED(status) and phases[-1] in PHASES


def usual_times(root: Path) -> dict[str, float]:
    """Seconds that each phase takes, from one writer that nobody kills."""
    pid, pipe = start(lambda tell: write(root, 100, tell))
    entered: list[tuple[str, float]] = []
    while more := os.read(pipe, 4096):
        entered += [(name, time.monotonic()) for name in more.decode().split()]
    os.waitpid(pid, 0)
    os.close(pipe)
    times: Counter[str] = Counter()
    for (name, start_s), (_, end_s) in pairwise(entered):
        times[name] += end_s - start_s
    return {name: max(times[name], 0.002) for name in PHASES}


# ---------------------------------------------------------------- what children do


def begin(root: Path) -> None:
    build = Builder(Lake(root), CONFIG)
    build.catalogue()
    build.promise("s0", "p0", seed=0)
    build.flush()
    stage.run(build.lake, CONFIG)


def write(root: Path, number: int, tell: Callable[[str], None]) -> None:
    """One task after the other, as a night has them, telling each phase."""
    build = Builder(Lake(root), CONFIG)
    tell("landing")
    add(build, number)
    tell("record")
    build.flush(f"run {number}")
    compact = planning.compact

    def told_compact(*arguments: object) -> object:
        tell("batch")
        answer = compact(*arguments)
        tell("plan")
        return answer

    planning.compact = told_compact
    snapshot.publish(build.lake, CONFIG, progress=tell)
    tell("merge")
    stage.merge(build.lake, CONFIG)
    tell("ended")


def add(build: Builder, number: int) -> None:
    build.catalogue()
    build.promise(f"k{number}", f"p{number}", seed=number)


def look(root: Path) -> dict[str, object]:
    with closing(open_snapshot(Lake(root).snapshot)) as connection:
        result = connection.execute(STATE)
        return dict(zip((c[0] for c in result.description), result.fetchone(), strict=True))


def recover(root: Path, recorded: list[int], numbers: range) -> dict[str, list[str]]:
    """Publish what is there, then do all work again and compare everything."""
    build = Builder(Lake(root), CONFIG)
    stage.run(build.lake, CONFIG)
    shown = set(look(root)["keys"])
    lost = [f"k{number}" for number in recorded if f"k{number}" not in shown]
    for number in numbers:
        add(build, number)
    build.flush("again")
    stage.run(build.lake, CONFIG)
    stage.merge(build.lake, CONFIG)
    remove_orphans(build.lake, CONFIG, now=time.time() + 2 * RUBBISH_AGE_S)
    stage.run(build.lake, CONFIG)
    state = look(root)
    n = len(numbers) + 1 + ("k100" in state["keys"])
    lost += [f"k{number}" for number in numbers if f"k{number}" not in state["keys"]]
    twice = (
        [] if len(set(state["keys"])) == state["n_studies"] == n else [f"{state['n_studies']}/{n}"]
    )
    corrupt = faults_of(state, "after recovery")
    corrupt += [str(path) for path in build.lake.root.rglob(".tmp-*")]
    return {"corrupt": corrupt + wrong_digests(build.lake), "lost": lost, "duplicated": twice}


def wrong_digests(lake: Lake) -> list[str]:
    """Files that a record names and whose bytes are others."""
    named = {}
    for folder in (lake.root / "manifest").iterdir():
        for record in lake.records(folder.name):
            files = [f for unit in record.get("units", ()) for f in unit["files"]]
            files += [record] if record.get("kind") == "batch" else []
            named |= {file["path"]: file["content_sha256"] for file in files}
    return [
        path
        for path, digest in named.items()
        if (lake.root / path).is_file() and sha256_of(lake.root / path) != digest
    ]


def faults_of(state: dict[str, object], when: str) -> list[str]:
    if "error" in state:
        return [f"{when}: {state['error']}"]
    is_whole = state["n_rows"] == state["n_distinct"] == 56 * state["n_studies"]
    is_summed = state["promised"] == state["once"] == state["binned"]
    return [] if is_whole and is_summed else [f"{when}: {state}"]


# ---------------------------------------------------------------- children


def start(work: Callable[[Callable[[str], None]], None]) -> tuple[int, int]:
    """Fork a child that tells phases into a pipe; modules are loaded, nothing has run in them."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)
    status = 1
    try:
        work(lambda phase: os.write(writing, f"{phase}\n".encode()))
        status = 0
    finally:
        os._exit(status)


def in_child(work: Callable[[], object]) -> dict:
    """Run in a forked child and give what it answers; an error as ``{"error": ...}``."""

    def tell_all(tell: Callable[[str], None]) -> None:
        try:
            answer = work() or {}
        except Exception as error:  # told to the parent, which counts it as a fault
            answer = {"error": f"{type(error).__name__}: {error}"}
        tell(json.dumps(answer, default=str))

    pid, pipe = start(tell_all)
    told = b""
    while more := os.read(pipe, 65536):
        told += more
    os.waitpid(pid, 0)
    os.close(pipe)
    answer = json.loads(told)
    if set(answer) == {"error"}:
        return {"error": answer["error"], "corrupt": [answer["error"]]}
    return answer


def _read(state: Path | None) -> list[dict]:
    if state is None or not state.exists():
        return []
    return [json.loads(line) for line in state.read_text().splitlines()]


def _n_kills(done: list[dict]) -> int:
    return sum(len(told["hit"]) for told in done)


if __name__ == "__main__":
    main()
