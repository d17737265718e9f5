"""Answers of R, kept with the script that made them (tests/reference/stepwise)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mpss_lib.evaluation import stepwise

FOLDER = Path(__file__).parents[1] / "reference" / "stepwise"
ANSWERS = list(csv.DictReader((FOLDER / "answers.csv").read_text().splitlines()))
LOOPS = [row for row in ANSWERS if not row["method"].startswith("step")]
STEPS = [row for row in ANSWERS if row["method"].startswith("step")]


def read(name: str):
    rows = list(csv.DictReader((FOLDER / f"{name}.csv").read_text().splitlines()))
    columns = {}
    for key in rows[0]:
        texts = [row[key] for row in rows]
        columns[key] = np.array(texts) if key == "group" else np.array(texts, float)
    return columns, columns.pop("y")


@pytest.mark.parametrize("row", LOOPS, ids=lambda row: f"{row['problem']} {row['method']}")
def test_the_loop_of_the_help_page_in_r(row):
    columns, y = read(row["problem"])
    rule, enter, remove = row["method"].split()
    model = stepwise(columns, y, criterion=rule, p_enter=float(enter), p_remove=float(remove))
    if row["problem"] != "problem_exact_collinear":
        # There two columns give the same model, and R's last bit decides between them.
        assert sorted(model.terms) == row["terms"].split()
    assert model.llf == pytest.approx(float(row["llf"]), abs=1e-6)


def test_step_and_stepaic_agree_where_the_rules_meet():
    """R compares adds, drops and staying together; on these problems it ends where we end."""
    same = []
    for row in STEPS:
        columns, y = read(row["problem"])
        model = stepwise(columns, y, p_enter=0.0, p_remove=1e-9)
        same.append(sorted(model.terms) == row["terms"].split())
        if same[-1]:
            assert model.llf == pytest.approx(float(row["llf"]), abs=1e-6)
    assert sum(same) >= len(same) - 2
