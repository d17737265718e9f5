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
