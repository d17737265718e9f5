from __future__ import annotations

import sqlite3
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from registry_rows import GOOD

from mpss_lib.config import Config
from mpss_lib.contract import COLUMNS
from mpss_lib.dicom.values import parse_date
from mpss_lib.errors import PlatformFaultError, SettingsError
from mpss_lib.pull.clinical.row import check_row
from mpss_lib.pull.stage import import_registry
from mpss_lib.pull.vault import Vault
from mpss_lib.sections import PullSettings


@pytest.fixture
def registry(tmp_path, sites_of):
    """Write rows into a registry; gives the sites that name it."""

    def make(*rows, table="mpss_clinical", names=COLUMNS):
        path = tmp_path / "registry.sqlite"
        path.unlink(missing_ok=True)
        db = sqlite3.connect(path)
        db.execute(f"create table {table} ({', '.join(names)})")
        for row in rows:
            marks = ", ".join("?" * len(names))
            db.execute(f"insert into {table} values ({marks})", list(row.values()))
        db.commit()
        db.close()
        return replace(sites_of(11112), registry_url=f"sqlite:///{path}")

    return make


def other(number, **values):
    key = {"patient_id": f"HOSP-{number:05d}", "accession_number": f"ACC{number:07d}"}
    return GOOD | key | values


def test_a_good_row_is_stored_by_pseudonyms_and_shifted_dates(registry, lake, config):
    sites = registry(GOOD)
    counts = import_registry(lake, config, sites)
    assert counts == {"given": 1, "accepted": 1, "rejected": 0, "withdrawn": 0, "skipped": 0}
    [row] = lake.rows("clinical", config.address("pull"), "all")
    vault = Vault(sites.vault)
    assert row["patient_key"] == vault.patient_key("HOSP-00001")
    assert row["accession_key"] == vault.accession_key("ACC0000001")
    shift = timedelta(days=vault.shift_days(row["patient_key"], 365))
    assert row["study_date_shifted"] == parse_date("20260302") + shift
    assert row["cac_date_shifted"] == parse_date("20260320") + shift
    assert (row["diabetes"], row["cac_lad"], row["is_accepted"]) == (True, 60.0, True)
    text = str(row)
    assert "HOSP" not in text
    assert "ACC0" not in text


def test_the_same_rows_are_skipped_and_the_bytes_are_the_same(registry, lake, config):
    sites = registry(GOOD, other(2))
    import_registry(lake, config, sites)
    address = config.address("pull")
    before = lake.current_path("clinical", address, "all").read_bytes()
    sites = registry(other(2), GOOD)  # in another order
    assert import_registry(lake, config, sites)["skipped"] == 1
    assert lake.current_path("clinical", address, "all").read_bytes() == before
    sites = registry(other(2), other(1, lvef=40))
    assert import_registry(lake, config, sites)["skipped"] == 0
    values = [row["lvef"] for row in lake.rows("clinical", address, "all")]
    assert sorted(values) == [40.0, 62.0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"age": 140}, "age_range: 140 not in 0..120"),
        ({"age": "old"}, "age_type: no number"),
        ({"lvef": -5}, "lvef_range: -5 not in 5..100"),
        ({"cac_total": 500}, "cac_sum: total 500, arteries 110.5"),
        ({"cac_lad": float("inf")}, "cac_lad_type: not finite"),
        ({"cac_total": None}, "cac_total_missing"),
        ({"cac_date": None}, "cac_date_missing"),
        ({"study_date": "02.03.2026"}, "study_date_type: no date YYYY-MM-DD"),
        ({"study_date": "1850-01-01"}, "study_date_range: before 1990"),
        ({"study_date": None}, "study_date_missing"),
        ({"patient_id": " "}, "patient_id_missing"),
        ({"reading": None}, "reading_missing"),
        ({"reading": "fine"}, "reading_code: not one of normal, abnormal, equivocal"),
        ({"sex": "X"}, "sex_code: not one of F, M"),
        ({"smoking": 2}, "smoking_type: no 0 or 1"),
        ({"bmi": 40}, "bmi_mismatch: 40, height and weight give 25.0"),
    ],
)
def test_each_broken_rule_is_named(change, reason):
    row = check_row(GOOD | change, PullSettings())
    assert row.reasons == [reason]


