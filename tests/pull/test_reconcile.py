"""Reconciliation: every difference named by its kind, none invented, an archive cut short believed
in nothing."""

from __future__ import annotations

import re
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from datetime import date

import pacs_objects
import pytest
from pacs_objects import make_nm
from peer import Peer, Script
from reconciled_hospital import PLANTED, add_study, build, fetch, plant, study_uid, writing

from mpss_lib import upstream
from mpss_lib.config import Config
from mpss_lib.errors import MpssError, PlatformFaultError, WrongArgumentError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.habits import Habits, known_habits, remember_habits
from mpss_lib.pull.upstream.reconcile import NO_DATE, Kept, Told, compare, unlisted
from mpss_lib.pull.upstream.reconcile_door import reconcile
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.sections import PullSettings

MARCH = (date(2026, 3, 1), date(2026, 3, 31))

pytestmark = pytest.mark.pacs


@pytest.fixture
def hospital(archive, lake, config, sites, monkeypatch):
    monkeypatch.setattr("mpss_lib.whole_files.sync", lambda path: None)  # hundreds of small files
    return build(archive, lake, config, sites, 40, *MARCH)


def ask(hospital, window=MARCH, **changes):
    given = {"sites": hospital.sites} | changes
    return reconcile(window, hospital.lake, hospital.config, **given)


def named(answered):
    return {one.study_key: one.kind for _, one in answered.found}


def test_nothing_is_invented_where_nothing_differs(hospital):
    answered = ask(hospital)
    assert answered.found == ()
    [month] = answered.months
    assert (month.name, month.n_archive, month.n_lake) == ("2026-03", 40, 40)
    assert upstream.noted(hospital.lake) == []
    assert upstream.read_summary(hospital.lake)["n_archive"] == 40


@pytest.mark.parametrize("what", PLANTED)
def test_each_kind_is_named_alone(hospital, what):
    planted = plant(hospital, {what: 2}, 40)
    assert named(ask(hospital)) == planted
    kept = upstream.noted(hospital.lake)
    assert {one.study_key: one.kind for one in kept} == planted
    assert all(one.way_out for one in kept)


