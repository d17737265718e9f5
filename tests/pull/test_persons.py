"""A study names one person: in the archive's rows, in its objects, on every night."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from copy import deepcopy
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pacs_objects import make_nm, study_uid
from peer import Peer, Script
from pydicom import dcmread
from pydicom.dataset import Dataset

from mpss_lib.batch import run_stage, standing_still
from mpss_lib.config import Config
from mpss_lib.errors import StudyWithdrawnError, TwoPatientsError, UnreadableValueError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.person import Named, distinct, settle
from mpss_lib.pull.vault import Vault
from mpss_lib.sections import PullSettings

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))


def announced(*persons, **fields):
    [first] = persons[:1] or [("", "")]
    plain = dict.fromkeys(StudyAnswer.__dataclass_fields__, "")
    plain |= {"study_uid": "1.2", "patient_id": first[0], "issuer": first[1], "unreadable": ()}
    plain |= {"n_series": None, "n_objects": None, "modalities": (), "persons": persons}
    return StudyAnswer(**plain | fields)


def objects(*persons, others=()):
    return [Named(person, frozenset(others)) for person in persons]


# ------------------------------------------------------------------ the decision table

A, B, C = ("A", ""), ("B", ""), ("C", "")
A_HERE, A_THERE = ("A", "HERE"), ("A", "THERE")


@pytest.mark.parametrize(
    ("rows", "named", "others", "settled"),
    [
        ([], [], (), ("", "")),
        ([("", "")], [("", "")], (), ("", "")),
        ([("", "")], [A], (), A),
        ([("", "")], [A, A_HERE], (), A_HERE),
        ([A], [], (), A),
        ([A], [A, A], (), A),
        ([A], [("", ""), A], (), A),
        ([A], [A_HERE], (), A),
        ([A_HERE], [A, A], (), A_HERE),
        ([A, A_HERE], [A], (), A_HERE),
        ([A], [B, B], (), A),  # merged or corrected
        ([A_HERE], [A_THERE], (), A_HERE),
        ([A], [B, ("", "")], (), A),
        ([A], [A, B], ("A", "B"), A),  # an object says that they are one
        ([A], [B, C], ("A", "B", "C"), A),
        ([A], [A, B], ("C",), A),  # both are C
    ],
)
def test_who_it_is(rows, named, others, settled):
    found = settle(announced(*rows), objects(*named, others=others), follows_archive=True)
    assert found == settled


@pytest.mark.parametrize(
    ("rows", "named", "others"),
    [
        ([A, B], [A], ()),
        ([A, B], [], ()),
        ([A_HERE, A_THERE], [A], ()),
        ([A], [A, B], ()),
        ([A], [B, C], ()),
        ([A], [B, C], ("D",)),
        ([A], [B, C], ("B", "C")),  # one patient, but not the archive's
        ([A], [A_HERE, A_THERE], ()),
        ([A], [A_HERE, A_THERE], ("A",)),
        ([("", "")], [A, B], ()),
    ],
)
def test_two_of_them_are_refused(rows, named, others):
    with pytest.raises(TwoPatientsError, match="patients") as found:
        settle(announced(*rows), objects(*named, others=others), follows_archive=True)
    assert "A" not in found.value.problem.replace("Archive", "")


def test_a_site_may_refuse_what_the_archive_corrected():
    with pytest.raises(TwoPatientsError, match="other_patient_id"):
        settle(announced(A), objects(B), follows_archive=False)
    assert settle(announced(A), objects(A), follows_archive=False) == A


def test_a_patient_that_cannot_be_read_is_not_nobody():
    with pytest.raises(UnreadableValueError, match="PatientID is present"):
        settle(announced(unreadable=("PatientID",)), objects(A), follows_archive=True)


persons = st.tuples(st.sampled_from(["", "A", "B"]), st.sampled_from(["", "HERE", "THERE"]))


@given(st.lists(persons, max_size=6))
def test_whoever_is_counted_is_counted_once(named):
    found = distinct(named)
    assert distinct(found) == found == distinct(reversed(named))
    assert {one[0] for one in found} == {one[0] for one in named if one[0]}


# ------------------------------------------------------------------- with an archive

pacs = pytest.mark.pacs


def rows_of(lake, config, key):
    return lake.rows("instance", config.address("pull"), key)


def patient_keys(lake, config, key):
    """Who a study is: in its row, in its objects."""
    [row] = lake.rows("study", config.address("pull"), key)
    stored = [one["path"] for one in rows_of(lake, config, key) if one["is_stored"]]
    return row["patient_key"], {dcmread(lake.root / path).PatientID for path in stored}


@pacs
def test_two_patients_under_one_study_are_quarantined(archive, sites, lake, config):
    archive.add(make_nm(1, PatientID="ANNA-1"), make_nm(1, series=2, PatientID="BERTA-2"))
    archive.add(make_nm(2))
    keys = stage.find(WINDOW, lake, config, sites)
    result = run_stage("pull", keys, lake, config, sites)
    assert (result.done, result.quarantined) == (1, 1)
    [row] = lake.quarantined()
    assert row["error"] == "TwoPatientsError"
    assert "name 2 patients" in row["problem"]
    assert not {"ANNA", "BERTA"} & set(str(row).replace("-", " ").split())
    assert not list(lake.dicom_folder(row["study_key"]).glob("*"))


@pacs
def test_one_identifier_of_two_issuers_is_two_patients(archive, sites, lake, config):
    archive.add(
        make_nm(1, IssuerOfPatientID="NORTH"), make_nm(1, series=2, IssuerOfPatientID="SOUTH")
    )
    [key] = stage.find(WINDOW, lake, config, sites)
    with pytest.raises(TwoPatientsError):
        stage.run(key, lake, config, sites)


@pacs
def test_an_issuer_that_only_the_archive_states_contradicts_nobody(archive, sites, lake, config):
    archive.add(make_nm(1, IssuerOfPatientID="NORTH"), make_nm(1, series=2))
    [key] = stage.find(WINDOW, lake, config, sites)
    assert stage.run(key, lake, config, sites).status == "done"


def relabel(archive, text):
    """Correct a patient in the archive's index; its objects stay as they were written."""
    with closing(sqlite3.connect(archive.folder / "index.sqlite")) as db, db:
        db.execute("update study set PatientID = ?", (text,))


