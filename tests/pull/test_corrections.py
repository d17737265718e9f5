"""Corrections upstream: what follows the archive, what waits, what is gone."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from pacs_objects import make_nm, sop_uid, study_uid
from peer import Peer, Script
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mpss_lib import upstream
from mpss_lib.batch import run_batch
from mpss_lib.config import Config
from mpss_lib.dicom.rules import Answer
from mpss_lib.dicom.said import Said
from mpss_lib.errors import (
    IncompleteStudyError,
    PlatformFaultError,
    SameUidOtherBytesError,
    StudyGoneError,
)
from mpss_lib.pull import stage
from mpss_lib.pull.received import ReceivedLedger
from mpss_lib.pull.upstream.corrections import differences, other_answers
from mpss_lib.pull.upstream.recheck import due
from mpss_lib.pull.vault import Vault
from mpss_lib.purge import journal
from mpss_lib.sections import BatchSettings, CohortSettings, MaintenanceSettings, PullSettings
from mpss_lib.tables import read_parquet, sha256_of
from mpss_lib.upstream import CORRECTED, DELETED
from mpss_lib.warehouse.maintenance import DAY_S, remove_orphans

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))

pytestmark = pytest.mark.pacs


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def served(archive, script, sites_of):
    with Peer(archive, script) as peer:
        yield sites_of(peer.port)


@pytest.fixture
def pulled(archive, served, lake, config):
    archive.add(make_nm(1))
    [key] = stage.find(WINDOW, lake, config, served)
    stage.run(key, lake, config, served)
    return key


def current(lake, config, key):
    [row] = lake.rows("instance", config.address("pull"), key)
    return row


def again(key, lake, config, sites, **how):
    """As a batch does it: with a manifest record, which names the current file."""
    how = how or {"force": True}
    result = run_batch(
        "pull", lambda k: stage.run(k, lake, config, sites, **how), [key], lake,
        config.model_copy(update={"batch": BatchSettings(fault_share=1.0)}),
    )  # fmt: skip
    return "quarantined" if result.quarantined else "done" if result.done else "skipped"


def kinds(lake):
    return {(one.study_key, one.kind) for one in upstream.noted(lake)}


def blank(dataset):
    dataset.PixelData = bytes(len(dataset.PixelData))


def set_to(keyword, value):
    return lambda dataset: setattr(dataset, keyword, value)


# ------------------------------------------------------------------ what waits


def other_position(dataset):
    dataset.DetectorInformationSequence[0].ImagePositionPatient = ["-150", "-150", "61"]


def one_detector_more(dataset):
    dataset.DetectorInformationSequence.append(Dataset())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (blank, "PixelData"),
        (set_to("PixelSpacing", ["4.9", "4.9"]), "PixelSpacing"),
        (set_to("SpacingBetweenSlices", "4.8"), "SpacingBetweenSlices"),
        (set_to("RescaleSlope", "2"), "RescaleSlope"),
        (set_to("SliceVector", [3, 2, 1]), "SliceVector"),
        (set_to("ImageType", ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]), "ImageType"),
        (set_to("CorrectedImage", ["SCAT"]), "CorrectedImage"),
        (set_to("SeriesNumber", "7"), "SeriesNumber"),
        (other_position, "ImagePositionPatient"),
        (one_detector_more, "DetectorInformationSequence"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_pixels_and_other_numbers_wait(change, named, pulled, served, script, lake, config):
    before = current(lake, config, pulled)
    files = sorted(lake.root.glob("dicom/*/*"))
    script.edit_object = change

    with pytest.raises(SameUidOtherBytesError, match=named) as caught:
        stage.run(pulled, lake, config, served, force=True)

    assert f"mpss accept {pulled}" in caught.value.way_out
    assert current(lake, config, pulled) == before
    assert sorted(lake.root.glob("dicom/*/*")) == files, "nothing of it is written before"
    assert kinds(lake) == {(pulled, CORRECTED)}
    assert stage.run(pulled, lake, config, served).status == "skipped", "the stored one stands"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("STRESS NAC OSEM", "attenuation AC -> unknown"),
        ("REST AC OSEM", "stress stress -> rest"),
        ("STRESS w/o AC OSEM", "attenuation AC -> unknown"),
        ("STRESS AC FBP", "reconstruction iterative -> FBP"),
    ],
)
def test_another_protocol_word_waits_and_other_words_follow(
    text, named, pulled, served, script, lake, config
):
    def say(dataset):
        dataset.ImageID = text.rsplit(" ", 1)[0]
        dataset.SeriesDescription = text

    script.edit_object = lambda d: setattr(d, "SeriesDescription", "Invented STRESS AC OSEM again")
    assert again(pulled, lake, config, served) == "done"
    script.edit_object = say
    with pytest.raises(SameUidOtherBytesError) as caught:
        stage.run(pulled, lake, config, served, force=True)
    assert named in caught.value.problem


def test_a_word_that_cleaning_drops_is_another_version_when_it_is_accepted(
    pulled, served, script, lake, config
):
    old = current(lake, config, pulled)
    script.edit_object = lambda d: setattr(d, "AcquisitionContextSequence", Sequence([state()]))
    assert again(pulled, lake, config, served) == "quarantined"
    assert again(pulled, lake, config, served, accepts=True) == "done"
    new = current(lake, config, pulled)
    assert new["said"] != old["said"]
    assert len(list(lake.root.glob("landing/instance/*/*/*/*.parquet"))) == 2, (
        "no file is overwritten"
    )


def state():
    """Rest, as PS3.16 CID 3101 codes it."""
    name, value, item = Dataset(), Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "109054", "DCM", "State"
    value.CodeValue, value.CodingSchemeDesignator = "128975004", "SCT"
    value.CodeMeaning = "Resting State"
    item.ValueType = "CODE"
    item.ConceptNameCodeSequence, item.ConceptCodeSequence = Sequence([name]), Sequence([value])
    return item


def test_accepted_it_is_a_new_version_and_the_old_one_stays(pulled, served, script, lake, config):
    old = current(lake, config, pulled)
    script.edit_object = blank
    assert again(pulled, lake, config, served) == "quarantined"

    assert again(pulled, lake, config, served, accepts=True) == "done"

    new = current(lake, config, pulled)
    assert new["path"] != old["path"]
    assert new["object_key"] == old["object_key"]
    assert dcmread(lake.root / new["path"]).pixel_array.max() == 0
    assert dcmread(lake.root / old["path"]).pixel_array.max() > 0
    assert kinds(lake) == set()
    assert lake.quarantined() == []
    assert again(pulled, lake, config, served, force=False) == "skipped"
    assert current(lake, config, pulled) == new
    assert again(pulled, lake, config, served) == "done", "the same again is no question"
    assert current(lake, config, pulled) == new


def test_the_version_before_stays_addressable_for_ever(pulled, served, script, lake, config):
    again(pulled, lake, config, served)
    [first] = lake.root.glob("landing/instance/*/*/*/*.parquet")
    script.edit_object = blank
    again(pulled, lake, config, served)
    again(pulled, lake, config, served, accepts=True)
    counts = remove_orphans(lake, config, now=time.time() + 400 * DAY_S)
    assert counts["superseded"] == 0
    [row] = read_parquet(first, "instance").to_pylist()
    assert sha256_of(lake.root / row["path"]) == row["content_sha256"]
    named = [
        file["path"]
        for record in lake.records("pull")
        for unit in record["units"]
        for file in unit["files"]
        if file["table"] == "instance"
    ]
    assert lake.relative(first) in named
    assert lake.relative(first) != named[-1]


def test_a_vault_that_was_restored_without_digests_still_lets_nothing_in(
    pulled, served, script, lake, config
):
    def forget():
        with Vault(served.vault).opened() as db:
            db.execute("delete from received")

    before = current(lake, config, pulled)
    forget()
    assert again(pulled, lake, config, served) == "done"
    assert len(list(lake.root.glob("landing/instance/*/*/*/*.parquet"))) == 1
    forget()
    script.edit_object = blank
    assert again(pulled, lake, config, served) == "quarantined"
    assert current(lake, config, pulled) == before
    assert again(pulled, lake, config, served, accepts=True) == "done"
    assert len(list(lake.root.glob("landing/instance/*/*/*/*.parquet"))) == 2


def test_an_archive_that_takes_its_correction_back_makes_the_first_bytes_current(
    pulled, served, script, lake, config
):
    old = current(lake, config, pulled)
    script.edit_object = blank
    again(pulled, lake, config, served)
    again(pulled, lake, config, served, accepts=True)
    script.edit_object = None
    assert again(pulled, lake, config, served) == "quarantined"
    assert again(pulled, lake, config, served, accepts=True) == "done"
    assert current(lake, config, pulled) == old
    assert len(list(lake.root.glob("landing/instance/*/*/*/*.parquet"))) == 3
    assert len(list(lake.root.glob("dicom/*/*"))) == 2


def test_what_waited_and_was_taken_back_is_settled(pulled, served, script, lake, config):
    script.edit_object = blank
    assert again(pulled, lake, config, served) == "quarantined"
    script.edit_object = None
    assert again(pulled, lake, config, served) == "done"
    assert kinds(lake) == set()
    assert lake.quarantined() == []


def test_only_what_was_seen_is_accepted(pulled, served, script, lake, config):
    script.edit_object = blank
    again(pulled, lake, config, served)
    script.edit_object = set_to("RescaleSlope", "3")
    with pytest.raises(SameUidOtherBytesError, match="RescaleSlope"):
        stage.run(pulled, lake, config, served, accepts=True)
    assert stage.run(pulled, lake, config, served, accepts=True).status == "done"


def test_a_site_may_let_corrections_in_by_itself(pulled, served, script, lake, config):
    script.edit_object = blank
    site = Config(pull=PullSettings(corrections="accept"))
    assert site.address("pull") == config.address("pull")
    before = current(lake, config, pulled)
    assert again(pulled, lake, site, served) == "done"
    assert current(lake, config, pulled)["path"] != before["path"]
    assert kinds(lake) == set()


def test_a_study_that_grew_meanwhile_waits_as_a_whole(
    archive, pulled, served, script, lake, config
):
    archive.add(make_nm(1, series=2))
    script.edit_object = blank
    assert again(pulled, lake, config, served, force=False) == "quarantined"
    assert len(lake.rows("instance", config.address("pull"), pulled)) == 1
    assert again(pulled, lake, config, served, accepts=True) == "done"
    assert len(lake.rows("instance", config.address("pull"), pulled)) == 2


def test_nothing_of_the_patient_stands_in_what_is_told(pulled, served, script, lake, config):
    script.edit_object = lambda d: (blank(d), setattr(d, "PatientName", "Other^Invented"))
    again(pulled, lake, config, served)
    told = " ".join(p.read_text() for p in lake.root.glob("[qu]*/*/*.json"))
    assert "PixelData" in told
    for secret in ("Invented", "HOSP-", "1.2.826", "20260302"):
        assert secret not in told


# ------------------------------------------------------------------ what follows


@pytest.mark.parametrize(
    ("change", "is_new_version"),
    [
        (set_to("PatientName", "Married^Name"), False),
        (set_to("PatientWeight", "80"), True),
        (set_to("PatientSex", "M"), True),
        (set_to("ManufacturerModelName", "INFINIA"), True),
        (set_to("AcquisitionTime", "104500"), True),
        (set_to("PixelSpacing", ["4.80", "4.800"]), True),
        (set_to("ReferringPhysicianName", "Other^Doctor"), False),
        (set_to("WindowWidth", "900"), True),
    ],
    ids=["name", "weight", "sex", "model", "time", "same_number", "physician", "window"],
)
def test_demographics_dates_and_texts_follow(
    change, is_new_version, pulled, served, script, lake, config
):
    before = current(lake, config, pulled)
    script.edit_object = change
    assert again(pulled, lake, config, served) == "done"
    after = current(lake, config, pulled)
    assert (after["path"] != before["path"]) == is_new_version
    assert (lake.root / before["path"]).is_file()
    assert kinds(lake) == set()
    assert again(pulled, lake, config, served, force=False) == "skipped"
    assert current(lake, config, pulled) == after


def test_an_attribute_that_is_dropped_changes_no_row(pulled, served, script, lake, config):
    before = current(lake, config, pulled)
    marks = ReceivedLedger(Vault(served.vault)).of_study(pulled)
    script.edit_object = set_to("OtherPatientIDs", "another attribute that is dropped")
    again(pulled, lake, config, served)
    assert current(lake, config, pulled) == before
    after = ReceivedLedger(Vault(served.vault)).of_study(pulled)
    assert [one.version for one in after.values()] == [one.mark for one in after.values()]
    assert after != marks, "the digest of the new bytes is remembered"
    files = list(lake.root.glob("landing/instance/*/*/*/*.parquet"))
    assert len(files) == 2, "no file is overwritten, whatever else the rows say"
    assert again(pulled, lake, config, served, force=False) == "skipped"


def test_other_settings_ask_nothing_where_the_bytes_are_the_same(pulled, served, lake, config):
    other = Config(pull=PullSettings(max_shift_days=30, extra_words=("invented",)))
    stage.find(WINDOW, lake, other, served)
    assert again(pulled, lake, other, served, force=False) == "done"
    assert kinds(lake) == set()


def test_other_settings_do_not_let_other_pixels_in(pulled, served, script, lake, config):
    other = Config(pull=PullSettings(max_shift_days=30))
    script.edit_object = blank
    assert again(pulled, lake, other, served, force=False) == "quarantined"
    assert lake.rows("instance", other.address("pull"), pulled) == []
    assert again(pulled, lake, other, served, accepts=True) == "done"


# ------------------------------------------------------------------ the comparison alone


def code(value, meaning="Stress"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    dataset = Dataset()
    dataset.AcquisitionContextSequence = Sequence([item])
    return dataset


def test_a_code_decides_and_its_meaning_does_not():
    assert differences(code("432655005"), code("432655005", "Cardiac stress")) == set()
    assert differences(code("432655005"), code("128975004")) == {"CodeValue"}


@pytest.mark.parametrize("keyword", ["ROIName", "SegmentLabel", "RescaleType"])
def test_names_of_regions_and_units_decide(keyword):
    old, new = Dataset(), Dataset()
    setattr(old, keyword, "ENDO")
    setattr(new, keyword, "EPI")
    assert differences(old, new) == {keyword}


def test_made_with_other_settings_only_what_both_hold_is_compared():
    old, new = Dataset(), Dataset()
    old.DeidentificationMethod, new.DeidentificationMethod = "1/a", "2/b"
    old.RescaleSlope, old.Rows, new.Rows = "2", 64, 64
    assert differences(old, new) == set()
    new.DeidentificationMethod = "1/a"
    assert differences(old, new) == {"RescaleSlope"}
    new.Rows = 65
    assert differences(old, new) == {"RescaleSlope", "Rows"}


def said(attenuation, **more):
    answers = Said().answers | {"attenuation": Answer(attenuation, "ac_in_ImageID", "ImageID")}
    return Said(answers, **more).as_json()


def test_answers_of_the_word_rules_are_compared_by_question():
    assert other_answers(said("AC"), said("NAC")) == {"attenuation AC -> NAC"}
    assert other_answers(said("AC"), said("AC")) == set()
    assert other_answers("", said("NAC")) == set()
    assert other_answers(said("AC"), said("AC", why_no_volume="projections")) == {"ImageType"}
    assert other_answers(said("AC"), said("AC", unreadable=("Rows",))) == {"Rows (unreadable)"}


# ------------------------------------------------------------------ gone


def delete(archive, number=1):
    with sqlite3.connect(archive.folder / "index.sqlite") as db:
        for table in ("study", "series", "image"):
            db.execute(f"delete from {table} where StudyInstanceUID = ?", (study_uid(number),))
    db.close()


@pytest.mark.parametrize(("gone", "told"), [("keep", "stays in"), ("leave", "leaves")])
def test_a_study_that_is_gone_keeps_its_version_and_says_what_the_cohort_does(
    gone, told, archive, pulled, served, lake, caplog
):
    config = Config(cohort=CohortSettings(gone=gone))
    before = current(lake, config, pulled)
    delete(archive)
    for how in ({"force": False}, {"force": True}):
        assert again(pulled, lake, config, served, **how) == "skipped"
    assert current(lake, config, pulled) == before
    assert lake.quarantined() == []
    assert kinds(lake) == {(pulled, DELETED)}
    assert f"it {told} the cohort" in caplog.text
    assert "as it was" not in caplog.text


@pytest.mark.parametrize("left", [0, 1])
def test_an_archive_that_has_no_study_at_all_is_not_believed(archive, served, lake, config, left):
    for number in range(1, 11):
        archive.add(make_nm(number))
    keys = stage.find(WINDOW, lake, config, served)
    stage.run(keys[0], lake, config, served)
    numbers = {Vault(served.vault).study_key(study_uid(n)): n for n in range(1, 11)}
    for key in keys[: len(keys) - left]:
        delete(archive, numbers[key])
    if left:
        assert again(keys[0], lake, config, served) == "skipped"
        assert kinds(lake) == {(keys[0], DELETED)}
        return
    with pytest.raises(PlatformFaultError, match="nor the 9 newest others"):
        stage.run(keys[0], lake, config, served, force=True)
    assert kinds(lake) == set()


def test_a_study_that_came_back_is_gone_no_more(archive, pulled, served, lake, config):
    delete(archive)
    again(pulled, lake, config, served)
    archive.add(make_nm(1))
    assert again(pulled, lake, config, served, force=False) == "skipped"
    assert kinds(lake) == set()


def test_gone_before_it_was_fetched_is_a_fault_that_does_not_speak_of_the_lake(
    archive, served, lake, config
):
    archive.add(make_nm(1))
    [key] = stage.find(WINDOW, lake, config, served)
    delete(archive)
    with pytest.raises(StudyGoneError, match="holds nothing of it"):
        stage.run(key, lake, config, served)
    assert kinds(lake) == {(key, DELETED)}


def test_a_study_without_series_that_the_archive_still_names_is_not_gone(
    archive, pulled, served, lake, config
):
    with sqlite3.connect(archive.folder / "index.sqlite") as db:
        db.execute("delete from series")
    db.close()
    with pytest.raises(IncompleteStudyError, match="lists no series"):
        stage.run(pulled, lake, config, served)
    assert kinds(lake) == set()


# ------------------------------------------------------------------ which are looked at again


@pytest.fixture
def five(archive, served, lake, config):
    for number, day in enumerate(("20260302", "20260302", "20260303", "20260303", "20260303")):
        archive.add(make_nm(number + 1, study_date=day))
    keys = stage.find(WINDOW, lake, config, served)
    vault = Vault(served.vault)
    for number, key in enumerate(keys):
        stage.run(key, lake, config, served)
        at = datetime(2026, 3, 10, tzinfo=UTC) + timedelta(days=number)
        ReceivedLedger(vault).note_check(key, at)
    return keys


def test_recent_studies_are_due_and_older_ones_in_turn(five, served, lake):
    days = {key: Vault(served.vault).identity(key).study_date for key in five}
    recent = sorted(key for key, day in days.items() if day == "20260303")
    older = [key for key in five if key not in recent]
    config = Config(maintenance=MaintenanceSettings(recheck_days=7, recheck_studies=1))
    assert due(lake, config, served, date(2026, 3, 10)) == [*recent, older[0]]
    again(older[0], lake, config, served)
    assert due(lake, config, served, date(2026, 3, 10)) == [*recent, older[1]]
    assert len(due(lake, config, served, date(2026, 6, 1))) == 1
    everything = Config(maintenance=MaintenanceSettings(recheck_days=0, recheck_studies=100))
    assert sorted(due(lake, everything, served, date(2026, 6, 1))) == five


def test_what_waits_or_is_gone_is_not_due(archive, five, served, script, lake, config):
    delete(archive, 1)
    gone = Vault(served.vault).study_key(study_uid(1))
    again(gone, lake, config, served)
    script.edit_object = blank
    waiting = next(key for key in five if key != gone)
    again(waiting, lake, config, served)
    assert set(due(lake, config, served, date(2026, 3, 4))) == set(five) - {gone, waiting}


@pytest.mark.parametrize("how", [{"withheld": (sop_uid(1),)}, {"get_status": 0xA702}])
def test_a_whole_study_that_does_not_come_again_stays_as_it_is(
    pulled, served, script, lake, config, how
):
    """An archive that has it on tape today: the comparison failed, not the study."""
    before = current(lake, config, pulled)
    for name, value in how.items():
        setattr(script, name, value)
    assert again(pulled, lake, config, served) == "skipped"
    assert current(lake, config, pulled) == before
    assert lake.quarantined() == []
    checked = dict(ReceivedLedger(Vault(served.vault)).checks())
    assert set(checked) == {pulled}


def test_one_object_of_two_that_cannot_be_sent_again_stays_on_the_lake(
    archive, pulled, served, script, lake, config
):
    archive.add(make_nm(1, series=2))
    assert again(pulled, lake, config, served) == "done"
    script.withheld = (sop_uid(1, 2),)
    assert again(pulled, lake, config, served) == "skipped"
    rows = lake.rows("instance", config.address("pull"), pulled)
    assert [row["is_stored"] for row in rows] == [True, True]


def test_a_study_that_grew_and_does_not_come_is_a_fault(
    archive, pulled, served, script, lake, config
):
    archive.add(make_nm(1, series=2))
    script.withheld = (sop_uid(1, 2),)
    assert again(pulled, lake, config, served) == "quarantined"


def test_a_purge_forgets_the_digests(pulled, served, script, lake, config):
    script.edit_object = blank
    again(pulled, lake, config, served)
    vault = Vault(served.vault)
    ledger = ReceivedLedger(vault)
    assert (len(ledger.of_study(pulled)), len(ledger.waiting(pulled))) == (1, 1)
    journal.forget(vault, [pulled])
    assert (ledger.of_study(pulled), ledger.waiting(pulled), dict(ledger.checks())) == ({}, {}, {})
