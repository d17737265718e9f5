"""A batch on its way: fetched ahead, taken beside it, stored in groups; and how little is asked."""

from __future__ import annotations

import os
import signal
from datetime import date

import pytest
from pacs_objects import make_nm, sop_uid
from peer import Peer, Script

from mpss_lib.batch import run_stage
from mpss_lib.errors import ArchiveBusyError, PlatformFaultError
from mpss_lib.pull import beside, conveyor, stage, storing
from mpss_lib.pull.received import ReceivedLedger
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake

WINDOW = (date(2026, 3, 2), date(2026, 3, 2))
SMALL = (4, 8, 8)

pytestmark = [
    pytest.mark.pacs,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def peer(archive, script):
    archive.add(*(make_nm(n, shape=SMALL, study_time=f"{n:02d}0000") for n in range(20)))
    with Peer(archive, script) as running:
        yield running


@pytest.fixture
def sites(peer, sites_of):
    return sites_of(peer.port)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """The peer's threads run in this process, and hold nothing that a helper needs."""
    monkeypatch.setattr(beside, "is_alone", lambda: True)


def bytes_of(lake):
    """What every object and every row file of a lake is made of, by its path below the lake."""
    folders = ("dicom", "landing/instance", "landing/study")
    files = (path for folder in folders for path in lake.root.glob(f"{folder}/**/*.*"))
    return {lake.relative(path): path.read_bytes() for path in files if path.is_file()}


def leftovers(sites):
    return list(sites.staging.glob("*"))


def test_a_batch_gives_the_bytes_of_its_studies_one_by_one(sites, lake, config, tmp_path):
    keys = stage.find(WINDOW, lake, config, sites)
    alone = Lake(tmp_path / "alone")
    stage.find(WINDOW, alone, config, sites)
    for key in keys:
        assert stage.run(key, alone, config, sites).status == "done"
    result = run_stage("pull", keys, lake, config, sites)
    assert (result.done, result.keys) == (20, tuple(keys))
    assert bytes_of(lake) == bytes_of(alone)
    assert len(bytes_of(lake)) == 20 * 3
    assert not leftovers(sites)


def test_a_broken_study_leaves_the_others_of_its_group(sites, script, lake, config):
    keys = stage.find(WINDOW, lake, config, sites)
    script.edit_object = lambda one: one.SOPInstanceUID == sop_uid(3) and delattr(one, "Rows")
    result = run_stage("pull", keys, lake, config, sites)
    assert (result.done, result.quarantined) == (19, 1)
    assert not leftovers(sites)


def test_what_storing_finds_of_one_study_leaves_the_others(sites, lake, config, monkeypatch):
    keys = stage.find(WINDOW, lake, config, sites)
    place, broken = storing.place_of_study, keys[7]

    def place_all_but_one(identity, *rest):
        if identity.study_key == broken:
            raise ValueError("one of them")
        return place(identity, *rest)

    monkeypatch.setattr(storing, "place_of_study", place_all_but_one)
    result = run_stage("pull", keys, lake, config, sites)
    assert (result.done, result.quarantined) == (19, 1)
    assert broken not in result.keys


def test_what_came_before_the_archive_went_away_is_recorded(
    sites, script, lake, config, monkeypatch
):
    monkeypatch.setattr(conveyor, "GROUP", 16)
    keys = stage.find(WINDOW, lake, config, sites)
    script.refuses = lambda _: 0xA700 if script.n_get > 1 else 0
    with pytest.raises(ArchiveBusyError):
        run_stage("pull", keys, lake, config, sites)
    units = lake.records("pull")[-1]["units"]
    done = [unit["key"] for unit in units if unit["status"] == "done"]
    assert done == keys[: len(done)]
    assert len(done) == 8  # one alone, then the others that were listed with it
    assert not leftovers(sites)
    script.refuses = None
    again = run_stage("pull", keys, lake, config, sites)
    assert (again.done, again.skipped) == (12, 8)


def test_a_disk_that_refuses_stores_nothing_of_the_group(sites, lake, config, monkeypatch):
    keys = stage.find(WINDOW, lake, config, sites)

    def refuse(*_):
        raise PlatformFaultError("the disk is full", way_out="free disk space")

    with monkeypatch.context() as patch:
        patch.setattr(storing, "_make_durable", refuse)
        with pytest.raises(PlatformFaultError):
            run_stage("pull", keys, lake, config, sites)
    assert not lake.landing_files("instance", config.address("pull"))
    assert not ReceivedLedger(Vault(sites.vault)).checks()
    assert not leftovers(sites)
    assert run_stage("pull", keys, lake, config, sites).done == len(keys)


def test_a_disk_that_refuses_one_object_stores_the_others_of_the_group(
    sites, lake, config, monkeypatch
):
    """The group's other studies may be on the lake already when they are stored alone."""
    keys = stage.find(WINDOW, lake, config, sites)
    move, first = storing._move, []

    def refuse_once(path, made):
        if not first:
            first.append(path)
            raise ValueError("one of them")
        move(path, made)

    monkeypatch.setattr(storing, "_move", refuse_once)
    assert run_stage("pull", keys, lake, config, sites).done == len(keys)
    assert first[0].is_file()
    assert not leftovers(sites)


@pytest.mark.parametrize("which", ["_takes", "_writes"])
def test_a_helper_that_is_killed_is_done_without(which, sites, lake, config, monkeypatch):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: there is no helper")
    keys, killed = stage.find(WINDOW, lake, config, sites), []
    step = conveyor.Conveyor._step

    def step_and_kill(self):
        step(self)
        process = getattr(self, which)._process
        if process is not None and not killed and len(self._under_way()) > 2:
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)

    monkeypatch.setattr(conveyor.Conveyor, "_step", step_and_kill)
    assert run_stage("pull", keys, lake, config, sites).done == 20
    assert killed
    assert not leftovers(sites)


