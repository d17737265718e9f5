"""What one new study costs in lakes of 500 to 200,000 studies: CPU from its landing to its publish.

Run from the repository's root (about 20 CPU minutes, 3 GB of disk for all)::

    PYTHONPATH=.:tests python tests/bench/lake_growth.py --sizes 500,5000,50000,200000

Each lake is fabricated: batch files of ten features, manifest records, the rows of the vault, a
registry with a record of every study, and for every study its landing files as names of one empty
file. (``--wide`` makes the features as many as real ones. The largest lake is sparse: records hold
1000 studies each, not 25, and landing files are there on the shelves that are visited.) All is
checked and published once. Then, in turns over the lakes, so that noise of the machine meets all of
them: a study with every table of the chain comes, is checked and published as a night's tasks do it
(``stage.check`` of all four suites, ``stage.run``). Then, in turns again, a study of the demo's
hospital comes from an archive in a process of its own: the real ``find``, then the real stages by
``run_stage``, from pull to radiomics. Told is the least CPU time of each, ended children counted;
``all`` is what one study costs from its landing to its publish, and is judged. Last, the current
files of 20 studies are looked up, of which ten have two of each feature table. (What was checked
and published is fabricated, because a real study's features have other names.)

Ends with status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from fabricated_lake import BINNED, ONCE
from peak_memory import forget_peak, peak_mb
from warehouse_lake import BigLake, unsynced

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.batch import chain_of, run_stage
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive, serve_forever
from mpss_lib.demo.cohort import make_hospital
from mpss_lib.pull import stage as pull
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.schemas import TABLES
from mpss_lib.shelves import shelf_of
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.warehouse.expectations.suites import SUITES
from mpss_lib.workers import end_with_parent

MOST_GROWTH = 1.3
PUBLISH_S, PUBLISH_AT = 3.0, 50_000
SPARSE_FROM = 100_000
NAMES_OF_ONE_FILE = 60_000  # ext4 allows 65,000
AET = "GROWTH"

Came = tuple[date, str]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--sizes", default="500,5000,50000,200000")
    options.add_argument("--turns", type=int, default=5, help="studies that come, of each kind")
    options.add_argument("--wide", action="store_true", help="487 feature columns, not ten")
    options.add_argument("--folder", type=Path, help="where the lakes are made (and removed)")
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="mpss-growth-", dir=chosen.folder) as name,
        served(Path(name), chosen.turns + 1) as (site, came),
    ):
        lakes = [
            make(Path(name) / size, int(size), site, came, is_wide=chosen.wide)
            for size in chosen.sizes.split(",")
        ]
        for turn in range(chosen.turns):
            for lake in lakes:
                lake.publish_one(turn)
        for turn, (day, uid) in enumerate(came):
            for lake in lakes:
                lake.bring(day, uid, is_first=turn == 0)
        sys.exit(judge({lake.size: lake.told() for lake in lakes}))


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


def fabricate(
    home: Path, size: int, config: Config, sites: Sites, came: list[Came], *, is_wide: bool
) -> BigLake:
    is_sparse = size >= SPARSE_FROM
    lake = Lake(home / "lake")
    columns, group = ((ONCE, BINNED), 500) if is_wide else ((ONCE[:4], BINNED[:6]), 5000)
    build = BigLake(lake, config, *columns, group=group, night=1000 if is_sparse else 25)
    build.fill(size)
    fill_vault(sites.vault, build.keys)
    visited = {*looked_up(build), *(Vault(sites.vault).study_key(uid) for _, uid in came)}
    visited |= {build.late_key(size + turn) for turn in range(len(came))}
    shelves = {shelf_of(key) for key in (visited if is_sparse else build.keys)}
    name_landing_files(build, home / "empty", shelves)
    return build


def name_landing_files(build: BigLake, empty: Path, shelves: set[str]) -> None:
    """Give every study on some shelves its landing files: names of a few empty ones."""
    source = empty
    made: set[str] = set()
    number = 0
    for path in build.members():
        folder = f"{build.lake.root}/{path}".rsplit("/", 1)[0]
        if folder.rsplit("/", 1)[1] not in shelves:
            continue
        if number % NAMES_OF_ONE_FILE == 0:
            source = empty.with_suffix(f".{number // NAMES_OF_ONE_FILE}")
            source.touch()
        number += 1
        if folder not in made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 (thousands)
            made.add(folder)
        os.link(source, f"{build.lake.root}/{path}")


def fill_vault(path: Path, keys: list[str]) -> None:
    vault = Vault(path)
    names = list(Identity.__dataclass_fields__)
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            f"insert into identity ({', '.join(names)}) values ({', '.join('?' * len(names))})",
            ([key, f"1.2.{key}", f"P{key[1:]}", *("x" for _ in names[3:])] for key in keys),
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


def make(
    home: Path, size: int, site: ArchiveSettings, came: list[Came], *, is_wide: bool
) -> Growing:
    """Make a lake, check and publish all of it."""
    home.mkdir()
    config = Config.model_validate({"cohort": {"accept": "pass"}, "archive": site.model_dump()})
    sites = Sites(home / "vault.sqlite", home / "staging", site)
    took, build = clock(lambda: fabricate(home, size, config, sites, came, is_wide=is_wide))
    lake = Growing(size, build, config, sites)
    forget_peak()
    lake.first["first check"], counts = clock(lambda: warehouse.check(build.lake, config))
    lake.first["first check, MB"] = peak_mb()
    if counts["stops"] or counts["held_back"] or counts["warnings"]:
        sys.exit(f"first check: {counts}")
    lake.first["first publish"], _ = clock(lambda: warehouse.run(build.lake, config))
    say(f"{size} studies made in {took:.0f} s CPU, {told_in_line(lake.first)}")
    return lake


@dataclass
class Growing:
    """A lake to which studies come, and what each of them cost."""

    size: int
    build: BigLake
    config: Config
    sites: Sites
    first: dict[str, float] = field(default_factory=dict)
    took: dict[str, list[float]] = field(default_factory=dict)
    most_mb: float = 0.0

    def publish_one(self, turn: int) -> None:
        """One study more, from its landing files to the snapshot that shows it."""
        self.build.add_study(self.size + turn)
        lake, config = self.build.lake, self.config
        forget_peak()
        checked, counts = clock(lambda: warehouse.check(lake, config))
        if counts["suites_run"] != len(SUITES) or counts["stops"] or counts["held_back"]:
            sys.exit(f"check: {counts}")
        published, _ = clock(lambda: warehouse.run(lake, config))
        self.most_mb = max(self.most_mb, peak_mb())
        self._note(check=checked, publish=published)

    def bring(self, day: date, uid: str, *, is_first: bool) -> None:
        """Take the study of one day from the archive to its features; the first one compiles."""
        lake, config, sites = self.build.lake, self.config, self.sites
        times = {}
        times["find"], _ = clock(lambda: pull.find((day, day), lake, config, sites))
        keys = [Vault(sites.vault).study_key(uid)]
        for name in chain_of(config):
            times[name], result = clock(
                lambda name=name: run_stage(name, keys, lake, config, sites)
            )
            if result.done != 1:
                sys.exit(f"{name}: {result}")
        if not is_first:
            self._note(**times, chain=sum(times.values()))

    def told(self) -> dict[str, float]:
        """The least of each, and what was measured once."""
        least = {name: min(times) for name, times in self.took.items()}
        least["all"] = least["chain"] + least["check"] + least["publish"]
        least["lookups"] = min(look_up(self.build) for _ in range(3))
        found = least | {"peak MB of check and publish": self.most_mb} | self.first
        say(f"{self.size}: {told_in_line(found)}")
        return found

    def _note(self, **times: float) -> None:
        for name, time in times.items():
            self.took.setdefault(name, []).append(time)


def told_in_line(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def looked_up(build: BigLake) -> list[str]:
    """Twenty of the studies that were there first."""
    keys = build.keys[: build.n_first]
    return keys[:: max(1, len(keys) // 20)][:20]


def look_up(build: BigLake) -> float:
    """CPU to look up the current files of 20 studies, ten of which have two in each table."""
    config, keys = build.config, looked_up(build)
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
    say(
        "\n| CPU s, or as named | "
        + " | ".join(f"{size:,}" for size in sizes)
        + " | last / first |"
    )
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
