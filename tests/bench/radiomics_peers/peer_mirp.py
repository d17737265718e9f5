"""Measure MIRP on the regions of a folder; prints JSON. Runs in MIRP's own environment."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "reference"))
    from make_mirp_values import measure

    logging.disable(logging.CRITICAL)
    data = np.load(sys.argv[1])
    result = {"version": version("mirp"), "regions": {}}
    for name in data["regions"]:
        case = SimpleNamespace(
            name=str(name),
            image=data["image"],
            mask=data[f"mask_{name}"],
            spacing_mm=tuple(map(float, data["spacing"])),
            n_bins=int(data["n_bins"]),
        )
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            found = measure(case, Path(folder))
            cpu = time.process_time() - start
        values = {k: float(v) for k, v in found.items() if isinstance(v, (int, float, np.number))}
        result["regions"][str(name)] = {"cpu_s": cpu, "values": values}
    sys.stdout.write("\nRESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
