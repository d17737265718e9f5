"""Make combat.csv with neuroCombat 0.2.12 (Fortin et al.), in an environment of its own.

    python -m venv throwaway
    throwaway/bin/pip install neuroCombat==0.2.12 "numpy<2" "pandas<3"
    throwaway/bin/python tests/reference/make_combat.py

Its iteration stops at a relative change of 1e-4; here it goes on to 1e-13, so that the table holds
the solution. Values and covariates are 32-bit floats: it reads them as such.
"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
from neuroCombat import neuroCombat
from neuroCombat.neuroCombat import it_sol

N, FEATURES = 36, 6


def main() -> None:
    it_sol.__defaults__ = (1e-13,)
    rng = np.random.default_rng(20210129)
    batch = np.array(["a"] * 14 + ["b"] * 13 + ["c"] * 9)
    rng.shuffle(batch)
    age = rng.normal(57, 12, N).round()
    male = (rng.random(N) < 0.5).astype(int)
    values = rng.normal(size=(FEATURES, N)) + 0.04 * (age - 57) + 0.5 * male
    for k, name in enumerate("abc"):
        own = batch == name
        shift = (k - 1) * rng.normal(1, 0.5, FEATURES)
        values[:, own] = values[:, own] * (1 + 0.4 * k) + shift[:, None]
    values = (
        (values * 10.0 ** rng.integers(-1, 3, FEATURES)[:, None]).astype(np.float32).astype(float)
    )
    found = neuroCombat(
        dat=pd.DataFrame(values),
        covars=pd.DataFrame({"batch": batch, "age": age, "male": male}),
        batch_col="batch",
        categorical_cols=["male"],
        continuous_cols=["age"],
    )["data"]
    head = ["batch", "age", "male"]
    head += [f"{kind}_{k}" for kind in ("given", "harmonised") for k in range(FEATURES)]
    with Path(__file__).with_name("combat.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        for i in range(N):
            row = [*values[:, i], *found[:, i]]
            writer.writerow([batch[i], int(age[i]), male[i], *(repr(float(v)) for v in row)])


if __name__ == "__main__":
    main()
