"""Metrics move with their artefact, and only as defined."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from imaging_objects import phantom

from mpss_lib.errors import GeometryError
from mpss_lib.quality.metrics import Seen, compare, measure, scores, segment_means
from mpss_lib.segmentation import segment
from mpss_lib.volume import Volume


@lru_cache(maxsize=16)
def seen(seed=31, **changes) -> Seen:
    made = phantom(seed, **changes)
    found = segment(made.volume)
    return Seen(made.volume, found.masks, found.extras, found.check)


@lru_cache(maxsize=16)
def measured(seed=31, **changes):
    return measure(seen(seed, **changes))


@pytest.mark.parametrize(
    ("artefact", "metric", "sign"),
    [
        ("liver_spill", "valley_inferior", 1),
        ("liver_spill", "extracardiac_inferior", 1),
        ("hot_gut", "extracardiac_max", 1),
        ("apical_thinning", "apex_ratio", -1),
        ("apical_thinning", "apex_peak", -1),
        ("fixed_defect", "deficit", 1),
        ("fixed_defect", "z_min", -1),
        ("truncation", "rim", 1),
        ("motion", "misfit_mm", 1),
        ("motion", "prominence", -1),
        ("low_counts", "noise_background", 1),
        ("low_counts", "noise_wall", 1),
    ],
)
def test_metric_follows_its_artefact(artefact, metric, sign):
    clean, spoilt = measured()[metric], measured(artefact=artefact)[metric]
    assert sign * (spoilt - clean) > 0.1 * abs(clean)


def test_all_values_are_finite_and_do_not_depend_on_the_scale():
    values = measured()
    assert all(np.isfinite(value) for value in values.values())
    base = seen()
    counts = base.extras["ridge_counts"] * 50.0
    bright = replace(
        base,
        volume=Volume(base.volume.array * 50.0, base.volume.affine),
        extras=dict(base.extras) | {"ridge_counts": counts},
    )
    again = measure(bright)
    for name, value in values.items():
        assert again[name] == pytest.approx(value, rel=1e-9), name


def test_segment_means_and_scores():
    base = seen()
    means = segment_means(base)
    mask = base.masks["S07"].array
    assert means[6] == base.volume.array[mask].mean()
    np.testing.assert_allclose(scores(means), scores(means * 3.0))
    hurt = means.copy()
    hurt[10] *= 0.5
    assert scores(hurt)[10] < scores(means)[10] - 3.0


def test_empty_segment_is_undefined_not_an_error():
    base = seen()
    masks = dict(base.masks)
    masks["S17"] = replace(masks["S17"], array=np.zeros_like(masks["S17"].array))
    assert np.isnan(measure(replace(base, masks=masks))["apex_ratio"])


def test_over_correction_is_seen_beside_the_uncorrected_series():
    plain = phantom(31, correction="NAC").volume
    clean = compare(seen(), plain)["correction_gain"]
    spoilt = compare(seen(artefact="over_correction"), plain)["correction_gain"]
    assert 0.45 < clean < 0.625 < spoilt


def test_uncorrected_series_on_another_grid_is_refused():
    with pytest.raises(GeometryError):
        compare(seen(), phantom(31, correction="NAC", matrix=60).volume)
