"""Mask files of the lake: named masks on one grid, with the numbers that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.volume import BoolArray, FloatArray, Mask
from mpss_lib.whole_files import replacing

_BITS = "bits/"
_EXTRA = "extra/"


def write_masks(
    path: Path, masks: Mapping[str, Mask], extras: Mapping[str, FloatArray] | None = None
) -> None:
    """Write masks of one grid as a compressed npz, whole or not at all; same input, same bytes.

    Parameters
    ----------
    path : Path
    masks : mapping of name to Mask
        All of one shape and affine; stored as bits.
    extras : mapping of name to float64 array, optional
        Axes and base plane (3,), radii and peaks per ray (rows, angles), scalars of the self-check.

    Raises
    ------
    WrongArgumentError
        If there is no mask, or their shapes differ.
    """
    first = next(iter(masks.values()), None)
    if first is None:
        raise WrongArgumentError("no masks to write", way_out="give at least one named mask")
    arrays: dict[str, np.ndarray] = {
        "shape": np.asarray(first.array.shape, dtype=np.int64),
        "affine": first.affine,
    }
    for name, mask in masks.items():
        if mask.array.shape != first.array.shape:
            raise WrongArgumentError(
                f"mask {name} has shape {mask.array.shape}, the first one {first.array.shape}",
                way_out="put masks of one grid into one file",
            )
        arrays[_BITS + name] = np.packbits(mask.array)
    for name, values in (extras or {}).items():
        arrays[_EXTRA + name] = np.asarray(values, dtype=np.float64)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)


def read_masks(path: Path) -> tuple[dict[str, Mask], dict[str, FloatArray]]:
    """Read masks and extras that ``write_masks`` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    masks : dict of name to Mask
    extras : dict of name to float64 array
        Shapes as in ``write_masks``: (3,), (rows, angles), scalars.

    Raises
    ------
    LakeCorruptError
        If the file is gone or cannot be read.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as data:
            shape = tuple(int(n) for n in data["shape"])
            affine = data["affine"]
            masks = {
                name.removeprefix(_BITS): Mask(_unpack(data[name], shape), affine)
                for name in data.files
                if name.startswith(_BITS)
            }
            extras = {
                name.removeprefix(_EXTRA): data[name]
                for name in data.files
                if name.startswith(_EXTRA)
            }
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise LakeCorruptError(
            f"mask file {path.name} cannot be read: {type(error).__name__}",
            way_out="remove the file and run segmentation again",
        ) from error
    return masks, extras


def _unpack(bits: np.ndarray, shape: tuple[int, ...]) -> BoolArray:
    return np.unpackbits(bits, count=int(np.prod(shape))).astype(np.bool_).reshape(shape)
