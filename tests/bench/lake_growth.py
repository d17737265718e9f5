"""What one new study costs in lakes of 500 to 200,000 studies: CPU from its landing to its publish.

Run from the repository's root, on a quiet machine (about 17 CPU minutes, 3 GB of disk for all)::

    PYTHONPATH=.:tests python tests/bench/lake_growth.py --sizes 500,5000,50000,200000

Each lake is fabricated: batch files of ten features, manifest records, the rows of the vault, and
for every study its landing files as names of one empty file. (Records hold 25 studies each, 1000 in
the largest lake; ``--wide`` makes the features as many as real ones.) A study is checked (the suite
of the features) and published, three times. Then three studies of the demo's hospital come, one
after the other, from an archive in a process of its own: the real ``find``, then the real stages by
``run_stage``, from pull to radiomics. Told is the least CPU time of them by stage, ended children
counted; ``all`` is what one study costs from its landing to its publish, and is judged. Last, the
current files of 20 studies are looked up, of which ten have two of each feature table. What was
checked and published before is fabricated (a real study's features have other names).

Ends with status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from fabricated_lake import BINNED, ONCE
from peak_memory import peak_mb
from warehouse_lake import BigLake, unsynced

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.batch import CHAIN, run_stage
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive, serve_forever
from mpss_lib.demo.cohort import make_hospital
from mpss_lib.pull import stage as pull
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.workers import end_with_parent

MOST_GROWTH = 1.3
PUBLISH_S, PUBLISH_AT = 3.0, 50_000
SPARSE_FROM = 100_000
NAMES_OF_ONE_FILE = 60_000  # ext4 allows 65,000
STEPS = ("find", *CHAIN)
AET = "GROWTH"

Came = tuple[date, str]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--sizes", default="500,5000,50000,200000")
    options.add_argument("--studies", type=int, default=3, help="that come, real ones")
    options.add_argument("--wide", action="store_true", help="487 feature columns, not ten")
    options.add_argument("--folder", type=Path, help="where the lakes are made (and removed)")
    chosen = options.parse_args()
    sizes = [int(size) for size in chosen.sizes.split(",")]
    with (
        tempfile.TemporaryDirectory(prefix="mpss-growth-", dir=chosen.folder) as name,
        served(Path(name), chosen.studies + 1) as (site, came),
    ):
        told = {}
        for size in sizes:
            with tempfile.TemporaryDirectory(dir=name) as home:
                told[size] = measure(Path(home), size, site, came, is_wide=chosen.wide)
        sys.exit(judge(told))


# --------------------------------------------------------------------------- the new studies


@contextmanager
def served(folder: Path, n: int) -> Iterator[tuple[ArchiveSettings, list[Came]]]:
    """An archive in another process with studies of the demo; its address, their dates and UIDs."""
    hospital = make_hospital(folder / "hospital", patients=n, workers=1)
    Archive(folder / "archive").add(*sorted(hospital.objects.glob("*.dcm")))
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(folder / "archive", theirs), daemon=True)
    process.start()
    try:
        port = ours.recv()
        site = ArchiveSettings(host="127.0.0.1", port=port, called_aet=AET, calling_aet="MPSS")
        came = [
            (date.fromisoformat(study["study_date"]), study["study_instance_uid"])
            for study in hospital.truth["studies"]
            if "stress" in {one["kind"] for one in study["objects"]}
        ]
        yield site, came[:n]
    finally:
        process.terminate()
        process.join()


def serve(folder: Path, ready: Any) -> None:
    end_with_parent()
    serve_forever(folder, port=0, aet=AET, ready=ready.send)


# ------------------------------------------------------------------------------- the lake


def fabricate(home: Path, size: int, config: Config, sites: Sites, *, is_wide: bool) -> BigLake:
    night = 1000 if size >= SPARSE_FROM else 25
    lake = Lake(home / "lake")
    columns, group = ((ONCE, BINNED), 500) if is_wide else ((ONCE[:4], BINNED[:6]), 5000)
    build = BigLake(lake, config, *columns, group=group, night=night)
    build.fill(size)
    name_landing_files(build, home / "empty")
    fill_vault(sites.vault, build.keys)
    return build


def name_landing_files(build: BigLake, empty: Path) -> None:
    """Give every study its landing files: names of a few empty ones."""
    source = empty
    made: set[str] = set()
    for number, path in enumerate(build.members()):
        if number % NAMES_OF_ONE_FILE == 0:
            source = empty.with_suffix(f".{number // NAMES_OF_ONE_FILE}")
            source.touch()
        place = f"{build.lake.root}/{path}"
        folder = place.rsplit("/", 1)[0]
        if folder not in made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 (thousands)
            made.add(folder)
        os.link(source, place)


def fill_vault(path: Path, keys: list[str]) -> None:
    vault = Vault(path)
    names = list(Identity.__dataclass_fields__)
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            f"insert into identity ({', '.join(names)}) values ({', '.join('?' * len(names))})",
            ([key, f"1.2.{key}", f"P{key}", *("x" for _ in names[3:])] for key in keys),
        )
        rows = [(f"{key}.{i}", f"1.3.{key}.{i}", key) for key in keys for i in range(3)]
        db.executemany("insert into object values (?, ?, ?)", rows)
        rows = [(one, key, "m", "", "p") for one, _, key in rows]
        db.executemany("insert into received values (?, ?, ?, ?, ?)", rows)
    vault.tombstones()


# ------------------------------------------------------------------------------ measuring


def cpu() -> float:
    """CPU seconds of this process and of the children that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def clock(work: Callable[[], object]) -> tuple[float, Any]:
    started = cpu()
    answer = work()
    return cpu() - started, answer


