"""Accounts of persons: every route by each role and by nobody; a login; an answer; the audit."""

import json

import pytest
from pages_server import ASKED, PASSWORD, PERSONS

from mpss_lib.quality.review import reviews_of

pytestmark = pytest.mark.airflow

FIRST = "dags/mpss_ingest/dagRuns/first"
HUMAN = f"/api/v2/dags/mpss_review/dagRuns/{ASKED}/taskInstances/review.decide/0/hitlDetails"
NONSENSE = {"chosen_options": ["Nonsense"], "params_input": {}}
CLEAR = {"dry_run": True, "dag_run_id": "first"}
PAUSE = {"is_paused": False}
RUN = {"logical_date": None, "conf": {}}
QUESTION = {"sql": "select 1 as x"}
NIGHT_OF = {"dag_id": "mpss_ingest", "from_date": "2026-01-01T00:00:00Z"}
NIGHT_OF |= {"to_date": "2026-01-01T00:00:00Z"}

OPERATORS = ("operator", "admin")
SQL = ("researcher", "admin")
REVIEWERS = ("reviewer", "admin")
AUDIT = ("privacy-officer", "admin")

DOORS = {
    # page or REST route: (method, body, who may)
    **{f"/mpss/{name}": ("GET", None, PERSONS) for name in (
        "", "worklist", "studies/{key}", "studies/{key}/montage.png", "studies/{key}/polar.png",
        "studies/{key}/bare.png", "studies/{key}/slices.json", "static/mpss.css",
        "studies/{key}/terms?segment=MYO&configuration=both", "night", "cohort",
        "cohort/table_one.csv", "quality", "report/page.html", "reports/page.html", "health",
        "book/index.html",
    )},
    "/mpss/sql": ("GET", None, SQL),
    "/mpss/sql?": ("POST", QUESTION, SQL),
    "/mpss/doctor": ("GET", None, OPERATORS),
    "/mpss/audit": ("GET", None, AUDIT),
    "/mpss/studies/{key}/answer": ("POST", {"decision": "no such"}, REVIEWERS),
    HUMAN: ("PATCH", NONSENSE, REVIEWERS),
    "/api/v2/dags/mpss_mend/dagRuns": ("POST", RUN, OPERATORS),
    "/api/v2/dags/mpss_ingest/clearTaskInstances": ("POST", CLEAR, OPERATORS),
    "/api/v2/dags/mpss_review": ("PATCH", PAUSE, OPERATORS),
    "/api/v2/backfills/dry_run": ("POST", NIGHT_OF, OPERATORS),
    f"/api/v2/{FIRST}/taskInstances": ("GET", None, ("reviewer", *OPERATORS)),
    f"/api/v2/{FIRST}/taskInstances/check/xcomEntries": ("GET", None, OPERATORS),
    f"/api/v2/{FIRST}/taskInstances/check/logs/1": ("GET", None, OPERATORS),
    "/api/v2/connections": ("GET", None, OPERATORS),
    "/api/v2/variables": ("GET", None, ("admin",)),
    "/auth/fab/v1/users": ("GET", None, ("admin",)),
}  # fmt: skip
REFUSED = (401, 403)


@pytest.mark.parametrize("door", DOORS)
def test_each_role_passes_its_doors_and_no_other(persons, shown, door):
    method, body, may = DOORS[door]
    path = door.format(key=shown.keys[0])
    told = {name: persons.ask(path, name, body, method=method)[0] for name in (None, *PERSONS)}
    assert told.pop(None) == 401
    assert {name for name, status in told.items() if status not in REFUSED} == set(may)
    assert {status for name, status in told.items() if name not in may} <= {403}


@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")  # Airflow's own
def test_every_route_of_the_pages_is_a_door_here():
    from mpss_airflow.pages.app import make_app

    ours = {(method, door.split("?")[0]) for door, (method, _, _) in DOORS.items()}
    for route in make_app().routes:
        path = f"/mpss/{route.path.strip('/')}".replace("{study_key}", "{key}")
        for name, one in (
            ("{kind}.png", "polar.png"),
            ("{name}.{kind}", "table_one.csv"),
            ("{path:path}", "index.html"),
        ):
            path = path.replace(name, one)
        folder = path.rpartition("/")[0]
        for method in getattr(route, "methods", ()):
            is_file = path.endswith("{name}") and any(
                one == method and door.rpartition("/")[0] == folder for one, door in ours
            )
            assert is_file or (method, path) in ours, path


def log_in(page, server, name, password=PASSWORD):
    page.open("about:blank")  # what the page before still asks for would bring a cookie
    page.send("Network.clearBrowserCookies")
    page.open(f"{server.address}/auth/login/")
    page.run(f"document.getElementById('username').value = {json.dumps(name)};"
             f" document.getElementById('password').value = {json.dumps(password)}")  # fmt: skip
    page.click("input[type=submit]")


def test_a_reviewer_logs_in_and_answers_and_starts_nothing(persons, shown, page, untouched):
    key = max(shown.keys)  # the one that Airflow's form asks about
    log_in(page, persons, "reviewer")
    page.wait("document.cookie !== null && !location.pathname.startsWith('/auth')")
    page.open(f"{persons.pages}/studies/{key}")
    assert "SQL" not in page.run("document.querySelector('nav').textContent")
    page.click("#accept")
    page.wait(f"document.getElementById('study')?.dataset.key !== '{key}'")
    [told] = reviews_of(shown.lake, key)
    assert (told["decision"], told["reviewer"]) == ("accept", "reviewer")
    # Airflow's own form was answered by the page, in the same name.
    for _ in range(200):
        asked = json.loads(persons.ask(HUMAN, "viewer")[2])
        if asked["response_received"]:
            break
        page.run("new Promise((done) => setTimeout(done, 100))")
    assert asked["chosen_options"] == ["Accept"]
    assert asked["responded_by_user"]["name"] == "reviewer"
    refused = page.run("fetch('/api/v2/dags/mpss_mend/dagRuns', {method: 'POST', headers:"
                       " {'Content-Type': 'application/json'}, body:"
                       " JSON.stringify({logical_date: null})}).then((r) => r.status)")  # fmt: skip
    assert refused == 403
    page.said.clear()  # the 403, and a script of the login page that looks for a library


def test_logins_and_refused_ones_are_in_the_audit_log(persons, shown, page):
    log_in(page, persons, "viewer", "wrong")
    page.wait("document.body.textContent.includes('Invalid login')")
    log_in(page, persons, "of-nobody")
    page.wait("document.body.textContent.includes('Invalid login')")
    page.said.clear()  # as above
    log = "".join(path.read_text() for path in sorted((shown.root / "audit").iterdir()))
    logins = [json.loads(line)["message"] for line in log.splitlines() if '"login"' in line]
    told = [(one["ActiveParticipant"][0]["UserID"],
             one["EventIdentification"]["EventOutcomeIndicator"]) for one in logins]  # fmt: skip
    assert told[-2:] == [("viewer", "4"), ("unknown", "4")]
    assert logins[-1]["EventIdentification"]["EventID"]["csd-code"] == "110114"
    assert "of-nobody" not in log  # it may have been a password
    shows = persons.ask("/mpss/audit?kind=login&who=viewer", "privacy-officer")[2].decode()
    assert "refused" in shows
    assert '"audit_read"' in (shown.root / "audit" / "000001.jsonl").read_text()
