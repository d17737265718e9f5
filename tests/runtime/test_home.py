"""A home is opened in one way, and knows which Airflow is its own."""

from pathlib import Path

import pytest

from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.home import DATABASE, NOT_ALLOWED, Home


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv(DATABASE, raising=False)


def test_a_home_that_was_never_started_has_no_airflow(tmp_path):
    home = Home.open(tmp_path)
    assert home.airflow is None
    assert (home.lake.root, home.sites.vault) == (tmp_path / "lake", tmp_path / "vault.sqlite")


def test_on_a_cluster_the_environment_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv(DATABASE, "postgresql+psycopg2://airflow@db/airflow")
    airflow = Home.open(tmp_path).airflow
    assert airflow.environment["MPSS_HOME"] == str(tmp_path)
    assert airflow.environment[DATABASE].startswith("postgresql")


def test_on_a_cluster_the_address_may_be_in_a_file(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("postgresql+psycopg://airflow@db/airflow\n")
    monkeypatch.setenv(f"{DATABASE}_CMD", f"cat '{tmp_path / 'secret'}'")
    told = Home.open(tmp_path).airflow.environment
    assert told[DATABASE] == "postgresql+psycopg://airflow@db/airflow"
    monkeypatch.setenv(f"{DATABASE}_CMD", f"cat '{tmp_path / 'gone'}'")
    with pytest.raises(PlatformFaultError, match=r"_CMD ended with 1 \|"):
        Home.open(tmp_path)
    monkeypatch.setenv(DATABASE, f"{NOT_ALLOWED}///")  # in a task the command is told as well
    assert Home.open(tmp_path).airflow is None


def test_a_task_that_airflow_keeps_from_its_database_has_none(tmp_path, monkeypatch):
    from airflow.sdk.execution_time import supervisor

    assert f'"{NOT_ALLOWED}' in Path(supervisor.__file__).read_text()
    monkeypatch.setenv(DATABASE, f"{NOT_ALLOWED}///")
    assert Home.open(tmp_path).airflow is None


def test_a_homes_own_airflow_is_taken_whatever_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv(DATABASE, f"{NOT_ALLOWED}///")
    AirflowHome.open(tmp_path)
    environment = Home.open(tmp_path).airflow.environment
    assert environment["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert str(tmp_path / "airflow" / "airflow.db") in environment[DATABASE]