@pacs
def test_a_patient_corrected_since_the_objects_were_written_passes(archive, sites, lake, config):
    archive.add(make_nm(1, PatientID="WRONG"), make_nm(1, series=2, PatientID="WRONG"))
    relabel(archive, "RIGHT")
    [key] = stage.find(WINDOW, lake, config, sites)
    assert stage.run(key, lake, config, sites).status == "done"
    right = Vault(sites.vault).patient_key("RIGHT")
    assert patient_keys(lake, config, key) == (right, {right})


@pacs
def test_a_patient_corrected_after_the_fetch_passes_on_a_later_night(archive, sites, lake, config):
    archive.add(make_nm(1, PatientID="WRONG"))
    [key] = stage.find(WINDOW, lake, config, sites)
    stage.run(key, lake, config, sites)
    relabel(archive, "RIGHT")
    vault = Vault(sites.vault)
    wrong, right = vault.patient_key("WRONG"), vault.patient_key("RIGHT")

    assert stage.find(WINDOW, lake, config, sites) == [key]
    assert patient_keys(lake, config, key) == (wrong, {wrong})  # nothing half-way
    assert vault.identity(key).patient_key == wrong

    assert stage.run(key, lake, config, sites).status == "done"
    assert patient_keys(lake, config, key) == (right, {right})
    assert vault.identity(key).patient_key == right
    assert stage.find(WINDOW, lake, config, sites) == [key]
    assert stage.run(key, lake, config, sites).status == "skipped"


@pacs
def test_a_correction_that_was_taken_back_passes_too(archive, sites, lake, config):
    archive.add(make_nm(1, PatientID="ANNA"))
    vault = Vault(sites.vault)
    for text in ("ANNA", "BERTA", "ANNA"):
        relabel(archive, text)
        [key] = stage.find(WINDOW, lake, config, sites)
        assert stage.run(key, lake, config, sites).status == "done"
        person = vault.patient_key(text)
        assert patient_keys(lake, config, key) == (person, {person})


