"""What is told to a monitor is what dashboard and rules ask for, by Airflow's own exporter."""

import json
import re
from pathlib import Path

import pytest
import yaml
from fabricated_lake import Builder, fabricate, settings

from mpss_lib.config import sites_of
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse

pytestmark = pytest.mark.airflow
FOLDER = Path(__file__).parents[2] / "docker" / "grafana"
SUFFIX = {"counter": "_total", "timer": "_milliseconds", "gauge": ""}


@pytest.fixture
def emitted(monkeypatch):
    """Give what Airflow's OpenTelemetry logger hands to an exporter."""
    from airflow.sdk._shared.observability.metrics.otel_logger import SafeOtelLogger
    from airflow.sdk._shared.observability.metrics.validators import get_validator
    from airflow.sdk.observability import stats
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    logger = SafeOtelLogger(MeterProvider([reader]), "airflow", get_validator())
    for name in ("incr", "gauge", "timing"):
        monkeypatch.setattr(stats, name, getattr(logger, name))

    def read():
        found = {}
        for resource in reader.get_metrics_data().resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = metric.data.data_points
                    found[metric.name] = {
                        tuple(sorted(point.attributes.items())): point for point in points
                    }
        return found

    return read


@pytest.fixture
def told(emitted, tmp_path):
    from mpss_airflow import metrics

    config, lake = settings(), Lake(tmp_path / "lake")
    build = Builder(lake, config)
    fabricate(build)
    counts = warehouse.run(lake, config)
    home = Home(tmp_path, lake, config, sites_of(config, tmp_path))
    batch = {"given": 7, "done": 4, "skipped": 2, "rejected": 0, "quarantined": 1}
    metrics.of_stage("intake", batch, 1.5)
    metrics.of_snapshot(home, counts)
    return emitted(), home, counts


def test_everything_that_is_listed_is_emitted(told):
    from mpss_airflow.metrics import METRICS

    found, home, counts = told
    assert set(found) == {f"airflow.{name}" for name in METRICS}
    for name, (_, labels) in METRICS.items():
        for attributes in found[f"airflow.{name}"]:
            assert tuple(sorted(labels)) == tuple(key for key, _ in attributes)
    studies = found["airflow.mpss.studies"]
    values = {dict(tags)["outcome"]: point.value for tags, point in studies.items()}
    assert values == {"done": 4, "skipped": 2, "quarantined": 1}
    [duration] = found["airflow.mpss.stage.duration"].values()
    assert (duration.count, duration.sum) == (1, 1500.0)
    [shown] = found["airflow.mpss.snapshot.studies"].values()
    assert shown.value == counts["studies"]
    held = {dict(t)["stage"]: p.value for t, p in found["airflow.mpss.quarantine"].items()}
    assert sum(held.values()) == len(home.lake.quarantined()) > 0


def test_the_dashboard_and_the_rules_ask_for_what_is_emitted(told):
    from mpss_airflow.metrics import METRICS

    found, *_ = told
    known = {
        f"airflow.{name}".replace(".", "_") + SUFFIX[kind]: set(labels)
        for name, (kind, labels) in METRICS.items()
    }
    assert {name.replace(".", "_") for name in found} == {
        re.sub("_total$|_milliseconds$", "", name) for name in known
    }
    board = json.loads((FOLDER / "dashboard.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
    asked += [rule["expr"] for rule in rules]
    names = {name for text in asked for name in re.findall(r"airflow_[a-z_]+", text)}
    assert names == set(known)
    for text in asked:
        labels = set(re.findall(r"by \(([a-z, ]+)\)", text)) | set(re.findall(r"(\w+)=\"", text))
        used = {label.strip() for part in labels for label in part.split(",")}
        of = set().union(*(known[name] for name in re.findall(r"airflow_[a-z_]+", text)))
        assert used <= of, text


def test_no_label_names_a_study(told):
    found, home, _ = told
    keys = {row["study_key"] for row in home.lake.quarantined()}
    labels = {value for points in found.values() for tags in points for _, value in tags}
    assert not labels & keys


def test_a_collector_in_the_environment_switches_it_on(tmp_path, monkeypatch):
    from mpss_lib.runtime.airflow_home import AirflowHome

    config = settings()
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    airflow = AirflowHome.open(tmp_path)
    assert "AIRFLOW__METRICS__OTEL_ON" not in airflow.environment(config)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    environ = airflow.environment(config)
    assert environ["AIRFLOW__METRICS__OTEL_ON"] == "True"
    assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
