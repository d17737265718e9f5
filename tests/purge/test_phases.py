"""One of three people withdraws: nothing of her is left, everything of the others is."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from invented_home import COHORT, PEOPLE, grep

from mpss_lib.audit.chain import files_of, lines_of
from mpss_lib.audit.doors import chain_of
from mpss_lib.audit.verify import verify
from mpss_lib.errors import WritersAtWorkError, WrongArgumentError
from mpss_lib.locks import alone, working
from mpss_lib.maintenance.vault_copy import copy_vault
from mpss_lib.pull.vault import Vault
from mpss_lib.purge import journal
from mpss_lib.purge.phases import PHASES, SomethingLeftError, plan, purge
from mpss_lib.purge.subject import key_of
from mpss_lib.quality.review import record_review
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.warehouse.reader import rows

BIRTH = {"19470809", "1947-08-09"}
PROJECT = Path(__file__).resolve().parents[2]


def patient_key(invented, person=0):
    return invented.of(person)[0].patient_key


def test_the_plain_search_finds_her_everywhere_before(invented):
    found = grep(invented.root, invented.secrets(0) | BIRTH)
    tops = {name.split("/")[0] for name in found}
    assert tops == {"airflow", "lake", "logs", "staging", "vault.sqlite"}
    below = {name.split("/")[1] for name in found if name.startswith("lake/")}
    wanted = "dicom landing batch manifest masks pictures quarantine reports warehouse.duckdb"
    assert set(wanted.split()) <= below


def test_after_a_purge_nothing_of_the_patient_is_found(invented, home):
    report = purge(patient_key(invented), home)
    assert report.is_clean
    assert report.proof.n_files > 80
    assert grep(invented.root, invented.secrets(0)) == {}
    # Another patient has the same birth date: it may stand in the vault and nowhere else.
    assert set(grep(invented.root, BIRTH)) <= {"vault.sqlite"}


def test_the_audit_log_stays_and_names_nobody(invented, home):
    (key, *_) = invented.secrets(0) & set(subject_keys(invented))
    purge(patient_key(invented), home)
    chain = chain_of(invented.root, home.config)
    assert verify(chain).faults == []
    begun, ended = [line for path in files_of(chain.folder) for line in lines_of(path)][-2:]
    for line in (begun, ended):
        objects = line.message["ParticipantObjectIdentification"]
        assert key in [one["ParticipantObjectID"] for one in objects]
    with files_of(chain.folder)[-1].open("a") as file:  # had somebody written a name into it
        file.write(invented.of(1)[0].patient_name + "\n")
    with pytest.raises(SomethingLeftError, match="audit/"):
        purge(invented.of(1)[0].patient_key, home)


def subject_keys(invented):
    return [one.study_key for one in invented.of(0)]


def test_the_others_are_as_they_were(invented, home):
    before = grep(invented.root, invented.secrets(1))
    features = "select * from feature.radiomics where study_key = ? order by all"
    [key] = [one.study_key for one in invented.of(1)]
    values = rows(invented.lake, features, [key])
    assert len(values) == 56
    purge(patient_key(invented), home)
    after = grep(invented.root, invented.secrets(1))
    gone = set(before) - set(after)
    # Staging is emptied; a task log line that held both keys went; a batch of both stays.
    assert {name.split("/")[0] for name in gone} <= {"staging"}
    assert repr(rows(invented.lake, features, [key])) == repr(values)
    identity = invented.vault.identity(key)
    assert identity == invented.of(1)[0]


def test_the_flow_still_sums_and_names_the_withdrawn(invented, home):
    n_before = rows(invented.lake, "select count(*) as n from core.cohort_flow")
    purge(patient_key(invented), home)
    flow = rows(invented.lake, "select * from core.cohort_flow")
    assert [{"n": len(flow)}] == n_before
    gone = [row for row in flow if row["reason"] == "withdrawn"]
    assert len(gone) == len(PEOPLE[0][3])
    assert all(row["study_key"].startswith("X") for row in gone)
    [bad] = rows(invented.lake, "select sum(n_bad) as n from quality.check_result")
    assert bad["n"] in (None, 0)


def test_models_that_had_used_the_patient_are_marked(invented, home):
    marked = "select has_withdrawn, count(*) as n from result.model_overview group by all"
    assert rows(invented.lake, marked) == [{"has_withdrawn": False, "n": 1}]
    purge(patient_key(invented), home)
    assert rows(invented.lake, marked) == [{"has_withdrawn": True, "n": 1}]
    [model] = rows(invented.lake, "select * from evaluation.model")
    assert model["has_withdrawn"]
    assert model["test_studies"] == [invented.of(i)[0].study_key for i in (1, 2)]
    assert model["residuals"] == [2.0, 3.0]
    [cohort] = rows(invented.lake, "select * from core.cohort_frozen")
    assert (cohort["cohort_hash"], cohort["n_studies"], cohort["n_withdrawn"]) == (COHORT, 3, 1)


def test_the_manifest_tells_the_files_as_they_are(invented, home):
    import pyarrow.parquet as pq

    from mpss_lib.tables import sha256_of

    purge(patient_key(invented), home)
    seen = 0
    for path in (invented.lake.root / "manifest").rglob("*.json"):
        from mpss_lib.whole_files import read_json

        record = read_json(path)
        entries = [file for unit in record.get("units", ()) for file in unit["files"]]
        entries += [record] if "members" in record else []
        for entry in entries:
            file = invented.lake.root / entry["path"]
            assert sha256_of(file) == entry["content_sha256"]
            assert pq.read_metadata(file).num_rows == entry["n_rows"]
            seen += 1
    assert seen > 20


def test_one_study_goes_and_the_patient_stays(invented, home):
    gone, kept = invented.of(0)
    report = purge(gone.study_key, home)
    assert report.is_clean
    own = {gone.study_key, gone.accession_key, gone.accession_number, gone.study_uid}
    assert grep(invented.root, own) == {}
    assert invented.vault.identity(kept.study_key).patient_name == kept.patient_name
    flow = rows(invented.lake, "select study_key from core.cohort_flow where patient_key = ?",
                [kept.patient_key])  # fmt: skip
    assert [row["study_key"] for row in flow] == [kept.study_key]
    assert invented.vault.withdrawn([gone.study_key, kept.study_key]) == {gone.study_key}
    assert not invented.vault.withdrawn([kept.patient_key])


@pytest.mark.parametrize(
    "asked",
    [
        {"PatientID": PEOPLE[0][0]},
        {"AccessionNumber": PEOPLE[0][3][1]},
        {"StudyInstanceUID": "uid"},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_original_identifiers_name_the_same(asked, invented):
    first, second = invented.of(0)
    if "StudyInstanceUID" in asked:
        asked = {"StudyInstanceUID": first.study_uid}
    wanted = {
        "PatientID": first.patient_key,
        "AccessionNumber": second.study_key,
        "StudyInstanceUID": first.study_key,
    }[next(iter(asked))]
    assert key_of(asked, invented.vault, invented.config) == wanted


@pytest.mark.parametrize("asked", [{}, {"PatientName": "X"}, {"AccessionNumber": "none"}])
def test_a_request_that_names_nobody_is_wrong_use(asked, invented):
    with pytest.raises(WrongArgumentError):
        key_of(asked, invented.vault, invented.config)


@pytest.mark.parametrize("key", ["S0123456789abcdef", "P0123456789abcdef", "Q1", "../x", ""])
def test_a_key_of_nobody_is_wrong_use(key, home):
    with pytest.raises(WrongArgumentError):
        plan(key, home)


def test_a_plan_changes_nothing(invented, home):
    before = sorted((p, p.stat().st_mtime_ns) for p in invented.lake.root.rglob("*"))
    planned = plan(patient_key(invented), home)
    assert planned.found.whole
    assert planned.found.shared
    assert {path.name for path in planned.log_files} >= {"scheduler.log", "scheduler.log.1.gz"}
    after = sorted((p, p.stat().st_mtime_ns) for p in invented.lake.root.rglob("*"))
    assert after == before


def test_a_purge_refuses_while_somebody_writes(invented, home):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom mpss_lib.locks import working\n"
        "with working(Path(sys.argv[1])):\n    print('in', flush=True)\n    time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(invented.lake.root)], stdout=subprocess.PIPE, cwd=PROJECT
    )
    try:
        assert child.stdout.readline().strip() == b"in"
        with pytest.raises(WritersAtWorkError, match="a purge must be alone"):
            purge(patient_key(invented), home)
    finally:
        child.kill()
        child.communicate()
    assert grep(invented.root, invented.secrets(0))
    purge(patient_key(invented), home)


def test_who_is_alone_does_not_wait_for_itself(tmp_path):
    with alone(tmp_path, "a test"), working(tmp_path), alone(tmp_path, "again"):
        assert (tmp_path / "work.lock").exists()


def test_what_cannot_be_read_is_left_and_the_vault_still_knows(invented, home):
    broken = invented.root / "lake" / "landing" / "broken.gz"
    broken.write_bytes(b"\x1f\x8b\x08broken")
    with pytest.raises(SomethingLeftError) as told:
        purge(patient_key(invented), home)
    assert [hit.place for hit in told.value.proof.left] == ["home/lake/landing/broken.gz"]
    assert invented.vault.identity(invented.of(0)[0].study_key)
    assert journal.unfinished(invented.vault)
    broken.unlink()
    assert purge(patient_key(invented), home).is_clean
    assert journal.unfinished(invented.vault) == []


def test_a_record_of_nobody_else_goes_and_is_not_missed(invented, home):
    """The answer of a physician has a record of its own, which the published snapshot names."""
    key = invented.of(0)[0].study_key
    record_review(invented.lake, invented.config, key, "accept", "seen", "dr")
    warehouse.run(invented.lake, invented.config)
    report = purge(patient_key(invented), home)
    assert report.is_clean
    warehouse.run(invented.lake, invented.config)


def test_an_open_reader_is_told(invented, home):
    with closing(open_snapshot(invented.lake.snapshot)) as connection:
        report = purge(patient_key(invented), home)
        assert os.getpid() in report.readers
        assert connection.execute("select count(*) from core.study").fetchone() == (4,)


def test_backups_that_hold_the_patient_are_listed_with_their_expiry(invented, home):
    old = copy_vault(invented.sites.vault)
    report = purge(patient_key(invented), home)
    [copy] = report.copies
    assert copy.path == old
    assert (copy.expires_at - copy.made_at).days == invented.config.maintenance.backups_days
    new = copy_vault(invented.sites.vault)
    assert [one.path for one in plan(patient_key(invented), home).copies] == [old]
    assert new != old


def test_a_purge_that_has_ended_can_be_asked_for_again(invented, home):
    key = patient_key(invented)
    purge(key, home)
    assert plan(key, home).was_ended
    assert purge(key, home).is_clean


CHILD = """
import os, sys
from pathlib import Path
from mpss_lib.config import load, sites_of
from mpss_lib.tables import Lake
from mpss_lib.purge.phases import purge
from mpss_lib.runtime.home import Home

