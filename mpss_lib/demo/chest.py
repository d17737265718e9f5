"""A CT of a demo heart with plaques of a known Agatston score, and the reports of a workstation.

The phantom's ventricle says where the arteries run: LAD and the posterior descending artery in the
grooves between the ventricles (about 120 and 240 degrees; Cerqueira et al., Circulation
2002;105:539), LCX and RCA in those between ventricles and atria, the left main artery from the
aortic root to where LAD and LCX part. A plaque is a square of pixels of one slice: what it scores
follows from its pixels alone. Chest and noise are plain: this shows the chain, it proves no score
(that is tests/bench/agatston_accuracy.py). Nothing here knows the code that scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpss_lib.volume import BoolArray, FloatArray, IntArray

PIXEL_MM, STEP_MM = 1.0, 3.0
ROWS, COLUMNS = 220, 220
CORNER_MM = (-90.0, -110.0)
MARGIN_MM = 15.0  # of slices beyond the arteries
TISSUE_HU, LUNG_HU, BONE_HU, NOISE_HU = 40.0, -850.0, 260.0, 6.0
DENSE_HU, FAINT_HU = 480.0, 165.0
"""Plaque of weight 4, and of weight 1: what remains of a score by four."""
EDGES = (3, 4, 5, 6)  # pixels of a plaque's side, until the score has room
ARTERIES = ("LM", "LAD", "LCX", "RCA")
GROOVE_MM = 5.5


@dataclass(frozen=True)
class DemoChest:
    """HU (z, y, x) from the feet up, where its first voxel lies, and its score by artery."""

    hu: FloatArray
    corner_mm: tuple[float, float, float]
    units: Mapping[str, float]


def make_chest(labels: Mapping[str, Any], wanted: Mapping[str, float], seed: int) -> DemoChest:
    """Make a CT of the heart that a phantom's labels describe.

    Parameters
    ----------
    labels : mapping
        ``Phantom.labels``: axis, centre, base and sizes of the ventricle, LPS mm.
    wanted : mapping of artery to float
        Agatston units; what does not fit on its artery is left out, and the truth says so.
    seed : int
        Of the noise.
    """
    lines = arteries_of(labels)
    every = np.concatenate(list(lines.values()))
    low = float(every[:, 2].min()) - MARGIN_MM
    n = int(np.ceil((float(every[:, 2].max()) + MARGIN_MM - low) / STEP_MM))
    corner = (*CORNER_MM, low)
    owner = np.zeros((n, ROWS, COLUMNS), dtype=np.int64)
    plaque = np.zeros((n, ROWS, COLUMNS))
    for number, name in enumerate(ARTERIES, start=1):
        index = _index(lines[name], corner)
        _plant(round(wanted.get(name, 0.0)), index, number, owner, plaque)
    hu = _tissue(n)
    hu[plaque > 0.0] = plaque[plaque > 0.0]
    noise = np.random.default_rng([20261127, seed]).normal(0.0, NOISE_HU, hu.shape)
    hu = np.round(hu + noise).clip(-1024.0, 3071.0)
    units = {name: _units(plaque, owner == k) for k, name in enumerate(ARTERIES, start=1)}
    return DemoChest(hu, corner, units)


def arteries_of(labels: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Draw the coronary arteries about a phantom's ventricle.

    Parameters
    ----------
    labels : mapping
        What a phantom tells of itself: middle and axis of the ventricle, height of its base,
        radius, length and walls, mm.

    Returns
    -------
    dict of str to (n, 3) float array
        By the names of `ARTERIES`: points along each, in the patient's coordinates (LPS), mm.
    """
    centre = np.array([labels[f"centre_{c}"] for c in "xyz"])
    frame = _frame_of(np.array([labels[f"axis_{c}"] for c in "xyz"]))
    base = float(labels["base_mm"])
    outer = float(labels["r_endo_mm"]) + float(labels["wall_mm"])
    long = float(labels["long_endo_mm"]) + float(labels["wall_apex_mm"])
    u = np.linspace(0.0, 1.0, 400)

    def epi(t: FloatArray) -> FloatArray:
        edge: FloatArray = outer * np.sqrt(np.clip(1.0 - (t / long) ** 2, 0.0, None))
        return edge

    def polar(t: FloatArray, degrees: FloatArray, radius: FloatArray) -> FloatArray:
        angle = np.radians(degrees)
        local = np.stack([t, radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        return centre + local @ frame

    rim = epi(np.array([base]))[0]
    one = np.ones_like(u)
    lad = base + 3.0 + u * 0.8 * (long - base)
    lm = polar(base - 12.0 + 5.0 * u, 135.0 - 20.0 * u, 0.82 * rim + u * (0.18 * rim + 5.0))
    psi = 80.0 + u * 215.0
    ring = 0.75 * rim
    rca = np.stack(
        [
            base - 7.0 + 5.0 * np.sin(np.pi * u),
            ring * np.sin(np.radians(psi)) - 6.0,
            ring * np.cos(np.radians(psi)) - 1.17 * rim,
        ],
        axis=1,
    )
    return {
        "LM": lm,
        "LAD": polar(lad, 120.0 * one, epi(lad) + GROOVE_MM),
        "LCX": polar(base - 5.0 * one, 100.0 - 140.0 * u, (rim + GROOVE_MM) * one),
        "RCA": centre + rca @ frame,
    }


def _frame_of(axis: FloatArray) -> FloatArray:
    """Rows axis, anterior, lateral of a heart in a supine patient."""
    up = np.array([0.0, 0.0, 1.0])
    anterior = up - float(up @ axis) * axis
    anterior /= np.linalg.norm(anterior)
    return np.stack([axis, anterior, np.cross(anterior, axis)])


def _index(line: FloatArray, corner: tuple[float, float, float]) -> IntArray:
    """Voxels (z, y, x) along a line, each slice's first ones apart from each other."""
    step = np.array([PIXEL_MM, PIXEL_MM, STEP_MM])
    index: IntArray = np.rint((line - np.array(corner)) / step)[:, ::-1].astype(np.int64)
    return index


def _plant(units: int, index: IntArray, number: int, owner: IntArray, plaque: FloatArray) -> None:
    """Paint squares along an artery until they score ``units``, and none that touches another."""
    left, faint = divmod(units, 4)
    for edge in EDGES:
        room = _room(index, edge, owner)
        if len(room) * edge * edge >= left + edge * edge:
            break
    places = iter(room)
    for z, y, x in places:
        if left <= 0:
            break
        n = min(left, edge * edge)
        square = np.arange(edge * edge)[:n]
        plaque[z, y + square // edge, x + square % edge] = DENSE_HU
        owner[z, y + square // edge, x + square % edge] = number
        left -= n
    last = next(places, None)
    if faint and last is not None:
        z, y, x = last
        plaque[z, y, x : x + faint] = FAINT_HU
        owner[z, y, x : x + faint] = number


def _room(index: IntArray, edge: int, owner: IntArray) -> list[tuple[int, int, int]]:
    """Corners of squares along a line with a pixel between them, where nothing is yet."""
    taken: BoolArray = owner != 0
    room = []
    for z, y, x in index.tolist():
        low = max(y - 1, 0), max(x - 1, 0)
        inside = 0 <= z < len(taken) and y + edge < ROWS and x + edge < COLUMNS
        if inside and not taken[z, low[0] : y + edge + 1, low[1] : x + edge + 1].any():
            taken[z, y : y + edge, x : x + edge] = True
            room.append((z, y, x))
    return room


def _tissue(n: int) -> FloatArray:
    """Soft tissue with lungs and a spine, the same in every slice."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    x, y = x * PIXEL_MM + CORNER_MM[0], y * PIXEL_MM + CORNER_MM[1]
    plane = np.full((ROWS, COLUMNS), TISSUE_HU)
    for middle in (-70.0, 112.0):
        plane[((x - middle) / 18.0) ** 2 + ((y - 10.0) / 80.0) ** 2 < 1.0] = LUNG_HU
    plane[(x / 18.0) ** 2 + ((y - 82.0) / 16.0) ** 2 < 1.0] = BONE_HU
    return np.repeat(plane[np.newaxis], n, axis=0)


def _units(plaque: FloatArray, own: BoolArray) -> float:
    """Score of the plaques of one artery: pixels of weight 4 and of weight 1 never touch."""
    area = PIXEL_MM**2 * STEP_MM / 3.0
    dense, faint = ((plaque == hu) & own for hu in (DENSE_HU, FAINT_HU))
    return float((4.0 * dense.sum() + faint.sum()) * area)