@pacs
def test_a_second_patient_of_a_later_night_changes_nothing(archive, sites, lake, config):
    archive.add(make_nm(1, PatientID="ANNA"))
    [key] = stage.find(WINDOW, lake, config, sites)
    stage.run(key, lake, config, sites)
    before = {path: path.read_bytes() for path in lake.dicom_folder(key).iterdir()}
    archive.add(make_nm(1, series=2, PatientID="BERTA"))
    relabel(archive, "BERTA")  # an archive whose last object names the study

    [again] = stage.find(WINDOW, lake, config, sites)
    with pytest.raises(TwoPatientsError):
        stage.run(again, lake, config, sites)

    vault = Vault(sites.vault)
    anna = vault.patient_key("ANNA")
    assert patient_keys(lake, config, key) == (anna, {anna})
    assert vault.identity(key).patient_key == anna
    assert {path: path.read_bytes() for path in lake.dicom_folder(key).iterdir()} == before


def second_row(question, answers):
    """As an archive answers that keeps a study for each patient: the other has another date."""
    if question.QueryRetrieveLevel != "STUDY":
        return answers
    asked = str(question.get("StudyDate") or "")
    more = []
    for answer in answers:
        other = deepcopy(answer)
        other.PatientID, other.PatientName, other.StudyDate = "BERTA", "Invented^Berta", "20260405"
        more.append(other)
    if not asked:
        return answers + more
    first, _, last = asked.partition("-")
    is_asked = first <= "20260405" <= (last or first)
    return [one for one in answers if not is_asked] + [one for one in more if is_asked]


def ignore_date(question):
    if question.QueryRetrieveLevel == "STUDY":
        question.StudyDate = ""


@pacs
def test_a_second_patient_in_another_window_is_found_out(archive, sites_of, lake, config):
    archive.add(make_nm(1, PatientID="ANNA"))
    with Peer(archive, Script()) as peer:
        sites = sites_of(peer.port)
        [key] = stage.find(WINDOW, lake, config, sites)
        stage.run(key, lake, config, sites)
        peer.script.edit_list, peer.script.edit_query = second_row, ignore_date
        april = (date(2026, 4, 5), date(2026, 4, 5))
        assert stage.find(april, lake, config, sites) == [key]
        with pytest.raises(TwoPatientsError, match="the archive names 2 patients"):
            stage.run(key, lake, config, sites)
    anna = Vault(sites.vault).patient_key("ANNA")
    assert patient_keys(lake, config, key) == (anna, {anna})
    assert Vault(sites.vault).identity(key).patient_key == anna


@pacs
def test_two_rows_in_one_list_stand_in_quarantine_before_any_fetch(archive, sites_of, lake, config):
    archive.add(make_nm(1, PatientID="ANNA"), make_nm(2))

    def double(question, answers):
        if question.QueryRetrieveLevel != "STUDY":
            return answers
        more = [deepcopy(one) for one in answers if one.StudyInstanceUID == study_uid(1)]
        for one in more:
            one.PatientID = "BERTA"
        return answers + more

    with Peer(archive, Script(edit_list=double)) as peer:
        sites = sites_of(peer.port)
        keys = stage.find(WINDOW, lake, config, sites)
        assert len(keys) == 2
        [still] = standing_still("pull", lake, config)
        with pytest.raises(TwoPatientsError):
            stage.run(still, lake, config, sites)
        assert lake.rows("study", config.address("pull"), still) == []
        peer.script.edit_list = None  # the PACS team has put it right
        assert stage.find(WINDOW, lake, config, sites) == keys
        assert stage.run(still, lake, config, sites).status == "done"


@pacs
def test_an_archive_that_names_nobody_leaves_it_to_the_objects(archive, sites_of, lake, config):
    archive.add(make_nm(1, PatientID="ANNA"), make_nm(2, PatientID="ANNA"))
    with Peer(archive, Script(hidden=("PatientID",))) as peer:
        sites = sites_of(peer.port)
        anna = Vault(sites.vault).patient_key("ANNA")
        for night in ("done", "skipped"):
            for key in stage.find(WINDOW, lake, config, sites):
                assert stage.run(key, lake, config, sites).status == night
                assert patient_keys(lake, config, key) == (anna, {anna})


