"""A lake as the stages before selection would have left it, for a small synthetic cohort."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
from oracles.statistics_cohort import SEGMENTS, Cohort, make_cohort

from mpss_lib.config import Config
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake

COHORT = "c0ffee0123456789"
DAY = dt.date(2020, 1, 1)
FAMILIES = (
    ("ivh", "", 4, False), ("stat", "", 2, False), ("ih", "", 6, True),
    ("glcm", "2D_avg", 3, True), ("glcm", "3D_avg", 8, True), ("glcm", "3D_merged", 8, True),
    ("glszm", "3D", 8, True), ("ngldm", "3D", 6, True),
)  # fmt: skip


def catalogue_rows() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for family, aggregation, count, depends in FAMILIES:
        for k in range(count):
            rows.append(
                {
                    "position": len(rows) + 1,
                    "sera_name": f"{family}_{k:02d}_{aggregation}".rstrip("_"),
                    "ibsi_code": f"{family[-2:]}{k:02d}".upper(),
                    "family": family,
                    "family_code": family.upper(),
                    "aggregation": aggregation,
                    "aggregation_code": "",
                    "human_name": f"{family} {k}",
                    "unit": "",
                    "depends_on_bins": depends,
                }
            )
    return rows


def study_key(k: int) -> str:
    return f"study{k:04d}"


VENDORS = ("Acme", "Bolt", "Corr")


def fill(
    lake: Lake, config: Config, n: int, seed: int = 1, extra: int = 2, vendors: bool = False
) -> Cohort:
    """Write catalogue, features of ``n`` members and ``extra`` other studies, and the cohort.

    With ``vendors`` each study names its scanner, by turns; else none does.
    """
    cohort = make_cohort(seed, n + extra)
    radiomics = config.address("radiomics")
    rows = catalogue_rows()
    lake.write("feature_catalogue", radiomics, "all", "x", rows)
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n + extra, len(SEGMENTS), len(rows), len(config.radiomics.bins)))
    for k in range(n + extra):
        _write_features(lake, config, cohort, k, rows, noise[k])
    if vendors:
        for k in range(n + extra):
            _write_volume(lake, config, k)
    members = [study_key(k) for k in range(n)]
    address = config.address("warehouse")
    lake.write(
        "cohort_member", address, COHORT, "x",
        [{"cohort_hash": COHORT, "study_key": key, "patient_key": f"p{key}"} for key in members],
    )  # fmt: skip
    lake.write(
        "cohort_outcome", address, COHORT, "x",
        [outcome_row(cohort, k) for k in range(n)],
    )  # fmt: skip
    return cohort


def outcome_row(cohort: Cohort, k: int) -> dict[str, object]:
    values: dict[str, object] = {"cohort_hash": COHORT, "study_key": study_key(k)}
    for name, column in cohort.clinical.items():
        kind = TABLES["cohort_outcome"].columns[name]
        text = str(column[k])
        values[name] = (
            bool(column[k])
            if kind == pa.bool_()
            else text
            if kind == pa.string()
            else float(column[k])
        )
    arteries = {"cac_total": "MYO", "cac_lad": "LAD3", "cac_lcx": "LCX3", "cac_rca": "RCA3"}
    return values | {name: float(cohort.scores[s][k]) for name, s in arteries.items()}


def _write_volume(lake: Lake, config: Config, k: int) -> None:
    kinds = TABLES["volume"].columns
    row: dict[str, object] = {name: [] if pa.types.is_list(kinds[name]) else None for name in kinds}
    row |= {"study_key": study_key(k), "object_key": "o", "is_chosen": True}
    row |= {"manufacturer": VENDORS[k % 3], "model": f"M{k % 3}"}
    lake.write("volume", config.address("intake"), study_key(k), "x", [row])


def _write_features(lake, config, cohort, k, rows, noise) -> None:
    names = [f"feature_{j:02d}" for j in range(56)]
    once, binned = [], []
    for s, segment in enumerate(SEGMENTS):
        base = np.array([cohort.radiomics[segment][name][k] for name in names])
        start = {"study_key": study_key(k), "segment": segment, "undefined_features": []}
        once.append(
            start | {"n_voxels": 500}
            | {r["sera_name"]: 5 + base[j] for j, r in enumerate(rows) if not r["depends_on_bins"]}
        )  # fmt: skip
        for g, bins in enumerate(config.radiomics.bins):
            row: dict[str, object] = {**start, "bins": bins}
            for j, r in enumerate(rows):
                if r["depends_on_bins"]:
                    source = j if r["aggregation"] != "3D_merged" else j - 8
                    scale = 0.9 if r["aggregation"] == "3D_merged" else 1.0
                    shaken = base[source] + noise[s, source, g] * 0.4 / np.log2(bins)
                    row[r["sera_name"]] = 3.0 if r["sera_name"] == "ih_00" else 5 + scale * shaken
            binned.append(row)
    for table, found in (("feature_once", once), ("feature_binned", binned)):
        columns = TABLES[table].columns
        extra = [name for name in found[0] if name not in columns]
        schema = pa.schema([*columns.items(), *((name, pa.float64()) for name in extra)])
        lake.write(
            table,
            config.address("radiomics"),
            study_key(k),
            "x",
            pa.Table.from_pylist(found, schema=schema),
        )
