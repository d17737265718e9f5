"""Every door of pull that touches identities says in the audit log what it did, and for whom."""

from __future__ import annotations

from datetime import date

import pytest
from pacs_objects import make_nm, study_uid
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.audit.chain import files_of, lines_of
from mpss_lib.audit.doors import chain_of
from mpss_lib.audit.message import act_for
from mpss_lib.audit.verify import verify
from mpss_lib.batch import run_stage
from mpss_lib.errors import ArchiveDownError, PlatformFaultError
from mpss_lib.pull import stage
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.quality.review import record_review

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))

pytestmark = pytest.mark.pacs


def lines(root, config):
    return [one for path in files_of(chain_of(root, config).folder) for one in lines_of(path)]


@pytest.fixture
def told(tmp_path, config):
    """Kind, outcome, study keys and details of each line."""

    def read():
        found = []
        for line in lines(tmp_path, config):
            event = line.message["EventIdentification"]
            objects = line.message["ParticipantObjectIdentification"]
            codes = [one["ParticipantObjectIDTypeCode"]["csd-code"] for one in objects]
            keys = [
                one["ParticipantObjectID"]
                for one, code in zip(objects, codes, strict=True)
                if code == "study_key"
            ]
            details = [d for one in objects for d in one.get("ParticipantObjectDetail", ())]
            kind, outcome = event["EventTypeCode"]["csd-code"], event["EventOutcomeIndicator"]
            found.append((kind, outcome, keys, {d["type"]: d["value"] for d in details}))
        return found

    return read


def requesters(root, config):
    return [one.message["ActiveParticipant"][0]["UserID"] for one in lines(root, config)]


def test_what_a_night_did_is_in_the_log(archive, sites, lake, config, told, tmp_path):
    archive.add(make_nm(1), make_nm(2))
    keys = stage.find(WINDOW, lake, config, sites)
    run_stage("pull", keys, lake, config, sites)
    stage.run(keys[0], lake, config, sites)
    assert told() == [
        ("find", "0", [], {"n_studies": "2"}),
        ("pull", "0", keys, {"state": "begun"}),
        ("pull", "0", keys,
         {"given": "2", "done": "2", "skipped": "0", "rejected": "0", "quarantined": "0"}),
        ("pull", "0", keys[:1], {"state": "begun"}),
        ("pull", "0", keys[:1], {}),
    ]  # fmt: skip
    text = "".join(path.read_text() for path in (tmp_path / "audit").glob("*.jsonl"))
    for n, key in enumerate(keys, 1):
        who = Vault(sites.vault).identity(key)
        hidden = (who.patient_name, who.patient_id, who.birth_date, who.accession_number)
        assert not [one for one in (*hidden, study_uid(n)) if one and one in text]
    assert verify(chain_of(tmp_path, config)).faults == []


def remembered(sites):
    """Key of a study that a query returned before."""
    vault = Vault(sites.vault)
    one = Identity("S0123456789abcdef", study_uid(1), *[""] * 9)
    vault.remember_studies([one])
    return one.study_key


# When nobody listens, pynetdicom leaves the closing of its socket to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_failed_is_in_the_log_too(sites_of, lake, config, told):
    with pytest.raises(ArchiveDownError):
        stage.find(WINDOW, lake, config, sites_of(9))
    with pytest.raises(ArchiveDownError):
        run_stage("pull", [remembered(sites_of(9))], lake, config, sites_of(9))
    assert [(kind, outcome) for kind, outcome, _, _ in told()] == [
        ("find", "8"), ("pull", "0"), ("pull", "8")
    ]  # fmt: skip


def test_nothing_is_fetched_where_the_log_cannot_be_written(archive, sites, lake, config, tmp_path):
    archive.add(make_nm(1))
    keys = stage.find(WINDOW, lake, config, sites)
    (tmp_path / "audit" / "000001.jsonl").rename(tmp_path / "elsewhere")
    (tmp_path / "audit" / "000001.jsonl").mkdir()
    with pytest.raises(PlatformFaultError, match="audit log"):
        run_stage("pull", keys, lake, config, sites)
    assert not lake.dicom_folder(keys[0]).exists()


def test_a_review_and_a_registry_and_who_asked(sites, lake, config, told, tmp_path):
    record_review(lake, config, "S0123456789abcdef", "accept", "seen", "dr.grey")
    act_for("operator")
    try:
        with pytest.raises(PlatformFaultError):
            stage.import_registry(lake, config, sites)
    finally:
        act_for("")
    assert [(kind, outcome) for kind, outcome, _, _ in told()] == [
        ("review", "0"), ("import_registry", "8")
    ]  # fmt: skip
    assert told()[0][3]["decision"] == "accept"
    assert requesters(tmp_path, config) == ["dr.grey", "operator"]


def test_whoever_reads_the_vault_or_the_log_is_in_it(
    archive, sites, lake, config, told, tmp_path, monkeypatch
):
    archive.add(make_nm(1))
    (key,) = stage.find(WINDOW, lake, config, sites)
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    done = CliRunner().invoke(cli.app, ["who", key])
    assert study_uid(1) in done.stdout
    listed = CliRunner().invoke(cli.app, ["audit", "ls", "--study", key])
    assert "lookup" in listed.stdout
    assert "find" not in listed.stdout
    assert CliRunner().invoke(cli.app, ["audit", "verify"]).exit_code == 0
    assert [kind for kind, *_ in told()] == ["find", "lookup", "audit_read"]
    path = tmp_path / "audit" / "000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"E"', b'"R"', 1))
    assert CliRunner().invoke(cli.app, ["audit", "verify"]).exit_code == 1
