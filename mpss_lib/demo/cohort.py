"""The demo hospital: DICOM objects, a registry, and the truth that the pipeline never reads.

::

    <folder>/objects/*.dcm            valid NM objects (and what lies beside them)
    <folder>/registry.sqlite          table mpss_clinical
    <folder>/truth.json               role, artefact, amplitudes, latent values, expected reasons
    <folder>/complete.json            written last: the folder is whole, made of these arguments

Every name, number and date is invented. The same arguments give the same objects.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mpss_lib.demo.clinical import DEFAULT_SIGNAL, SIGNALS
from mpss_lib.demo.plan import PlannedStudy, plan_hospital, with_beating
from mpss_lib.demo.studies import PhantomMaker, digital_phantom, registry_row, write_study
from mpss_lib.errors import WrongArgumentError
from mpss_lib.whole_files import read_json, replacing, write_json
from mpss_lib.workers import end_with_parent

VERSION = "2"
"""Raised by hand when the same arguments give other objects."""

DEMO_SEED = 20210

COLUMNS = {
    "patient_id": "text not null",
    "accession_number": "text not null",
    "study_date": "text not null",
    "cac_date": "text",
    "reading": "text",
    "sex": "text",
    "race": "text",
    "age": "integer",
    "height_m": "real",
    "weight_kg": "real",
    "bmi": "real",
    "lvef": "real",
    "smoking": "integer",
    "diabetes": "integer",
    "hypertension": "integer",
    "hyperlipidemia": "integer",
    "family_history": "integer",
    "stress_agent": "text",
    "cac_total": "real",
    "cac_lm": "real",
    "cac_lad": "real",
    "cac_lcx": "real",
    "cac_rca": "real",
}
"""Columns of ``mpss_clinical``; dates are ISO texts."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Hospital:
    """A demo hospital on disk.

    Parameters
    ----------
    folder : Path
    first_date, last_date : str
        ISO dates of the first and the last study.
    n_patients, n_studies, n_objects : int
        All of them, also those that are there to be left out.
    """

    folder: Path
    first_date: str
    last_date: str
    n_patients: int
    n_studies: int
    n_objects: int

    @property
    def objects(self) -> Path:
        """Folder of the DICOM files; the truth says of each what it is."""
        return self.folder / "objects"

    @property
    def registry_url(self) -> str:
        """SQLAlchemy URL of the registry."""
        return f"sqlite:///{self.folder / 'registry.sqlite'}"

    @property
    def truth(self) -> dict[str, Any]:
        """What was planted; for tests and reports only."""
        return read_json(self.folder / "truth.json")


def make_hospital(
    folder: Path,
    *,
    patients: int = 60,
    seed: int = DEMO_SEED,
    signal: str = DEFAULT_SIGNAL,
    gated: bool = False,
    with_ct: bool = False,
    workers: int = 2,
    progress: Progress | None = None,
    maker: PhantomMaker = digital_phantom,
) -> Hospital:
    """Make the demo hospital, or take the one that is there.

    Parameters
    ----------
    folder : Path
        A folder that holds a whole hospital of the same arguments is used as it is; anything
        else of an earlier call in it is replaced.
    patients : int
        People with a study that the platform should take or hold; about a fifth more are there
        to be left out.
    seed : int
        Everything random follows from it.
    signal : str
        Name in ``clinical.SIGNALS``.
    gated : bool
        Half of the stress studies have a gated series that moves, with a known volume curve.
    with_ct : bool
        Patients have calcium CTs and reports of a known score, in studies of their own.
    workers : int
        Processes; 1 does it in this one.
    progress : callable, optional
        Called with (studies written, all studies).
    maker : callable
        Makes the phantoms; a function of a module, so that other processes find it.

    Raises
    ------
    WrongArgumentError
        If ``patients``, ``seed``, ``workers`` or ``signal`` is out of range.
    """
    _check(patients, seed, workers, signal)
    asked = {"version": VERSION, "patients": patients, "seed": seed, "signal": signal}
    asked |= {key: True for key, wanted in (("gated", gated), ("with_ct", with_ct)) if wanted}
    marker = folder / "complete.json"
    if marker.exists() and (found := read_json(marker))["asked"] == asked:
        return Hospital(folder, **found["hospital"])
    planned = plan_hospital(patients, seed, SIGNALS[signal])
    studies = with_beating(planned, seed) if gated else planned
    work = partial(write_study, folder=_cleared(folder), seed=seed, maker=maker, with_ct=with_ct)
    truth: list[dict[str, Any]] = []
    for entry in _map(work, studies, workers):
        truth.append(entry)
        if progress is not None:
            progress(len(truth), len(studies))
    truth.sort(key=lambda entry: (entry["study_date"], entry["study_instance_uid"]))
    _write_registry(folder / "registry.sqlite", studies)
    write_json(folder / "truth.json", asked | {"studies": truth})
    hospital = Hospital(
        folder,
        first_date=truth[0]["study_date"],
        last_date=truth[-1]["study_date"],
        n_patients=len({study.subject.patient_id for study in studies}),
        n_studies=len(studies),
        n_objects=sum(len(entry["objects"]) + entry.get("n_beside", 0) for entry in truth),
    )
    facts = {key: value for key, value in asdict(hospital).items() if key != "folder"}
    write_json(marker, {"asked": asked, "hospital": facts})
    return hospital


def _check(patients: int, seed: int, workers: int, signal: str) -> None:
    if not 1 <= patients <= 9000 or not 0 <= seed < 2**31 or workers < 1:
        raise WrongArgumentError(
            f"patients = {patients}, seed = {seed}, workers = {workers}",
            way_out="1 to 9000 patients, a seed from 0 to 2**31 - 1, at least one worker",
        )
    if signal not in SIGNALS:
        raise WrongArgumentError(f"signal = {signal!r}", way_out=f"use one of {sorted(SIGNALS)}")


def _cleared(folder: Path) -> Path:
    """Remove what an earlier call left and make the folder of the objects."""
    (folder / "complete.json").unlink(missing_ok=True)
    objects = folder / "objects"
    if objects.exists():
        shutil.rmtree(objects)
    objects.mkdir(parents=True)
    return objects


def _map(
    work: Callable[[PlannedStudy], dict[str, Any]], studies: list[PlannedStudy], workers: int
) -> Iterator[dict[str, Any]]:
    if workers == 1:
        yield from map(work, studies)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=end_with_parent) as pool:
        for future in as_completed([pool.submit(work, study) for study in studies]):
            yield future.result()


def _write_registry(path: Path, studies: list[PlannedStudy]) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    rows = [registry_row(study) for study in studies if study.has_row]
    places = ", ".join(f":{name}" for name in COLUMNS)
    with replacing(path) as temporary:
        connection = sqlite3.connect(temporary)
        try:
            with connection:
                connection.execute(f"create table mpss_clinical ({columns})")
                connection.executemany(
                    f"insert into mpss_clinical values ({places})",  # noqa: S608 - our own names
                    rows,
                )
        finally:
            connection.close()
