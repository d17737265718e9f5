"""A study's volume around the heart with its masks, small enough to be looked through at once."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mpss_lib.dicom import read_gates, read_volume
from mpss_lib.masks import read_masks
from mpss_lib.segmentation.surface import sample
from mpss_lib.volume import FloatArray, IntArray, Mask, Volume

MARGIN_MM = 60.0
LAYERS = ("MYO", "ENDO", "EPI", "LAD3", "LCX3", "RCA3")
"""Masks that can be switched on; bit k of a voxel's byte is layer k."""
WHITE_PERCENTILE = 99.5


@dataclass(frozen=True)
class Around:
    """The heart with ``MARGIN_MM`` around it.

    Parameters
    ----------
    counts : (z, y, x) uint16
        0 to 65535 is 0 to ``top``.
    gates : (slots, z, y, x) uint8
        0 to 255 is 0 to the most of any gate; no slot where nothing is gated.
    gates_are_own : bool
        Whether the gates are of the volume's own object; else of another series, brought to it.
    layers : (z, y, x) uint8
        Bit k: the voxel lies in ``LAYERS[k]``.
    top : float
        Counts at 65535.
    white : float
        Share of ``top`` at which the wall is white at first.
    first : tuple of int
        Index (z, y, x) of its first voxel in the volume.
    spacing_mm : tuple of float
        (dz, dy, dx).
    ways : tuple of str
        Where the index of each axis (z, y, x) begins and ends, as ``FH``, ``AP``, ``RL``: foot,
        head, anterior, posterior, right, left of the patient, whichever is nearest.
    """

    counts: npt.NDArray[np.uint16]
    gates: npt.NDArray[np.uint8]
    gates_are_own: bool
    layers: npt.NDArray[np.uint8]
    top: float
    white: float
    first: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    ways: tuple[str, str, str]

    def as_json(self) -> dict[str, Any]:
        """Give it with both arrays in base64, voxels in C order, counts little-endian."""
        return {
            "shape": list(self.counts.shape),
            "first": list(self.first),
            "spacing_mm": [round(float(one), 3) for one in self.spacing_mm],
            "ways": list(self.ways),
            "top": self.top,
            "white": round(self.white, 4),
            "layers": list(LAYERS),
            "counts": base64.b64encode(self.counts.astype("<u2").tobytes()).decode(),
            "n_gates": self.gates.shape[0],
            "gates_are_own": self.gates_are_own,
            "gates": base64.b64encode(self.gates.tobytes()).decode(),
            "masks": base64.b64encode(self.layers.tobytes()).decode(),
        }


def around(
    volume_at: Path, masks_at: Path, gates_at: Path, *, gated: Literal["sum", "refuse"]
) -> Around:
    """Read a volume around its heart.

    Parameters
    ----------
    volume_at, masks_at : Path
    gates_at : Path
        Object of the gates: the volume's own, or another of the study, which is read at the
        volume's places in the patient (trilinear; nothing outside).
    gated : {"sum", "refuse"}
        What is taken of a gated object (``intake.gated``).

    Raises
    ------
    LakeCorruptError
        The mask file cannot be read.
    """
    volume = read_volume(volume_at, gated=gated)
    masks, _ = read_masks(masks_at)
    is_own = gates_at == volume_at
    low, high = _box(masks["EPI"], volume.spacing_mm)
    part = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    counts = np.clip(volume.array[part], 0.0, None)
    top = float(counts.max()) or 1.0
    wall = volume.array[masks["MYO"].array]
    return Around(
        counts=np.round(counts / top * 65535.0).astype(np.uint16),
        gates=_gates(gates_at, volume, part, is_own=is_own),
        gates_are_own=is_own,
        layers=_layers(masks, part),
        top=top,
        white=min(float(np.percentile(wall, WHITE_PERCENTILE)) / top, 1.0) if wall.size else 1.0,
        first=(int(low[0]), int(low[1]), int(low[2])),
        spacing_mm=volume.spacing_mm,
        ways=_ways(volume.affine),
    )


def _gates(
    gates_at: Path, volume: Volume, part: tuple[slice, ...], *, is_own: bool
) -> npt.NDArray[np.uint8]:
    """Gates (slots, z, y, x) of a part of a volume, 0 to 255; no slot where nothing is gated."""
    slots = read_gates(gates_at)
    size = tuple(one.stop - one.start for one in part)
    if len(slots) == 1:
        return np.zeros((0, *size), np.uint8)
    if is_own:
        gates = np.clip(slots[:, *part], 0.0, None)
    else:
        total = read_volume(gates_at)
        index = np.stack(np.meshgrid(*(np.arange(one.start, one.stop) for one in part),
                                     indexing="ij"), axis=-1)  # fmt: skip
        places = volume.to_patient(index.reshape(-1, 3).astype(np.float64))
        found = [sample(replace(total, array=one), places).reshape(size) for one in slots]
        gates = np.clip(np.stack(found), 0.0, None)
    return np.round(gates / (float(gates.max()) or 1.0) * 255.0).astype(np.uint8)


def _ways(affine: FloatArray) -> tuple[str, str, str]:
    """Name the ends of the axes: columns of the affine point to left, posterior, head (LPS)."""
    ends = ("RL", "AP", "FH")
    found = []
    for axis in range(3):
        column = affine[:3, axis]
        at = int(np.argmax(np.abs(column)))
        found.append(ends[at] if column[at] > 0 else ends[at][::-1])
    return found[0], found[1], found[2]


def _box(epi: Mask, spacing_mm: tuple[float, float, float]) -> tuple[IntArray, IntArray]:
    index = np.argwhere(epi.array)
    margin = np.ceil(MARGIN_MM / np.array(spacing_mm)).astype(np.int64)
    low: IntArray = np.maximum(index.min(axis=0) - margin, 0)
    high: IntArray = np.minimum(index.max(axis=0) + margin + 1, epi.array.shape)
    return low, high


def _layers(masks: Mapping[str, Mask], part: tuple[slice, ...]) -> npt.NDArray[np.uint8]:
    bits = np.zeros(masks["EPI"].array[part].shape, np.uint8)
    for k, name in enumerate(LAYERS):
        bits |= masks[name].array[part].astype(np.uint8) << np.uint8(k)
    return bits
