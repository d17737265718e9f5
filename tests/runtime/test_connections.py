import json

from mpss_airflow.home import connected_home

from mpss_lib.config import load
from mpss_lib.runtime.start import connections


def test_connections_of_a_home_are_those_of_its_settings(tmp_path):
    config = load(tmp_path, environ={})
    assert set(connections(config)) == {"mpss_pacs"}
    environ = {
        "MPSS_SITE__REGISTRY_URL": "csv:////srv/registry.csv",
        "MPSS_SITE__RESULTS_URL": "postgresql://me@db/results",
    }
    found = connections(load(tmp_path, environ=environ))
    assert {name: fields["extra"].get("url") for name, fields in found.items()} == {
        "mpss_pacs": None,
        "mpss_registry": "csv:////srv/registry.csv",
        "mpss_results": "postgresql://me@db/results",
    }


def test_each_archive_has_a_connection_and_a_task_takes_it(tmp_path, monkeypatch):
    (tmp_path / "mpss.toml").write_text(
        '[archive]\ncalling_aet = "HEART"\n'
        '[archive.others.cardiology]\nhost = "cardio"\nport = 104\ncalled_aet = "CARDIO"\n'
        "[archive.others.research]\nport = 105\n"
    )
    found = connections(load(tmp_path, environ={}))
    assert set(found) == {"mpss_pacs", "mpss_pacs_cardiology", "mpss_pacs_research"}
    assert found["mpss_pacs_cardiology"]["extra"] == {
        "called_aet": "CARDIO",
        "calling_aet": "HEART",
    }
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_MPSS_PACS", json.dumps(found["mpss_pacs"]))
    changed = found["mpss_pacs_cardiology"] | {"host": "cardio.example", "port": 1104}
    monkeypatch.setenv("AIRFLOW_CONN_MPSS_PACS_CARDIOLOGY", json.dumps(changed))
    places = [(one.host, one.port) for one in connected_home().sites.archive.every]
    assert places == [("127.0.0.1", 11112), ("cardio.example", 1104), ("127.0.0.1", 105)]
    of_one = connected_home("mpss_pacs_cardiology").sites.archive
    assert (of_one.host, of_one.called_aet, of_one.others) == ("cardio.example", "CARDIO", {})
