from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss_lib.errors import PlatformFaultError, StudyFaultError
from mpss_lib.pull.vault import Identity, Vault

IDENTITY = Identity(
    study_key="S0123456789abcdef",
    study_uid="1.2.3",
    patient_key="P0",
    accession_key="A0",
    patient_id="HOSP-1",
    issuer="",
    patient_name="Invented^Person",
    birth_date="19500615",
    accession_number="ACC1",
    study_date="20260302",
    study_time="101500",
)


@pytest.fixture
def vault(tmp_path) -> Vault:
    return Vault(tmp_path / "vault.sqlite")


def test_both_files_are_the_owners_alone(vault):
    vault.remember_studies([IDENTITY])
    for path in vault.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_pseudonyms_have_their_form_and_stay_the_same(vault):
    again = Vault(vault.path)
    assert re.fullmatch(r"S[0-9a-f]{16}", vault.study_key("1.2.3"))
    assert re.fullmatch(r"P[0-9a-f]{16}", vault.patient_key("X", "ISSUER"))
    assert re.fullmatch(r"A[0-9a-f]{16}", vault.accession_key("ACC"))
    assert re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", vault.uid("1.2.3"))
    assert len(vault.uid("1.2.3")) <= 64
    assert vault.accession_key(" ") == ""
    for make in ("study_key", "patient_key", "accession_key", "uid"):
        assert getattr(vault, make)("1.2.3") == getattr(again, make)("1.2.3")
    assert vault.patient_key("X") != vault.patient_key("X", "ISSUER")
    assert vault.patient_key(" X ") == vault.patient_key("X")


def test_patients_without_an_id_are_not_one_patient(vault):
    assert vault.patient_key("", study_uid="1.2.3") != vault.patient_key("", study_uid="1.2.4")


def test_another_site_makes_other_pseudonyms(vault, tmp_path):
    other = Vault(tmp_path / "other" / "vault.sqlite")
    assert other.key_id != vault.key_id
    assert other.study_key("1.2.3") != vault.study_key("1.2.3")
    assert other.uid("1.2.3") != vault.uid("1.2.3")


@given(patient=st.text(min_size=1, max_size=20), longest=st.integers(1, 3650))
def test_shifts_lie_in_their_range(tmp_path_factory, patient, longest):
    path = tmp_path_factory.getbasetemp() / "shared" / "vault.sqlite"
    assert -longest <= Vault(path).shift_days(patient, longest) <= -1


def test_identities_and_objects_come_back(vault):
    vault.remember_studies([IDENTITY])
    vault.remember_objects({IDENTITY.study_key: {"2.25.1": "1.2.3.4"}})
    vault.remember_window("W1", "2026-03-02", "2026-03-03")
    assert vault.identity(IDENTITY.study_key) == IDENTITY
    assert vault.sop_uid("2.25.1") == "1.2.3.4"
    assert vault.sop_uid("2.25.2") is None
    with pytest.raises(StudyFaultError, match="does not know"):
        vault.identity("Sffffffffffffffff")


def test_a_lost_key_is_not_replaced(vault):
    vault.key_path.unlink()
    with pytest.raises(PlatformFaultError, match=r"its key .* is not") as found:
        Vault(vault.path)
    assert "backup" in found.value.way_out
    assert not vault.key_path.exists()


def test_another_key_is_refused(vault):
    vault.key_path.write_text("00" * 32)
    with pytest.raises(PlatformFaultError, match="is not the one"):
        Vault(vault.path)


def test_a_damaged_key_is_refused(vault):
    vault.key_path.write_text("short")
    with pytest.raises(PlatformFaultError, match="64 hex digits"):
        Vault(vault.path)


def test_a_key_that_others_can_read_is_refused(vault):
    vault.key_path.chmod(0o640)
    with pytest.raises(PlatformFaultError, match="read by others"):
        Vault(vault.path)


def test_a_vault_that_is_no_database_is_named(vault):
    vault.path.write_bytes(b"noise" * 1000)
    with pytest.raises(PlatformFaultError, match="cannot be used"):
        Vault(vault.path)


def test_many_processes_start_and_write_at_the_same_time(tmp_path):
    program = (
        "import sys; from pathlib import Path; from mpss_lib.pull.vault import Vault\n"
        "vault = Vault(Path(sys.argv[1]))\n"
        "for n in range(20):\n"
        "    vault.remember_objects({'S' + sys.argv[2]: {f'{sys.argv[2]}.{n}': '1.2'}})\n"
        "print(vault.key_id)"
    )
    path = tmp_path / "vault.sqlite"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, os.fspath(path), str(number)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(3)
    ]
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    vault = Vault(path)
    assert set(answers) == {vault.key_id}
    assert all(vault.sop_uid(f"{p}.{n}") == "1.2" for p in range(3) for n in range(20))


def test_threads_take_turns_to_write(tmp_path):
    """One that waits goes on when the other has ended; SQLite would have it sleep for longer."""
    vault, order = Vault(tmp_path / "vault.sqlite"), []

    def write():
        with vault.writing() as db:
            order.append("second")
            db.execute("insert into query_window values ('W2', 'a', 'b')")

    with vault.writing() as db:
        db.execute("insert into query_window values ('W1', 'a', 'b')")
        other = threading.Thread(target=write)
        other.start()
        other.join(0.2)
        assert not order
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_what_breaks_off_is_undone(tmp_path):
    vault = Vault(tmp_path / "vault.sqlite")
    rows = [("W1", "a", "b"), ("W1", "a", "b")]  # the second one meets the first
    with pytest.raises(PlatformFaultError), vault.kept(), vault.writing() as db:
        db.executemany("insert into query_window values (?, ?, ?)", rows)
    with vault.writing() as db:
        assert not db.execute("select 1 from query_window").fetchall()
