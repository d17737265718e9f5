"""Wall time and CPU of the demo of N patients, by part and by process: what a bulk load costs.

Run from the repository's root (428 patients: about 6 minutes on two idle cores)::

    PYTHONPATH=.:plugins:tests python tests/bench/bulk_load.py --patients 428

Runs ``mpss demo`` in a fresh home (Airflow's scheduler, real processes) and adds up the CPU of its
whole process tree, read from ``/proc``: user and system time with that of ended children. The parts
are those that the demo prints. Of the processes it samples each one's own time ten times a second:
a task by its task id, what Airflow does for a task (its supervisor), the components. What ended
between two samples is "not seen". Ends with status 1 if the demo fails, or needs more than
``--most-wall`` or ``--most-cpu`` seconds.
"""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
EVERY_S = 0.1
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PART_ENDS = (
    (re.compile(r"demo hospital: \d+ studies"), "demo hospital"),
    (re.compile(r"Airflow is up"), "PACS and Airflow start"),
    (re.compile(r"(mpss_\w+): \d+ tasks \("), ""),
)
SERVICES = {
    "scheduler": "scheduler",
    "dag-processor": "DAG processor",
    "triggerer": "triggerer",
    "api-server": "API server",
    "api_server": "API server",
    "archive": "PACS of the demo",
    "mpss_airflow.bootstrap": "prepare database",
}


@dataclass
class Process:
    """A process as it was last seen; times in seconds."""

    label: str
    own: float = 0.0


@dataclass
class Tree:
    """The processes below one, and what they have used so far."""

    root: int
    seen: dict[tuple[int, int], Process] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    counts: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    total: float = 0.0

    def look(self) -> None:
        """Read every process of the tree once."""
        found = {
            pid: read_stat(pid)
            for pid in (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit())
        }
        live = {pid: stat for pid, stat in found.items() if stat}
        children = defaultdict(list)
        for pid, (parent, *_) in live.items():
            children[parent].append(pid)
        total, todo = 0.0, [(self.root, "demo itself")]
        while todo:
            pid, inherited = todo.pop()
            if pid not in live:
                continue
            _, started, own, ended = live[pid]
            total += own + ended
            label = label_of(pid, inherited, is_child=live[pid][0] == self.root)
            self._add((pid, started), label, own)
            todo += [(child, label) for child in children[pid]]
        self.total = max(self.total, total)

    def _add(self, process: tuple[int, int], label: str, own: float) -> None:
        known = self.seen.setdefault(process, Process(label))
        self.used[label] += own - known.own
        self.counts[label].add(process)
        known.own = own


def read_stat(pid: int) -> tuple[int, int, float, float] | None:
    """Parent, start, own CPU seconds and those of reaped children; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    values = text.rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, values[11:15])
    own, ended = (user + system) * TICK_S, (children_user + children_system) * TICK_S
    return int(values[1]), int(values[19]), own, ended


def label_of(pid: int, inherited: str, *, is_child: bool) -> str:
    """Say what a process does, by its command line, else as its parent."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return inherited
    line = " ".join(words)
    if line.startswith("airflow worker -- LocalExecutor"):
        task = UUID.search(line)
        return f"supervisor {task.group()}" if task else "idle worker"
    if line.startswith("airflow worker -- ") and (task := UUID.search(line)):
        return f"task {task.group()}"
    if is_child:
        return next(
            (name for word, name in SERVICES.items() if word in line.split()), "demo hospital"
        )
    return inherited


def named(used: Counter[str], database: Path) -> Counter[str]:
    """Put task ids in the place of Airflow's numbers of task instances."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("select id, dag_id, task_id from task_instance").fetchall()
    tasks = {str(key).replace("-", ""): f"{dag}.{task}" for key, dag, task in rows}
    told: Counter[str] = Counter()
    for label, seconds in used.items():
        kind, _, key = label.partition(" ")
        task = tasks.get(key.replace("-", ""))
        if kind == "supervisor":
            label = "supervisors of tasks"
        elif kind == "task" and task:
            label = f"task {task}"
        told[label] += seconds
    return told


@dataclass
class Part:
    """One part of the demo."""

    name: str
    wall: float
    cpu: float
    used: Counter[str] = field(default_factory=Counter)


def run(patients: int, home: Path, options: Sequence[str] = ()) -> tuple[int, Tree, list[Part]]:
    """Run the demo with options; its exit status, its processes and its parts."""
    environment = os.environ | {"MPSS_HOME": str(home), "COLUMNS": "200"}
    command = [sys.executable, "-m", "mpss_lib.cli", "demo", "--patients", str(patients)]
    command += options
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    tree, parts, done = Tree(process.pid), [Part("start", 0.0, 0.0)], threading.Event()

    def sample() -> None:
        while not done.wait(EVERY_S):
            tree.look()

    watch = threading.Thread(target=sample)
    watch.start()
    for line in process.stdout or ():
        say(line.rstrip())
        for pattern, name in PART_ENDS:
            if match := pattern.match(line):
                told = name or match.group(1)
                parts.append(Part(told, time.monotonic() - started, tree.total, tree.used.copy()))
    process.stdout and process.stdout.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    done.set()
    watch.join()
    tree.look()  # the demo has ended and is not reaped yet: all that it waited for is in its stat
    status = process.wait()
    parts.append(Part("summary and end", time.monotonic() - started, tree.total, tree.used))
    return status, tree, parts


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--patients", type=int, default=60)
    options.add_argument("--home", type=Path, help="a folder that is not there yet")
    options.add_argument("--most-wall", type=float, default=float("inf"))
    options.add_argument("--most-cpu", type=float, default=float("inf"))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mpss-bulk-") as folder:
        home = chosen.home or Path(folder) / "home"
        status, tree, parts = run(chosen.patients, home)
        database = home / "airflow" / "airflow.db"
        used = named(tree.used, database)
        counts = named(Counter({k: len(v) for k, v in tree.counts.items()}), database)
        for part in parts:
            part.used = named(part.used, database)
    say(f"\n{chosen.patients} patients: {parts[-1].wall:.0f} s wall, {tree.total:.0f} CPU-s")
    say(f"{'part':<40} {'wall s':>7} {'CPU s':>7}")
    for before, part in pairwise(parts):
        most = (part.used - before.used).most_common(4)
        told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in most)
        wall, cpu = part.wall - before.wall, part.cpu - before.cpu
        say(f"{part.name:<40} {wall:>7.1f} {cpu:>7.1f}  {told}")
    say(f"{'process':<40} {'number':>7} {'CPU s':>7} {'each':>7}")
    for name, seconds in used.most_common():
        say(f"{name:<40} {counts[name]:>7} {seconds:>7.1f} {seconds / counts[name]:>7.2f}")
    say(f"{'not seen':<40} {'':>7} {tree.total - sum(used.values()):>7.1f}")
    too_much = parts[-1].wall > chosen.most_wall or tree.total > chosen.most_cpu
    sys.exit(1 if status or too_much else 0)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
