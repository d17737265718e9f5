"""Where the time of a night went, as a table or as JSON."""

from __future__ import annotations

from mpss_lib.cli.application import console, show_json, show_table
from mpss_lib.runtime.home import Home


def show_night(home: Home, run: str, *, as_json: bool) -> None:
    """Print a run of the ingest: its tasks, their queue, its studies and bytes."""
    from mpss_lib.doctor.night import time_of_night

    found = time_of_night(home, run)
    if as_json:
        show_json(found)
        return
    whole = "still at work" if found["seconds"] is None else f"{found['seconds']:.0f} s"
    console.print(
        f"{found['run']}: {found['state']}, {whole}; tasks together {found['busy_seconds']:.0f} s",
        soft_wrap=True,
        markup=False,
    )
    numbers = ("batches", "seconds", "longest", "queued", "tries")
    rows = (
        (one["task"], one["n"], one["seconds"], one["longest_s"], one["queued_s"], one["tries"])
        for one in found["tasks"]
    )
    show_table(("task", *numbers), rows, title="Tasks, the longest first", numbers=numbers)
    stages = [(one["stage"], one["status"], one["n"]) for one in found["studies"]]
    show_table(("stage", "status", "studies"), stages, title="Studies", numbers=("studies",))
    sizes = [(stage, f"{n / 2**20:.1f}") for stage, n in found["bytes"].items()]
    show_table(("stage", "MB"), sizes, title="Bytes", numbers=("MB",))
    largest = [(one["study_key"], f"{one['n_bytes'] / 2**20:.1f}") for one in found["largest"]]
    show_table(("study_key", "MB"), largest, title="Largest studies", numbers=("MB",))
