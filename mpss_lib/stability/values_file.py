"""Values of a study under every perturbation: one compressed array beside the tables.

20 perturbations x 7 segments x 8 grey levels x 166 features are as much as three feature files, and
nobody asks for them one by one: they stand beside the tables as masks do, in single precision, and
the table ``perturbation`` names the file.

The format is NumPy's npz; what it holds is ours.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from mpss_lib.config import Address
from mpss_lib.errors import LakeCorruptError
from mpss_lib.tables import Lake
from mpss_lib.whole_files import replacing

Singles = npt.NDArray[np.float32]


def values_path(lake: Lake, address: Address, study_key: str, digest: str) -> Path:
    """File of the study's values."""
    return lake.root / "perturbed" / address.folder / f"{study_key}.{digest}.npz"


def write_values(path: Path, values: Singles) -> None:
    """Write (perturbation, segment, bins, feature) values, whole or not at all.

    Parameters
    ----------
    path : Path
    values : (perturbation, segment, bins, feature) float32 array
    """
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, values=values)


def read_values(path: Path, shape: tuple[int, ...]) -> Singles:
    """Read what ``write_values`` wrote.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        (perturbation, segment, bins, feature) that is expected.

    Returns
    -------
    (perturbation, segment, bins, feature) float32 array

    Raises
    ------
    LakeCorruptError
        It is gone, cannot be read, or has another shape.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as data:
            values: Singles = data["values"]
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise _damaged(path, type(error).__name__) from error
    if values.shape != shape:
        raise _damaged(path, f"shape {values.shape}, wanted {shape}")
    return values


def _damaged(path: Path, what: str) -> LakeCorruptError:
    return LakeCorruptError(
        f"values file {path.name} cannot be read: {what}",
        way_out="`mpss run stability --force` with the study's key writes it again",
    )
