"""A pointer moves with the snapshot that shows it, or not at all; a study has one version."""

import shutil

import pytest
from fabricated_lake import Builder

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError, PlatformFaultError, WrongArgumentError
from mpss_lib.warehouse import pointers, snapshot, stage
from mpss_lib.warehouse.reader import rows

ACCEPT = {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1}}
THICK = Config.model_validate(ACCEPT | {"segmentation": {"wall_mm": 12.0}})
FEATURES = "select count(distinct study_key) as n from feature.radiomics"


@pytest.fixture
def both(filled):
    """The first settings published; one study done with the second."""
    stage.run(filled.lake, filled.config)
    other = Builder(filled.lake, THICK)
    other.catalogue()
    other.segmentation("s01")
    other.quality("s01", "hold")
    other.radiomics("s01", 55)
    other.flush()
    return filled


def active(lake):
    return {(r["stage"], r["config"]) for r in stage.status(lake, THICK) if r["is_active"]}


def shown(lake):
    found = rows(lake, "select stage, config from meta.pointer")
    return {(row["stage"], row["config"]) for row in found}


def test_a_failed_activation_leaves_the_old_version_active(both):
    """Today's fault: status showed the new version, the snapshot the old one."""
    before = active(both.lake), shown(both.lake), both.lake.snapshot.read_bytes()
    next((both.lake.root / "landing/volume").rglob("study=s01.*")).unlink()
    with pytest.raises(LakeCorruptError, match="study=s01"):
        stage.activate("radiomics", both.lake, THICK)
    assert (active(both.lake), shown(both.lake), both.lake.snapshot.read_bytes()) == before
    assert not list(both.lake.root.glob(".tmp-*"))


@pytest.mark.parametrize("phase", ["build", "check", "swap"])
def test_an_activation_that_breaks_anywhere_moves_nothing(both, phase, monkeypatch):
    before = active(both.lake), both.lake.snapshot.read_bytes()
    fill = snapshot._fill

    def breaks(path, plan, stamp, config, tell):
        if phase == "swap":
            fill(path, plan, stamp, config, tell)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot, "_fill", breaks)
    with pytest.raises(PlatformFaultError, match="No space left on device"):
        stage.activate("all", both.lake, THICK)
    assert (active(both.lake), both.lake.snapshot.read_bytes()) == before
    monkeypatch.undo()
    assert set(stage.activate("all", both.lake, THICK)) == {"segmentation", "quality", "radiomics"}
    assert rows(both.lake, FEATURES) == [{"n": 1}]


def test_the_pointers_of_the_snapshot_are_those_of_the_status(both):
    stage.activate("radiomics", both.lake, THICK)
    assert active(both.lake) <= shown(both.lake)
    assert rows(both.lake, FEATURES) == [{"n": 1}]


def test_a_first_publish_that_fails_sets_no_pointer(filled):
    next((filled.lake.root / "landing/volume").rglob("study=s01.*")).unlink()
    with pytest.raises(LakeCorruptError):
        stage.run(filled.lake, filled.config)
    assert pointers.read_pointers(filled.lake) == {}


def test_merging_batches_sets_no_pointer(filled):
    stage.merge(filled.lake, filled.config)
    assert pointers.read_pointers(filled.lake) == {}


def test_what_is_read_and_what_reads_it_move_together(both):
    moved = stage.activate("segmentation", both.lake, THICK)
    assert set(moved) == {"segmentation", "quality", "radiomics"}
    assert set(moved.values()) == {THICK.address(name) for name in moved}


def test_masks_are_not_published_beside_verdicts_on_other_masks(both):
    shutil.rmtree(both.lake.root / "landing/quality_verdict" / THICK.address("quality").folder)
    for path in (both.lake.root / "manifest/quality").glob("*.json"):
        if THICK.address("quality").config in path.read_text():
            path.unlink()
    with pytest.raises(WrongArgumentError, match=r"quality was not done.*mpss recompute"):
        stage.activate("radiomics", both.lake, THICK)
    assert active(both.lake) <= shown(both.lake)
    assert rows(both.lake, FEATURES) == [{"n": 11}]


def test_an_answer_of_a_physician_is_no_version_of_the_verdicts(filled):
    """It is written under the settings in force when it comes, and says nothing of the masks."""
    stage.run(filled.lake, filled.config)
    other = Builder(filled.lake, THICK)
    other.catalogue()
    other.segmentation("s01")
    other.radiomics("s01", 55)
    other.review("s19", "accept", "2026-02-01T09:00:00Z")
    other.flush()
    with pytest.raises(WrongArgumentError, match="quality was not done"):
        stage.activate("all", filled.lake, THICK)
    assert rows(filled.lake, "select count(*) as n from quality.verdict")[0]["n"] > 1


def test_the_results_of_a_cohort_stay_until_their_own_version_is_there(both):
    before = rows(both.lake, "select count(*) as n from result.prediction_latest")
    assert before == [{"n": 1}]
    assert "publication" not in stage.activate("radiomics", both.lake, THICK)
    assert rows(both.lake, "select count(*) as n from result.prediction_latest") == before


def test_activating_twice_changes_nothing(both):
    stage.activate("radiomics", both.lake, THICK)
    assert stage.activate("radiomics", both.lake, THICK) == {}


def test_a_publish_tells_that_it_shows_another_version_than_the_settings_make(both, caplog):
    stage.run(both.lake, both.config)
    assert "recompute" not in caplog.text
    stage.run(both.lake, THICK)
    assert "segmentation, quality, radiomics are published as other settings made" in caplog.text
