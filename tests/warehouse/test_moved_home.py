"""A home that was copied or moved: nobody reads the files of the other place without a word."""

import shutil
import subprocess
import sys

import pytest

import mpss_lib
from mpss_lib.errors import MovedHomeError
from mpss_lib.publication.stage import predictable
from mpss_lib.snapshot_file import asking, moved_away
from mpss_lib.tables import Lake
from mpss_lib.warehouse import reader, stage
from mpss_lib.warehouse.maintenance import remove_orphans
from mpss_lib.warehouse.published import published_files, published_sequence

WORDS = r"was built for the lake .*warehouse rebuild"
COUNT = "select count(distinct study_key) as n from feature.radiomics"


@pytest.fixture
def copied(filled, tmp_path_factory, monkeypatch):
    """The copy of a published home, beside the first one; MPSS_HOME names the copy."""
    stage.run(filled.lake, filled.config)
    root = tmp_path_factory.mktemp("elsewhere") / "home"
    shutil.copytree(filled.lake.root.parent, root)
    monkeypatch.setenv("MPSS_HOME", str(root))
    return Lake(root / "lake")


READERS = {
    "open_warehouse": lambda lake: mpss_lib.open_warehouse(lake.root.parent),
    "feature_matrix": lambda _: mpss_lib.feature_matrix(segment="MYO", bins=64),
    "query": lambda _: reader.query("select 1"),
    "rows": lambda lake: reader.rows(lake, "select 1"),
    "print_query": lambda lake: reader.print_query(lake, "select 1", "csv", None, None),
    "asking": lambda lake: asking(lake.snapshot).__enter__(),
}


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_reader_refuses_a_copy_and_reads_it_after_a_rebuild(copied, filled, name):
    if name == "print_query":
        with pytest.raises(MovedHomeError, match=WORDS):
            READERS[name](copied)
        return
    with pytest.raises(MovedHomeError, match=WORDS):
        READERS[name](copied)
    stage.rebuild(copied, filled.config)
    READERS[name](copied)


def test_the_command_refuses_with_the_way_out(copied):
    command = [sys.executable, "-m", "mpss_lib.cli", "sql", COUNT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "was built for the lake" in done.stderr
    assert "mpss warehouse rebuild" in done.stderr
    assert done.stdout == ""


def test_a_cohort_is_not_frozen_from_the_other_place(copied, filled):
    with pytest.raises(MovedHomeError, match=WORDS):
        stage.freeze_cohort(copied, filled.config)


def test_nobody_is_predicted_from_the_other_place(copied, monkeypatch):
    monkeypatch.setattr("mpss_lib.publication.stage._newest_model_files", lambda lake: ())
    with pytest.raises(MovedHomeError, match=WORDS):
        predictable(copied)


def test_the_copy_shows_its_own_files_after_the_next_night(copied, filled):
    """A publish mends it: nothing of the old place is taken over."""
    shutil.rmtree(filled.lake.root)
    assert stage.run(copied, filled.config)["sequence"] == 2
    assert reader.rows(copied, COUNT) == [{"n": 11}]
    assert reader.rows(copied, "select lake_root from meta.snapshot") == [
        {"lake_root": str(copied.root)}
    ]


def test_a_moved_home_refuses_too(filled, tmp_path_factory):
    stage.run(filled.lake, filled.config)
    root = tmp_path_factory.mktemp("elsewhere") / "home"
    shutil.move(filled.lake.root.parent, root)
    with pytest.raises(MovedHomeError, match=WORDS):
        reader.rows(Lake(root / "lake"), COUNT)
    assert published_sequence(Lake(root / "lake")) == 1
    root.rename(filled.lake.root.parent)
    assert reader.rows(filled.lake, COUNT) == [{"n": 11}]


def test_a_start_of_a_copy_tells_it(copied, filled):
    assert "warehouse rebuild" in moved_away(copied.snapshot)
    assert moved_away(filled.lake.snapshot) == ""
    assert moved_away(copied.root / "nothing.duckdb") == ""


def test_a_link_to_the_home_is_the_home(filled, tmp_path_factory):
    stage.run(filled.lake, filled.config)
    link = tmp_path_factory.mktemp("links") / "home"
    link.symlink_to(filled.lake.root.parent)
    assert reader.rows(Lake(link / "lake"), COUNT) == [{"n": 11}]


def test_what_a_copied_snapshot_names_is_still_kept(copied, filled):
    """Orphans are removed by age; the files of the copy are named by the snapshot it came with."""
    kept = published_files(copied)
    assert kept
    assert all((copied.root / path).is_file() for path in kept)
    counts = remove_orphans(copied, filled.config, now=4e9)
    assert counts["superseded"] == 0
