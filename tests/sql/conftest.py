from __future__ import annotations

import pytest
from fabricated_lake import Builder, fabricate, row, settings

from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory):
    """Read-only connection to a published, evaluated lake."""
    lake, config = Lake(tmp_path_factory.mktemp("home") / "lake"), settings()
    build = Builder(lake, config)
    fabricate(build)
    expect(build)
    stage.run(lake, config)
    build.evaluate(stage.freeze_cohort(lake, config))
    stage.run(lake, config)
    connection = open_snapshot(lake.snapshot)
    yield connection
    connection.close()


def expect(build: Builder) -> None:
    """Two expectations as a check would have written them: one is broken, and only shown."""
    about = {"suite": "clinical", "table_name": "clinical", "consequence": "warn"}
    results = [
        row("expectation_result", expectation="clinical.lvef_complete", n_unexpected=3, n_rows=13)
        | about
        | {"n_units": 3, "says": "lvef is known of most patients"},
        row("expectation_result", expectation="clinical.age_range", is_met=True) | about,
    ]
    files = [
        build.write("expectation_result", "clinical", results),
        build.write("expectation_failure", "clinical", []),
    ]
    build.record("warehouse", "clinical", "done", files)
    build.flush("check")
