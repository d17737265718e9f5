"""Pictures are drawn once, say what they are, and show each wall where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
from imaging_objects import STUDY, phantom, put_study

from mpss_lib.errors import StudyRejectedError
from mpss_lib.quality.gallery import pictures_of
from mpss_lib.quality.pictures import _short_levels, _tiles, montage
from mpss_lib.quality.polar import _grid, _polar_counts, _polar_segments, polar_map
from mpss_lib.segmentation import segment, stage

MARKED = (
    ("defect", 0.85), ("defect_f", 0.5), ("defect_half_deg", 30.0), ("defect_half_f", 0.2),
)  # fmt: skip


@pytest.mark.parametrize("draw", [montage, polar_map])
def test_same_study_same_picture_with_the_mark(tmp_path, draw):
    made = phantom(31)
    found = segment(made.volume)
    paths = [tmp_path / name for name in ("one.png", "two.png")]
    for path in paths:
        draw(made.volume, found.masks, found.extras, "key1", path)
    first, again = (path.read_bytes() for path in paths)
    assert first == again
    assert first.startswith(b"\x89PNG")
    assert b"RESEARCH USE ONLY" in first


@pytest.mark.parametrize("theta", [0.0, 90.0, 180.0, 270.0])
def test_marked_wall_is_dark_where_the_convention_puts_it(theta):
    made = phantom(24, anatomy=(*MARKED, ("defect_theta_deg", theta)))
    found = segment(made.volume)
    image = _polar_counts(found.extras)
    r, angle = _grid(len(image))
    is_middle = (r > 0.4) & (r < 0.8)
    quadrants = {
        way: image[is_middle & (np.abs((angle - way + 180.0) % 360.0 - 180.0) < 25.0)].mean()
        for way in (0.0, 90.0, 180.0, 270.0)
    }
    assert min(quadrants, key=quadrants.__getitem__) == theta


def test_long_axis_has_the_apex_on_top_and_on_the_right():
    made = phantom(31)
    found = segment(made.volume)
    _, _, horizontal, vertical = _tiles(made.volume, found.extras, _short_levels(found.extras))
    size = horizontal.shape[0]
    line = horizontal[:, 3 * size + size // 2]  # along the axis: one wall only
    assert line[: size // 2].max() > 2.0 * line[size // 2 :].max()
    line = vertical[size // 2, 3 * size : 4 * size]
    assert line[size // 2 :].max() > 2.0 * line[: size // 2].max()


def test_polar_index_holds_every_segment():
    number = _polar_segments()
    assert set(np.unique(number)) == set(range(18))
    size = len(number)
    assert number[2, size // 2] == 0  # anterior on top
    assert number[size // 2, size // 2] == 16  # apex at the centre
    assert number[size // 2 + 2, 3] == 2  # inferoseptal on the left, below the middle
    assert number[size // 2 - 2, size - 4] == 5  # anterolateral on the right, above it


def test_gallery_draws_once(lake, config):
    put_study(lake, config, (phantom(31).volume, "AC"))
    stage.run(STUDY, lake, config)
    paths = pictures_of(STUDY, lake, config)
    assert set(paths) == {"montage", "polar"}
    times = {kind: path.stat().st_mtime_ns for kind, path in paths.items()}
    again = pictures_of(STUDY, lake, config)
    assert {kind: path.stat().st_mtime_ns for kind, path in again.items()} == times
    paths["polar"].unlink()
    assert pictures_of(STUDY, lake, config)["polar"].is_file()


def test_gallery_of_a_study_without_segmentation(lake, config):
    put_study(lake, config, (phantom(31).volume, "AC"))
    with pytest.raises(StudyRejectedError):
        pictures_of(STUDY, lake, config)
