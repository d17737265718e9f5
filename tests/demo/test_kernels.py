"""The phantom's loops against their slow twins, and without the compiler."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from oracles import phantom as oracle

from mpss_lib.demo import _kernels
from mpss_lib.demo.anatomy import draw_heart, draw_parameters

TINY = """
import numpy as np
from mpss_lib.demo import _kernels as k
rng = np.random.default_rng(5)
mu = np.zeros((8, 8, 4), np.float32); act = np.zeros_like(mu)
body, lump = [3.5, 3.5, 1.5, 3.2, 3.0, 9.0, 1.0, 0.01], [4.0, 3.0, 1.5, 1.2, 1.5, 2.0, 3.0, 0.02]
table = np.array([body, lump])
k.paint_organs(table, np.zeros(3), 1.0, act, mu)
pixels = np.argwhere(mu[..., 0] > 0).astype(np.int64)
angles = np.array([0.3, 1.1, 2.0, 2.9])
seen = k.attenuation(mu, pixels, angles, 4.8)
proj = k.acquire(act, seen, pixels, angles, np.full(4, 30.0), 4.8)
image = k.osem(proj, seen, pixels, angles, 2, 2)
heart = np.zeros(32); heart[:3] = 3.0; heart[3] = heart[7] = heart[11] = 1.0
heart[12:17] = 1.5, 2.0, 1.0, 1.0, -1.0; heart[28:32] = 1.0, 1.0, 1.0, 0.5
affine, shape, box = np.eye(4)[[2, 1, 0, 3]], np.array([7, 7, 7]), np.array([[0, 7]] * 3)
share = k.paint_heart(affine, shape, box, heart, 2).sum(axis=(1, 2, 3))
print(repr([round(float(v), 4) for v in (seen.sum(), proj.sum(), image.sum(), *share)]))
"""


def run_tiny(**environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", TINY], capture_output=True, text=True, check=True,
        env=os.environ | environ,
    )  # fmt: skip
    return done.stdout


def test_kernels_give_the_same_without_the_compiler():
    plain = np.array(eval(run_tiny(NUMBA_DISABLE_JIT="1")))  # noqa: S307 own output
    compiled = np.array(eval(run_tiny()))  # noqa: S307 own output
    np.testing.assert_allclose(plain, compiled, rtol=2e-4)


def test_heart_equals_oracle():
    values = draw_parameters(np.random.default_rng(1), {"swell": 0.05}, "F")
    heart = draw_heart(np.random.default_rng(2), values)
    vector = heart.vector.copy()
    vector[28:31] = 0.001  # no right ventricle
    affine = np.zeros((4, 4))
    affine[2, 0] = affine[1, 1] = affine[0, 2] = 18.0
    affine[:3, 3] = heart.centre - 60.0
    affine[3, 3] = 1.0
    shape = np.array([7, 7, 7])
    box = np.array([[0, 7]] * 3)
    got = _kernels.paint_heart(affine, shape, box, vector, 2)
    np.testing.assert_allclose(got[:2], oracle.heart_share(affine, (7, 7, 7), vector, 2), atol=1e-6)


def test_organs_equal_oracle():
    rng = np.random.default_rng(3)
    table = np.column_stack(
        [rng.uniform(0, 10, (5, 3)), rng.uniform(1, 6, (5, 3)), np.arange(5.0) + 1, rng.random(5)]
    )
    activity, mu = np.zeros((11, 10, 9), np.float32), np.zeros((11, 10, 9), np.float32)
    _kernels.paint_organs(table, np.zeros(3), 1.0, activity, mu)
    wanted = oracle.organs(table, np.zeros(3), 1.0, (11, 10, 9))
    np.testing.assert_array_equal(activity, wanted[0])
    np.testing.assert_allclose(mu, wanted[1], rtol=1e-6)


@pytest.mark.parametrize("degrees", [-135.0, -90.0, -61.0, 0.0, 33.0, 45.0])
def test_attenuation_of_a_disc_is_that_of_its_chord(degrees):
    n, mm, radius = 40, 5.0, 70.0
    place = (np.arange(n) - 0.5 * (n - 1)) * mm
    y, x = np.meshgrid(place, place, indexing="ij")
    mu = np.where(np.hypot(x, y) < radius, 0.015, 0.0)[..., None].astype(np.float32)
    mu = np.ascontiguousarray(np.repeat(mu, 2, axis=2))
    pixels = np.argwhere(np.hypot(x, y) < 40.0).astype(np.int64)
    angle = np.radians(degrees)
    got = _kernels.attenuation(mu, pixels, np.array([angle]), mm)[0, :, 0]
    px, py = place[pixels[:, 1]], place[pixels[:, 0]]
    along = px * np.cos(angle) + py * np.sin(angle)
    across = -px * np.sin(angle) + py * np.cos(angle)
    chord = np.sqrt(radius**2 - across**2) - along
    np.testing.assert_allclose(-np.log(got), 0.015 * chord, atol=0.06)


def test_projection_keeps_the_counts():
    activity = np.zeros((24, 24, 12), np.float32)
    activity[9:15, 10:14, 4:8] = 1.0
    pixels = np.argwhere(np.ones((24, 24))).astype(np.int64)
    angles = np.array([-2.0, 0.0, 0.7])
    whole = np.ones((3, len(pixels), 12), np.float32)
    seen = _kernels.acquire(activity, whole, pixels, angles, np.full(3, 58.0), 4.8)
    np.testing.assert_allclose(seen.sum(axis=(1, 2)), activity.sum(), rtol=0.01)


def test_far_points_are_blurred_more():
    pixels = np.argwhere(np.ones((40, 40))).astype(np.int64)
    whole = np.ones((1, len(pixels), 21), np.float32)
    spreads = []
    for x in (8, 30):
        activity = np.zeros((40, 40, 21), np.float32)
        activity[20, x, 10] = 1.0
        seen = _kernels.acquire(activity, whole, pixels, np.zeros(1), np.full(1, 96.0), 4.8)[0]
        line = seen.sum(axis=0) / seen.sum()
        spreads.append(4.8 * np.sqrt((line * (np.arange(21) - 10) ** 2).sum()))
    depth = [96.0 - 4.8 * (x - 19.5) for x in (8, 30)]
    np.testing.assert_allclose(spreads, [1.6 + 0.0185 * d for d in depth], rtol=0.06)


def test_osem_equals_oracle():
    rng = np.random.default_rng(4)
    pixels = np.argwhere(rng.random((7, 7)) < 0.7).astype(np.int64)
    angles = np.linspace(-2.0, 1.0, 6)
    survival = rng.uniform(0.2, 1.0, (6, len(pixels), 3)).astype(np.float32)
    counts = rng.poisson(30.0, (6, 7, 3)).astype(np.float32)
    got = _kernels.osem(counts, survival, pixels, angles, 2, 3)
    wanted = oracle.osem(counts.astype(float), survival.astype(float), pixels, angles, 2, 3)
    np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=1e-4)
