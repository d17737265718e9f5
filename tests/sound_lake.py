"""A lake of sound studies: their rows break no expectation, until a test spoils them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fabricated_lake import Builder, as_arrow, clinical_row, row, settings

from mpss_lib.sections import BINS, SEGMENTS
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage

KEYS = tuple(f"S{k:016x}" for k in (1, 2, 3))
PATIENTS = tuple(f"P{k:016x}" for k in (1, 2, 3))
FIRST = KEYS[0]
CODES = {
    "stat_max": "84IY",
    "stat_min": "1GSF",
    "stat_range": "2OJQ",
    "stat_var": "ECT3",
    "cm_diff_avg": "TF7R",
    "cm_dissimilarity": "8S9J",
    "cm_corr": "NI2N",
    "ih_entropy": "TLU2",
    "ngt_busyness": "NQ30",
}
ONCE, BINNED = tuple(CODES)[:4], tuple(CODES)[4:]


class SoundBuilder(Builder):
    """Writes rows that break no expectation."""

    def catalogue(self) -> None:
        found = [
            row(
                "feature_catalogue",
                position=i,
                sera_name=name,
                ibsi_code=CODES[name],
                aggregation_code="X",
                depends_on_bins=name in BINNED,
            )
            for i, name in enumerate(CODES, start=1)
        ]
        self.catalogue_file = self.write("feature_catalogue", "engine", found)

    def study(self, key: str, patient: str, k: int) -> None:
        self.pull(key, patient)
        stored = [
            row(
                "instance",
                study_key=key,
                series_key="1",
                object_key=str(k),
                modality="NM",
                n_objects=1,
                is_stored=True,
                path=f"dicom/{key}/1.dcm",
                n_bytes=10,
                content_sha256="0" * 64,
            )
        ]
        left = {"series_key": "2", "object_key": "", "n_objects": 64, "is_stored": False}
        stored.append(row("instance", study_key=key, reason="not_wanted", **left))
        self.record("pull", key, "done", [self.write("instance", key, stored, salt="sound")])
        chosen = {"is_chosen": True, "stress": "stress", "attenuation": "AC"}
        sizes = {"nz": 40, "ny": 64, "nx": 64, "dz_mm": 4.8, "dy_mm": 4.8, "dx_mm": 4.8}
        volume = row("volume", study_key=key, object_key=str(k), **chosen, **sizes)
        self.record("intake", key, "done", [self.write("volume", key, [volume])])
        wall = {"mask_path": "masks/m.npz", "myocardium_ml": 100.0, "cavity_ml": 60.0}
        found = row("segmentation", study_key=key, is_sure=True, **wall)
        self.record("segmentation", key, "done", [self.write("segmentation", key, [found])])
        self.quality(key)
        if k == len(PATIENTS):  # the first one's record is what tests change
            self.ejection(key, 60.0)
            self.calcium(key, "report", total=8.0, lad=8.0)
        self.features(key, *feature_rows(key, k))
        self.predictions(key, prediction_rows(key))

    def features(self, key: str, once: list[dict], binned: list[dict], salt: str = "") -> None:
        files = [
            self.write("feature_once", key, as_arrow("feature_once", once), salt=salt),
            self.write("feature_binned", key, as_arrow("feature_binned", binned), salt=salt),
            self.catalogue_file,
        ]
        self.record("radiomics", key, "done", files)

    def predictions(self, key: str, found: list[dict], salt: str = "") -> None:
        files = [self.write("prediction", key, found, salt=salt)]
        self.record("publication", key, "done", files)

    def scanners(self, share: float = 0.01, p: float = 0.4) -> None:
        known = {"cohort_hash": "c0ffee", "profile": "corrected", "segment": "MYO", "bins": 64}
        told = {"eta_squared": share, "epsilon_squared": share, "p_adjusted": p}
        found = [row("scanner_effect", **known, feature="cm_corr", **told)]
        file = self.write("scanner_effect", "c0ffee", found, salt=f"{share} {p}")
        self.record("evaluation", "c0ffee", "done", [file])

    def path(self, table: str, key: str):
        from mpss_lib.schemas import TABLES

        path = self.lake.current_path(table, self.config.address(TABLES[table].stage), key)
        assert path is not None
        return path


def feature_rows(key: str, seed: int) -> tuple[list[dict], list[dict]]:
    rng = np.random.default_rng(seed)
    once, binned = [], []
    for segment in SEGMENTS:
        low, width = rng.uniform(1, 5, 2).tolist()
        values = {"stat_max": low + width, "stat_min": low, "stat_range": low + width - low}
        base = row("feature_once", study_key=key, segment=segment, n_voxels=100)
        once.append(base | values | {"stat_var": float("nan"), "undefined_features": ["stat_var"]})
        for bins in BINS:
            contrast = rng.uniform(0, 3)
            values = {"cm_diff_avg": contrast, "cm_dissimilarity": contrast}
            values |= {"cm_corr": rng.uniform(-1, 1), "ngt_busyness": rng.uniform(0, 9)}
            values |= {"ih_entropy": rng.uniform(0, np.log2(bins))}
            base = row("feature_binned", study_key=key, segment=segment, bins=bins)
            binned.append(base | values)
    return once, binned


def prediction_rows(key: str, value: float = 50.0) -> list[dict]:
    told = {"value": value, "value_low": 0.0, "value_high": 60.0, "n_models": 50}
    better = {"corrected_value": 5.0, "corrected_low": 0.0, "corrected_high": 9.0}
    return [
        row(
            "prediction",
            cohort_hash="c0ffee",
            study_key=key,
            segment=segment,
            configuration=configuration,
            berman_class=2,
            **told,
            **better,
        )
        for segment in SEGMENTS
        for configuration in ("radiomics", "clinical", "combined")
    ]


def record_of(k: int, key: str, patient: str, **values: object) -> dict:
    known = {"cac_date_shifted": dt.date(2019, 3, 2), "race": "White"}
    return clinical_row(f"R{k:016x}", key, patient, **(known | values))


def registry_rows(**first: object) -> list[dict]:
    """One row for each study; ``first`` replaces values of the first one."""
    return [
        record_of(k, key, patient, **(first if k == 1 else {}))
        for k, (key, patient) in enumerate(zip(KEYS, PATIENTS, strict=True), start=1)
    ]


def make_sound(lake: Lake) -> SoundBuilder:
    build = SoundBuilder(lake, settings(), once=ONCE, binned=BINNED)
    build.catalogue()
    for k, (key, patient) in enumerate(zip(KEYS, PATIENTS, strict=True), start=1):
        build.study(key, patient, k)
    build.registry(registry_rows())
    build.scanners()
    build.flush()
    return build


def check(build: SoundBuilder, *suites: str) -> dict:
    build.flush()
    return stage.check(build.lake, build.config, suites=suites)


def edit(path, change) -> None:
    """Alter a file in its place, as a fault of a disk or a foreign program would."""
    pq.write_table(change(pq.read_table(path, partitioning=None)), path)


def set_value(data: pa.Table, column: str, at: int, value: object) -> pa.Table:
    values = data[column].to_pylist()
    values[at] = value
    kind = data.schema.field(column).type
    place = data.column_names.index(column)
    return data.set_column(place, column, pa.array(values, type=kind))