@pacs
def test_objects_that_say_they_are_one_patients_pass(archive, sites, lake, config):
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = "OLD", "TEXT"
    archive.add(
        make_nm(1, PatientID="NEW", OtherPatientIDsSequence=[other]),
        make_nm(1, series=2, PatientID="OLD"),
    )
    [key] = stage.find(WINDOW, lake, config, sites)
    assert stage.run(key, lake, config, sites).status == "done"


@pacs
def test_a_study_corrected_to_somebody_who_withdrew_is_not_taken(archive, sites, lake, config):
    archive.add(make_nm(1, PatientID="ANNA"))
    [key] = stage.find(WINDOW, lake, config, sites)
    vault = Vault(sites.vault)
    vault.add_tombstones([vault.tombstone(vault.patient_key("BERTA"))])
    relabel(archive, "BERTA")
    with pytest.raises(StudyWithdrawnError):
        stage.run(key, lake, config, sites)
    assert stage.find(WINDOW, lake, config, sites) == []


@pacs
def test_objects_of_somebody_who_withdrew_do_not_come_back_under_another_number(
    archive, sites, lake, config
):
    archive.add(make_nm(1, PatientID="BERTA"))
    relabel(archive, "ANNA")
    vault = Vault(sites.vault)
    vault.add_tombstones([vault.tombstone(vault.patient_key("BERTA"))])
    [key] = stage.find(WINDOW, lake, config, sites)
    with pytest.raises(TwoPatientsError, match="who withdrew"):
        stage.run(key, lake, config, sites)
    assert not list(lake.dicom_folder(key).glob("*"))


@pacs
def test_a_strict_site_refuses_another_identifier(archive, sites, lake):
    strict = Config(pull=PullSettings(other_patient_id="refuse"))
    archive.add(make_nm(1, PatientID="WRONG"))
    relabel(archive, "RIGHT")
    [key] = stage.find(WINDOW, lake, strict, sites)
    with pytest.raises(TwoPatientsError, match="other_patient_id"):
        stage.run(key, lake, strict, sites)


# --------------------------------------------------------------- odd identifiers

ODD = (
    "AB\\CD",
    "\\",
    "0001",
    "12*4?",
    "*",
    "MÜLLER-7",
    "患者-１",
    "Ωμέγα",
    "12\t34",
    "a\x07b",
    "O'NEIL;--",
    "<x>&y",
    "x" * 64,
)


@pacs
@pytest.mark.parametrize("text", ODD)
def test_an_odd_identifier_is_one_string(archive, sites, lake, config, text):
    charset = "ISO_IR 192"
    archive.add(*(make_nm(n, PatientID=text, SpecificCharacterSet=charset) for n in (1, 2)))
    archive.add(make_nm(3, PatientID="ZZZ"))
    vault = Vault(sites.vault)
    keys = stage.find(WINDOW, lake, config, sites)
    for key in keys:
        assert stage.run(key, lake, config, sites).status == "done"
    of_two = [key for key in keys if vault.identity(key).patient_id == text]
    assert len(of_two) == 2
    person = vault.patient_key(text)
    assert {patient_keys(lake, config, key)[0] for key in of_two} == {person}
    assert vault.patient_key(f"  {text} ") == person


ENCODINGS = {
    None: "utf-8",  # declared by nobody
    "ISO_IR 100": "latin-1",
    "ISO 2022 IR 100": "latin-1",
    "ISO_IR 192": "utf-8",
}


@pacs
@pytest.mark.parametrize("charset", ENCODINGS)
def test_one_name_in_two_alphabets_is_one_patient(archive, sites, lake, config, charset):
    """The archive answers in UTF-8 what the object carries in its own character set."""
    archive.add(make_nm(1, PatientID="MÜ-1", SpecificCharacterSet="ISO_IR 192"))
    other = make_nm(1, series=2, SpecificCharacterSet=charset)
    other.add_new(0x00100020, "UN", "MÜ-1".encode(ENCODINGS[charset]))
    archive.add(other)
    [key] = stage.find(WINDOW, lake, config, sites)
    assert stage.run(key, lake, config, sites).status == "done"