def test_all_kinds_at_once_are_named_and_dropped_when_mended(hospital):
    planted = plant(hospital, dict.fromkeys(PLANTED, 2), 40)
    first = ask(hospital)
    assert named(first) == planted
    assert len(first.found) == len(planted) == 18
    again = ask(hospital)
    assert named(again) == planted
    with writing(hospital.archive) as db:
        for number in range(40):  # the archive gives back what it had
            for table in ("study", "series", "image"):
                db.execute(f"delete from {table} where StudyInstanceUID = ?", (study_uid(number),))
            add_study(db, number, date(2026, 3, 1 + number * 31 // 40))
    fetch(hospital)
    ask(hospital, (date(2026, 2, 1), date(2026, 5, 31)))
    assert upstream.noted(hospital.lake) == []


def test_what_is_kept_holds_no_date_uid_or_patient(hospital):
    plant(hospital, dict.fromkeys(PLANTED, 2), 40)
    ask(hospital)
    text = " ".join(path.read_text() for path in hospital.lake.root.glob("upstream/*/*.json"))
    text = re.sub("S[0-9a-f]{16}", "KEY", text)  # a key may hold any digits
    for secret in ("2026", "HOSP-", "MERGED", "Invented", "ACC0", "1.2.826"):
        assert secret not in text


def test_months_are_told_apart(archive, lake, config, sites):
    hospital = build(archive, lake, config, sites, 90, date(2026, 1, 1), MARCH[1])
    plant(hospital, {"deleted": 1, "late": 1}, 90, seed=4)
    months = {m.name: m for m in ask(hospital, hospital.window).months}
    assert list(months) == ["2026-01", "2026-02", "2026-03"]
    assert sum(m.n_archive for m in months.values()) == 90
    assert sum(m.n_lake for m in months.values()) == 90
    assert months["2026-01"].n_by_kind["missing"] == 1


def test_an_empty_month_is_told_as_such(sites, lake, config):
    [month] = reconcile(MARCH, lake, config, sites).months
    assert (month.name, month.n_archive, month.n_lake) == ("2026-03", 0, 0)


def test_a_study_in_quarantine_is_missing_and_its_way_out_is_the_quarantine(hospital):
    planted = plant(hospital, {"not_fetched": 1}, 40)
    [key] = planted
    hospital.lake.quarantine("pull", key, error="X", problem="torn", way_out="mend")
    [(_, one)] = ask(hospital).found
    assert (one.kind, one.detail) == ("missing", "found, in quarantine at pull")
    assert f"mpss quarantine retry {key}" in one.way_out


def test_a_study_that_moved_and_belongs_to_somebody_else_is_named_for_both(hospital):
    with writing(hospital.archive) as db:
        db.execute(
            "update study set StudyDate = '20260520', PatientID = 'OTHER'"
            " where StudyInstanceUID = ?",
            (study_uid(3),),
        )
    found = ask(hospital).found
    assert {one.study_key for _, one in found} == {hospital.key(3)}
    assert {one.kind: one.detail for _, one in found} == {
        "moved": "by +78 days",
        "merged": "another PatientID or issuer",
    }


def test_a_date_that_went_is_a_move_and_no_deletion(hospital):
    with writing(hospital.archive) as db:
        db.execute("update study set StudyDate = '' where StudyInstanceUID = ?", (study_uid(3),))
    found = {(one.study_key, one.kind) for _, one in ask(hospital).found}
    assert found == {(hospital.key(3), "moved")}


def test_another_way_to_write_a_date_a_time_or_a_name_is_no_difference(hospital):
    with writing(hospital.archive) as db:
        db.execute(
            "update study set StudyTime = StudyTime || '.000', PatientName = PatientName || '^^^'"
        )
    assert ask(hospital).found == ()


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("AccessionNumber", "ACC-NEW", "another accession number"),
        ("PatientName", "Married^Name", "another name"),
        ("PatientBirthDate", "19500616", "another birth date"),
        ("StudyTime", "235959", "another study time"),
    ],
)
def test_facts_of_the_announcement_are_compared_and_never_quoted(hospital, column, value, told):
    with writing(hospital.archive) as db:
        db.execute(
            f"update study set {column} = ? where StudyInstanceUID = ?", (value, study_uid(3))
        )
    [(_, one)] = ask(hospital).found
    assert (one.study_key, one.kind, one.detail) == (hospital.key(3), "changed", told)


def test_a_withdrawn_study_is_nobodys_difference(hospital):
    vault = Vault(hospital.sites.vault)
    key = hospital.key(3)
    vault.add_tombstones([vault.tombstone(key)])
    with vault.opened() as db:
        db.execute("delete from identity where study_key = ?", (key,))
    for path in hospital.lake.root.glob(f"landing/*/*/*/*/study={key}.*"):
        path.unlink()
    answered = ask(hospital)
    assert answered.found == ()
    assert answered.months[0].n_archive == 39


def counting(**claimed):
    def edit(answer):
        for keyword, value in claimed.items():
            if answer.QueryRetrieveLevel == "STUDY":
                setattr(answer, keyword, value)

    return Script(edit_answer=edit)


def test_an_empty_series_that_is_counted_is_no_difference(hospital, scripted):
    """Pull takes such a study for whole: every object that was counted is accounted for."""
    sites = scripted(counting(NumberOfStudyRelatedSeries=2))
    assert ask(hospital, sites=sites).found == ()


def test_counts_that_are_known_to_be_wrong_are_compared_with_what_they_were(hospital, scripted):
    wrong = {"NumberOfStudyRelatedSeries": 5, "NumberOfStudyRelatedInstances": 9}
    sites = scripted(counting(**wrong))
    assert len(ask(hospital, sites=sites).found) == 40
    hospital = replace(hospital, config=Config(pull=PullSettings(counts="ignore")))
    fetch(replace(hospital, sites=sites))
    assert ask(hospital, sites=sites).found == ()
    more = scripted(counting(**wrong | {"NumberOfStudyRelatedInstances": 10}))
    assert {one.detail for _, one in ask(hospital, sites=more).found} == {"objects 9 -> 10"}


