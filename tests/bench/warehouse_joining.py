"""Time of joining landing files into one batch file, and of joining batches into a large one.

Run from the repository's root (500 studies: about a minute of CPU for making the files)::

    PYTHONPATH=.:tests python tests/bench/warehouse_joining.py --studies 500

Makes the two feature files of each study as radiomics writes them, full-entropy values, joins each
table (CPU of all threads, wall time, digest of the file), then joins that batch with itself under
other keys as the weekly maintenance does. Ends with status 1 if the nightly join of
``feature_binned`` takes more than ``--most`` seconds of CPU.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fabricated_lake import BINNED, ONCE, Builder, settings
from peak_memory import peak_mb

from mpss_lib.tables import Lake, sha256_of
from mpss_lib.warehouse.joining import Source, join

TABLES = ("feature_once", "feature_binned")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--studies", type=int, default=500)
    options.add_argument("--most", type=float, default=5.0, help="CPU seconds of feature_binned")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mpss-joining-") as folder:
        lake = Lake(Path(folder) / "lake")
        cpu = make(lake, chosen.studies)
        say(f"{chosen.studies} studies made in {cpu:.1f} s CPU")
        spent = {}
        for table in TABLES:
            paths = sorted((lake.root / "landing" / table).rglob("*.parquet"))
            spent[table] = measure(lake, table, paths, lake.root / f"{table}.1.parquet")
            batch = lake.root / f"{table}.1.parquet"
            measure(lake, table, [batch] * 4, lake.root / f"{table}.2.parquet")
        say(f"peak memory {peak_mb():.0f} MB")
    sys.exit(spent["feature_binned"] > chosen.most)


def make(lake: Lake, n: int) -> float:
    """Write the feature files of ``n`` studies; CPU seconds."""
    started = time.process_time()
    build = Builder(lake, settings(), once=ONCE, binned=BINNED)
    build.catalogue()
    for i in range(n):
        build.radiomics(f"{i:016x}", i)
    return time.process_time() - started


def measure(lake: Lake, table: str, paths: Sequence[Path], to: Path) -> float:
    """Join files into one; CPU seconds."""
    started, clock = time.process_time(), time.perf_counter()
    n_rows = join(lake, table, [Source(lake.relative(path)) for path in paths], to)
    cpu, wall = time.process_time() - started, time.perf_counter() - clock
    say(
        f"{table}: {len(paths)} files, {n_rows} rows: {cpu:.1f} s CPU, {wall:.1f} s,"
        f" sha256 {sha256_of(to)[:16]}"
    )
    return cpu


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
