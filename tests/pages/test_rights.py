"""Every route by every role and by nobody; no planted identifier in any answer."""

import pytest

pytestmark = pytest.mark.airflow

LOOK = ("", "worklist", "studies/{key}", "studies/{key}/montage.png", "studies/{key}/polar.png",
        "studies/{key}/bare.png", "studies/{key}/slices.json", "static/mpss.css",
        "static/study.js")  # fmt: skip
ACCEPT = {"decision": "accept"}


def path_of(route, shown):
    return f"/mpss/{route.format(key=shown.keys[0])}"


def routes_of_the_application():
    from mpss_airflow.pages.app import make_app

    return {
        (method, route.path.strip("/").replace("{study_key}", "{key}"))
        for route in make_app().routes
        for method in getattr(route, "methods", ())
    }


@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")  # Airflow's own
def test_every_route_of_the_application_is_held_here():
    told = {("GET", name) for name in LOOK if not name.startswith("static") and "png" not in name}
    told |= {("GET", "static/{name}"), ("GET", "studies/{key}/{kind}.png")}
    told |= {("POST", "studies/{key}/answer")}
    assert routes_of_the_application() == told


@pytest.mark.parametrize("route", LOOK)
def test_nobody_gets_nothing(server, shown, route):
    status, _, body = server.ask(path_of(route, shown))
    assert status == 401
    assert not [key for key in shown.keys if key.encode() in body]


@pytest.mark.parametrize("account", ["looker", "reader", "boss"])
@pytest.mark.parametrize("route", LOOK)
def test_who_may_look_sees_no_identifier(server, shown, account, route):
    status, headers, body = server.ask(path_of(route, shown), account)
    assert status == 200
    assert not [one for one in shown.secrets if one.encode() in body]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    if "html" in headers["Content-Type"]:
        assert b"Research use only" in body


def test_only_who_may_answer_decides(server, shown, untouched):
    path = path_of("studies/{key}/answer", shown)
    assert server.ask(path, None, ACCEPT)[0] == 401
    assert server.ask(path, "looker", ACCEPT)[0] == 403
    assert server.ask(path, "reader", ACCEPT, {"X-Requested-With": "other"})[0] == 403
    assert server.ask(path, "reader", ACCEPT)[0] == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [({"decision": "maybe"}, 422), ({"decision": "reject", "reason": "x" * 41}, 422), ({}, 422)],
)
def test_what_is_no_answer_is_refused(server, shown, body, status):
    assert server.ask(path_of("studies/{key}/answer", shown), "reader", body)[0] == status


@pytest.mark.parametrize("route", ["studies/S1", "studies/S1/montage.png", "studies/S1/odd.png",
                                   "static/..%2Fapp.py", "static/app.py", "elsewhere"])  # fmt: skip
def test_what_is_not_there_is_said(server, route):
    assert server.ask(f"/mpss/{route}", "looker")[0] == 404


def test_airflow_knows_where_the_pages_are(server):
    import json

    _, _, body = server.ask("/api/v2/plugins", "boss")
    (ours,) = [one for one in json.loads(body)["plugins"] if one["name"] == "mpss"]
    for view in ours["external_views"]:
        assert view["destination"] in ("nav", "dag_run")
        if "{" not in view["href"]:
            assert server.ask(view["href"], "looker")[0] == 200
            assert server.ask(view["icon"], "looker")[0] == 200
