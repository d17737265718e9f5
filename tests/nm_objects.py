"""Small NM objects for tests: a volume with one marked voxel, and what to say of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.demo.nm_modules import Habits, SeriesText, Subject
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.volume import FloatArray, Triple, Volume, make_affine

_FOUND = [folder / "shared" / "real" for folder in Path(__file__).resolve().parents]
REAL = next((folder for folder in _FOUND if folder.is_dir()), Path("shared/real"))
"""Real objects beside the project; tests that want them skip where the folder is absent."""

MARK = (2, 5, 3)
"""Index (z, y, x) of the brightest voxel of ``small_volume``."""

SUBJECT = Subject(
    patient_name="DEMO^TEST",
    patient_id="DEMO-0000",
    birth_date="19500101",
    sex="F",
    study="2.25.10",
    frame_of_reference="2.25.11",
    accession_number="DEMOACC0",
    study_date="20010203",
    study_time="101500",
    study_description="Myocardial Perfusion",
    age_years=51,
    height_m=1.7,
    weight_kg=80.0,
)
SERIES = SeriesText(
    series="2.25.20",
    instance="2.25.21",
    number=3,
    description="STRESS AC OSEM",
    image_id="STRESS_AC",
    corrected=("ATTN", "SCAT"),
    reconstruction="OSEM",
    state="stress",
    view="transaxial",
)
HABITS = Habits("DEMO GE-LIKE", "DEMO 1", "1.0")


def small_volume(
    shape: tuple[int, int, int] = (7, 10, 9),
    row: Triple = (1.0, 0.0, 0.0),
    column: Triple = (0.0, 1.0, 0.0),
    spacing_mm: Triple = (4.8, 4.8, 4.8),
) -> Volume:
    """Noise between 0 and 100 with a voxel of 200 at ``MARK``."""
    array: FloatArray = np.random.default_rng(5).random(shape) * 100.0
    array[MARK] = 200.0
    return Volume(array, make_affine((-20.0, -150.0, 30.0), row, column, spacing_mm))


def small_object(
    volume: Volume | None = None, series: SeriesText = SERIES, habits: Habits = HABITS
) -> Dataset:
    return nm_dataset(volume or small_volume(), SUBJECT, series, habits)
