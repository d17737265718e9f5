"""Every route by every role and by nobody; no planted identifier in any answer."""

import hashlib

import pytest

pytestmark = pytest.mark.airflow

LOOK = ("", "worklist", "studies/{key}", "studies/{key}/montage.png", "studies/{key}/polar.png",
        "studies/{key}/bare.png", "studies/{key}/slices.json", "static/mpss.css",
        "static/study.js", "studies/{key}/terms?segment=MYO&configuration=both", "night",
        "night?run=night", "cohort", "cohort/table_one.csv", "cohort/cohort_flow.parquet",
        "quality", "book/index.html", "book/", "report/page.html", "reports/page.html", "sql",
        "audit")  # fmt: skip
ACCEPT = {"decision": "accept"}
QUESTION = {"sql": "select study_key from core.study order by all"}


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
    files = ("static/", "report/", "reports/", "cohort/", "book/")
    plain = {name.partition("?")[0] for name in LOOK if "png" not in name}
    told = {("GET", name) for name in plain if not name.startswith(files)}
    told |= {("GET", "studies/{key}/{kind}.png"), ("GET", "cohort/{name}.{kind}")}
    told |= {("GET", f"{folder}{{name}}") for folder in files[:3]}
    told |= {("POST", "studies/{key}/answer"), ("POST", "sql")}
    told |= {("GET", "health"), ("GET", "doctor"), ("GET", "book/{path:path}")}
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
    if "html" in headers["Content-Type"] and "terms" not in route and "reports/" not in route:
        assert b"Research use only" in body


def test_who_may_operate_sees_what_is_wrong(server, shown):
    import json

    assert server.ask("/mpss/health")[0] == server.ask("/mpss/doctor")[0] == 401
    status, _, body = server.ask("/mpss/health", "looker")
    told = json.loads(body)
    assert (status, told["healthy"]) in ((200, True), (503, False))
    assert set(told) == {"healthy", "faults", "warnings"}
    assert server.ask("/mpss/doctor", "looker")[0] == 403
    status, _, body = server.ask("/mpss/doctor", "boss")
    assert status == 200
    assert b"Research use only" in body
    assert b'/doctor" aria-current="page"' in body  # it is among the links of who may open it
    assert b"/doctor" not in server.ask("/mpss/night", "looker")[2]
    assert not [one for one in shown.secrets if one.encode() in body]


def test_only_who_may_answer_decides(server, shown, untouched):
    path = path_of("studies/{key}/answer", shown)
    assert server.ask(path, None, ACCEPT)[0] == 401
    assert server.ask(path, "looker", ACCEPT)[0] == 403
    assert server.ask(path, "reader", ACCEPT, {"X-Requested-With": "other"})[0] == 403
    assert server.ask(path, "reader", ACCEPT)[0] == 200


def test_the_first_of_two_answers_is_on_no_page_of_the_second(
    server, shown, two_readers, untouched
):
    answer = {"decision": "reject", "reason": "other", "text": "first-look"}
    status, _, body = server.ask(path_of("studies/{key}/answer", shown), "reader", answer)
    assert (status, b'"forms":"none"' in body) == (200, True)
    study = path_of("studies/{key}", shown)
    for route in LOOK:
        for account in ("second", "looker", "boss"):
            assert b"first-look" not in server.ask(path_of(route, shown), account)[2], route
    assert b"first-look" in server.ask(study, "reader")[2]
    page = server.ask(study, "second")[2]
    assert b"read by reader: 1 more answer is asked" in page
    assert b">sealed<" in page
    assert shown.keys[0].encode() not in server.ask("/mpss/worklist", "reader")[2]
    assert b"1 of 2" in server.ask("/mpss/worklist", "second")[2]
    server.ask(path_of("studies/{key}/answer", shown), "second", ACCEPT)
    page = server.ask(study, "second")[2]
    assert b"first-look" in page
    assert b"reader, second disagree: a third reader decides" in page


