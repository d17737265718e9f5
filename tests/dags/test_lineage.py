"""What tasks tell of the lake to Airflow's collector of lineage."""

import pytest
from mpss_airflow import lineage

from mpss_lib.schemas import TABLES

pytestmark = pytest.mark.airflow


@pytest.fixture
def collector(monkeypatch):
    """The collector that Airflow makes where a reader of lineage is there."""
    from airflow.sdk.lineage import HookLineageCollector

    made = HookLineageCollector()
    monkeypatch.setattr("airflow.sdk.lineage.get_hook_lineage_collector", lambda: made)
    return made


def names(found):
    return {one.asset.uri.removeprefix("mpss://lake/") for one in found}


def test_a_stage_tells_what_it_reads_and_what_it_writes(collector):
    lineage.of_stage("quality")
    found = collector.collected_assets
    assert names(found.inputs) >= {"volume", "segmentation"}
    assert names(found.outputs) == {"quality_metric", "quality_verdict", "review"}


def test_the_snapshot_is_made_of_every_table(collector):
    lineage.of_snapshot()
    found = collector.collected_assets
    assert names(found.inputs) == set(TABLES)
    assert names(found.outputs) == {"warehouse.duckdb"}


def test_without_a_reader_nothing_is_kept():
    from airflow.sdk.lineage import get_hook_lineage_collector

    lineage.of_stage("quality")
    assert not get_hook_lineage_collector().has_collected


def test_airflow_finds_our_datasets_by_their_scheme():
    from airflow.sdk.definitions.asset import Asset
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    assert ProvidersManagerTaskRuntime().asset_uri_handlers.get("mpss") is not None
    assert Asset("mpss://lake/review").normalized_uri == "mpss://lake/review"
    assert ProvidersManagerTaskRuntime().asset_to_openlineage_converters["mpss"] is (
        lineage.dataset_of
    )