def measure(
    home: Path, size: int, site: ArchiveSettings, came: list[Came], *, is_wide: bool
) -> dict[str, float]:
    config = Config.model_validate({"cohort": {"accept": "pass"}, "archive": site.model_dump()})
    sites = Sites(home / "vault.sqlite", home / "staging", site)
    wall = time.perf_counter()
    took, build = clock(lambda: fabricate(home, size, config, sites, is_wide=is_wide))
    say(f"{size} studies made in {took:.0f} s CPU, {time.perf_counter() - wall:.0f} s wall")
    told: dict[str, float] = {}
    told["first publish"], _ = clock(lambda: warehouse.run(build.lake, config))
    times = []
    check = lambda: warehouse.check(build.lake, config, suites=["features"])  # noqa: E731
    told["first check"], _ = clock(check)
    for number in range(3):
        build.add_study(size + number)
        checked, counts = clock(check)
        if counts["suites_run"] != 1 or counts["stops"] or counts["held_back"]:
            sys.exit(f"check: {counts}")
        times.append((checked, clock(lambda: warehouse.run(build.lake, config))[0]))
    told["check"], told["publish"] = map(min, zip(*times, strict=True))
    told["MB"] = peak_mb()
    every = [bring(*one, build.lake, config, sites) for one in came]
    every = every[1:]  # the first one compiled
    told |= {step: min(one[step] for one in every) for step in STEPS}
    told["chain"] = min(sum(one[step] for step in STEPS) for one in every)
    told["all"] = told["chain"] + told["check"] + told["publish"]
    told["lookups"] = min(look_up(build) for _ in range(3))
    say("  " + ", ".join(f"{name} {value:.3f}" for name, value in told.items()))
    return told


def bring(day: date, uid: str, lake: Lake, config: Config, sites: Sites) -> dict[str, float]:
    """Take the study of one day from the archive to its features; CPU by step."""
    times = {}
    times["find"], _ = clock(lambda: pull.find((day, day), lake, config, sites))
    keys = [Vault(sites.vault).study_key(uid)]
    for name in CHAIN:
        times[name], result = clock(lambda name=name: run_stage(name, keys, lake, config, sites))
        if result.done != 1:
            sys.exit(f"{name}: {result}")
    return times


def look_up(build: BigLake) -> float:
    """CPU to look up the current files of 20 studies, ten of which have two in each table."""
    config, keys = build.config, build.keys[:: max(1, len(build.keys) // 20)][:20]
    tables = [name for name, table in TABLES.items() if table.unit == "study"]
    with unsynced():
        for key in keys[::2]:
            build.add_again(key)
    started = cpu()
    for key in keys:
        for name in tables:
            build.lake.current_path(name, config.address(TABLES[name].stage), key)
    return cpu() - started


def judge(told: dict[int, dict[str, float]]) -> int:
    """Print the table and what was missed."""
    sizes = list(told)
    first = told[sizes[0]]
    missed = []
    say("\n| CPU s | " + " | ".join(f"{size:,}" for size in sizes) + " | last / first |")
    say("|---|" + "---:|" * (len(sizes) + 1))
    for name in first:
        cells = " | ".join(f"{told[size][name]:.3f}" for size in sizes)
        say(f"| {name} | {cells} | {told[sizes[-1]][name] / first[name]:.2f} |")
    for size in sizes[1:]:
        growth = told[size]["all"] / first["all"]
        if growth > MOST_GROWTH:
            missed.append(f"one study at {size}: {growth:.2f} times its cost at {sizes[0]}")
    if PUBLISH_AT in told and told[PUBLISH_AT]["publish"] > PUBLISH_S:
        missed.append(f"publish at {PUBLISH_AT}: {told[PUBLISH_AT]['publish']:.2f} s")
    say("missed: " + ("; ".join(missed) or "nothing"))
    return 1 if missed else 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
