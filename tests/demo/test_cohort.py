"""The demo hospital: whole, the same for the same arguments, each distractor for its reason."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from standin_phantom import hollow_sphere

from mpss_lib.demo import cohort
from mpss_lib.demo.clinical import SIGNALS
from mpss_lib.demo.cohort import COLUMNS, Hospital, make_hospital
from mpss_lib.demo.plan import BESIDE, EXPECTED, EXTRA, FURTHER, plan_hospital, with_beating
from mpss_lib.demo.vendors import VENDORS
from mpss_lib.dicom import read_header, read_volume
from mpss_lib.errors import WrongArgumentError
from mpss_lib.gated import ejection_fraction
from mpss_lib.gated.stage import gates_of
from mpss_lib.intake.choice import choose
from mpss_lib.intake.series import inspect
from mpss_lib.pull.deidentification.pictures import why_picture
from mpss_lib.sections import IntakeSettings

PATIENTS = 24


@pytest.fixture(scope="module")
def hospital(tmp_path_factory) -> Hospital:
    folder = tmp_path_factory.mktemp("hospital")
    return make_hospital(folder, patients=PATIENTS, workers=1, maker=hollow_sphere)


def files_of(folder: Path) -> list[Path]:
    return sorted((folder / "objects").glob("*.dcm"))


def content(folder: Path) -> dict[str, str]:
    files = [*files_of(folder), folder / "registry.sqlite", folder / "truth.json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(hospital: Hospital) -> list[dict]:
    connection = sqlite3.connect(hospital.folder / "registry.sqlite")
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("select * from mpss_clinical")]
    finally:
        connection.close()


# ---------------------------------------------------------------------------- plan


@pytest.mark.parametrize("patients", [1, 12, 60, 428])
def test_plan_has_every_role_and_kind(patients):
    studies = plan_hospital(patients, 1, SIGNALS["paper"])
    assert sum(study.role == "regular" for study in studies) == patients
    wanted = {"regular", *dict(FURTHER), *dict(EXTRA)}
    assert {study.role for study in studies} == wanted
    kinds = {kind for study in studies for kind in study.series}
    assert kinds == set(EXPECTED) - {"beating"}
    assert {k for study in with_beating(studies, 1) for k in study.series} >= kinds - {"gated"}
    assert set(dict(BESIDE)) <= kinds
    assert [study.index for study in studies] == list(range(1, len(studies) + 1))


def test_plan_is_plainly_invented_and_dated():
    studies = plan_hospital(60, 1, SIGNALS["paper"])
    days = [date.fromisoformat(study.subject.study_date) for study in studies]
    assert min(days).year == max(days).year == 2001
    assert 45 <= (max(days) - min(days)).days <= 90
    for study in studies:
        subject = study.subject
        assert subject.patient_name.startswith("DEMO^PATIENT ")
        assert subject.patient_id.startswith("DEMO-")
        born, day = (date.fromisoformat(t) for t in (subject.birth_date, subject.study_date))
        assert (day.year - born.year) - ((day.month, day.day) < (born.month, born.day)) in (
            subject.age_years,
            subject.age_years + (study.role in dict(FURTHER)),
        )
    accessions = [study.subject.accession_number for study in studies]
    uids = [study.subject.study for study in studies]
    assert len(set(accessions)) == len(set(uids)) == len(studies)


def test_plan_spoils_some_studies_and_uses_every_vendor():
    studies = plan_hospital(60, 1, SIGNALS["paper"])
    spoilt = sum(bool(study.artefact) for study in studies if study.role == "regular")
    assert 0.05 <= spoilt / 60 <= 0.10
    assert {study.vendor for study in studies} == set(VENDORS)


def test_two_studies_of_a_patient_share_the_patient():
    studies = plan_hospital(60, 1, SIGNALS["paper"])
    for further in (study for study in studies if study.role in dict(FURTHER)):
        first = next(
            study
            for study in studies
            if study.role == "regular" and study.subject.patient_id == further.subject.patient_id
        )
        assert first.subject.birth_date == further.subject.birth_date
        assert first.subject.study_date < further.subject.study_date
        assert first.person == further.person


# ------------------------------------------------------------------------- objects


def test_each_object_is_left_or_chosen_for_the_reason_that_the_truth_names(hospital):
    settings = IntakeSettings()
    seen_kinds = set()
    for study in hospital.truth["studies"]:
        objects = [one for one in study["objects"] if one["kind"] != "ct"]
        candidates = [inspect(hospital.objects / one["file"], settings) for one in objects]
        choice = choose(candidates, [one["sop_instance_uid"] for one in objects])
        for i, one in enumerate(objects):
            got = list(candidates[i].reasons or choice.others.get(i, ()))
            if got == ["not_reconstructed"]:  # pull leaves what is a picture
                got = [why_picture(dcmread(hospital.objects / one["file"])) or got[0]]
            assert got == one["expected"], (study["role"], study["vendor"], one["kind"])
            seen_kinds.add(one["kind"])
    assert seen_kinds == set(EXPECTED) - {"ct", "beating"}


def test_truth_names_every_file_once(hospital):
    named = [one["file"] for study in hospital.truth["studies"] for one in study["objects"]]
    assert sorted(hospital.objects / name for name in named) == files_of(hospital.folder)
    assert len(named) == hospital.n_objects
    assert len(hospital.truth["studies"]) == hospital.n_studies
    uids = [one["sop_instance_uid"] for s in hospital.truth["studies"] for one in s["objects"]]
    assert len(set(uids)) == len(uids)


def test_vendors_store_the_same_patient_differently_and_mean_the_same_place(hospital):
    spacings = {}
    for study in hospital.truth["studies"]:
        wanted = next((one for one in study["objects"] if one["kind"] == "stress"), None)
        if wanted is None:
            continue
        path = hospital.objects / wanted["file"]
        spacings[study["vendor"]] = read_header(path).spacing_between_slices_mm
        volume = read_volume(path)
        bright = np.argwhere(volume.array > 0.5 * volume.array.max()).astype(np.float64)
        middle = volume.to_patient(bright).mean(axis=0)
        np.testing.assert_allclose(middle, (2.4, 2.4, 2.4), atol=0.5)
    assert spacings == {"ge": -4.8, "siemens": 4.8, "philips": 4.8}


def test_duplicate_has_the_pixels_of_the_first_series(hospital):
    pairs = 0
    for study in hospital.truth["studies"]:
        files = {one["kind"]: hospital.objects / one["file"] for one in study["objects"]}
        if "duplicate" in files:
            first, again = read_volume(files["stress"]), read_volume(files["duplicate"])
            np.testing.assert_array_equal(first.array, again.array)
            pairs += 1
    assert pairs >= 1


def test_every_kind_of_every_vendor_is_a_valid_object(hospital, installed):
    dciodvfy = installed("dciodvfy")
    one_of_each = {
        (study["vendor"], one["kind"]): one["file"]
        for study in hospital.truth["studies"]
        for one in study["objects"]
    }
    for name in one_of_each.values():
        answer = subprocess.run(
            [dciodvfy, str(hospital.objects / name)], capture_output=True, text=True, check=False
        )
        assert "Error" not in answer.stderr, (name, answer.stderr)


# ------------------------------------------------------------------------ registry


def test_registry_has_a_row_for_each_study_that_it_should_know(hospital):
    found = {row["accession_number"]: row for row in rows(hospital)}
    assert all(list(row) == list(COLUMNS) for row in found.values())
    for study in hospital.truth["studies"]:
        row = found.get(study["accession_number"])
        assert (row is not None) == study["has_row"]
        if row is not None:
            assert row["patient_id"] == study["patient_id"]
            assert row["study_date"] == study["study_date"]
            assert row["reading"] == study["reading"]


def test_registry_mistakes_are_only_the_planned_ones(hospital):
    truth = {study["accession_number"]: study for study in hospital.truth["studies"]}
    impossible = 0
    for row in rows(hospital):
        study = truth[row["accession_number"]]
        is_sound = (
            row["cac_total"] >= 0
            and 10 < row["bmi"] < 80
            and 10 < row["lvef"] < 95
            and 18 <= row["age"] < 110
        )
        assert is_sound == (study["role"] != "impossible_value")
        impossible += not is_sound
        days = (date.fromisoformat(row["cac_date"]) - date.fromisoformat(row["study_date"])).days
        assert (abs(days) > 90) == (study["role"] == "late_ct")
        if is_sound:
            vessels = sum(row[f"cac_{name}"] for name in ("lm", "lad", "lcx", "rca"))
            assert vessels == pytest.approx(row["cac_total"], abs=1e-6)
    assert impossible >= 1


# ---------------------------------------------------------------- again and again


def test_whole_folder_is_used_as_it_is(hospital):
    before = {path: path.stat().st_mtime_ns for path in files_of(hospital.folder)}
    called = []
    again = make_hospital(
        hospital.folder,
        patients=PATIENTS,
        workers=1,
        maker=hollow_sphere,
        progress=lambda done, total: called.append((done, total)),
    )
    assert again == hospital
    assert called == []
    assert before == {path: path.stat().st_mtime_ns for path in files_of(hospital.folder)}


def test_same_arguments_same_bytes_whatever_the_workers(tmp_path):
    one = make_hospital(tmp_path / "one", patients=3, workers=1, maker=hollow_sphere)
    two = make_hospital(tmp_path / "two", patients=3, workers=2, maker=hollow_sphere)
    assert content(one.folder) == content(two.folder)


def test_other_arguments_replace_what_is_there(tmp_path):
    first = make_hospital(tmp_path, patients=4, workers=1, maker=hollow_sphere)
    was = content(tmp_path)
    calls = []
    other = make_hospital(
        tmp_path,
        patients=2,
        seed=5,
        workers=1,
        maker=hollow_sphere,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert other.n_studies < first.n_studies
    assert len(files_of(tmp_path)) == other.n_objects
    assert calls[-1] == (other.n_studies, other.n_studies)
    back = make_hospital(tmp_path, patients=4, workers=1, maker=hollow_sphere)
    assert back == first
    assert content(tmp_path) == was


def test_broken_off_work_is_done_again(tmp_path, monkeypatch):
    whole = make_hospital(tmp_path / "whole", patients=2, workers=1, maker=hollow_sphere)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cohort, "_write_registry", stop)
        with pytest.raises(KeyboardInterrupt):
            make_hospital(tmp_path / "cut", patients=2, workers=1, maker=hollow_sphere)
    assert not (tmp_path / "cut" / "complete.json").exists()
    cut = make_hospital(tmp_path / "cut", patients=2, workers=1, maker=hollow_sphere)
    assert content(cut.folder) == content(whole.folder)


KILLED = """
import sys
from pathlib import Path
from mpss_lib.demo.cohort import make_hospital
from standin_phantom import endless
if __name__ == "__main__":
    make_hospital(Path(sys.argv[1]), patients=6, workers=2, maker=endless)
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_killed_maker_leaves_no_process_behind(tmp_path):
    script, pids = tmp_path / "killed.py", tmp_path / "pids"
    script.write_text(KILLED)
    pids.mkdir()
    tests = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(tests.parent), str(tests)])
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "hospital")],
        env=os.environ | {"PYTHONPATH": paths, "STANDIN_PIDS": str(pids)},
    )
    try:
        wait_until(lambda: len(list(pids.iterdir())) == 2)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not any(is_running(int(path.name)) for path in pids.iterdir()))
    assert not (tmp_path / "hospital" / "complete.json").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"patients": 0}, {"workers": 0}, {"seed": -1}, {"signal": "strong"}, {"patients": 10_000}],
)
def test_wrong_argument_is_named(tmp_path, wrong):
    with pytest.raises(WrongArgumentError):
        make_hospital(tmp_path, maker=hollow_sphere, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_hospital_says_where_things_are(hospital):
    assert hospital.first_date <= hospital.last_date
    assert hospital.registry_url.startswith("sqlite:////")
    assert hospital.n_patients < hospital.n_studies < hospital.n_objects


@pytest.mark.slow
def test_digital_phantoms_fill_the_hospital(tmp_path):
    made = make_hospital(tmp_path, patients=1, workers=1)
    wanted = next(s for s in made.truth["studies"] if s["role"] == "regular")
    volume = read_volume(made.objects / wanted["objects"][0]["file"])
    assert volume.array.shape == (40, 64, 64)
    np.testing.assert_allclose(volume.spacing_mm, 4.8)
    assert wanted["labels"]["amplitude_LAD"] == wanted["amplitude"]["LAD"]


def test_gates_that_move_come_beside_the_rest_and_have_their_truth(tmp_path):
    """Every other series is the same, byte for byte; intake leaves the gates to their stage."""
    plain = make_hospital(tmp_path / "plain", patients=1, workers=1, maker=hollow_sphere)
    gated = make_hospital(tmp_path / "g", patients=1, workers=1, maker=hollow_sphere, gated=True)
    objects = [one for study in plain.truth["studies"] for one in study["objects"]]
    for name in (one["file"] for one in objects if one["kind"] != "gated"):
        assert (plain.objects / name).read_bytes() == (gated.objects / name).read_bytes(), name
    assert not any("gated" in study for study in plain.truth["studies"])
    study = next(study for study in gated.truth["studies"] if "gated" in study)
    (entry,) = [one for one in study["objects"] if one["kind"] == "beating"]
    candidate = inspect(gated.objects / entry["file"], IntakeSettings())
    told = study["gated"]
    assert list(candidate.reasons) == entry["expected"] == ["voxel_size"]
    assert candidate.header.n_time_slots == told["n_gates"]
    assert told["lvef"] == pytest.approx(100.0 * (1.0 - told["esv_ml"] / told["edv_ml"]))
    found = ejection_fraction(gates_of(gated.objects / entry["file"]), orientation="transaxial")
    assert found.percent == pytest.approx(told["lvef"], abs=8.0) or not found.is_sure
