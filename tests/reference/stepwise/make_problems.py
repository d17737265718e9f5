"""Write the problems that make_answers.R answers. Run: PYTHONPATH=. python make_problems.py"""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

HERE = Path(__file__).parent
KINDS = ("plain", "autoregressive", "near_collinear", "exact_collinear", "factor", "rare_level",
         "factor_collinear", "constant", "heavy_tail", "null", "near_perfect", "tight")  # fmt: skip


def main() -> None:
    """Write one CSV for each kind, numbers with all their digits."""
    path = HERE.parents[1] / "evaluation" / "conftest.py"
    spec = importlib.util.spec_from_file_location("regression_problems", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for k, kind in enumerate(KINDS):
        columns, y, _ = module.make_problem(9000 + k, kind)
        with (HERE / f"problem_{kind}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["y", *columns])
            for row in zip(y, *columns.values(), strict=True):
                writer.writerow([v if isinstance(v, str) else repr(float(v)) for v in row])


if __name__ == "__main__":
    main()
