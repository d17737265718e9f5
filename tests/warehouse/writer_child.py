"""A writer that kills itself: argv = home, point, number of the study that it adds."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from fabricated_lake import Builder

from mpss_lib import whole_files
from mpss_lib.config import Config
from mpss_lib.tables import Lake
from mpss_lib.warehouse import compaction, joining, snapshot


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_halfway(handle: int, mode: int) -> None:
    """In place of the step between the making of a temporary file and its content."""
    os.write(handle, b'{"ha')
    die()


def tell(phase: str) -> None:
    sys.stdout.write(phase + "\n")
    sys.stdout.flush()


def main() -> None:
    root, point, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    config = Config.model_validate(
        {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1, "compact_from": 2}}
    )
    build = Builder(Lake(root / "lake"), config)
    build.catalogue()
    add_study(build, number, point)

    def progress(phase: str) -> None:
        tell(phase)
        if phase == point:
            die()

    if point == "batch_temporary":
        joining.pq.ParquetWriter = die
    if point == "batch_unrecorded":
        compaction.add_record = die
    snapshot.publish(build.lake, config, progress=progress)


def add_study(build: Builder, number: str, point: str) -> None:
    tell("write")
    if point == "landing_temporary":
        whole_files.sync = die
    build.through(f"k{number}", f"p{number}", seed=int(number))
    tell("record")
    if point == "landing_unrecorded":
        die()
    if point == "record_temporary":
        os.fchmod = die_halfway
    build.flush(f"run {number}")


if __name__ == "__main__":
    main()
