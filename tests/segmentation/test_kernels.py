"""The search against its slow twins, and without the compiler."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from oracles import shells as oracle

from mpss_lib.segmentation import _kernels
from mpss_lib.segmentation.localise import TYPICAL_AXIS, unit_points

TINY = """
import numpy as np
from mpss_lib.segmentation import _kernels as k
from mpss_lib.segmentation.localise import TYPICAL_AXIS, unit_points
rng = np.random.default_rng(5)
logs = rng.normal(size=(12, 12, 12)).astype(np.float32)
to_index = np.ascontiguousarray(np.eye(4)[:3][::-1])
shell = np.array([[60.0, 60.0, 60.0, *TYPICAL_AXIS, 25.0, 1.7]])
to_index = to_index / 10.0
steps = rng.normal(size=(4, 8))
unit = unit_points(6, 8)
scores = k.refine(logs, to_index, shell, unit, steps, TYPICAL_AXIS, 0.1, 0.5, -1.0, -3.0)
offsets = rng.integers(-300, 300, (3, 14))
best, which = k.search(logs.ravel(), np.array([800, 900]), offsets, 4, np.zeros(3), -1.0)
print(repr([round(float(v), 5) for v in (*scores, *shell[0], *best, *which)]))
"""


def run_tiny(**environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", TINY], capture_output=True, text=True, check=True,
        env=os.environ | environ,
    )  # fmt: skip
    return done.stdout


def test_kernels_give_the_same_without_the_compiler():
    assert run_tiny(NUMBA_DISABLE_JIT="1") == run_tiny()


def test_search_equals_oracle():
    rng = np.random.default_rng(1)
    flat = rng.normal(size=4000).astype(np.float32)
    centres = rng.integers(1500, 2500, 20)
    offsets = rng.integers(-1000, 1000, (6, 3 * 9 + 5))
    bonus = rng.normal(size=6) * 0.1
    best, which = _kernels.search(flat, centres, offsets, 9, bonus, 0.2)
    wanted = oracle.search(flat, centres, offsets, 9, bonus, 0.2)
    np.testing.assert_allclose(best, wanted[0], atol=1e-6)
    np.testing.assert_array_equal(which, wanted[1])


@pytest.mark.parametrize("seed", range(4))
def test_score_equals_oracle(seed):
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(30, 30, 30)).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3] = 5.0 * np.linalg.qr(rng.normal(size=(3, 3)))[0]
    affine[:3, 3] = rng.normal(size=3) * 20
    to_index = np.ascontiguousarray(np.linalg.inv(affine)[:3])
    axis = TYPICAL_AXIS + 0.1 * rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    centre = affine[:3, :3] @ [14.5, 14.5, 14.5] + affine[:3, 3]
    shell = np.array([*centre, *axis, 21.0, 1.5])
    unit = unit_points(10, 12)
    got = _kernels.score_shell(logs, to_index, shell, unit, TYPICAL_AXIS, 0.12, -0.9, -2.8)
    wanted = oracle.score_shell(logs, to_index, shell, unit, TYPICAL_AXIS, 0.12, -0.9, -2.8)
    assert got == pytest.approx(wanted, abs=1e-5)


def test_refinement_never_loses():
    rng = np.random.default_rng(2)
    logs = rng.normal(size=(30, 30, 30)).astype(np.float32)
    to_index = np.ascontiguousarray(np.eye(4)[:3][::-1] / 5.0)
    shells = np.array([[70.0, 75.0, 72.0, *TYPICAL_AXIS, 25.0, 1.7]] * 3)
    shells[:, :3] += rng.normal(size=(3, 3)) * 5
    unit = unit_points(10, 12)
    before = [
        _kernels.score_shell(logs, to_index, shell, unit, TYPICAL_AXIS, 0.12, -0.9, -2.8)
        for shell in shells
    ]
    steps = rng.standard_normal((60, 8))
    after = _kernels.refine(
        logs, to_index, shells, unit, steps, TYPICAL_AXIS, 0.12, 0.8, -0.9, -2.8
    )
    assert (after >= np.array(before)).all()
    np.testing.assert_allclose(np.linalg.norm(shells[:, 3:6], axis=1), 1.0)
    assert (shells[:, 3:6] @ TYPICAL_AXIS >= 0.8 - 1e-12).all()
