"""Synthetic studies for the tests of segmentation and quality, and a lake that holds one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mpss_lib.demo.nm_modules import Habits, SeriesText, Subject
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.demo.phantom import Phantom, PhantomSpec, make_phantom
from mpss_lib.dicom import to_bytes
from mpss_lib.volume import Volume
from mpss_lib.whole_files import write_bytes

STUDY = "study0001"
SUBJECT = Subject(
    "Synthetic^Study", "SYN1", "19600101", "F", "2.25.1", "2.25.2", "A1", "20200102", "101010",
    "MPS stress", 60, 1.65, 70.0,
)  # fmt: skip
HABITS = Habits("Maker", "Model", "1.0")


@lru_cache(maxsize=24)
def phantom(seed: int = 1, **changes: object) -> Phantom:
    """A phantom, made once for all tests. Mappings are given as tuples of pairs."""
    plain = {
        name: dict(value) if isinstance(value, tuple) else value for name, value in changes.items()
    }
    return make_phantom(PhantomSpec(seed, **plain))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2.0 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)


def flipped(volume: Volume, axes: tuple[int, ...]) -> Volume:
    """The same patient with the storage order of some axes reversed."""
    affine = volume.affine.copy()
    for axis in axes:
        affine[:3, 3] += affine[:3, axis] * (volume.array.shape[axis] - 1)
        affine[:3, axis] *= -1.0
    return Volume(np.ascontiguousarray(np.flip(volume.array, axes)), affine)


def put_study(lake, config, *volumes: tuple[Volume, str], habits: Habits = HABITS, study=STUDY):
    """Write objects and ``volume`` rows as intake leaves them; the first one is chosen."""
    rows = []
    for number, (volume, attenuation) in enumerate(volumes):
        series = SeriesText(
            f"2.25.3{number}", f"2.25.4{number}", number + 1, f"STRESS {attenuation}"
        )
        path = lake.dicom_folder(study) / f"object{number}.dcm"
        write_bytes(path, to_bytes(nm_dataset(volume, SUBJECT, series, habits)))
        nz, ny, nx = volume.array.shape
        dz, dy, dx = volume.spacing_mm
        oblique = abs(volume.affine[2, 0]) < 4.7
        rows.append(
            {
                "study_key": study,
                "series_key": f"series{number}",
                "object_key": f"object{number}",
                "is_chosen": number == 0,
                "reasons": [] if number == 0 else ["not_attenuation_corrected"],
                "flags": [],
                "stress": "stress",
                "attenuation": attenuation,
                "reconstruction": "iterative",
                "orientation": "short_axis" if oblique else "transaxial",
                "n_time_slots": 1,
                "nz": nz,
                "ny": ny,
                "nx": nx,
                "dz_mm": dz,
                "dy_mm": dy,
                "dx_mm": dx,
                "manufacturer": "Maker",
                "model": "Model",
                "evidence": "{}",
                "path": lake.relative(path),
            }
        )
    lake.write("volume", config.address("intake"), study, "d0", rows)
    return lake
