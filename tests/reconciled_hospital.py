"""A hospital of fabricated studies, archive and lake alike, and gaps of every kind planted in it.

The archive is the embedded one, asked over a real socket; only its objects are not there (its
index is filled directly). The lake's ``study`` rows are those that ``find`` writes; its
``instance`` rows are written here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

import numpy as np
from pydicom.uid import NuclearMedicineImageStorage

from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive
from mpss_lib.pull import stage
from mpss_lib.pull.vault import Vault
from mpss_lib.schemas import TABLES, TEXT
from mpss_lib.tables import Lake, digest_of

ROOT = "1.2.826.0.1.3680043.10.98"
N_OBJECTS = 2

PLANTED = {
    "late": "missing",
    "not_fetched": "missing",
    "deleted": "deleted",
    "redated": "moved",
    "redated_out": "moved",
    "redated_in": "moved",
    "merged": "merged",
    "grown": "changed",
    "other_modality": "extra",
}
"""What is done to a study -> the kind under which it must be named."""


@dataclass(frozen=True)
class Hospital:
    """Where everything is, and the first and last study date."""

    archive: Archive
    lake: Lake
    config: Config
    sites: Sites
    window: tuple[date, date]

    def key(self, number: int) -> str:
        return Vault(self.sites.vault).study_key(study_uid(number))


def study_uid(number: int) -> str:
    return f"{ROOT}.1.{number}"


def build(
    archive: Archive, lake: Lake, config: Config, sites: Sites, n: int, first: date, last: date
) -> Hospital:
    """Fill the archive with ``n`` studies of the window, find them, and put them on the lake."""
    hospital = Hospital(archive, lake, config, sites, (first, last))
    n_days = (last - first).days + 1
    with writing(archive) as db:
        for number in range(n):
            add_study(db, number, first + timedelta(days=number * n_days // n))
    fetch(hospital)
    return hospital


def fetch(hospital: Hospital) -> None:
    """Find every study that the archive lists now; write instance rows as pull would."""
    first, last = hospital.window
    window = (first - timedelta(days=400), last + timedelta(days=400))
    lake, config = hospital.lake, hospital.config
    vault = Vault(hospital.sites.vault)
    for key in stage.find(window, lake, config, hospital.sites):
        rows = [instance_row(key, vault, i) for i in range(N_OBJECTS)]
        lake.write("instance", config.address("pull"), key, digest_of([key]), rows)


def instance_row(key: str, vault: Vault, number: int) -> dict[str, object]:
    columns = TABLES["instance"].columns
    empty = {name: "" if kind == TEXT else None for name, kind in columns.items()}
    return empty | {
        "study_key": key,
        "series_key": vault.uid(f"{key}.series"),
        "object_key": vault.uid(f"{key}.{number}"),
        "modality": "NM",
        "sop_class": str(NuclearMedicineImageStorage),
        "n_objects": 1,
        "is_stored": False,
        "reason": "sop_class",
        "n_bytes": 0,
    }


@contextmanager
def writing(archive: Archive) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(archive.folder / "index.sqlite")) as db:
        yield db
        db.commit()


def add_study(db: sqlite3.Connection, number: int, day: date | None, modality: str = "NM") -> None:
    uid, text = study_uid(number), "" if day is None else f"{day:%Y%m%d}"
    study = {
        "StudyInstanceUID": uid,
        "PatientID": f"HOSP-{number // 2:06d}",
        "PatientName": f"Invented^Person{number // 2}",
        "PatientBirthDate": "19500615",
        "AccessionNumber": f"ACC{number:08d}",
        "StudyDate": text,
        "StudyTime": f"{8 + number % 10:02d}1500",
    }
    series = {
        "StudyInstanceUID": uid,
        "SeriesInstanceUID": f"{ROOT}.2.{number}",
        "Modality": modality,
    }
    insert(db, "study", study)
    insert(db, "series", series)
    for i in range(N_OBJECTS):
        add_object(db, number, i)


def add_object(db: sqlite3.Connection, number: int, i: int) -> None:
    insert(
        db,
        "image",
        {
            "StudyInstanceUID": study_uid(number),
            "SeriesInstanceUID": f"{ROOT}.2.{number}",
            "SOPInstanceUID": f"{ROOT}.3.{number}.{i}",
            "SOPClassUID": str(NuclearMedicineImageStorage),
        },
    )


def insert(db: sqlite3.Connection, table: str, values: dict[str, str]) -> None:
    columns = [row[1] for row in db.execute(f"pragma table_info({table})")]
    marks = ", ".join("?" * len(columns))
    db.execute(f"insert into {table} values ({marks})", [values.get(c, "") for c in columns])


def plant(hospital: Hospital, counts: dict[str, int], n: int, seed: int = 1) -> dict[str, str]:
    """Do each thing of ``PLANTED`` to so many studies; answers study key -> kind."""
    rng = np.random.default_rng(seed)
    numbers = iter(int(i) for i in rng.permutation(n))
    planted: dict[str, str] = {}
    fresh = n
    with writing(hospital.archive) as db:
        for what, count in counts.items():
            for number in islice(numbers, count):
                changed = number
                if what == "late":
                    changed = fresh = fresh + 1
                DO[what](db, hospital, changed)
                planted[hospital.key(changed)] = PLANTED[what]
    return planted


def _late(db, hospital, number):
    """Arrived ten days after its date: no night asked for that date any more."""
    add_study(db, number, hospital.window[0] + timedelta(days=number % 25))


def _not_fetched(db, hospital, number):
    files = hospital.lake.landing_files("instance", key=hospital.key(number))
    [path] = files
    path.unlink()


def _deleted(db, hospital, number):
    for table in ("study", "series", "image"):
        db.execute(f"delete from {table} where StudyInstanceUID = ?", (study_uid(number),))


def _set(db, number, column, value, table="study"):
    db.execute(
        f"update {table} set {column} = ? where StudyInstanceUID = ?", (value, study_uid(number))
    )


def _redated(db, hospital, number):
    [(text,)] = db.execute(
        "select StudyDate from study where StudyInstanceUID = ?", (study_uid(number),)
    )
    day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
    first, last = hospital.window
    moved = day + timedelta(days=17)
    _set(db, number, "StudyDate", f"{(moved if moved <= last else first):%Y%m%d}")


def _redated_out(db, hospital, number):
    _set(db, number, "StudyDate", f"{hospital.window[1] + timedelta(days=40):%Y%m%d}")


def _redated_in(db, hospital, number):
    """Known under a date before the window; the archive has it inside now."""
    with closing(sqlite3.connect(hospital.sites.vault)) as vault:
        day = hospital.window[0] - timedelta(days=30)
        vault.execute(
            "update identity set study_date = ? where study_key = ?",
            (f"{day:%Y%m%d}", hospital.key(number)),
        )
        vault.commit()


def _merged(db, hospital, number):
    _set(db, number, "PatientID", f"MERGED-{number}")


def _grown(db, hospital, number):
    add_object(db, number, N_OBJECTS)


def _other_modality(db, hospital, number):
    _set(db, number, "Modality", "OT", table="series")


DO = {name: globals()[f"_{name}"] for name in PLANTED}
