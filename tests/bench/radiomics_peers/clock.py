"""What every script here does: read the phantom, warm up, measure, print JSON. Only needs numpy."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Values = dict[str, float]
MOST_RUNS = 9
ENOUGH_S = 5.0


def cpu_of(call: Callable[[], Values]) -> tuple[float, int, Values]:
    """Median CPU seconds of several runs (all threads), how many, and what the last one gave."""
    times: list[float] = []
    values: Values = {}
    while len(times) < MOST_RUNS and sum(times) < ENOUGH_S:
        start = time.process_time()
        values = call()
        times.append(time.process_time() - start)
    return statistics.median(times), len(times), values


def serve(version: str, make: Callable[..., Callable[[tuple[int, ...]], Values]]) -> None:
    """Measure each region of the file named on the command line.

    ``make(image, mask, spacing_mm)`` prepares a region, which is not timed; what it returns takes
    bin numbers, extracts everything that the tool has for them and returns the values of the first.
    """
    data = np.load(sys.argv[1])
    spacing = tuple(map(float, data["spacing"]))
    tiny = np.zeros((9, 9, 9), np.bool_)
    tiny[2:7, 2:7, 2:7] = True
    make(np.random.default_rng(0).uniform(0, 99, tiny.shape), tiny, spacing)((8, 16))
    regions = {}
    for name in map(str, data["regions"]):
        extract = make(data["image"], data[f"mask_{name}"], spacing)
        one_s, one_runs, values = cpu_of(lambda e=extract: e((int(data["n_bins"]),)))
        every_s, every_runs, _ = cpu_of(lambda e=extract: e(tuple(map(int, data["bins"]))))
        regions[name] = {
            "one_s": one_s,
            "every_s": every_s,
            "runs": (one_runs, every_runs),
            "values": {key: float(value) for key, value in values.items()},
        }
    sys.stdout.write("\nRESULT " + json.dumps({"version": version, "regions": regions}))


def put_on_path(*parts: str) -> None:
    """Let modules of a folder of this repository be imported."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[3].joinpath(*parts)))
