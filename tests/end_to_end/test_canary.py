"""No identifier leaves the vault: planted ones are looked for in every place that others read."""

import re
import subprocess
from contextlib import closing

import pyarrow as pa
import pydicom
import pytest
from column_values import text_of

from mpss_lib.snapshot_file import open_snapshot

pytestmark = [pytest.mark.slow, pytest.mark.airflow, pytest.mark.pacs]

TRUSTED = {"hospital", "archive", "backup"}
VAULT = re.compile(r"^(vault\.sqlite.*|home\.lock)$")


@pytest.fixture(scope="module")
def canaries(night):
    """Names, ids, accession numbers, original UIDs and birth dates of every object."""
    found = set()
    for path in sorted(night.hospital.objects.glob("*.dcm")):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        for keyword in (
            "PatientName",
            "PatientID",
            "AccessionNumber",
            "StudyInstanceUID",
            "SeriesInstanceUID",
            "SOPInstanceUID",
            "PatientBirthDate",
        ):
            value = str(header.get(keyword, ""))
            if value:
                found.add(value)
    births = {value for value in found if re.fullmatch(r"\d{8}", value)}
    found |= {f"{value[:4]}-{value[4:6]}-{value[6:]}" for value in births}
    found |= {"Zqxvarden", "ZQXVARDEN", "15.06.50", "683 91 57"}  # of conftest.PLANTED
    assert len(found) > 100
    return {value.encode() for value in found}


def hits(content, canaries):
    return sorted(value.decode() for value in canaries if value in content)


def test_the_search_itself_finds_what_is_planted(night, canaries):
    first = next(night.hospital.objects.glob("*.dcm"))
    assert hits(first.read_bytes(), canaries)
    assert hits((night.root / "vault.sqlite").read_bytes(), canaries)


def test_no_file_outside_the_vault_holds_an_identifier(night, canaries):
    checked = 0
    for path in night.root.rglob("*"):
        top = path.relative_to(night.root).parts[0]
        if path.is_dir() or top in TRUSTED or VAULT.match(top):
            continue
        assert hits(path.read_bytes(), canaries) == [], path.name
        checked += 1
    assert checked > 100


def test_no_relation_of_the_warehouse_holds_an_identifier(night, canaries):
    relations = night.rows(
        "select table_schema as s, table_name as t from information_schema.tables"
        " where table_catalog = 'mpss'"
    )
    assert len(relations) > 40
    with closing(open_snapshot(night.lake.snapshot)) as snapshot:
        for relation in relations:
            told = snapshot.sql(f'select * from "{relation["s"]}"."{relation["t"]}"')
            assert hits(text_of(told.to_arrow_table()), canaries) == [], relation


def test_a_date_that_stands_as_a_number_is_found():
    for born in (19320215.0, 19320215, "19320215", [19320215.0, 0.5], {"born": 19320215}):
        rows = pa.table({"born": [None, born, born]})
        assert hits(text_of(rows), {b"19320215"}) == ["19320215"], born
    rows = pa.table({"r": [0.19320215, float("nan")], "list": [[0.19320215], None]})
    assert hits(text_of(rows), {b"19320215"}) == []


def read_beside(path):
    """Read a file; one of a database that is open here, by another process.

    Closing a file ends every lock that this process has on it, SQLite's too: the next process to
    close the database would take its journal away under the connections of this one.
    """
    if path.name.startswith("airflow.db"):
        return subprocess.run(["cat", path], capture_output=True, check=True).stdout
    return path.read_bytes()


def test_neither_logs_nor_database_of_airflow_hold_an_identifier(night, canaries):
    import os
    from pathlib import Path

    home = Path(os.environ["AIRFLOW_HOME"])
    checked = 0
    for path in home.rglob("*"):
        if path.is_file():
            assert hits(read_beside(path), canaries) == [], path.name
            checked += 1
    assert checked >= 1
    assert (home / "airflow.db").exists()


def test_only_airflow_and_the_vault_join_a_study_to_its_true_date(night):
    from mpss_lib.pull.vault import Vault

    vault = Vault(night.root / "vault.sqlite")
    dates = {
        vault.study_key(one["study_instance_uid"]): one["study_date"].replace("-", "")
        for one in night.hospital.truth["studies"]
    }
    relations = night.rows(
        "select distinct table_schema as s, table_name as t from information_schema.columns"
        " where table_catalog = 'mpss' and column_name = 'study_key'"
    )
    assert relations
    for relation in relations:
        for row in night.rows(f'select * from "{relation["s"]}"."{relation["t"]}" limit 3000'):
            day = dates.get(row["study_key"])
            # The moved day of the calcium CT may by chance be the day of the scan.
            told = {k: str(v) for k, v in row.items() if k != "cac_date_shifted"}
            text = repr(told).replace("-", "")
            assert day is None or day not in text, relation
