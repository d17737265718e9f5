"""CTs and reports beside a study: what is fetched, what is left and why, what stays of it."""

from __future__ import annotations

import calcium_reports as reports
import numpy as np
import pydicom
import pytest
from calcium_reports import PATIENT, SCORES, TOTAL
from ct_objects import SPECT, chest, series

from mpss_lib.batch import run_stage
from mpss_lib.calcium import read_report
from mpss_lib.companions import stage
from mpss_lib.companions.kinds import kind_of
from mpss_lib.config import Config
from mpss_lib.dicom import read_ct, read_dataset
from mpss_lib.errors import StudyWithdrawnError
from mpss_lib.pull.vault import Vault

HEART = chest([(5, 46, 44, 3, 500.0)])
CT_STUDY = "1.2.826.0.1.3680043.10.1.77"


def written(dataset, number=5, **changes):
    """A report of the CT's study, of its own number and moment."""
    told = {"SOPInstanceUID": f"{CT_STUDY}.{number}", "SeriesInstanceUID": f"{CT_STUDY}.3"}
    told |= {"StudyDate": "20261119", "StudyTime": "101500", "Modality": "SR"}
    return reports.as_bytes(reports.changed(dataset, **(told | changes)))


def rows_of(lake, config, key):
    return {
        row["source_key"]: row for row in lake.rows("companion", config.address(stage.STAGE), key)
    }


def told(rows):
    return sorted((row["kind"], row["reason"], row["is_stored"]) for row in rows.values())


def test_a_report_and_the_calcium_scan_come_and_come_once(lake, config, archive, sites, study_key):
    archive.add(*series(HEART))
    archive.add_bytes(written(reports.private_german()))
    first = stage.run(study_key, lake, config, sites)
    assert first.status == "done"
    rows = rows_of(lake, config, study_key)
    assert told(rows) == [("calcium_ct", "", True), ("report", "", True)]
    assert {row["days"] for row in rows.values()} == {1}
    again = stage.run(study_key, lake, config, sites)
    assert (again.status, again.written) == ("skipped", first.written)
    assert stage.run(study_key, lake, config, sites, force=True).written == first.written
    (ct,) = (row for row in rows.values() if row["kind"] == "calcium_ct")
    kept = read_ct([read_dataset(lake.root / path) for path in ct["paths"]])
    np.testing.assert_array_equal(kept.volume.array, HEART)
    assert (kept.kvp, kept.thickness_mm, kept.volume.spacing_mm) == (120.0, 3.0, (3.0, 1.0, 1.0))
    assert kept.volume.frame_of_reference == Vault(sites.vault).uid(CT_STUDY + ".4")


def test_the_figures_of_every_habit_stay_and_no_word_of_it(lake, config, archive, sites, study_key):
    for number, habit in enumerate(reports.HABITS):
        archive.add_bytes(written(habit(), 100 + number))
    stage.run(study_key, lake, config, sites)
    patient_key = Vault(sites.vault).patient_key(PATIENT)
    rows = rows_of(lake, config, study_key).values()
    assert len(rows) == len(reports.HABITS)
    for row in rows:
        (path,) = row["paths"]
        kept = read_dataset(lake.root / path)
        found = read_report(kept, patient_id=patient_key)
        assert found.scores == pytest.approx({**SCORES, "total": TOTAL}, abs=0.11)
        assert kept.PatientName == kept.PatientID == patient_key
        content = (lake.root / path).read_bytes()
        for word in (b"HANTOM", b"hantom", b"99VENDOR", b"dictated", b"20261120", b"1.2.826."):
            assert word not in content
        assert {one.ValueType for one in kept.ContentSequence} == {"CONTAINER"}
        assert all(one.ValueType != "TEXT" for one in kept.ContentSequence[0].ContentSequence)


