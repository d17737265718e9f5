"""Planted identifiers are nowhere but in the vault."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq
import pytest
from pacs_objects import ROOT, make_nm

from mpss_lib.pull import stage
from mpss_lib.pull.contract import COLUMNS
from mpss_lib.pull.stage import clean_staging

WINDOW = (date(2026, 3, 2), date(2026, 3, 2))
PLANTED = {
    "PatientName": "Zqxvarden^Canary",
    "PatientID": "ZQXPAT77431",
    "AccessionNumber": "ZQXACC99120",
    "PatientBirthDate": "19470809",
    "StudyID": "ZQXSTUDY3",
    "PatientComments": "Zqxvarden comment",
    "InstitutionName": "Zqxvarden hospital",
    "ReferringPhysicianName": "Zqxvarden^Doctor",
    "SeriesDescription": "STRESS AC OSEM Zqxvarden",
    "StationName": "ZQXSTATION",
}
SECRETS = ("ZQX", "19470809", "1947-08-09", ROOT, "20260302", "2026-03-02")


@pytest.mark.pacs
def test_identifiers_stay_in_the_vault(archive, sites, lake, config, tmp_path, caplog):
    caplog.set_level("DEBUG")
    archive.add(make_nm(1, **PLANTED), make_nm(1, series=2, Modality="CT", **PLANTED))
    path = tmp_path / "registry.sqlite"
    row = dict.fromkeys(COLUMNS) | {
        "patient_id": PLANTED["PatientID"],
        "accession_number": PLANTED["AccessionNumber"],
        "study_date": "2026-03-02",
        "reading": "normal",
        "race": "Zqxvarden",
        "stress_agent": "ZQXPAT77431",
    }
    db = sqlite3.connect(path)
    db.execute(f"create table mpss_clinical ({', '.join(COLUMNS)})")
    db.execute(
        f"insert into mpss_clinical values ({', '.join('?' * len(COLUMNS))})",
        list(row.values()),
    )
    db.commit()
    db.close()
    sites = replace(sites, registry_url=f"sqlite:///{path}")

    [key] = stage.find(WINDOW, lake, config, sites, run_name="manual__2026-03-02T00:00")
    stage.run(key, lake, config, sites)
    stage.import_registry(lake, config, sites)

    texts = {"log": caplog.text}
    for file in (entry for entry in lake.root.rglob("*") if entry.is_file()):
        name = file.relative_to(lake.root).as_posix()
        content = file.read_bytes()
        if file.suffix == ".parquet":
            content = str(pq.read_table(file, partitioning=None).to_pylist()).encode()
        texts[name] = name + content.decode("latin-1")
    assert len(texts) > 6
    for name, text in texts.items():
        for secret in SECRETS:
            assert secret.upper() not in text.upper(), (name, secret)
    assert b"ZQXPAT77431" in sites.vault.read_bytes() + _wal(sites.vault)


def _wal(path):
    log = path.with_name(path.name + "-wal")
    return log.read_bytes() if log.exists() else b""


def test_what_a_killed_run_left_in_staging_is_removed(sites_of):
    sites = sites_of(11112)
    for name, age_s in (("S1.old", 7 * 3600), ("S2.new", 60)):
        folder = sites.staging / name
        folder.mkdir(parents=True)
        (folder / "00000.dcm").write_bytes(b"x")
        then = folder.stat().st_mtime - age_s
        os.utime(folder, (then, then))
    assert clean_staging(sites) == 1
    assert [folder.name for folder in sites.staging.iterdir()] == ["S2.new"]
