"""Limits from a site's own studies: as wide as they are, ready for the settings."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.quality import record_review
from mpss_lib.quality.limits import estimate_limits, site_limits
from mpss_lib.quality.verdict import limits_of
from mpss_lib.sections import QualitySettings
from mpss_lib.tables import Lake


def put_metric(lake, config, values, metric="rim"):
    keys = []
    for number, value in enumerate(values):
        key = f"study{number:04d}"
        row = {
            "study_key": key, "metric": metric, "value": value, "review_low": None,
            "review_high": 0.2, "hold_low": None, "hold_high": 0.6, "flag": "ok",
            "limits_version": "phantom-4",
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


def test_metric_that_few_studies_have_keeps_its_limits(lake, config):
    keys = put_metric(lake, config, np.linspace(0.1, 0.2, 40).tolist())
    put_metric(lake, config, [0.1] * 5, metric="prominence")  # replaces the rows of five studies
    assert set(estimate_limits(lake, config, keys)) == {"rim"}


def accept(lake, config, keys):
    for key in keys:
        record_review(lake, config, key, "accept", "", "reader1")


def test_section_for_the_settings_comes_from_the_accepted_studies(lake, config):
    keys = put_metric(lake, config, np.random.default_rng(2).normal(0.3, 0.02, 45).tolist())
    accept(lake, config, keys[:40])
    record_review(lake, config, keys[0], "reject", "motion", "reader2")
    found = site_limits(lake, config, "site-1")
    assert found.n_studies == 39  # the last decision counts
    assert dict(found.limits) == estimate_limits(lake, config, keys[1:40])
    text = found.as_toml()
    assert "from 39 accepted studies" in text
    again = QualitySettings.model_validate(tomllib.loads(text)["quality"])
    assert again.limits_version == "site-1"
    assert limits_of(again)["rim"].review_high == found.limits["rim"]["review_high"]


@pytest.mark.parametrize("version", ["phantom-4", "now-1", "Site 1", ""])
def test_version_is_a_new_name(lake, version):
    config = Config(quality=QualitySettings(limits_version="now-1"))
    with pytest.raises(WrongArgumentError, match=r"version|exist"):
        site_limits(lake, config, version)


def test_command_prints_the_section_and_refuses_too_few(tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    lake, config = Lake(tmp_path / "lake"), Config()
    keys = put_metric(lake, config, np.linspace(0.2, 0.3, 31).tolist())
    accept(lake, config, keys[:29])
    few = CliRunner().invoke(cli.app, ["quality", "limits", "--version", "site-1"])
    assert isinstance(few.exception, WrongArgumentError)
    assert "29 of 29" in str(few.exception)
    accept(lake, config, keys[29:])
    enough = CliRunner().invoke(cli.app, ["quality", "limits", "--version", "site-1"])
    assert enough.exit_code == 0
    assert tomllib.loads(enough.stdout)["quality"]["limits_version"] == "site-1"
    assert "31 studies" in enough.stderr