@pytest.mark.parametrize(
    ("body", "status"),
    [({"decision": "maybe"}, 422), ({"decision": "reject", "reason": "x" * 41}, 422), ({}, 422)],
)
def test_what_is_no_answer_is_refused(server, shown, body, status):
    assert server.ask(path_of("studies/{key}/answer", shown), "reader", body)[0] == status


def test_questions_are_answered_as_a_table_and_as_files(server, shown):
    assert server.ask("/mpss/sql", None, QUESTION)[0] == 401
    assert server.ask("/mpss/sql", "looker", QUESTION, {"X-Requested-With": "other"})[0] == 403
    status, _, body = server.ask("/mpss/sql", "looker", QUESTION)
    assert status == 200
    assert all(key.encode() in body for key in shown.keys)
    status, headers, body = server.ask("/mpss/sql", "looker", QUESTION | {"kind": "csv"})
    assert (status, headers["Content-Disposition"]) == (200, 'attachment; filename="answer.csv"')
    assert body.decode().split()[0] == "study_key"
    assert server.ask("/mpss/sql", "looker", QUESTION | {"kind": "parquet"})[2][:4] == b"PAR1"
    assert server.ask("/mpss/sql", "looker", QUESTION | {"kind": "exe"})[0] == 404
    log = "".join(path.read_text() for path in sorted((shown.root / "audit").iterdir()))
    assert log.count('"question"') >= 3
    assert "looker" in log
    assert hashlib.sha256(QUESTION["sql"].encode()).hexdigest() in log
    refused = {"sql": f"from read_text('{shown.root}/mpss.toml')"}
    status, _, body = server.ask("/mpss/sql", "boss", refused)
    assert (status, b"read_text() is not" in body) == (422, True)


def test_a_file_of_the_cohort_has_the_rows_of_the_page(server):
    from mpss_lib.viewing.cohort import TABLES

    page = server.ask("/mpss/cohort", "looker")[2].decode()
    text = server.ask("/mpss/cohort/table_one.csv", "looker")[2].decode()
    first = text.splitlines()[1].split(",")
    assert f"<td>{first[0]}</td>" in page
    assert all(f"/mpss/cohort/{table.name}.csv" in page for table in TABLES)


def test_nights_say_what_failed_and_what_was_slow(server):
    _, _, body = server.ask("/mpss/night", "boss")
    page = body.decode()
    assert "Do the failed tasks again" in page
    assert "Try them again now" in page
    assert page.count('class="pill warn">slow<') == 1
    assert "<b>8</b>found" in page
    looker = server.ask("/mpss/night", "looker")[2].decode()
    assert "<button" not in looker


MISSING = ("studies/S1", "studies/S1/montage.png", "studies/S1/odd.png", "static/..%2Fapp.py",
           "static/app.py", "reports/..%2Factive.json", "reports/none.html", "cohort/none.csv",
           "cohort/table_one.exe", "book/..%2Fserver.log", "book/none.html",
           "elsewhere")  # fmt: skip


@pytest.mark.parametrize("route", MISSING)
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
        if view["icon"]:
            assert server.ask(view["icon"], "looker")[0] == 200


def test_the_docs_menu_of_airflow_leads_to_the_book(server, page):
    page.log_in(server, "looker")
    page.open(f"{server.address}/")
    docs = "[...document.querySelectorAll('button')].find(one => one.innerText.trim() === 'Docs')"
    page.wait(f"({docs})?.setAttribute('id', 'docs') === undefined && {docs}")
    page.click("#docs")
    link = "[...document.querySelectorAll('a')].find(one => one.innerText.trim() === 'MPSS book')"
    page.wait(f"{link}?.getBoundingClientRect().width")
    address = page.run(f"{link}.href")
    assert (address, page.run(f"{link}.target")) == (f"{server.pages}/book/index.html", "_blank")
    page.open(address)
    assert page.run("document.title") == "Book, with its script, with what stands in it"
    page.run("document.querySelector('p').click()")  # a script that no Sphinx wrote does not run
    assert "foreign" not in page.run("document.title")
    assert len(page.said) == 1
    assert "Content Security Policy" in page.said.pop()
