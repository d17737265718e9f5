"""A lake with the volume, the object and the masks of one study, as earlier stages leave them."""

from __future__ import annotations

import numpy as np
import pytest

from mpss_lib.masks import write_masks
from mpss_lib.schemas import TABLES
from mpss_lib.sections import SEGMENTS
from mpss_lib.volume import Mask, Volume, make_affine
from mpss_lib.whole_files import write_bytes

STUDY = "study0001"
SHAPE = (12, 14, 13)
AFFINE = make_affine((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (4.8, 4.8, 4.8))


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def shell():
    """A hollow ball of about 500 voxels, (12, 14, 13)."""
    z, y, x = np.ogrid[:12, :14, :13]
    radius = np.sqrt((z - 5.5) ** 2 + (y - 6.5) ** 2 + (x - 6) ** 2)
    return (radius < 5.4) & (radius > 3.2)


@pytest.fixture
def volume(rng, shell):
    array = np.where(shell, 40.0, 8.0) + rng.normal(0, 4, SHAPE)
    return Volume(array, AFFINE)


@pytest.fixture
def masks(shell):
    x = np.arange(SHAPE[2])
    thirds = {"LAD": x < 4, "LCX": (x >= 4) & (x < 9), "RCA": x >= 9}
    parts = {"MYO": shell}
    for name, side in thirds.items():
        parts[f"{name}3"] = parts[f"{name}17"] = shell & side
    return {name: Mask(parts[name], AFFINE) for name in SEGMENTS}


def blank_row(table, **values):
    """A row of a lake table with zeros and empty texts, but for the given values."""
    empty = {"string": "", "int64": 0, "double": 0.0, "bool": False}
    row = {name: empty.get(str(kind), []) for name, kind in TABLES[table].columns.items()}
    return row | values


@pytest.fixture
def put_study(lake, config, volume, masks, monkeypatch):
    """Put the study on the lake; the object is a stand-in, reading it gives ``volume``."""
    monkeypatch.setattr("mpss_lib.dicom.read_volume", lambda path, **_: volume)

    def put(found=masks, *, is_chosen=True):
        image = lake.dicom_folder(STUDY) / "object.dcm"
        write_bytes(image, b"pixels")
        row = blank_row(
            "volume",
            study_key=STUDY,
            object_key="o1",
            is_chosen=is_chosen,
            path=lake.relative(image),
        )
        lake.write("volume", config.address("intake"), STUDY, "d1", [row])
        address = config.address("segmentation")
        path = lake.mask_path(address, STUDY, "d2")
        write_masks(path, found)
        row = blank_row("segmentation", study_key=STUDY, mask_path=lake.relative(path))
        lake.write("segmentation", address, STUDY, "d2", [row])
        return STUDY

    return put
