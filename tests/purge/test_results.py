"""A purge reaches the results database: a real PostgreSQL server."""

from dataclasses import replace

import pytest
from invented_home import grep

from mpss_lib.errors import ResultsBusyError
from mpss_lib.publication.export import export_results
from mpss_lib.purge.phases import purge
from mpss_lib.runtime.orchestrator import Airflow, Places


@pytest.fixture
def mirrored(home, postgres, database):
    """The home with a results database that mirrors it."""
    home = replace(home, sites=replace(home.sites, results_url=postgres.url(database)))
    export_results(home.lake, home.config, home.sites)
    return home


@pytest.fixture
def db(postgres, database):
    with postgres.connect(database) as connection:
        yield connection


def texts(db) -> str:
    """Every row of every table of the schema, as text."""
    tables = db.execute(
        "select table_name from information_schema.tables where table_schema = 'mpss'"
    ).fetchall()
    found = [db.execute(f"select t::text from mpss.{table} as t").fetchall() for (table,) in tables]
    return repr(found)


def studies(db) -> set[str]:
    return {key for (key,) in db.execute("select study_key from mpss.prediction").fetchall()}


def test_a_purge_takes_the_patient_out_of_the_results_database(invented, mirrored, db):
    hers = {one.study_key for one in invented.of(0)}
    others = studies(db) - hers
    assert studies(db) & hers
    assert others
    assert any(secret in texts(db) for secret in invented.secrets(0))
    report = purge(invented.of(0)[0].patient_key, mirrored)
    assert report.is_clean
    assert report.counts["results_removed_studies"] == len(hers)
    assert studies(db) == others
    assert not [secret for secret in invented.secrets(0) if secret in texts(db)]


class AirflowAtRest(Airflow):
    """An Airflow that knows nothing but the connection of the results database."""

    def _ask(self, question):
        return {
            "working": {"runs": []},
            "places": {"home": "/", "logs": "/nowhere", "database_url": "", "sqlite": ""},
            "find": {"columns": {}},
            "clean": {"tables": {}},
            "results": {"url": self.environment["url"]},
        }[question["do"]]


def test_the_connection_of_airflow_names_the_database_too(invented, mirrored, db, tmp_path):
    airflow = AirflowAtRest({"url": mirrored.sites.results_url})
    places = Places(tmp_path / "home" / "airflow", tmp_path / "home" / "logs", "", None)
    airflow._known["places"] = places
    sites = replace(mirrored.sites, results_url="")
    assert purge(invented.of(0)[0].patient_key, replace(mirrored, sites=sites, airflow=airflow))
    assert not studies(db) & {one.study_key for one in invented.of(0)}


def test_where_the_database_is_away_the_same_purge_goes_on_later(invented, mirrored, db):
    away = mirrored.sites.results_url.replace("host=/", "host=/nowhere/")
    elsewhere = replace(mirrored, sites=replace(mirrored.sites, results_url=away))
    with pytest.raises(ResultsBusyError):
        purge(invented.of(0)[0].patient_key, elsewhere)
    assert grep(invented.root, invented.secrets(0)), "the vault still knows whom to look for"
    assert purge(invented.of(0)[0].patient_key, mirrored).is_clean
    assert not studies(db) & {one.study_key for one in invented.of(0)}
    assert grep(invented.root, invented.secrets(0)) == {}


def test_a_restored_home_leaves_the_database_alone(invented, mirrored, db):
    """Its snapshot is older than what the database shows."""
    before = texts(db)
    report = purge(invented.of(0)[0].patient_key, mirrored, is_at_rest=True)
    assert report.is_clean
    assert texts(db) == before