def test_what_is_no_companion_is_left_with_its_reason(lake, config, archive, sites, study_key):
    archive.add(*series(HEART))
    archive.add(*series(HEART, series_uid=CT_STUDY + ".10", SliceThickness=1))
    archive.add(*series(HEART, series_uid=CT_STUDY + ".11", description="THORAX NATIV"))
    archive.add(*series(HEART, series_uid=CT_STUDY + ".12", ContrastBolusAgent="IOMERON"))
    archive.add(*series(HEART[:3], series_uid=CT_STUDY + ".13"))
    far = {"series_uid": CT_STUDY + ".14", "study": CT_STUDY + ".2", "StudyDate": "20260601"}
    archive.add(*series(HEART, **far))
    other = {"series_uid": CT_STUDY + ".15", "study": CT_STUDY + ".6", "patient_id": "PHANTOM-18"}
    archive.add(*series(HEART, **other))
    archive.add_bytes(written(reports.report(reports.text(None, "Normal chest.")), 6))
    archive.add_bytes(written(reports.totals_that_differ(), 7))
    stage.run(study_key, lake, config, sites)
    assert told(rows_of(lake, config, study_key)) == [
        ("", "contrast", False),
        ("", "not_calcium", False),
        ("", "too_few_slices", False),
        ("calcium_ct", "", True),
        ("calcium_ct", "not_best", False),
        ("report", "no_calcium", False),
        ("report", "scores_differ", False),
    ]


def test_an_object_of_another_patient_is_never_stored(lake, config, archive, sites, study_key):
    """The archive lists it under this patient; the object itself names somebody else."""
    datasets = series(HEART)
    archive.add(*datasets)
    for path in sorted((sites.vault.parent / "pacs").rglob("*.dcm")):
        changed = pydicom.dcmread(path)
        changed.PatientID = "PHANTOM-18"
        changed.save_as(path)
    stage.run(study_key, lake, config, sites)
    assert told(rows_of(lake, config, study_key)) == [("", "other_patient", False)]
    assert not (lake.root / "dicom").exists()


def test_the_ct_of_the_study_itself_is_one_for_attenuation(lake, config, archive, sites, study_key):
    own = {"study": SPECT, "StudyDate": "20261118", "description": "CT AC"}
    archive.add(*series(HEART, **own))
    stage.run(study_key, lake, config, sites)
    assert told(rows_of(lake, config, study_key)) == [("attenuation_ct", "", True)]
    less = config.model_copy(
        update={"companions": config.companions.model_copy(update={"attenuation_ct": False})}
    )
    assert less.address(stage.STAGE) == config.address(stage.STAGE)
    assert stage.run(study_key, lake, less, sites).status == "done"
    assert told(rows_of(lake, less, study_key)) == [("attenuation_ct", "not_asked_for", False)]


def test_a_patient_who_withdrew_is_not_asked_for(lake, config, archive, sites, study_key):
    vault = Vault(sites.vault)
    vault.add_tombstones([vault.tombstone(vault.patient_key(PATIENT))])
    with pytest.raises(StudyWithdrawnError):
        stage.run(study_key, lake, config, sites)


def test_where_nothing_is_asked_for_nothing_is_asked(lake, sites, study_key):
    off = Config()
    assert run_stage("companions", [study_key], lake, off, sites).skipped == 1
    assert not lake.root.exists() or not (lake.root / "landing").exists()


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        ("CaSc 3.0 B35f", (), "calcium_ct"),
        ("Ca Score", (), "calcium_ct"),
        ("Kalkscoring", (), "calcium_ct"),
        ("score calcique", (), "calcium_ct"),
        ("CARDIAC NATIVE SEQ", ("native seq",), "calcium_ct"),
        ("CARDIAC NATIVE SEQ", (), ""),
        ("CASCADE THORAX", (), ""),
    ],
)
def test_words_that_name_a_calcium_scan(text, words, kind):
    (one, *_) = series(HEART, description=text)
    assert kind_of(one, words, is_own=False)[0] == kind
