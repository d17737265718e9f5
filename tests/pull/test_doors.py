"""Studies that no window of a night names: by StudyInstanceUID, by accession number, undated."""

from __future__ import annotations

import pytest
from pacs_objects import make_nm, study_uid
from peer import Peer, Script
from typer.testing import CliRunner

from mpss_lib.cli.application import app
from mpss_lib.errors import WrongArgumentError
from mpss_lib.pull import stage
from mpss_lib.pull.vault import Vault

pytestmark = pytest.mark.pacs


@pytest.fixture
def key_of(sites):
    vault = Vault(sites.vault)
    return lambda number: vault.study_key(study_uid(number))


@pytest.mark.parametrize("name", [study_uid(1), "ACC0000001", " ACC0000001 "])
def test_a_study_is_found_by_its_names(archive, sites, lake, config, key_of, name):
    archive.add(make_nm(1, study_date=""), make_nm(2))
    assert stage.find_named(name, lake, config, sites) == [key_of(1)]
    assert stage.run(key_of(1), lake, config, sites).status == "done"
    [row] = lake.rows("study", config.address("pull"), key_of(1))
    assert (row["study_date_shifted"], row["acquired_period"]) == (None, "")


def test_an_accession_number_may_have_several_studies(archive, sites, lake, config, key_of):
    archive.add(make_nm(1, AccessionNumber="77"), make_nm(2, AccessionNumber="77"), make_nm(3))
    assert stage.find_named("77", lake, config, sites) == sorted([key_of(1), key_of(2)])


@pytest.mark.parametrize("name", ["*", "ACC000000*", "ACC000000?", "?", "", "1.2.3", "nobody\\x"])
def test_a_wildcard_finds_nobody(archive, sites, lake, config, name):
    archive.add(make_nm(1), make_nm(2))
    with pytest.raises(WrongArgumentError, match="the archive has this study not") as found:
        stage.find_named(name, lake, config, sites)
    assert not name or name not in str(found.value)


@pytest.mark.parametrize("name", ["A*1", "A\\1", "A?1", "Ä-1"])
def test_an_odd_accession_number_finds_its_study(archive, sites, lake, config, key_of, name):
    utf8 = {"SpecificCharacterSet": "ISO_IR 192"}
    archive.add(make_nm(1, AccessionNumber=name, **utf8), make_nm(2, AccessionNumber="AX1", **utf8))
    assert stage.find_named(name, lake, config, sites) == [key_of(1)]


def test_a_study_without_the_modality_is_told_apart(archive, sites, lake, config):
    archive.add(make_nm(1, Modality="CT"))
    with pytest.raises(WrongArgumentError, match="no series of modality NM"):
        stage.find_named(study_uid(1), lake, config, sites)


def test_undated_studies_are_found(archive, sites, lake, config, key_of):
    archive.add(make_nm(1, study_date=""), make_nm(2), make_nm(3, study_date="", Modality="CT"))
    assert stage.find_undated(lake, config, sites) == [key_of(1)]
    assert stage.run(key_of(1), lake, config, sites).status == "done"
    assert stage.find_undated(lake, config, sites) == [key_of(1)]


def test_a_withdrawn_study_is_not_found_by_name(archive, sites, lake, config, key_of):
    archive.add(make_nm(1))
    vault = Vault(sites.vault)
    vault.add_tombstones([vault.tombstone(key_of(1))])
    assert stage.find_named(study_uid(1), lake, config, sites) == []


def test_an_archive_that_ignores_the_key_does_not_name_others(archive, sites_of, lake, config):
    archive.add(make_nm(1), make_nm(2))

    def ignore(question):
        question.AccessionNumber = ""
        if question.QueryRetrieveLevel == "STUDY":
            question.StudyInstanceUID = ""

    with Peer(archive, Script(edit_query=ignore)) as peer:
        sites = sites_of(peer.port)
        key = Vault(sites.vault).study_key(study_uid(1))
        assert stage.find_named("ACC0000001", lake, config, sites) == [key]
        assert stage.find_named(study_uid(1), lake, config, sites) == [key]


@pytest.fixture
def command(tmp_path, monkeypatch, server):
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    for name, value in (
        ("PORT", server.port),
        ("CALLED_AET", '"HOSPITAL"'),
        ("CALLING_AET", '"MPSS"'),
    ):
        monkeypatch.setenv(f"MPSS_ARCHIVE__{name}", str(value))
    return lambda *arguments: CliRunner().invoke(app, ["find", *arguments])


def test_the_command(archive, command, sites):
    archive.add(make_nm(1), make_nm(2, study_date=""), make_nm(3, study_date="20260303"))
    vault = Vault(sites.vault)
    keys = {n: vault.study_key(study_uid(n)) for n in (1, 2, 3)}
    assert command("2026-03-02").output.split() == [keys[1]]
    assert sorted(command("2026-03-02", "2026-03-03").output.split()) == sorted([keys[1], keys[3]])
    assert command("--undated").output.split() == [keys[2]]
    found = command("--study", study_uid(2), "--study", "ACC0000003")
    assert found.output.split() == [keys[2], keys[3]]
    for wrong in ((), ("2026-03-02", "--undated"), ("--study", "nobody")):
        assert isinstance(command(*wrong).exception, WrongArgumentError)
