"""Several studies by one request: the same lake as one by one, whatever the archive makes of it."""

from __future__ import annotations

from datetime import date

import pytest
from pacs_objects import make_capture, make_nm, sop_uid
from peer import Peer, Script

from mpss_lib.batch import run_stage
from mpss_lib.pull import stage
from mpss_lib.pull.archive.habits import known_habits
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake

WINDOW = (date(2026, 3, 2), date(2026, 3, 2))
N = 8

pytestmark = pytest.mark.pacs


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def peer(archive, script):
    archive.add(*(make_nm(n, shape=(4, 8, 8), study_time=f"{n:02d}0000") for n in range(N)))
    with Peer(archive, script) as running:
        yield running


@pytest.fixture
def sites(peer, sites_of):
    return sites_of(peer.port)


def bytes_of(lake):
    files = (
        path for name in ("dicom", "landing/instance") for path in lake.root.rglob(f"{name}/**/*.*")
    )
    found = {lake.relative(path): path.read_bytes() for path in files if path.is_file()}
    assert len(found) == 2 * N
    return found


@pytest.fixture
def alone(sites, config, tmp_path):
    """The lake of the same studies, each by its own requests."""
    lake = Lake(tmp_path / "alone")
    for key in stage.find(WINDOW, lake, config, sites):
        assert stage.run(key, lake, config, sites).status == "done"
    return bytes_of(lake)


def pulled(sites, lake, config, script):
    """Pull all; give the number of C-GETs, and of C-FINDs after the window was asked for."""
    keys = stage.find(WINDOW, lake, config, sites)
    script.n_get = script.n_find = 0
    result = run_stage("pull", keys, lake, config, sites)
    assert not list(sites.staging.glob("*"))
    return result, script.n_get, script.n_find


def test_one_comes_alone_and_the_others_together(alone, sites, script, lake, config):
    result, n_get, n_find = pulled(sites, lake, config, script)
    assert (result.done, n_get, n_find) == (N, 2, 5)
    assert bytes_of(lake) == alone
    assert known_habits(sites).several is True


@pytest.mark.parametrize(
    ("fault", "n_get"),
    [
        ({"lists_refused": True}, N + 1),  # asked for once, then never again
        ({"get_abort_after": 3}, 6),  # three of seven, then each that lacks
    ],
)
def test_what_does_not_come_together_comes_alone(alone, sites, script, lake, config, fault, n_get):
    for name, value in fault.items():
        setattr(script, name, value)
    result, asked, _ = pulled(sites, lake, config, script)
    assert (result.done, asked) == (N, n_get)
    assert bytes_of(lake) == alone
    assert known_habits(sites).several is (False if "lists_refused" in fault else None)


def test_a_known_refusal_of_lists_is_not_tried_again(sites, script, lake, config, tmp_path):
    script.lists_refused = True
    pulled(sites, lake, config, script)
    again = Lake(tmp_path / "again")
    result, n_get, _ = pulled(sites, again, config, script)
    assert (result.done, n_get) == (N, N)


def test_a_twin_among_several_is_one_study_s_fault(sites, script, lake, config):
    script.twins = (sop_uid(5),)
    result, _, _ = pulled(sites, lake, config, script)
    assert (result.done, result.quarantined) == (N - 1, 1)


def test_an_object_that_is_withheld_is_one_study_s_fault(sites, script, lake, config):
    script.withheld = (sop_uid(5),)
    result, _, _ = pulled(sites, lake, config, script)
    assert (result.done, result.quarantined) == (N - 1, 1)


def strays(query, answers):
    """Answers of an archive that takes a list of studies below the level STUDY for none at all."""
    is_list = not isinstance(query.StudyInstanceUID, str) and query.QueryRetrieveLevel != "STUDY"
    if is_list:
        for answer in answers:
            answer.StudyInstanceUID = "1.2.3"
    return answers


@pytest.mark.parametrize("edit", [strays, lambda query, answers: answers[:1]])
def test_lists_that_do_not_count_up_are_asked_for_alone(alone, sites, script, lake, config, edit):
    def edited(query, answers):
        is_list = not isinstance(query.StudyInstanceUID, str)
        is_below = is_list and query.QueryRetrieveLevel != "STUDY"
        return edit(query, answers) if is_below else answers

    script.edit_list = edited
    result, _, n_find = pulled(sites, lake, config, script)
    assert result.done == N
    assert n_find > 2 * (N - 1)
    assert bytes_of(lake) == alone


def test_a_study_of_which_not_all_is_wanted_is_fetched_by_series(
    archive, sites, script, lake, config
):
    archive.add(make_capture(3), make_capture(4))
    pulled(sites, lake, config, script)
    assert script.get_levels.count("STUDY") == 1
    assert script.get_levels.count("SERIES") in (2, 3)  # one of them may be the first of all


def test_a_rate_of_studies_is_kept_one_by_one(alone, peer, sites_of, script, lake, config):
    slow = sites_of(peer.port, max_studies_per_minute=6000)
    result, n_get, _ = pulled(slow, lake, config, script)
    assert (result.done, n_get) == (N, N)


def test_what_the_lake_holds_is_not_fetched_ahead(sites, script, lake, config):
    pulled(sites, lake, config, script)
    with Vault(sites.vault).opened() as db:
        db.execute("delete from announced")  # as of archives whose counts are ignored
    result, n_get, _ = pulled(sites, lake, config, script)
    assert (result.skipped, n_get) == (N, 0)


def test_nothing_of_a_patient_who_withdrew_meanwhile_is_fetched(sites, script, lake, config):
    keys = stage.find(WINDOW, lake, config, sites)
    vault, sent = Vault(sites.vault), []
    gone = vault.identity(keys[-1])
    vault.add_tombstones([vault.tombstone(gone.patient_key)])
    script.edit_object = lambda one: sent.append(one.StudyInstanceUID)
    run_stage("pull", keys, lake, config, sites)
    assert len(sent) == N - 1
    assert gone.study_uid not in sent
