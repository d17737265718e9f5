"""The warehouse at 5,000 studies, and the same questions put to CSV, SQLite and PostgreSQL.

Run from the repository's root, on a quiet machine (about 3 CPU minutes and 4 GB of disk for all;
``--peers none`` needs 60 s and 2 GB, and 10 s with a lake that ``--keep`` left)::

    PYTHONPATH=.:tests python tests/bench/warehouse_scale.py --peer-studies 1000

Makes a lake with full-entropy values of all 487 features (batch files written by the compaction
itself; every table of the chain, with manifest records), publishes it, adds one study as the night
does and asks. Each question runs on a fresh connection, ``mpss_lib``'s for the warehouse: best of
three (CSV: once), CPU time of all threads and wall time; targets are held against CPU time, which
other users of the machine change least. What a server does is not in its client's CPU time. The
peers hold the same rows: one wide table with an index on (bins, segment) and one on the study;
PostgreSQL is a real server made for this run. What is made is removed at the end, but for the
folder of ``--keep``. Ends with status 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from warehouse_lake import BigLake
from warehouse_peers import PEERS

from mpss_lib.config import Config
from mpss_lib.radiomics.catalogue import BINNED_NAMES, ONCE_NAMES
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage

FEATURE = BINNED_NAMES[17]
ALL = ", ".join(f'"{name}"' for name in (*ONCE_NAMES, *BINNED_NAMES))
QUESTIONS = {
    "one feature, 64 bins, all segments": (
        f"select study_key, segment, {FEATURE} from radiomics where bins = 64",
        0.1,
    ),
    "487-column matrix of one segment": (
        f"select study_key, {ALL} from radiomics where bins = 64 and segment = 'MYO'",
        0.5,
    ),
    "aggregate by bins and segment": (
        f"select bins, segment, count(*), avg({FEATURE}), stddev({FEATURE}) from radiomics"
        " group by bins, segment",
        0.1,
    ),
    "one study, one (bins, segment)": (
        f"select {ALL} from radiomics where study_key = '{{key}}' and bins = 64"
        " and segment = 'MYO'",
        0.2,
    ),
    "one study, its 56 rows": (
        f"select segment, bins, {ALL} from radiomics where study_key = '{{key}}'",
        1.5,
    ),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--studies", type=int, default=5000)
    options.add_argument("--peer-studies", type=int, default=1000)
    options.add_argument("--peers", default="csv,sqlite,postgresql", help="or: none")
    options.add_argument("--keep", type=Path, help="folder of the lake; made there, used again")
    chosen = options.parse_args()
    config = Config.model_validate({"cohort": {"accept": "pass"}})
    missed: list[str] = []
    names = [] if chosen.peers == "none" else chosen.peers.split(",")
    with folder_of(chosen.keep) as folder:
        build = BigLake(Lake(folder / "lake"), config)
        measure_warehouse(build, chosen.studies, missed)
        if names and chosen.peer_studies == chosen.studies:
            compare(build, names)
    if names and chosen.peer_studies != chosen.studies:
        with folder_of(None) as folder:
            build = BigLake(Lake(folder / "lake"), config)
            make(build, chosen.peer_studies)
            compare(build, names)
    say("missed: " + (", ".join(missed) or "nothing"))
    sys.exit(1 if missed else 0)


@contextmanager
def folder_of(kept: Path | None) -> Iterator[Path]:
    """The folder that is named, which stays; else a temporary one."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="mpss-scale-") as folder:
        yield Path(folder)


