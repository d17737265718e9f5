"""The task that exports to the results database, in Airflow's hands."""

import json
from dataclasses import replace

import pytest
from fabricated_lake import Builder, fabricate, settings
from mpss_airflow.cohort import export_results as body
from mpss_airflow.home import url_of

from mpss_lib.config import sites_of
from mpss_lib.errors import ResultsBusyError, SettingsError
from mpss_lib.publication.stage import export_results
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("home")
    (root / "mpss.toml").write_text('[cohort]\naccept = "pass"\n')
    lake = Lake(root / "lake")
    fabricate(Builder(lake, settings()))
    warehouse.run(lake, settings())
    return root


@pytest.fixture
def connect(root, monkeypatch, airflow_database):
    """Set or take away the connection of this home's tasks."""
    monkeypatch.setenv("MPSS_HOME", str(root))
    monkeypatch.delenv("AIRFLOW_CONN_MPSS_RESULTS", raising=False)
    return lambda fields: monkeypatch.setenv("AIRFLOW_CONN_MPSS_RESULTS", json.dumps(fields))


def test_without_a_connection_the_task_is_skipped_and_says_so(connect):
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match=r"nothing was exported.*mpss_results"):
        body()


@pytest.mark.parametrize("kind", ["fields", "url"])
def test_with_a_connection_it_exports(connect, postgres, database, kind):
    fields = {
        "conn_type": "postgres",
        "host": str(postgres.folder),
        "login": "owner",
        "password": postgres.password,
        "schema": database,
        "extra": {"connect_timeout": "5"},
    }
    address = {"conn_type": "generic", "extra": {"url": postgres.url(database)}}
    connect(fields if kind == "fields" else address)
    assert body()["inserted"] == 1
    with postgres.connect(database) as connection:
        [found] = connection.execute("select study_key, value from mpss.prediction").fetchall()
    assert found == ("s01", 100.0)


def test_what_may_pass_is_tried_again_and_what_needs_a_person_is_not(root, postgres):
    from airflow.sdk.exceptions import AirflowFailException
    from mpss_airflow.batch import airflow_errors

    def export(url):
        sites = replace(sites_of(settings(), root), results_url=url)
        with airflow_errors():
            export_results(Lake(root / "lake"), settings(), sites)

    with pytest.raises(ResultsBusyError, match="does not answer"):
        export("postgresql://me:secret@127.0.0.1:1/x?connect_timeout=2")
    with pytest.raises(AirflowFailException, match="refuses the connection"):
        export(postgres.url(user="nobody_here"))


@pytest.mark.parametrize(
    ("extra", "tail"),
    [
        (None, "db/results"),
        ("", "db/results"),
        ("{}", "db/results"),  # what the UI, the REST interface and the bootstrap leave
        ('{"sslmode": "", "options": null}', "db/results"),
        ('{"sslmode": "require"}', "db/results?sslmode=require"),
        ('{"keepalives": 1, "x": true}', "db/results?keepalives=1&x=true"),
    ],
)
def test_extra_fields_become_parameters_of_the_address(extra, tail):
    from airflow.sdk import Connection

    known = Connection(
        conn_id="mpss_results", conn_type="postgres", host="db", schema="results",
        login="me", password="a/b@c", extra=extra,  # noqa: S106
    )  # fmt: skip
    assert url_of(known) == f"postgresql+psycopg://me:a%2Fb%40c@{tail}"


def test_an_extra_field_that_is_no_parameter_is_named():
    from airflow.sdk import Connection

    known = Connection(conn_id="mpss_results", conn_type="postgres", extra='{"ssl": {"ca": "x"}}')
    with pytest.raises(SettingsError, match="extra field 'ssl' of the connection mpss_results"):
        url_of(known)