root, key, phase = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
config = load(root, environ={})
home = Home(root, Lake(root / "lake"), config, sites_of(config, root))
seen = []

def progress(name):
    seen.append(name)
    if sys.argv[4] == "begin" and name == phase:
        os.kill(os.getpid(), 9)

if sys.argv[4] == "inside":
    replace = os.replace
    count = [0]
    import pathlib
    for name in ("replace", "unlink"):
        def wrapped(self, *given, _real=getattr(pathlib.Path, name), **more):
            if seen and seen[-1] == phase:
                count[0] += 1
                if count[0] == 4:
                    os.kill(os.getpid(), 9)
            return _real(self, *given, **more)
        setattr(pathlib.Path, name, wrapped)
purge(key, home, progress=progress)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "where"),
    [*((phase, "begin") for phase in PHASES), ("rows", "inside"), ("files", "inside")],
)
def test_a_killed_purge_is_brought_to_its_end_by_the_same_again(phase, where, invented, home):
    key = patient_key(invented)
    command = [sys.executable, "-c", CHILD, str(invented.root), key, phase, where]
    killed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    told = journal.unfinished(Vault(invented.sites.vault))
    assert len(told) == (phase != "tombstone")
    assert all(key not in str(row) for row in told)
    assert purge(key, home).is_clean
    assert grep(invented.root, invented.secrets(0)) == {}
    assert journal.unfinished(Vault(invented.sites.vault)) == []
    flow = rows(invented.lake, "select reason from core.cohort_flow")
    assert len(flow) == 4
    assert [row["reason"] for row in flow].count("withdrawn") == 2
