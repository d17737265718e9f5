from __future__ import annotations

import pytest
from fabricated_lake import Builder, fabricate, settings

from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.reader import open_snapshot


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory):
    """Read-only connection to a published, evaluated lake."""
    lake, config = Lake(tmp_path_factory.mktemp("home") / "lake"), settings()
    build = Builder(lake, config)
    fabricate(build)
    stage.run(lake, config)
    build.evaluate(stage.freeze_cohort(lake, config))
    stage.run(lake, config)
    connection = open_snapshot(lake)
    yield connection
    connection.close()
