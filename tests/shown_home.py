"""A home whose pages are looked at: studies that wait with pictures, and planted identifiers."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from fabricated_lake import Builder, clinical_row, row
from imaging_objects import phantom, put_study
from invented_home import COHORT, PEOPLE, _cohort, _identities
from nm_objects import HABITS, SERIES, SUBJECT

from mpss_lib.config import Config
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom import read_volume
from mpss_lib.pull.vault import Vault
from mpss_lib.quality.gallery import drawn
from mpss_lib.segmentation import stage as segmentation
from mpss_lib.study_inputs import lake_file, segmentation_row
from mpss_lib.tables import Lake
from mpss_lib.volume import Volume
from mpss_lib.warehouse import stage as warehouse

SETTINGS = "[cohort]\naccept = 'reviewed'\n[warehouse]\nthreads = 1\n"
METRICS = (
    # metric, value, review_low, review_high, hold_low, hold_high, flag
    ("prominence", 0.53, 0.55, None, 0.2, None, "review"),
    ("noise_wall", 0.09, None, 0.105, None, 0.17, "ok"),
)


@dataclass
class Shown:
    """The home, its waiting studies, one of them with gates, and what no page may say."""

    root: Path
    lake: Lake
    config: Config
    keys: list
    beating: str
    secrets: set


def settings() -> Config:
    return Config.model_validate({"cohort": {"accept": "reviewed"}, "warehouse": {"threads": 1}})


def make_home(root, n_waiting=6) -> Shown:
    """Studies of invented people with a verdict; ``n_waiting`` of them wait for a physician."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "mpss.toml").write_text(SETTINGS)
    config, lake = settings(), Lake(root / "lake")
    vault = Vault(root / "vault.sqlite")
    people = [one for person in PEOPLE for one in _identities(person, vault)]
    vault.remember_studies(people)
    build = Builder(lake, config)
    build.catalogue()
    files = _real_study(lake, config)
    named = [(one.study_key, one.patient_key, one.accession_key) for one in people]
    named += [(f"S{k:016x}", f"P{k:016x}", f"A{k:016x}") for k in range(n_waiting - len(people))]
    for number, (key, patient, accession) in enumerate(named):
        build.through(key, patient, seed=number, day=number, accession=accession)
        _images(build, key, number, files)
        build.predict(key, 10.0 * number, COHORT)
    keys = sorted(key for key, _, _ in named[1:])
    _gates(build, keys[2])
    build.review(named[0][0], "accept")
    build.registry(
        [
            clinical_row(f"R{key[1:]}", "", patient, accession_key=accession)
            for key, patient, accession in named
        ]
    )
    _cohort(build, people)
    lake.quarantine("intake", named[-1][0], error="X", problem="broken", way_out="mend it")
    build.flush()
    warehouse.run(lake, config)
    (lake.root / "reports").mkdir()
    (lake.root / "reports" / "page.html").write_text("<title>A report</title><p>Research use</p>")
    secrets = {text for one in people for text in _secrets(one)}
    return Shown(root, lake, config, keys, keys[2], secrets)


def _secrets(one):
    name = one.patient_name
    told = {one.patient_id, name, name.replace("^", " "), name.split("^")[0], one.study_uid}
    return told | {one.accession_number, one.study_date}


def _real_study(lake, config):
    """Volume, masks and pictures of one phantom, made once: every study shows copies of them."""
    put_study(lake, config, (phantom(31).volume, "AC"), study="phantom")
    segmentation.run("phantom", lake, config)
    masks = lake_file(lake, segmentation_row(lake, config, "phantom")["mask_path"], "segmentation")
    volume = lake.dicom_folder("phantom") / "object0.dcm"
    pictures = drawn("phantom", ("montage", "polar", "bare"), volume, masks, lake, config)
    for table in ("volume", "segmentation"):
        for path in lake.landing_files(table, key="phantom"):
            path.unlink()
    return volume, masks, pictures


def gated(path):
    """Put four time slots in the place of a volume's object; gives them: (4, z, y, x), counts."""
    return _write_gates(read_volume(path), path)


def _write_gates(volume, path):
    slots = np.round(np.stack([volume.array * share for share in (0.4, 0.3, 0.2, 0.1)]))
    dataset = nm_dataset(volume, SUBJECT, SERIES, replace(HABITS, rescale=True), gated=slots)
    dataset.save_as(path, enforce_file_format=True)
    return slots


def _gates(build, key):
    """A gated series beside the chosen one, on a grid two slices off, and what was measured."""
    folder = build.lake.dicom_folder(key)
    volume = read_volume(folder / "chosen.dcm")
    affine = volume.affine.copy()
    affine[:3, 3] += 2.0 * affine[:3, 0]
    moved = Volume(np.ascontiguousarray(np.roll(volume.array, -2, axis=0)), affine)
    _write_gates(moved, folder / "gates.dcm")
    curve = [93.0, 80.0, 58.0, 43.0, 55.0, 79.0, 87.0, 92.0]
    told = {"esv_ml": 42.0, "edv_ml": 95.0, "stroke_ml": 53.0, "lvef_gates": 53.8, "n_gates": 8}
    told |= {"phase_sd_deg": 11.0, "phase_bandwidth_deg": 38.0, "count_share": [1.0] * 7 + [0.8]}
    told |= {"curve_ml": curve, "object_key": f"{key}o2", "doubts": ["prominence"]}
    build.ejection(key, 55.8, "count_drop", "ventricle_doubtful", **told)


def _images(build, key, number, files):
    lake, (volume, masks, pictures) = build.lake, files
    own = lake.dicom_folder(key) / "chosen.dcm"
    gates = own.with_name("gates.dcm")
    own.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(volume, own)
    mask = lake.mask_path(build.config.address("segmentation"), key, f"{number:016x}")
    mask.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(masks, mask)
    for kind, path in pictures.items():
        shutil.copy(path, path.with_name(f"{mask.stem}.{kind}.png"))
    chosen = {"is_chosen": True, "manufacturer": ("SYNTH", "OTHER")[number % 2], "model": "M1"}
    left = {"reasons": ["not_attenuation_corrected"], "manufacturer": "SYNTH", "model": "M1"}
    rows = [
        row("volume", study_key=key, object_key=f"{key}o1", path=lake.relative(own), **chosen),
        row("volume", study_key=key, object_key=f"{key}o2", path=lake.relative(gates), **left),
    ]
    build.record("intake", key, "done", [build.write("volume", key, rows, salt="shown")])
    told = {"is_sure": True, "mask_path": lake.relative(mask), "object_key": f"{key}o1"}
    told |= {"myocardium_ml": 124.0, "cavity_ml": 97.0, "length_mm": 71.0}
    found = row("segmentation", study_key=key, **told)
    written = build.write("segmentation", key, [found], salt="shown")
    build.record("segmentation", key, "done", [written])
    names = ("metric", "value", "review_low", "review_high", "hold_low", "hold_high", "flag")
    metrics = [
        row("quality_metric", study_key=key, **dict(zip(names, one, strict=True)))
        for one in METRICS
    ]
    verdict = row("quality_verdict", study_key=key, verdict="review", flags=["prominence"])
    files = [build.write("quality_metric", key, metrics, salt="shown")]
    files.append(build.write("quality_verdict", key, [verdict], salt="shown"))
    build.record("quality", key, "done", files)