def test_rows_of_which_only_one_states_an_issuer_name_one_patient(hospital, scripted):
    """An archive that answers a row for each modality: not stated contradicts none."""

    def rows(question, answers):
        if question.QueryRetrieveLevel != "STUDY":
            return answers
        others = [deepcopy(answer) for answer in answers]
        for answer in others:
            answer.IssuerOfPatientID = "HERE"
        return [*answers, *others]

    sites = scripted(Script(edit_list=rows))
    assert ask(hospital, sites=sites).found == ()


def lose_by_modality(question, answers):
    return [] if question.get("ModalitiesInStudy") else answers


def lose_ranges(question, answers):
    return [] if "-" in str(question.get("StudyDate", "")) else answers


@pytest.mark.parametrize("lose", [lose_by_modality, lose_ranges])
def test_a_habit_that_an_upgrade_changed_is_found_out(hospital, scripted, lose):
    """Nights rely on what was learned; they would stay green and short for ever."""
    script = Script()
    sites = scripted(script)
    remember_habits(sites, Habits(modality_key="works", day_ranges=True, is_probed=True))
    script.edit_list = lose
    planted = plant(hospital, {"late": 2}, 40)
    assert stage.find(MARCH, hospital.lake, hospital.config, sites) == []
    assert named(ask(hospital, sites=sites)) == planted
    assert len(stage.find(MARCH, hospital.lake, hospital.config, sites)) == 42


def test_a_long_window_without_studies_raises_no_doubt(hospital):
    """Ranges are known to work; so many days are not asked for one by one."""
    assert known_habits(hospital.sites).day_ranges is True
    answered = ask(hospital, (date(2010, 1, 1), date(2015, 12, 31)))
    assert (answered.found, answered.doubts) == ((), ())


def test_a_study_that_the_vault_does_not_know_is_told(hospital):
    vault = Vault(hospital.sites.vault)
    key = hospital.key(3)
    with vault.opened() as db:
        db.execute("delete from identity where study_key = ?", (key,))
    found = ask(hospital, (date(2025, 1, 1), date(2025, 1, 31))).found
    assert [(month, one.study_key, one.kind) for month, one in found] == [(NO_DATE, key, "extra")]


# ------------------------------------------------------------------ lists that are not whole


@pytest.fixture
def scripted(hospital, sites_of):
    """The same hospital behind a peer that misbehaves."""
    started = []

    def start(script, **settings):
        peer = Peer(hospital.archive, script)
        started.append(peer)
        return sites_of(peer.port, **settings)

    yield start
    for peer in started:
        peer.stop()


@pytest.mark.parametrize(
    "script",
    [
        Script(find_cap=15),
        Script(find_status=0xC001),
        Script(find_abort_after=15),
        Script(find_status=0xA700),
        Script(find_status=0xFE00),
    ],
    ids=["cap_a700", "ends_c001", "breaks_off", "all_a700", "cancelled"],
)
def test_a_list_that_is_cut_never_makes_a_deletion(hospital, scripted, script):
    try:
        answered = ask(hospital, sites=scripted(script))
    except MpssError:
        assert upstream.noted(hospital.lake) == []
    else:
        assert answered.found == ()


def test_a_list_cut_in_silence_names_the_list_and_no_deletion(hospital, scripted):
    answered = ask(hospital, sites=scripted(Script(find_cap=15, find_cap_status=0)))
    kinds = Counter(one.kind for _, one in answered.found)
    assert set(kinds) <= {"extra"}
    assert all("its list of that date lacks it" in one.detail for _, one in answered.found)


def test_an_archive_that_shows_none_of_the_studies_is_not_believed(hospital, scripted):
    with writing(hospital.archive) as db:
        for table in ("study", "series", "image"):
            db.execute(f"delete from {table}")
    with pytest.raises(PlatformFaultError, match="none of the 40 studies"):
        ask(hospital)
    assert upstream.noted(hospital.lake) == []


