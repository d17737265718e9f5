"""Four processes that query without pause while 200 snapshots are published.

Run from the repository's root (about 5 minutes on 2 cores; ends after ``--seconds`` at the latest
and says how many publishes it came to)::

    PYTHONPATH=.:tests python tests/bench/warehouse_readers.py

Each night adds a study, does an old one again with other values or compacts. Readers hold each
connection for two queries and then open the newest snapshot. Every query adds up what the snapshot
says of itself in independent places: rows promised by the manifest, rows of the wide view, studies
of both, and the sum of a feature against the sum that the studies' own table promises. Torn: they
differ. Backward: a later query of the same reader sees an older snapshot. Status 1 if any does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fabricated_lake import Builder

from mpss_lib.config import Config
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.maintenance import remove_orphans

TESTS = Path(__file__).resolve().parents[1]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--readers", type=int, default=4)
    options.add_argument("--publishes", type=int, default=200)
    options.add_argument("--seconds", type=float, default=540)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mpss-readers-") as folder:
        told = run(Path(folder), chosen.readers, chosen.publishes, chosen.seconds)
    sys.stdout.write(json.dumps(told) + "\n")
    is_clean = not (told["errors"] or told["torn"] or told["backward"])
    sys.exit(0 if is_clean and told["publishes"] == chosen.publishes else 1)


def run(home: Path, n_readers: int, n_publishes: int, seconds: float) -> dict[str, object]:
    """Publish while readers read; count what they saw."""
    config = Config.model_validate(
        {
            "cohort": {"accept": "pass"},
            "warehouse": {"threads": 1, "compact_from": 5, "compact_studies": 20},
        }
    )
    build = Builder(Lake(home / "lake"), config)
    build.catalogue()
    build.promise("s000", "p000", seed=0)
    build.flush()
    stage.run(build.lake, config)
    stop = home / "stop"
    started = time.monotonic()
    readers = [_reader(home, stop) for _ in range(n_readers)]
    n_done, slowest = 0, 0.0
    try:
        while n_done < n_publishes and time.monotonic() - started < seconds:
            n_done += 1
            slowest = max(slowest, _one_night(build, n_done))
    finally:
        stop.touch()
        answers = [reader.communicate(timeout=120) for reader in readers]
    told = [json.loads(out) if out else {} for out, _ in answers]
    return {
        "publishes": n_done,
        "seconds": round(time.monotonic() - started, 1),
        "slowest_publish_s": round(slowest, 2),
        "queries": sum(t.get("queries", 0) for t in told),
        "snapshots_seen": [t.get("versions", 0) for t in told],
        "torn": sum(len(t.get("torn", [])) for t in told),
        "backward": sum(t.get("n_back", 0) for t in told),
        "errors": [err[-300:] for (out, err), t in zip(answers, told, strict=True) if not t],
    }


def _one_night(build: Builder, number: int) -> float:
    """Add a study or do an old one again; now and then the weekly maintenance; publish."""
    if number % 3:
        build.promise(f"s{number:03d}", f"p{number:03d}", seed=number)
    else:
        build.promise(f"s{number // 3:03d}", f"p{number // 3:03d}", seed=1000 + number)
    build.flush(f"night {number}")
    if number % 20 == 0:
        stage.merge(build.lake, build.config)
        remove_orphans(build.lake, build.config)
    started = time.monotonic()
    stage.run(build.lake, build.config)
    return time.monotonic() - started


def _reader(home: Path, stop: Path) -> subprocess.Popen[str]:
    paths = os.pathsep.join((str(TESTS), str(TESTS.parent)))
    return subprocess.Popen(
        [sys.executable, str(TESTS / "warehouse" / "reader_child.py"), str(home), str(stop)],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main()
