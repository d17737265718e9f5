"""What another task takes away between a list and the look at one of it is not a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Sites
from mpss_lib.pull.stage import clean_staging
from mpss_lib.tables import Lake
from mpss_lib.upstream import MISSING, Difference, note, noted


@pytest.fixture
def listed_but_gone(monkeypatch):
    """Let every list of a folder begin with a name that has just gone."""
    listed = Path.glob

    def with_one_gone(folder, pattern):
        yield folder.joinpath(*pattern.replace("*", "S0.gone").split("/"))
        yield from listed(folder, pattern)

    monkeypatch.setattr(Path, "glob", with_one_gone)


@pytest.mark.usefixtures("listed_but_gone")
def test_a_staging_folder_that_its_run_has_just_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_dir", lambda _: True)  # it was there when it was asked
    sites = Sites(tmp_path / "vault.sqlite", tmp_path / "staging", ArchiveSettings())
    (sites.staging / "S1.killed").mkdir(parents=True)
    assert clean_staging(sites, older_than_s=-60.0) == 1
    assert list(sites.staging.iterdir()) == []


@pytest.mark.usefixtures("listed_but_gone")
def test_a_study_that_has_just_been_released(tmp_path):
    lake = Lake(tmp_path)
    lake.quarantine("pull", "S1", error="X", problem="p", way_out="w")
    assert [row["study_key"] for row in lake.quarantined()] == ["S1"]


@pytest.mark.usefixtures("listed_but_gone")
def test_a_difference_that_has_just_been_settled(tmp_path):
    lake, found = Lake(tmp_path), Difference("S1", MISSING, "detail", "way out")
    note(lake, found)
    assert noted(lake) == [found]