def test_an_archive_that_ignores_the_uid_deletes_nothing(hospital, scripted):
    """It answers with other studies: that is no answer for this one, but its series are there."""

    def elsewhere(answer):
        if answer.get("QueryRetrieveLevel") == "STUDY" and answer.StudyInstanceUID == study_uid(3):
            answer.StudyInstanceUID = "1.2.3"

    answered = ask(hospital, sites=scripted(Script(edit_answer=elsewhere)))
    kinds = {one.study_key: one.kind for _, one in answered.found}
    assert kinds[hospital.key(3)] == "unclear"


# ------------------------------------------------------------------ accepted


def test_a_deletion_that_was_accepted_stays_told_and_counts_no_more(hospital):
    [key] = plant(hospital, {"deleted": 1}, 40)
    assert len(ask(hospital).open) == 1
    assert upstream.stay(hospital.lake, key, upstream.DELETED)
    again = ask(hospital)
    assert (len(again.found), again.open) == (1, [])
    assert not upstream.stay(hospital.lake, "S0123456789abcdef", upstream.DELETED)


def test_a_window_that_ends_before_it_begins_is_refused(sites, lake):
    with pytest.raises(WrongArgumentError, match="before it begins"):
        reconcile((MARCH[1], MARCH[0]), lake, Config(), sites)


# ------------------------------------------------------------------ find and fetch settle


def test_the_way_out_settles_what_it_mends_at_once(archive, sites, lake, config):
    archive.add(make_nm(1), make_nm(2))
    stage.find(MARCH, lake, config, sites)
    vault = Vault(sites.vault)
    first, second = (vault.study_key(pacs_objects.study_uid(n)) for n in (1, 2))
    stage.run(first, lake, config, sites)
    archive.add(make_nm(1, series=2), make_nm(3))
    with writing(archive) as db:
        db.execute(
            "update study set PatientID = 'OTHER' where StudyInstanceUID = ?",
            (pacs_objects.study_uid(2),),
        )
    third = vault.study_key(pacs_objects.study_uid(3))
    found = {(o.study_key, o.kind) for _, o in reconcile(MARCH, lake, config, sites).found}
    assert found == {
        (first, "changed"), (second, "merged"), (second, "missing"), (third, "missing"),
    }  # fmt: skip
    for key in stage.find(MARCH, lake, config, sites):
        stage.run(key, lake, config, sites)
    assert upstream.noted(lake) == []
    assert reconcile(MARCH, lake, config, sites).found == ()


# ------------------------------------------------------------------ the comparison alone


def identity(key, day="20260302", patient="P1"):
    return Identity(key, f"uid {key}", patient, "", patient, "", "N", "", "A", day, "")


def told(key, day="20260302", patient="P1", n=2):
    return Told(identity(key, day, patient), ("NM",), 1, n)


def kept(key, day="20260302", patient="P1", n=2, is_fetched=True):
    return Kept(
        identity(key, day, patient), is_fetched, stands_still=False, n_series=1, n_objects=n
    )


def test_only_studies_of_the_window_are_asked_for():
    known = {"a": kept("a"), "b": kept("b", "20260401"), "c": kept("c", ""), "d": kept("d")}
    assert unlisted(MARCH, {"d": told("d")}, known) == ["a"]


def test_without_an_answer_a_study_is_unclear_with_none_it_is_deleted():
    known = {"a": kept("a"), "b": kept("b")}
    answered = compare(MARCH, {}, known, {"b": None}, "NM")
    assert named(answered) == {"a": "unclear", "b": "deleted"}


def test_counts_that_the_archive_does_not_say_are_not_compared():
    listed = {"a": Told(identity("a"), ("NM",), None, None)}
    assert compare(MARCH, listed, {"a": kept("a")}, {}, "NM").found == ()
    unknown = {"a": Kept(identity("a"), True, False, None, None)}
    assert compare(MARCH, {"a": told("a")}, unknown, {}, "NM").found == ()