def test_missing_values_break_no_rule_and_old_age_is_capped():
    gone = {"lvef": None, "race": "", "bmi": None, "birth_date": None}
    row = check_row(GOOD | gone | {"age": 97}, PullSettings())
    assert row.reasons == []
    assert row.flags == [
        "bmi_derived: from height and weight",
        "age_capped: at 90",
        "race_missing",
        "lvef_missing",
    ]
    assert row.values["bmi"] == pytest.approx(25.0)
    assert row.values["age"] == 90.0


def test_a_rejected_row_is_kept_with_null_for_what_cannot_be_typed(registry, lake, config):
    sites = registry(other(1, age="Jane Doe"), other(2, race="Jane Doe"))
    assert import_registry(lake, config, sites)["rejected"] == 2
    rows = lake.rows("clinical", config.address("pull"), "all")
    assert {(row["age"], row["race"], row["is_accepted"]) for row in rows} == {
        (None, "White", False),
        (61.0, None, False),
    }
    assert "Doe" not in str(rows)


def test_duplicates_and_contradictions(registry, lake, config):
    twin = other(3)
    counts = import_registry(
        lake,
        config,
        registry(GOOD, other(1, lvef=50), twin, dict(twin), other(4)),
    )
    assert counts["accepted"] == 2  # one of the twins, and number 4
    rows = lake.rows("clinical", config.address("pull"), "all")
    reasons = sorted(reason for row in rows for reason in row["reasons"])
    assert reasons == ["ambiguous: 2 rows for one study"] * 2 + ["duplicate_row"]


def test_a_site_names_its_own_table_columns_and_codes(registry, lake):
    names = tuple("pid" if name == "patient_id" else name for name in COLUMNS)
    sites = registry(GOOD | {"sex": "W"}, table="befunde", names=names)
    pull = PullSettings(
        registry_table="befunde",
        registry_columns={"patient_id": "pid"},
        registry_codes={"sex": {"W": "F"}},
    )
    config = Config(pull=pull)
    assert config.address("pull") == Config().address("pull")
    assert import_registry(lake, config, sites)["accepted"] == 1


def test_faults_of_the_registry_name_it_without_its_password(registry, lake, config, sites_of):
    sites = registry(GOOD, table="somewhere_else")
    with pytest.raises(SettingsError, match=r"no table mpss_clinical.*somewhere_else"):
        import_registry(lake, config, sites)
    sites = registry(GOOD, names=tuple(f"x_{name}" for name in COLUMNS))
    with pytest.raises(SettingsError, match=r"missing .*'patient_id'"):
        import_registry(lake, config, sites)
    with pytest.raises(SettingsError, match="no registry is set"):
        import_registry(lake, config, sites_of(1))
    gone = replace(sites_of(1), registry_url="sqlite:////nowhere/registry.sqlite")
    with pytest.raises(PlatformFaultError, match="is not there"):
        import_registry(lake, config, gone)
    bad = replace(sites_of(1), registry_url="nodriver://me:secret@host/x")
    with pytest.raises(SettingsError) as found:
        import_registry(lake, config, bad)
    assert "secret" not in str(found.value)


def test_a_driver_that_is_not_installed_is_named(lake, config, sites_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    sites = replace(sites_of(1), registry_url="postgresql+psycopg2://me:secret@host/x")
    with pytest.raises(SettingsError, match=r"cannot be used \(no module psycopg2\)") as found:
        import_registry(lake, config, sites)
    assert "secret" not in str(found.value)


def test_a_file_that_is_no_database_is_an_unreachable_registry(tmp_path, lake, config, sites_of):
    path = tmp_path / "noise.sqlite"
    path.write_bytes(b"this is no database" * 100)
    sites = replace(sites_of(1), registry_url=f"sqlite:///{path}")
    with pytest.raises(PlatformFaultError, match="does not answer"):
        import_registry(lake, config, sites)
