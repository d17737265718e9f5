"""Studies loaded from a folder or a medium: the same lake as from the archive itself."""

from __future__ import annotations

import gc
import logging
import warnings
from datetime import date

import pytest
from pacs_objects import make_capture, make_nm
from pydantic import ValidationError
from pydicom.fileset import FileSet

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.batch import TooManyFaultsError, run_stage
from mpss_lib.dicom import to_bytes
from mpss_lib.errors import ArchiveDownError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.habits import known_habits
from mpss_lib.pull.archive.session import echo
from mpss_lib.tables import Lake

pytestmark = pytest.mark.pacs

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))


def objects():
    return [
        make_nm(1),
        make_nm(1, series=2, SeriesDescription="REST AC OSEM"),
        make_nm(1, series=4, Modality="CT"),
        make_capture(1),
        make_nm(2, study_date="20260303"),
        make_nm(3, study_date="20260304"),
    ]


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture
def loaded(disk, sites_of):
    return sites_of(1, retrieve="folder", folder=str(disk))


def put(disk, *datasets, name="{:03d}"):
    for number, dataset in enumerate(datasets):
        path = disk / name.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_bytes(dataset))


def pull(sites, lake, config):
    keys = stage.find(WINDOW, lake, config, sites)
    return run_stage("pull", keys, lake, config, sites)


def contents(lake):
    found = [path for path in lake.root.rglob("*") if path.is_file()]
    named = {path.relative_to(lake.root).as_posix(): path.read_bytes() for path in found}
    return {n: b for n, b in named.items() if n.startswith(("dicom/", "landing/instance"))}


def write_medium(folder):
    medium = FileSet()
    for one in objects():
        medium.add(one)
    medium.write(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # its own folder for staged files
        del medium
        gc.collect()


@pytest.mark.parametrize("kind", ["files", "medium"])
def test_the_lake_is_the_one_that_the_archive_would_have_given(
    archive, server, disk, loaded, sites_of, config, tmp_path, kind
):
    archive.add(*objects())
    if kind == "files":
        put(disk, *objects(), name="a/{:03d}.dcm")
        put(disk, make_nm(1), name="b/again {}")
        (disk / "readme.txt").write_text("no object")
    else:
        write_medium(disk)
        assert (disk / "DICOMDIR").exists()
    echo(loaded)
    lakes = Lake(tmp_path / "one"), Lake(tmp_path / "two")
    assert pull(loaded, lakes[0], config).done == 2
    assert known_habits(loaded).way == "folder"
    of_archive = sites_of(server.port)
    assert pull(of_archive, lakes[1], config).done == 2
    assert contents(lakes[0]) == contents(lakes[1])
    # A study that is in both is pulled once.
    assert pull(of_archive, lakes[0], config).skipped == 2
    assert pull(loaded, lakes[1], config).skipped == 2


def test_files_that_come_change_or_go_are_noticed(disk, loaded, lake, config):
    put(disk, make_nm(1))
    assert len(stage.find(WINDOW, lake, config, loaded)) == 1
    put(disk, make_nm(1), make_nm(2))
    assert len(stage.find(WINDOW, lake, config, loaded)) == 2
    put(disk, make_nm(1), make_nm(2, study_date="20260401"))
    assert len(stage.find(WINDOW, lake, config, loaded)) == 1
    (disk / "000").unlink()
    assert stage.find(WINDOW, lake, config, loaded) == []
    index = loaded.vault.with_name("folder-index.sqlite")
    assert index.stat().st_mode & 0o077 == 0


def test_one_uid_with_two_contents_is_a_twin(disk, loaded, lake, config):
    put(disk, make_nm(1), make_nm(1, seed=5))
    with pytest.raises(TooManyFaultsError):
        pull(loaded, lake, config)
    [row] = lake.quarantined()
    assert row["error"] == "SameUidOtherBytesError"


def test_what_cannot_be_read_is_counted_and_ends_nothing(disk, loaded, lake, config, caplog):
    nameless = make_nm(2)
    del nameless.SeriesInstanceUID
    put(disk, make_nm(1), nameless)
    (disk / "cut.dcm").write_bytes(to_bytes(make_nm(3))[:200])
    with caplog.at_level(logging.WARNING):
        assert pull(loaded, lake, config).done == 1
    assert "2 files of the folder disk cannot be read" in caplog.text


def test_a_folder_that_is_not_there_is_down(disk, loaded, lake, config):
    disk.rmdir()
    for ask in (lambda: echo(loaded), lambda: stage.find(WINDOW, lake, config, loaded)):
        with pytest.raises(ArchiveDownError, match=r"archive\.folder"):
            ask()


def test_a_folder_is_named_where_it_is_asked_for():
    with pytest.raises(ValidationError, match="folder is not set"):
        ArchiveSettings(retrieve="folder")
