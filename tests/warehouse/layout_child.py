"""A first start that kills itself: argv = home, phase, number of the step within it (0: before)."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from mpss_lib.tables import Lake
from mpss_lib.warehouse import layout


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    root, wanted, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

    def progress(phase: str) -> None:
        sys.stdout.write(phase + "\n")
        sys.stdout.flush()
        if phase == wanted:
            die_at(phase, step)

    layout.bring_up_to_date(Lake(root / "lake"), progress=progress)


def die_at(phase: str, step: int) -> None:
    """Die now, or when the phase does something to the disk for the ``step``-th time."""
    if step == 0:
        die()
    place = {"shelves": Path, "manifest": layout, "marks": Path}[phase]
    name = {"shelves": "hardlink_to", "manifest": "write_json", "marks": "touch"}[phase]
    kept, left = getattr(place, name), [step]

    def counted(*arguments: object, **more: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            die()
        return kept(*arguments, **more)

    setattr(place, name, counted)


if __name__ == "__main__":
    main()
