"""A small hospital: an embedded archive on a free port, a lake, a vault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive, ArchiveServer
from mpss_lib.tables import Lake

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "pacs")


@pytest.fixture
def server(archive: Archive) -> Iterator[ArchiveServer]:
    with archive.serve(aet="HOSPITAL", allowed_aets=["MPSS"]) as running:
        yield running


@pytest.fixture
def site_of() -> Callable[[int], ArchiveSettings]:
    def make(port: int, **settings: object) -> ArchiveSettings:
        plain = {
            "port": port,
            "called_aet": "HOSPITAL",
            "calling_aet": "MPSS",
            "connection_timeout_s": 3,
            "acse_timeout_s": 3,
            "dimse_timeout_s": 5,
        }
        return ArchiveSettings.model_validate(plain | settings)

    return make


@pytest.fixture
def sites_of(tmp_path: Path, site_of: Callable[..., ArchiveSettings]) -> Callable[..., Sites]:
    def make(port: int, **settings: object) -> Sites:
        return Sites(
            vault=tmp_path / "vault.sqlite",
            staging=tmp_path / "staging",
            archive=site_of(port, **settings),
        )

    return make


@pytest.fixture
def sites(server: ArchiveServer, sites_of: Callable[..., Sites]) -> Sites:
    return replace(sites_of(server.port))
