"""Several archives of a site: one study is one study, and one that is away holds up no other."""

from __future__ import annotations

import logging
from datetime import date

import pytest
from pacs_objects import make_nm, study_uid
from peer import Peer, Script, free_port

from mpss_lib import config as settings
from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.batch import run_stage
from mpss_lib.config import Config
from mpss_lib.demo.archive import Archive
from mpss_lib.errors import ArchiveDownError, OneArchiveAwayError, SettingsError
from mpss_lib.pull import stage
from mpss_lib.pull.archive import several
from mpss_lib.pull.archive.habits import known_habits
from mpss_lib.pull.archive.session import session_of
from mpss_lib.pull.archive.several import by_archive
from mpss_lib.pull.receiver.service import receiving_entity
from mpss_lib.pull.upstream.reconcile_door import reconcile
from mpss_lib.pull.vault import Vault
from mpss_lib.sections import BatchSettings, PullSettings
from mpss_lib.upstream import noted

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))

# When nobody listens, pynetdicom leaves the closing of its socket to the collector.
pytestmark = [
    pytest.mark.pacs,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def cardiology(tmp_path):
    return Archive(tmp_path / "cardiology")


@pytest.fixture
def scripts():
    return Script(), Script()


@pytest.fixture
def two(archive, cardiology, scripts, sites_of):
    """Sites with two archives; those of the second may be at a port where nobody is."""
    with Peer(archive, scripts[0]) as first, Peer(cardiology, scripts[1]) as second:

        def make(first_port=first.port, second_port=second.port, **more):
            other = {"port": second_port, "called_aet": "HOSPITAL"}
            return sites_of(first_port, others={"cardiology": other}, **more)

        yield make


def uids_asked(script):
    """Let a script keep the studies of which objects are asked for."""
    seen = []

    def look(query):
        if query.QueryRetrieveLevel == "IMAGE" and "SOPClassUID" not in query:
            seen.append(query.StudyInstanceUID)

    script.edit_query = look
    return seen


# ------------------------------------------------------------------ settings


def test_an_archive_has_what_it_does_not_say_from_the_first(tmp_path):
    (tmp_path / "mpss.toml").write_text(
        '[archive]\nhost = "pacs"\nport = 104\ncalled_aet = "PACS"\ncalling_aet = "HEART"\n'
        "dimse_timeout_s = 30\nmax_associations = 4\n"
        '[archive.others.cardiology]\nhost = "cardio"\ncalled_aet = "CARDIO"\n'
        'max_associations = 1\nwindow = "20:00-05:00"\n'
        "[archive.others.research]\nport = 11200\n"
    )
    first, cardiology, research = settings.load(tmp_path, {}).archive.every
    assert (first.calling_aet, cardiology.calling_aet, research.calling_aet) == ("HEART",) * 3
    assert (cardiology.host, cardiology.port, cardiology.called_aet) == ("cardio", 11112, "CARDIO")
    assert (cardiology.dimse_timeout_s, research.max_associations) == (30, 4)
    assert (cardiology.max_associations, cardiology.window, first.window) == (1, "20:00-05:00", "")
    assert (research.host, research.called_aet) == ("127.0.0.1", "ARCHIVE")
    titles = receiving_entity(first, ReceiverSettings()).require_calling_aet
    assert titles == ["PACS", "CARDIO", "ARCHIVE"]


@pytest.mark.parametrize(
    "text",
    [
        "[archive.others.Heart]\nport = 1\n",
        "[archive.others.archive]\nport = 1\n",
        "[archive.others.a]\nport = 11112\n",  # the same address as the first
        "[archive.others.a]\nport = 1\n[archive.others.a.others.b]\nport = 2\n",
        '[archive]\nretrieve = "folder"\nfolder = "x"\n[archive.others.a]\nport = 1\n',
        "[archive.others.a]\nprot = 1\n",
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, text):
    (tmp_path / "mpss.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"archive"):
        settings.load(tmp_path, {})


def test_one_archive_is_asked_as_before(sites, lake, config, archive):
    assert list(by_archive(sites)) == ["archive"]
    archive.add(make_nm(1))
    with session_of(sites) as session:
        assert type(session).__name__ == "ArchiveSession"


# ------------------------------------------------------------------ a night


def test_a_study_in_two_is_pulled_once_from_the_first(
    archive, cardiology, two, scripts, lake, config, caplog
):
    archive.add(make_nm(1), make_nm(2))
    cardiology.add(make_nm(2), make_nm(3, study_date="20260303"))
    fetched = [uids_asked(script) for script in scripts]
    sites = two()
    with caplog.at_level(logging.INFO):
        keys = stage.find(WINDOW, lake, config, sites)
    vault = Vault(sites.vault)
    assert keys == sorted(vault.study_key(study_uid(n)) for n in (1, 2, 3))
    assert "{'archive': 2, 'cardiology': 2}, 1 of them in more than one" in caplog.text
    assert lake.quarantined() == []
    assert run_stage("pull", keys, lake, config, sites).done == 3
    for n in (1, 2, 3):
        rows = lake.rows("instance", config.address("pull"), vault.study_key(study_uid(n)))
        assert [row["is_stored"] for row in rows] == [True]
    assert study_uid(2) not in fetched[1]
    again = run_stage("pull", stage.find(WINDOW, lake, config, sites), lake, config, sites)
    assert (again.given, again.skipped) == (3, 3)
    each = by_archive(sites)
    assert known_habits(each["archive"]).is_probed
    assert known_habits(each["cardiology"]).is_probed
    assert known_habits(each["cardiology"]).way == "C-GET"


def test_two_persons_under_one_uid_in_two_archives_are_a_quarantine(
    archive, cardiology, two, lake, config
):
    archive.add(make_nm(1), make_nm(2))
    cardiology.add(make_nm(1, PatientID="SOMEBODY-ELSE"))
    sites = two()
    keys = stage.find(WINDOW, lake, config, sites)
    lenient = config.model_copy(update={"batch": BatchSettings(fault_share=1.0)})
    result = run_stage("pull", keys, lake, lenient, sites)
    assert (result.done, result.quarantined) == (1, 1)
    (row,) = lake.quarantined()
    assert row["study_key"] == Vault(sites.vault).study_key(study_uid(1))
    assert "names 2 patients" in row["problem"]


def test_the_copy_with_fewer_objects_is_not_taken_for_the_study(
    archive, cardiology, two, lake, config, caplog
):
    archive.add(make_nm(1), make_nm(2), make_nm(2, series=2))
    cardiology.add(make_nm(1), make_nm(1, series=2), make_nm(2))
    sites = two()
    keys = stage.find(WINDOW, lake, config, sites)
    lenient = config.model_copy(update={"batch": BatchSettings(fault_share=1.0)})
    result = run_stage("pull", keys, lake, lenient, sites)
    assert (result.done, result.quarantined) == (1, 1)  # the second study is whole in the first
    (row,) = lake.quarantined()
    assert row["study_key"] == Vault(sites.vault).study_key(study_uid(1))
    assert "archives count other objects of one study" in caplog.text
    trusting = lenient.model_copy(update={"pull": PullSettings(counts="ignore")})
    assert run_stage("pull", keys, lake, trusting, sites).quarantined == 0


def test_an_archive_that_is_away_holds_up_no_other(
    archive, cardiology, two, lake, config, monkeypatch
):
    archive.add(make_nm(1))
    cardiology.add(make_nm(2), make_nm(1))
    whole, port = two(), free_port()
    everything = stage.find(WINDOW, lake, config, whole)
    assert len(everything) == 2
    for sites, n_found in ((two(second_port=port), 1), (two(first_port=port), 2)):
        keys = stage.find(WINDOW, lake, config, sites)
        assert len(keys) == n_found
        (row,) = lake.quarantined()
        assert "was away: nobody answers" in row["problem"]
    # Of a batch the studies of the other archive are done, then it waits for the one that is away.
    away = two(second_port=port)
    with pytest.raises(OneArchiveAwayError, match="archive cardiology is away, busy or refuses us"):
        run_stage("pull", everything, lake, config, away)
    vault = Vault(whole.vault)
    assert lake.dicom_folder(vault.study_key(study_uid(1))).exists()
    assert not lake.dicom_folder(vault.study_key(study_uid(2))).exists()
    with pytest.raises(ArchiveDownError):
        stage.find(WINDOW, lake, config, two(first_port=port, second_port=free_port()))
    keys = stage.find(WINDOW, lake, config, whole)
    assert lake.quarantined() == []
    result = run_stage("pull", keys, lake, config, whole)
    assert (result.done, result.skipped) == (1, 1)


def test_a_study_comes_from_the_second_archive_while_the_first_is_away(
    archive, cardiology, two, lake, config
):
    archive.add(make_nm(1))
    cardiology.add(make_nm(1))
    keys = stage.find(WINDOW, lake, config, two())
    assert run_stage("pull", keys, lake, config, two(first_port=free_port())).done == 1


def test_reconcile_looks_into_all_of_them(archive, cardiology, two, lake, config):
    archive.add(make_nm(1))
    cardiology.add(make_nm(2))
    sites = two()
    keys = stage.find(WINDOW, lake, config, sites)
    run_stage("pull", keys, lake, config, sites)
    answered = reconcile(WINDOW, lake, config, sites)
    assert (list(answered.open), list(answered.doubts)) == ([], [])
    assert sum(month.n_archive for month in answered.months) == 2
    cardiology.add(make_nm(3))
    (late,) = reconcile(WINDOW, lake, config, sites).open
    assert late.study_key == Vault(sites.vault).study_key(study_uid(3))
    assert [one.study_key for one in noted(lake)] == [late.study_key]


def test_a_study_is_found_by_name_wherever_it_is(cardiology, two, lake, config):
    cardiology.add(make_nm(4))
    sites = two()
    (key,) = stage.find_named(study_uid(4), lake, config, sites)
    assert run_stage("pull", [key], lake, config, sites).done == 1


def test_each_archive_keeps_its_own_limits(archive, cardiology, sites_of, tmp_path):
    from mpss_lib.pull.archive.gate import gates_of

    sites = sites_of(1, others={"cardiology": {"port": 2, "max_associations": 1}})
    first, second = gates_of(sites)
    first.sit()
    second.sit()
    assert (first.n_taken(), second.n_taken()) == (1, 1)
    assert second.settings.max_associations == 1
    first.stand()
    second.stand()


def test_the_settings_of_a_site_are_a_valid_archive():
    assert ArchiveSettings().every == (ArchiveSettings(),)
    assert Config().archive.others == {}
    assert several.AWAY_S > 0
