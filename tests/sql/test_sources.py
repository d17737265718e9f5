"""The demo's comparison of sources: its settings, its runs, its questions to a snapshot."""

from __future__ import annotations

from mpss_lib.config import load
from mpss_lib.demo import sources
from mpss_lib.demo.run import DEMO_SETTINGS
from mpss_lib.tables import Lake
from mpss_lib.warehouse.query_rows import rows_of


def test_each_source_is_the_outcome_in_turn_and_the_registry_stays(snapshot, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "rows", lambda lake, sql: rows_of(snapshot, sql))
    (tmp_path / "mpss.toml").write_text(sources.with_source(DEMO_SETTINGS))
    asked = load(tmp_path, environ={})
    assert asked.companions.calcium_ct
    assert asked.companions.calcium_reports
    assert asked.cohort.accept == "pass"
    seen = []

    def run(dag_id):
        source = load(tmp_path, environ={}).cohort.cac_source
        seen.append((source[0], dag_id))
        assert source == ("ct", "report") or len(source) == 1
        return source[0] != "ct"

    found = sources.compare_sources(tmp_path, Lake(tmp_path / "lake"), run)
    assert seen == [
        *(("report", "mpss_clinical"), ("report", "mpss_evaluate"), ("ct", "mpss_clinical")),
        *(("registry", "mpss_clinical"), ("registry", "mpss_evaluate")),
    ]
    assert [row["outcome from"] for row in found] == ["report", "registry"]
    assert all(row["cohort"] > 0 for row in found)
    assert load(tmp_path, environ={}).cohort.cac_source == ("registry",)


def test_the_scores_side_by_side_are_of_the_snapshot(snapshot):
    (row,) = rows_of(snapshot, sources.SIDE_BY_SIDE)
    assert row["in the registry"] > 0
