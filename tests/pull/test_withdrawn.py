"""A tombstone keeps a study, a patient and their registry rows out of later nights."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date

import pytest
from pacs_objects import make_nm, study_uid

from mpss_lib.batch import run_stage
from mpss_lib.contract import COLUMNS
from mpss_lib.errors import StudyWithdrawnError
from mpss_lib.pull import stage
from mpss_lib.pull.clinical.registry import day_of_patient
from mpss_lib.pull.vault import Vault

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))


@pytest.mark.pacs
def test_a_withdrawn_study_leaves_a_tombstone_and_nothing_else(archive, sites, lake, config):
    archive.add(make_nm(1), make_nm(2))
    vault = Vault(sites.vault)
    gone, kept = vault.study_key(study_uid(1)), vault.study_key(study_uid(2))
    vault.add_tombstones([vault.tombstone(gone)])

    assert stage.find(WINDOW, lake, config, sites) == [kept]

    mark = vault.tombstone(gone)
    [row] = lake.rows("study", config.address("pull"), mark)
    assert (row["patient_key"], row["study_date_shifted"], row["modalities"]) == (mark, None, [])
    [record] = lake.records("pull")
    [window] = [unit["key"] for unit in record["units"] if unit["key"].startswith("W")]
    assert {unit["key"] for unit in record["units"]} == {kept, mark, window}
    [told] = lake.rows("query_window", config.address("pull"), window)
    assert told["n_returned"] == 2
    everything = b"".join(p.read_bytes() + p.name.encode() for p in lake.root.rglob("*.*"))
    assert gone.encode() not in everything
    with vault.opened() as db:
        assert db.execute("select study_key from identity").fetchall() == [(kept,)]


@pytest.mark.pacs
def test_a_later_study_of_a_withdrawn_patient_is_not_taken(archive, sites, lake, config):
    archive.add(make_nm(1))
    vault = Vault(sites.vault)
    [key] = stage.find(WINDOW, lake, config, sites)
    patient = vault.identity(key).patient_key
    vault.add_tombstones([vault.tombstone(patient)])
    assert stage.find(WINDOW, lake, config, sites) == []


@pytest.mark.pacs
def test_a_stale_key_leaves_no_record(archive, sites, lake, config):
    archive.add(make_nm(1))
    [key] = stage.find(WINDOW, lake, config, sites)
    vault = Vault(sites.vault)
    vault.add_tombstones([vault.tombstone(key)])
    with pytest.raises(StudyWithdrawnError):
        stage.run(key, lake, config, sites)
    n_records = len(lake.records("pull"))
    result = run_stage("pull", [key], lake, config, sites)
    assert (result.given, result.rejected, result.keys) == (1, 1, ())
    assert len(lake.records("pull")) == n_records
    assert lake.quarantined() == []


@pytest.mark.parametrize("link", ["patient", "accession", "day"])
def test_registry_rows_of_the_withdrawn_are_left_out(link, tmp_path, sites_of, lake, config):
    path = tmp_path / "registry.sqlite"
    db = sqlite3.connect(path)
    db.execute(f"create table mpss_clinical ({', '.join(COLUMNS)})")
    for number in (1, 2):
        row = dict.fromkeys(COLUMNS) | {
            "patient_id": f"HOSP-{number}",
            "accession_number": f"ACC{number}",
            "study_date": "2026-03-02",
            "reading": "normal",
        }
        marks = ", ".join("?" * len(COLUMNS))
        db.execute(f"insert into mpss_clinical values ({marks})", list(row.values()))
    db.commit()
    db.close()
    sites = replace(sites_of(11112), registry_url=f"sqlite:///{path}")
    vault = Vault(sites.vault)
    patient = vault.patient_key("HOSP-1")
    assert stage.import_registry(lake, config, sites)["withdrawn"] == 0
    rows = lake.rows("clinical", config.address("pull"), "all")
    [mine] = [row for row in rows if row["patient_key"] == patient]
    texts = {
        "patient": patient,
        "accession": vault.accession_key("ACC1"),
        "day": day_of_patient(patient, mine["study_date_shifted"]),
    }
    vault.add_tombstones([vault.tombstone(texts[link])])
    counts = stage.import_registry(lake, config, sites)
    assert (counts["given"], counts["withdrawn"]) == (2, 1)
    [row] = lake.rows("clinical", config.address("pull"), "all")
    assert row["patient_key"] == vault.patient_key("HOSP-2")


def test_a_tombstone_tells_nothing_without_the_key(tmp_path):
    one, other = Vault(tmp_path / "a.sqlite"), Vault(tmp_path / "b.sqlite")
    key = one.study_key("1.2.3")
    assert one.tombstone(key) != other.tombstone(key)
    assert one.tombstone(key) == one.tombstone(key)
    assert key[1:] not in one.tombstone(key)


def test_what_is_deleted_from_the_vault_is_not_in_its_bytes(tmp_path):
    vault = Vault(tmp_path / "a.sqlite")
    vault.remember_objects({"S1": {"2.25.1": "1.2.826.99.1"}})
    with vault.opened() as db:
        db.execute("delete from object")
        db.execute("pragma wal_checkpoint(truncate)")
    left = b"".join(path.read_bytes() for path in tmp_path.glob("a.sqlite*"))
    assert b"1.2.826.99.1" not in left