def test_what_is_being_written_when_a_batch_breaks_off_is_written(
    sites, script, lake, config, monkeypatch
):
    """A study whose turn had not come when the archive went away may be on the lake, whole."""
    keys = stage.find(WINDOW, lake, config, sites)
    monkeypatch.setattr(conveyor, "GROUP", 4)
    script.refuses = lambda _: 0xA700 if script.n_get > 3 else 0
    with pytest.raises(ArchiveBusyError):
        run_stage("pull", keys, lake, config, sites)
    assert not list(lake.root.rglob(".tmp-*"))
    assert not leftovers(sites)
    script.refuses = None
    again = run_stage("pull", keys, lake, config, sites)
    assert again.done + again.skipped == 20


def test_with_other_threads_nothing_is_forked(sites, lake, config, monkeypatch):
    monkeypatch.setattr(beside, "is_alone", lambda: False)
    monkeypatch.setattr(beside.Helper, "fork", lambda _: pytest.fail("a helper was forked"))
    keys = stage.find(WINDOW, lake, config, sites)
    assert run_stage("pull", keys, lake, config, sites).done == 20


def test_no_more_than_so_many_are_ahead(sites, lake, config, monkeypatch):
    monkeypatch.setattr(conveyor, "GROUP", 3)
    monkeypatch.setattr(conveyor, "AHEAD", 6)
    most, step = [], conveyor.Conveyor._step

    def watched(self):
        step(self)
        most.append(len(self._under_way()))

    monkeypatch.setattr(conveyor.Conveyor, "_step", watched)
    keys = stage.find(WINDOW, lake, config, sites)
    assert run_stage("pull", keys, lake, config, sites).done == 20
    assert 3 < max(most) <= 6


# ------------------------------------------------------------------ how much is asked


def asked(script, do):
    before = script.n_find
    do()
    return script.n_find - before


@pytest.fixture
def pulled(sites, lake, config):
    keys = stage.find(WINDOW, lake, config, sites)
    assert run_stage("pull", keys, lake, config, sites).done == 20
    return keys


def test_an_unchanged_night_asks_once_for_the_window_and_once_for_its_studies(
    pulled, sites, script, lake, config
):
    def night():
        keys = stage.find(WINDOW, lake, config, sites)
        assert run_stage("pull", keys, lake, config, sites).skipped == 20

    night()  # the first one may learn the archive's habits
    n_get = script.n_get
    assert asked(script, night) <= 8  # the window and its halves, then all studies at once
    assert script.n_get == n_get


def test_a_study_of_its_own_is_asked_for_once(pulled, sites, script, lake, config):
    assert asked(script, lambda: stage.run(pulled[0], lake, config, sites)) == 1


def test_an_archive_without_lists_of_studies_is_asked_for_each(pulled, sites, script, lake, config):
    script.refuses = lambda query: 0xA900 if query["StudyInstanceUID"].VM > 1 else 0
    n = asked(script, lambda: run_stage("pull", pulled, lake, config, sites))
    assert n == 1 + 20


@pytest.mark.parametrize("what", ["grown", "person", "force", "uncounted", "gone"])
def test_what_is_not_as_it_was_is_asked_for_deeper(
    what, pulled, archive, sites, script, lake, config
):
    [key] = [k for k in pulled if k == Vault(sites.vault).study_key(make_nm(1).StudyInstanceUID)]
    statuses = {"grown": "done", "force": "done", "gone": "done"}
    if what == "grown":
        archive.add(make_nm(1, series=2, shape=SMALL, study_time="010000"))
    if what == "person":
        script.edit_answer = lambda answer: setattr(answer, "PatientName", "Invented^Other")
    if what == "uncounted":
        script.hidden = ("NumberOfStudyRelatedInstances",)
    if what == "gone":
        for path in lake.dicom_folder(key).iterdir():
            path.unlink()
    outcome = []
    force = what == "force"
    n = asked(
        script, lambda: outcome.append(stage.run(key, lake, config, sites, force=force).status)
    )
    assert n > 2
    assert outcome == [statuses.get(what, "skipped")]
