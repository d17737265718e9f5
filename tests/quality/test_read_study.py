"""A study as arrays, and the page of those that wait: as the published snapshot names them."""

import numpy as np
import pytest
from imaging_objects import STUDY, phantom, put_study

import mpss_lib
from mpss_lib.batch import write_record
from mpss_lib.errors import WrongArgumentError
from mpss_lib.quality.waiting import waiting_page
from mpss_lib.records import Unit
from mpss_lib.segmentation import stage as segmentation
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.warehouse import stage as warehouse


@pytest.fixture
def published(lake, config):
    """A snapshot with one segmented study."""
    put_study(lake, config, (phantom(31).volume, "AC"))
    done = segmentation.run(STUDY, lake, config)
    write_record("segmentation", [Unit(STUDY, "done", done.written)], lake, config, "night")
    address = config.address("intake")
    path = lake.current_path("volume", address, STUDY)
    file = lake.written("volume", path, path.name.split(".")[1])
    write_record("intake", [Unit(STUDY, "done", (file,))], lake, config, "night")
    warehouse.run(lake, config)
    return lake


def test_volume_masks_and_axes_of_a_study(published):
    found = mpss_lib.read_study(STUDY, home=published.root.parent)
    made = phantom(31).volume
    assert np.corrcoef(found.volume.array.ravel(), made.array.ravel())[0, 1] > 0.999
    assert np.allclose(found.volume.affine, made.affine)
    assert {"MYO", "LAD3", "S17", "LAD17"} <= set(found.masks)
    wall = found.masks["MYO"].array
    assert wall.shape == found.volume.array.shape
    assert found.volume.array[wall].mean() > 3 * found.volume.array[~wall].mean()
    assert np.linalg.norm(found.axes["axis"]) == pytest.approx(1.0)
    with pytest.raises(WrongArgumentError, match="no segmented study"):
        mpss_lib.read_study("S9", home=published.root.parent)


def test_one_page_of_all_that_wait(published, config, monkeypatch):
    with open_snapshot(published.snapshot) as snapshot:
        rows = [(STUDY, "review", ["rim<"], "", "2026-Q1"), ("S9", "review", [], "unsure", "")]
        shown = _Answer(snapshot, rows)
        monkeypatch.setattr("mpss_lib.quality.waiting.asking", lambda path: shown)
        page, n = waiting_page(published, config)
    text = page.read_text()
    assert n == 2
    assert "rim&lt;" in text
    assert text.count("<img ") == 2
    assert "S9 was not looked at" in text
    assert "RESEARCH USE ONLY" in text
    for part in text.split('src="')[1:]:
        assert (page.parent / part.split('"')[0]).is_file()


class _Answer:
    """Stands for a snapshot in which studies wait."""

    def __init__(self, snapshot, rows):
        self._rows = rows

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def execute(self, sql):
        assert "quality.awaiting_review" in sql
        return self

    def fetchall(self):
        return self._rows
