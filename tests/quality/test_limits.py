"""Limits from a site's own studies: as wide as they are, ready for the settings."""

from __future__ import annotations

import numpy as np
import pytest

from mpss_lib.config import QualitySettings
from mpss_lib.errors import WrongArgumentError
from mpss_lib.quality.limits import estimate_limits
from mpss_lib.quality.verdict import limits_of


def put_metric(lake, config, values, metric="rim"):
    keys = []
    for number, value in enumerate(values):
        key = f"study{number:04d}"
        row = {
            "study_key": key, "metric": metric, "value": value, "review_low": None,
            "review_high": 0.2, "hold_low": None, "hold_high": 0.6, "flag": "ok",
            "limits_version": "phantom-1",
        }  # fmt: skip
        lake.write("quality_metric", config.address("quality"), key, "d0", [row])
        keys.append(key)
    return keys


def test_limits_follow_the_accepted_studies(lake, config):
    values = np.random.default_rng(1).normal(0.30, 0.02, 60)
    found = estimate_limits(lake, config, put_metric(lake, config, values.tolist()))
    assert set(found) == {"rim"}  # only what was measured
    assert set(found["rim"]) == {"review_high", "hold_high"}  # only the sides that have a meaning
    assert found["rim"]["review_high"] == pytest.approx(0.30 + 3.5 * 0.02, abs=0.025)
    assert found["rim"]["hold_high"] > found["rim"]["review_high"] > np.percentile(values, 99)
    limits = limits_of(QualitySettings(limits=found, limits_version="site-1"))
    assert limits["rim"].review_high == found["rim"]["review_high"]


def test_too_few_studies_are_refused(lake, config):
    keys = put_metric(lake, config, [0.1] * 29)
    with pytest.raises(WrongArgumentError, match="29"):
        estimate_limits(lake, config, [*keys, "unknown1"])
