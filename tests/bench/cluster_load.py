"""The demo on a cluster beside the demo on one machine: wall, CPU, memory, bytes, and sizes.

Run from the repository's root (428 patients: some 15 minutes on two idle cores)::

    PYTHONPATH=.:plugins:tests python tests/bench/cluster_load.py --patients 428

Each form (``--forms``) is ``mpss demo`` in a fresh home, one after the other, measured as
``bulk_load.py`` does: wall and CPU of its whole process tree. Five times a minute it adds up the
PSS of each service with all below it; told is the largest of each, and of all at once. The cluster
has two workers: one of the roles ``pacs`` and ``publish``, one of ``compute`` with two slots.

``--sizes`` prints what a night of 10, 100 and 500 studies costs, and a lake of 50,000: from the
bytes of a study and the memory of the homes that were just made, and from the CPU of a study and of
a night's checks (``--study-s``, ``--night-s``: as ``lake_growth.py`` found them). Ends with status
1 if a demo fails, or needs more than ``--most-wall`` seconds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import bulk_load
from mpss_airflow.batch import plan_batches

from mpss_lib.runtime.cluster.memory import pss_mb
from mpss_lib.runtime.services import Services

FORMS: Mapping[str, tuple[str, ...]] = {"one machine": (), "cluster": ("--cluster",)}
EVERY_S = 12.0
KEPT = ("lake/dicom", "lake/landing", "lake/masks", "lake/manifest")
"""What grows with each study. Snapshot, batches and backups come on top: measure them there."""
PARTS = (*KEPT, "lake/reports", "lake/warehouse.duckdb", "vault.sqlite", "airflow", "cluster")
NIGHTS = (10, 100, 500)
LAKE = 50_000
LEAST, SLOTS = 25, 2
"""Studies of a batch (``batch.min_batch``), slots of the role ``compute``."""


@dataclass
class Memory:
    """The largest PSS that was seen of each service of a home, and of all at once; MB."""

    home: Path
    largest: Counter[str] = field(default_factory=Counter)
    together: float = 0.0

    def look(self) -> None:
        """Read it once."""
        recorded = Services(self.home).recorded()
        leaders = {int(entry["pid"]) for entry in recorded.values()}
        now = {name: pss_mb(entry["pid"], leaders) or 0.0 for name, entry in recorded.items()}
        for name, size in now.items():
            self.largest[name] = max(self.largest[name], size)
        self.together = max(self.together, sum(now.values()))


@dataclass
class Load:
    """What the demo cost in one form: seconds, MB, bytes of each part of the home."""

    form: str
    status: int
    wall: float
    cpu: float
    parts: list[bulk_load.Part]
    memory: Memory
    n_studies: int
    sizes: Mapping[str, int]


def measured(form: str, patients: int, home: Path) -> Load:
    """Run the demo in one form."""
    memory, done = Memory(home), threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_S):
            memory.look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        status, tree, parts = bulk_load.run(patients, home, FORMS[form])
    finally:
        done.set()
        watcher.join()
    sizes = {name: bytes_below(home / name) for name in PARTS}
    n_studies = sum(1 for path in (home / "lake" / "dicom").rglob("S*") if path.is_dir())
    return Load(form, status, parts[-1].wall, tree.total, parts, memory, n_studies, sizes)


def bytes_below(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(one.stat().st_size for one in files if one.is_file())


def tell(loads: list[Load]) -> None:
    """Print the forms beside each other."""
    say("\n" + f"{'':<28}" + "".join(f"{load.form:>16}" for load in loads))
    say(f"{'wall, s':<28}" + "".join(f"{load.wall:>16.0f}" for load in loads))
    say(f"{'CPU, s':<28}" + "".join(f"{load.cpu:>16.0f}" for load in loads))
    names = [part.name for part in loads[0].parts[1:]]
    for name in names:
        spent = [_spent(load, name) for load in loads]
        text = "".join(f"{wall:>8.0f}{cpu:>8.0f}" for wall, cpu in spent)
        say(f"  {name:<26}{text}")
    say(f"{'PSS together, MB':<28}" + "".join(f"{load.memory.together:>16.0f}" for load in loads))
    for name in sorted({name for load in loads for name in load.memory.largest}):
        text = "".join(f"{load.memory.largest[name]:>16.0f}" for load in loads)
        say(f"  {name:<26}{text}")
    say(f"{'studies':<28}" + "".join(f"{load.n_studies:>16}" for load in loads))
    for name in loads[0].sizes:
        text = "".join(f"{load.sizes[name] / max(load.n_studies, 1):>16,.0f}" for load in loads)
        say(f"bytes a study, {name.removeprefix('lake/'):<13}" + text)


def _spent(load: Load, name: str) -> tuple[float, float]:
    """Wall and CPU seconds of a part of the demo."""
    for before, part in pairwise(load.parts):
        if part.name == name:
            return part.wall - before.wall, part.cpu - before.cpu
    return 0.0, 0.0


def sizes(load: Load, study_s: float, night_s: float, task_s: float) -> None:
    """Print what a night and a lake need; a night has 8 tasks and 6 of each batch.

    Parameters
    ----------
    load : Load
        Of the form that the table is for.
    study_s, night_s : float
        CPU of one study through the chain, and of the night's checks and publishes.
    task_s : float
        CPU of a task beside what it works: worker, scheduler, API server, database.
    """
    each = sum(load.sizes[name] for name in KEPT) / max(load.n_studies, 1)
    say(
        f"\n{load.form}: {each / 1e6:.2f} MB a study on the lake, PSS {load.memory.together:.0f} MB"
    )
    say(
        f"{'studies a night':>16}{'CPU-s':>10}{'GB a year':>12}{'days to ' + format(LAKE, ','):>20}"
    )
    for n in NIGHTS:
        n_tasks = 8 + 6 * len(plan_batches([""] * n, LEAST, SLOTS))
        cpu, year = n * study_s + night_s + n_tasks * task_s, n * 365 * each / 1e9
        say(f"{n:>16}{cpu:>10.0f}{year:>12.1f}{LAKE / n:>20.0f}")
    say(f"lake of {LAKE:,}: {LAKE * each / 1e9:.0f} GB")


def main() -> int:
    """Measure each form, tell both, and the sizes."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--patients", type=int, default=60)
    options.add_argument("--forms", nargs="+", choices=FORMS, default=[*FORMS])
    options.add_argument("--most-wall", type=float, default=float("inf"), help="of each form")
    options.add_argument("--sizes", action="store_true", help="the table of sizes too")
    options.add_argument("--study-s", type=float, default=0.29, help="CPU of a study")
    options.add_argument("--night-s", type=float, default=1.9, help="CPU of a night's checks")
    options.add_argument("--task-s", type=float, default=1.3, help="CPU of a task of Airflow")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mpss-load-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # the account of PostgreSQL passes through
        loads = [
            measured(form, given.patients, Path(folder) / form.replace(" ", "-"))
            for form in given.forms
        ]
    tell(loads)
    for load in loads if given.sizes else ():
        sizes(load, given.study_s, given.night_s, given.task_s)
    is_well = all(load.status == 0 and load.wall <= given.most_wall for load in loads)
    return 0 if is_well else 1


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
