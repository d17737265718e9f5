"""Reconcile 10,000 fabricated studies with planted gaps of every kind; prints what was named.

Run from the repository's root, ``python tests/bench/reconcile.py``. The archive is the embedded
one, asked over a real socket; vault and lake are whole. Exit status 1 if a gap is not named by its
kind, if anything else is named, or if it takes longer than five minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peak_memory import peak_mb
from reconciled_hospital import PLANTED, build, plant

from mpss_lib import whole_files
from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive
from mpss_lib.pull.upstream.reconcile_door import reconcile
from mpss_lib.tables import Lake

FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
LIMIT_S = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--gaps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), given.studies, given.gaps, given.seed)


def measure(root: Path, n: int, n_gaps: int, seed: int) -> int:
    counts = {what: n_gaps // len(PLANTED) for what in PLANTED}
    counts["late"] += n_gaps - sum(counts.values())
    archive = Archive(root / "pacs")
    lake, config = Lake(root / "lake"), Config()
    with archive.serve(aet="HOSPITAL") as server:
        sites = Sites(
            vault=root / "vault.sqlite",
            staging=root / "staging",
            archive=ArchiveSettings(port=server.port, called_aet="HOSPITAL"),
        )
        sync = whole_files.sync
        whole_files.sync = lambda path: None  # only while the hospital is made
        hospital = build(archive, lake, config, sites, n, FIRST, LAST)
        whole_files.sync = sync
        planted = plant(hospital, counts, n, seed)
        before_mb = peak_mb()
        start = time.perf_counter()
        answered = reconcile((FIRST, LAST), lake, config, sites)
        seconds = time.perf_counter() - start
    return tell(planted, answered, counts, seconds, before_mb)


def tell(planted, answered, counts, seconds, before_mb) -> int:
    found = {(one.study_key, one.kind) for _, one in answered.found}
    wanted = set(planted.items())
    for month in answered.months:
        say(f"{month.name}  PACS {month.n_archive:6d}  lake {month.n_lake:6d}")
    say(f"planted: {counts}")
    say(f"named:   {dict(Counter(kind for _, kind in found))}")
    say(f"{len(wanted & found)} of {len(wanted)} named, {len(found - wanted)} false")
    say(f"{seconds:.1f} s, peak {peak_mb():.0f} MB ({before_mb:.0f} MB before)")
    return 0 if found == wanted and seconds < LIMIT_S else 1


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
