"""One planned study becomes DICOM files, a registry row and an entry of the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.demo.beating import GatedHeart, make_gated
from mpss_lib.demo.beside import make_beside
from mpss_lib.demo.clinical import Person
from mpss_lib.demo.distractors import (
    capture_dataset,
    ct_datasets,
    gate,
    planar_dataset,
    projection_dataset,
)
from mpss_lib.demo.nm_modules import SeriesText
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.demo.plan import EXPECTED, EXPECTED_FLOW, PlannedStudy, uid
from mpss_lib.demo.vendors import VENDORS, Content, describe
from mpss_lib.dicom import to_bytes
from mpss_lib.volume import FloatArray, Volume

WRONG_VOXEL_MM = 6.4
CT_SLICES = 3
GATED_MM = 6.4
METHOD_SD = 4.0
"""Points between the ejection fraction that the registry has of a person and the true one."""
IRREGULAR_SHARE = 0.1
"""Of the beating hearts: with beats of many lengths."""
BODY_SCALE = (1.005, 0.03, 0.94, 1.07)
"""Mean, effect of the body's size, lowest and highest scale of a phantom's torso."""

Labels = Mapping[str, Any]


@dataclass(frozen=True)
class PhantomOrder:
    """What the phantom maker is asked for."""

    seed: int
    sex: str
    amplitude: Mapping[str, float]
    artefact: str = ""
    correction: Literal["AC", "NAC"] = "AC"
    orientation: Literal["transaxial", "short_axis"] = "transaxial"
    body_scale: float = 1.005


PhantomMaker = Callable[[PhantomOrder], tuple[Volume, Labels]]
"""Makes the volume (4.8 mm, +z Superior, +y Posterior, +x Left) and plain labels of its truth."""


def digital_phantom(order: PhantomOrder) -> tuple[Volume, Labels]:
    """Make a digital phantom with attenuated, noisy, reconstructed projections.

    Parameters
    ----------
    order : PhantomOrder
        Seed, sex, artefact and what else is asked for.

    Returns
    -------
    volume : Volume
    labels : Labels
        What was planted.
    """
    from mpss_lib.demo.phantom import PhantomSpec, make_phantom

    phantom = make_phantom(
        PhantomSpec(
            seed=order.seed,
            sex=order.sex,
            amplitude=order.amplitude,
            artefact=order.artefact,
            correction=order.correction,
            orientation=order.orientation,
            anatomy={"body_scale": order.body_scale},
        )
    )
    return phantom.volume, phantom.labels


def beating_heart(study: PlannedStudy) -> GatedHeart:
    """Make the gates of a study: 8 or 16 of a heart of its own size that ejects as the person's.

    It is not the heart of the summed series: that one's cavity has no volume curve.
    """
    rng = np.random.default_rng([20261127, study.seed])
    ejection = float(np.clip(study.person.lvef + rng.normal(0.0, METHOD_SD), 25.0, 80.0))
    gates = 16.0 if rng.uniform() < 0.5 else 8.0
    irregular = 0.25 if rng.uniform() < IRREGULAR_SHARE else 0.0
    size = 120.0 if study.person.sex == "M" else 95.0
    fixed = {"ejection": ejection, "gates": gates, "irregular": irregular, "voxel_mm": GATED_MM}
    fixed |= {"edv_ml": float(rng.uniform(0.75, 1.35)) * size, "is_short_axis": 0.0}
    return make_gated(study.seed, {name: (value, value) for name, value in fixed.items()})


def body_scale_of(person: Person) -> float:
    """Scale of the phantom's torso that belongs to the size of a person's body."""
    mean, effect, low, high = BODY_SCALE
    return float(np.clip(mean + effect * person.body, low, high))


def write_study(
    study: PlannedStudy, folder: Path, seed: int, maker: PhantomMaker, *, with_ct: bool = False
) -> dict[str, Any]:
    """Write the objects of one study.

    Parameters
    ----------
    study : PlannedStudy
    folder : Path
        Where the files go.
    seed : int
        Of the hospital: makes the UIDs.
    maker : callable
        See ``PhantomMaker``.
    with_ct : bool
        With a calcium study of the patient, and its reports.

    Returns
    -------
    dict
        Entry of the truth: role, artefact, amplitudes, latent values, labels, and each object
        with the reasons for which it should be left.
    """
    writer = _Writer(study, seed, maker)
    objects = []
    for number, kind in enumerate(study.series, start=1):
        for part, dataset in enumerate(writer.datasets(kind, number), start=1):
            path = folder / f"{study.index:04d}-{number:02d}-{part:02d}.dcm"
            path.write_bytes(to_bytes(dataset))
            objects.append(
                {
                    "file": path.name,
                    "kind": kind,
                    "series_instance_uid": str(dataset.SeriesInstanceUID),
                    "sop_instance_uid": str(dataset.SOPInstanceUID),
                    "expected": list(EXPECTED[kind]),
                }
            )
    truth = _truth(study, objects, writer.labels) | _gated_truth(writer.heart)
    habits = VENDORS[study.vendor].habits
    beside = make_beside(study, writer.labels, habits, seed) if with_ct else None
    if beside is None:
        return truth
    for number, dataset in enumerate(beside.datasets, start=1):
        path = folder / f"{study.index:04d}-ct-{number:03d}.dcm"
        path.write_bytes(to_bytes(dataset))
    return truth | beside.truth | {"n_beside": len(beside.datasets)}


class _Writer:
    """Makes the datasets of one study; the phantom of the wanted series is made once."""

    def __init__(self, study: PlannedStudy, seed: int, maker: PhantomMaker) -> None:
        self.study = study
        self.labels: Labels = {}
        self._seed = seed
        self._maker = maker
        self._vendor = VENDORS[study.vendor]
        self._kept: Volume | None = None
        self.heart: GatedHeart | None = None

    def datasets(self, kind: str, number: int) -> list[Dataset]:
        """Objects of one series."""
        if kind == "ct":
            text = self._plain(number, "CT AC")
            instances = [self._uid(number, "object", part) for part in range(1, CT_SLICES + 1)]
            return ct_datasets(self.study.subject, text, self._vendor.habits, instances)
        made: dict[str, Callable[[int], Dataset]] = {
            "planar": self._planar,
            "projections": self._projections,
            "capture": self._capture,
            "beating": self._beating,
        }
        if kind in made:
            return [made[kind](number)]
        return [self._tomogram(kind, number)]

    def _tomogram(self, kind: str, number: int) -> Dataset:
        content = Content(
            "rest" if kind == "rest" else "stress",
            is_corrected=kind != "nac",
            is_iterative=kind != "fbp",
            view="short_axis" if kind == "short_axis" else "transaxial",
            is_gated=kind in ("gated", "only_gated"),
        )
        named = self._plain(number, "")
        text = describe(
            self._vendor, content, series=named.series, instance=named.instance, number=number
        )
        volume = self._volume(kind)
        slots = gate(volume) if content.is_gated else None
        return nm_dataset(volume, self.study.subject, text, self._vendor.habits, gated=slots)

    def _beating(self, number: int) -> Dataset:
        self.heart = heart = beating_heart(self.study)
        content = Content(
            "stress", is_corrected=True, is_iterative=True, view="transaxial", is_gated=True
        )
        named = self._plain(number, "")
        text = describe(
            self._vendor, content, series=named.series, instance=named.instance, number=number
        )
        slots = np.stack([gate.array for gate in heart.gates])
        habits = self._vendor.habits
        return nm_dataset(heart.gates[0], self.study.subject, text, habits, gated=slots)

    def _volume(self, kind: str) -> Volume:
        if kind == "nac":
            return self._make(correction="NAC")[0]
        if kind == "short_axis":
            return self._make(orientation="short_axis")[0]
        volume = self._wanted()
        if kind == "fbp":
            return replace(volume, array=_smooth(volume.array))
        if kind == "wrong_voxel":
            affine = volume.affine.copy()
            affine[:3] *= WRONG_VOXEL_MM / volume.spacing_mm[0]
            return replace(volume, affine=affine)
        return volume

    def _wanted(self) -> Volume:
        if self._kept is None:
            self._kept, self.labels = self._make()
        return self._kept

    def _make(self, **changed: str) -> tuple[Volume, Labels]:
        study = self.study
        is_rest = study.role == "rest"
        order = PhantomOrder(
            seed=study.seed,
            sex=study.person.sex,
            amplitude={} if is_rest else study.person.amplitude,
            artefact=study.artefact,
            body_scale=body_scale_of(study.person),
        )
        return self._maker(replace(order, **cast("Any", changed)))

    def _planar(self, number: int) -> Dataset:
        rng = np.random.default_rng([self._seed, self.study.seed, number])
        text = self._plain(number, "STATIC ANT POST")
        return planar_dataset(self.study.subject, text, self._vendor.habits, rng)

    def _projections(self, number: int) -> Dataset:
        text = self._plain(number, "STRESS TOMO")
        return projection_dataset(self._wanted(), self.study.subject, text, self._vendor.habits)

    def _capture(self, number: int) -> Dataset:
        text = self._plain(number, "STRESS RESULT SCREEN")
        return capture_dataset(self._wanted(), self.study.subject, text, self._vendor.habits)

    def _plain(self, number: int, description: str) -> SeriesText:
        series, instance = self._uid(number, "series"), self._uid(number, "object", 1)
        return SeriesText(series, instance, number, description)

    def _uid(self, *parts: object) -> str:
        return uid(self._seed, self.study.subject.study, *parts)


def _smooth(array: FloatArray) -> FloatArray:
    from scipy.ndimage import gaussian_filter

    smooth: FloatArray = gaussian_filter(array, 0.8)
    return smooth


def registry_row(study: PlannedStudy) -> dict[str, Any]:
    """Row of the study in the registry, with the mistakes of typing that were planned."""
    person, subject = study.person, study.subject
    day = date.fromisoformat(subject.study_date)
    row: dict[str, Any] = {
        "patient_id": subject.patient_id,
        "accession_number": subject.accession_number,
        "study_date": day.isoformat(),
        "cac_date": (day + timedelta(days=study.cac_days)).isoformat(),
        "reading": study.reading,
        "sex": person.sex,
        "race": person.race,
        "age": person.age,
        "height_m": person.height_m,
        "weight_kg": person.weight_kg,
        "bmi": person.bmi,
        "lvef": person.lvef,
        "smoking": int(person.smoking),
        "diabetes": int(person.diabetes),
        "hypertension": int(person.hypertension),
        "hyperlipidemia": int(person.hyperlipidemia),
        "family_history": int(person.family_history),
        "stress_agent": person.stress_agent,
        "cac_total": person.cac_total,
        "cac_lm": person.cac["lm"],
        "cac_lad": person.cac["lad"],
        "cac_lcx": person.cac["lcx"],
        "cac_rca": person.cac["rca"],
    }
    return row | study.mistakes


def _gated_truth(heart: GatedHeart | None) -> dict[str, Any]:
    """Tell what the gates that move show; nothing where there are none."""
    if heart is None:
        return {}
    told = {"lvef": heart.percent, "edv_ml": heart.edv_ml, "esv_ml": heart.esv_ml}
    is_irregular = heart.values["irregular"] > 0.0
    return {"gated": told | {"n_gates": len(heart.gates), "is_irregular": is_irregular}}


def _truth(study: PlannedStudy, objects: list[dict[str, Any]], labels: Labels) -> dict[str, Any]:
    return {
        "study_instance_uid": study.subject.study,
        "accession_number": study.subject.accession_number,
        "patient_id": study.subject.patient_id,
        "study_date": date.fromisoformat(study.subject.study_date).isoformat(),
        "role": study.role,
        "expected_flow": list(EXPECTED_FLOW[study.role]),
        "vendor": study.vendor,
        "artefact": study.artefact,
        "reading": study.reading,
        "has_row": study.has_row,
        "mistakes": study.mistakes,
        "amplitude": dict(study.person.amplitude),
        "latent": dict(study.person.latent),
        "labels": dict(labels),
        "objects": objects,
    }
