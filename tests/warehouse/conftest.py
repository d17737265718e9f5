from __future__ import annotations

import shutil

import pytest
from fabricated_lake import EXPECTED, Builder, clinical_row, fabricate, settings

from mpss_lib.config import Config
from mpss_lib.tables import Lake


@pytest.fixture
def config() -> Config:
    return settings()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def lake(home) -> Lake:
    return Lake(home / "lake")


@pytest.fixture
def build(lake, config) -> Builder:
    return Builder(lake, config)


@pytest.fixture(scope="session")
def fabricated(tmp_path_factory):
    """The fabricated lake, made once; tests work on copies."""
    root = tmp_path_factory.mktemp("fabricated") / "lake"
    fabricate(Builder(Lake(root), settings()))
    return root


@pytest.fixture
def filled(build, fabricated) -> Builder:
    shutil.copytree(fabricated, build.lake.root)
    build.catalogue()
    return build


@pytest.fixture
def clinical():
    return clinical_row


@pytest.fixture
def expected_reasons():
    return EXPECTED