def measure_warehouse(build: BigLake, n: int, missed: list[str]) -> None:
    lake, config = build.lake, build.config
    if lake.snapshot.is_file():
        say(f"{build.take_up(n)} studies from an earlier run")
    else:
        started = time.process_time()
        build.fill(n)
        say(f"{n} studies made in {time.process_time() - started:.0f} s CPU")
    say(f"publish: {timed(lambda: stage.run(lake, config), 1)}  (cpu / wall, ms)")
    say(f"merge: {timed(lambda: stage.merge(lake, config), 1)}")
    say(f"first publish after it: {timed(lambda: stage.run(lake, config), 1)}")
    size = sum(path.stat().st_size for path in build.feature_files("batch"))
    judge("compacted, kB a study", size / n / 1000, 215, missed)
    ask_all(Warehouse(lake), build.keys[n // 2], missed)

    build.add_study(len(build.keys))
    cpu, wall = clock(lambda: stage.run(lake, config))
    judge(f"publish of one new study, s CPU ({wall:.2f} wall)", cpu, 1.0, missed)
    key = build.keys[-1]
    files = [path for path in build.feature_files("landing") if key in path.name]
    landing = sum(path.stat().st_size for path in files)
    say(f"landing files of that study: {landing / 1000:.0f} kB in {len(files)} files")
    once = [path for path in files if "feature_once" in str(path)]
    binned = [path for path in files if path not in once]
    cpu, wall = best(lambda: build.read_landing(once[0], binned[0]))
    told = f"that study from its landing files, ms CPU ({wall * 1e3:.0f} wall)"
    judge(told, cpu * 1e3, 50, missed)
    sql = QUESTIONS["one study, its 56 rows"][0].format(key=key)
    warehouse = Warehouse(lake)
    say(f"that study from the snapshot: {timed(lambda: warehouse.ask(sql), 3)}  (cpu / wall, ms)")


class Warehouse:
    """The published snapshot, as ``mpss_lib.open_warehouse`` gives it."""

    name = "warehouse"
    times = 3

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def ask(self, sql: str) -> int:
        with open_snapshot(self.lake.snapshot) as connection:
            found = connection.execute(sql.replace("from radiomics", "from feature.radiomics"))
            columns = found.fetchnumpy()
            if len(columns) >= 487:  # what a model wants: one array of doubles
                np.column_stack([v for v in columns.values() if v.dtype == np.float64])
            return len(next(iter(columns.values())))


def ask_all(store: object, key: str, missed: list[str] | None = None) -> dict[str, tuple[int, str]]:
    """Rows of each answer and its time; targets are held against CPU time."""
    answers = {}
    for name, (sql, limit) in QUESTIONS.items():
        counts: list[int] = []
        work = partial(store.ask, sql.format(key=key))
        cpu, wall = best(lambda work=work, counts=counts: counts.append(work()), store.times)
        answers[name] = counts[0], f"{cpu * 1000:.0f} / {wall * 1000:.0f}"
        if missed is not None:
            judge(f"{name}, ms CPU ({wall * 1000:.0f} wall)", cpu * 1000, limit * 1000, missed)
    return answers


def make(build: BigLake, n: int) -> None:
    build.fill(n)
    stage.run(build.lake, build.config)
    stage.merge(build.lake, build.config)
    stage.run(build.lake, build.config)


def compare(build: BigLake, names: list[str]) -> None:
    """Put the questions to the warehouse and to each peer, one after the other; print a table."""
    n, key = build.n_first, build.keys[build.n_first // 2]
    size = sum(path.stat().st_size for path in build.feature_files("batch"))
    columns = {"warehouse": (size, 0.0, ask_all(Warehouse(build.lake), key))}
    for name in names:
        with folder_of(None) as folder, PEERS[name](folder / name) as peer:
            started = time.perf_counter()
            for part in build.wide_parts(n):
                peer.load(part)
            peer.finish()
            took = time.perf_counter() - started
            columns[name] = (peer.size(), took, ask_all(peer, key))
        check_answers(columns["warehouse"][2], columns[name][2], len(build.keys) - n)
        say(f"{name} done")
    say(f"\nn = {n} studies, {56 * n} rows; ms CPU of the asking process / ms wall")
    say("| question | " + " | ".join(columns) + " |")
    say("|---|" + "---:|" * len(columns))
    say("| MB | " + " | ".join(f"{size / 1e6:.0f}" for size, _, _ in columns.values()) + " |")
    say("| load, s wall | " + " | ".join(f"{s:.0f}" for _, s, _ in columns.values()) + " |")
    for name in QUESTIONS:
        say(f"| {name} | " + " | ".join(told[name][1] for *_, told in columns.values()) + " |")


def check_answers(ours: dict, theirs: dict, n_late: int) -> None:
    """End if a peer answered with other rows; studies that came late are in the lake only."""
    for name, (count, _) in ours.items():
        late = {"one feature, 64 bins, all segments": 7, "487-column matrix of one segment": 1}
        if theirs[name][0] != count - late.get(name, 0) * n_late:
            sys.exit(f"{name}: {count} rows of the warehouse, {theirs[name][0]} of a peer")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def clock(work: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def best(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    return min(clock(work) for _ in range(times))


def timed(work: Callable[[], object], times: int) -> str:
    cpu, wall = best(work, times)
    return f"{cpu * 1000:.0f} / {wall * 1000:.0f}"


def judge(name: str, value: float, limit: float, missed: list[str]) -> None:
    is_met = value <= limit
    say(f"{'met   ' if is_met else 'MISSED'} {name}: {value:.3g} (at most {limit:g})")
    if not is_met:
        missed.append(name)


if __name__ == "__main__":
    main()
