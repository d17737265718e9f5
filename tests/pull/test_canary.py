"""Planted identifiers are nowhere but in the vault."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest
from pacs_objects import ROOT, make_nm
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from mpss_lib.contract import COLUMNS
from mpss_lib.errors import MpssError
from mpss_lib.pull import stage
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
    "StudyDescription": "MPS 09.08.47 Tel +41 44 683 91 57 Dr. Wall",
    "ProtocolName": "STRESS 9 AUG 1947 044/683 91 57 HEADFIRST 10:15 Uhr",
    "ImageID": "AC 47-8-9 WALL",
    "ManufacturerModelName": "INFINIA 77431 ZQX",
    "SoftwareVersions": "4.0 09.08.47",
    "OperatorsName": "Wall^Head",
    "SeriesNumber": "6839157",
    "PatientWeight": "6839157",
    "WindowCenter": "19470809",
    "BitsStored": 12,
    "HighBit": 11,
}
SECRETS = (
    *("ZQX", "19470809", "1947-08-09", ROOT, "20260302", "2026-03-02"),
    *("09.08.47", "47-8-9", "9 AUG", "683 91 57", "6839157"),
    *("WALL", "HEADFIRST", "SMITH", "4711007"),
)


def with_hidden(dataset):
    """Plant a text above BitsStored, an unregistered UID below DICOM's root, a unit, a code."""
    text = np.unpackbits(np.frombuffer(b"ZQXBITS", dtype=np.uint8)).astype("<u2")
    pixels = np.frombuffer(dataset.PixelData, dtype="<u2").copy() & 0x0FFF
    pixels[: text.size] |= text << 12
    dataset.PixelData = pixels.tobytes()
    unit, tracer, reference, agent = Dataset(), Dataset(), Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator = "mL{Smith}", "UCUM"
    tracer.CodeValue, tracer.CodingSchemeDesignator = "4711007", "99ZQX"
    reference.ReferencedSOPClassUID = "1.2.840.10008.4711007"
    reference.ReferencedSOPInstanceUID = f"{ROOT}.77"
    agent.RadionuclideCodeSequence = [tracer]
    dataset.MeasurementUnitsCodeSequence = [unit]
    dataset.RadiopharmaceuticalInformationSequence = [agent]
    dataset.ReferencedImageSequence = [reference]
    return dataset


@pytest.mark.pacs
def test_identifiers_stay_in_the_vault(archive, sites, lake, config, tmp_path, caplog):
    caplog.set_level("DEBUG")
    planted = {key: value for key, value in PLANTED.items() if key != "SeriesNumber"}
    archive.add(
        with_hidden(make_nm(1, **PLANTED)),
        make_nm(1, series=2, Modality="CT", **planted),
        make_nm(1, series=5, Modality="ZQXMOD", **planted),
        make_nm(1, series=6, SOPClassUID="1.2.840.10008.4711007", **planted),
        make_nm(1, series=3, ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"], **planted),
        make_nm(1, series=4, ImageType=["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"], **planted),
    )
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

    rows = lake.rows("instance", config.address("pull"), key)
    reasons = sorted(row["reason"] for row in rows)
    assert reasons == ["", "modality", "modality", "screen", "sop_class", "static"]
    assert sorted({row["modality"] for row in rows}) == ["CT", "NM", "OTHER"]
    [stored] = [lake.root / row["path"] for row in rows if row["is_stored"]]
    assert np.frombuffer(dcmread(stored).PixelData, dtype="<u2").max() < 4096
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


@pytest.mark.pacs
@pytest.mark.parametrize(
    "keyword",
    ["RescaleSlope", "PixelSpacing", "SpacingBetweenSlices", "StudyDate"],
)
def test_a_name_in_place_of_a_value_is_in_no_message(archive, sites, lake, config, caplog, keyword):
    caplog.set_level("DEBUG")
    vr = dictionary_VR(keyword)
    dataset = make_nm(1)
    dataset[keyword] = RawDataElement(
        Tag(keyword), vr, 12, b"ZQXVARDEN   ", 0, is_implicit_VR=False, is_little_endian=True
    )
    archive.add(dataset)
    problem = ""
    for key in stage.find(WINDOW, lake, config, sites):
        try:
            stage.run(key, lake, config, sites)
        except MpssError as error:
            problem += str(error)
    texts = [caplog.text.encode(), problem.encode(), *_contents(lake)]
    assert not [text for text in texts if b"ZQX" in text.upper()]


def _contents(lake):
    for file in (entry for entry in lake.root.rglob("*") if entry.is_file()):
        if file.suffix == ".parquet":
            yield str(pq.read_table(file, partitioning=None).to_pylist()).encode()
        else:
            yield file.read_bytes()


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
