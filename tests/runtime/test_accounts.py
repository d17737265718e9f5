"""Accounts of persons: what is refused, what a home asks for, and what Airflow keeps of them."""

import json
import subprocess
import sys

import pytest

from mpss_lib.cli import account as command
from mpss_lib.config import load
from mpss_lib.errors import SettingsError, WrongArgumentError
from mpss_lib.runtime.accounts import ROLES, NewAccount, Person, check_password, name_of
from mpss_lib.runtime.airflow_home import AirflowHome, lacks_administrator
from mpss_lib.runtime.start import prepared, start_home

GOOD = "four words stand apart"
BOSS = Person("boss", "Anna", "Boss", "boss@x.example")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir(mode=0o711)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "fewer than 12 characters"),
        ("short words", "fewer than 12 characters"),
        ("aaaaaaaabbbbbbbb", "fewer than 6 different"),
        ("The-Boss-is-here", "holds the name"),
        ("my Password is long", "guessed first"),
        ("12345678901234567", "guessed first"),
    ],
)
def test_a_password_that_would_be_guessed_is_refused_and_not_quoted(password, why):
    with pytest.raises(WrongArgumentError, match=why) as refused:
        NewAccount(BOSS, ("admin",), password)
    assert not password or password not in str(refused.value)
    check_password(GOOD, "boss")


def test_who_nobody_could_be_is_refused():
    for name in ("", "two words", "tab\there"):
        with pytest.raises(WrongArgumentError, match="no name of an account"):
            Person(name, "", "", "")
    with pytest.raises(WrongArgumentError, match="no role 'boss'"):
        NewAccount(BOSS, ("boss",), GOOD)
    with pytest.raises(WrongArgumentError, match="needs a role"):
        NewAccount(BOSS, (), GOOD)
    assert GOOD not in repr(NewAccount(BOSS, ("admin",), GOOD))


def test_a_home_that_nobody_can_enter_is_not_started(home, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(SettingsError, match="has no account of an administrator"):
        start_home(home, None, command.ask_for_the_first)
    assert not (home / "airflow").exists()


def test_the_first_account_is_asked_for_until_it_is_sound(monkeypatch):
    answers = iter([*("boss", "A", "B", "b@x.example", "weak"),
                    *("boss", "A", "B", "b@x.example", GOOD)])  # fmt: skip
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(command.typer, "prompt", lambda *_, **__: next(answers))
    made = command.ask_for_the_first()
    assert (made.person.name, made.roles, made.password) == ("boss", ("admin",), GOOD)


def test_a_password_file_is_for_its_owner_only(tmp_path):
    file = tmp_path / "password"
    file.write_text(GOOD + "\n")
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="other accounts may read it"):
        command._password(file)
    file.chmod(0o600)
    assert command._password(file) == GOOD


def test_persons_have_accounts_in_a_real_home_and_share_one_in_a_demo(home):
    airflow, real = AirflowHome.open(home), load(home, environ={})
    environment = airflow.environment(real)
    assert environment["AIRFLOW__CORE__AUTH_MANAGER"].endswith("MpssAuthManager")
    assert environment["AIRFLOW__FAB__COOKIE_SECURE"] == "False"
    assert lacks_administrator(home, real)
    link = load(home, environ={"MPSS_ALARM__LINK": "https://mpss.x.example"})
    proxied = airflow.environment(link)
    assert proxied["AIRFLOW__API__BASE_URL"] == "https://mpss.x.example"
    assert proxied["AIRFLOW__FAB__COOKIE_SECURE"] == "True"
    shared = load(home, environ={"MPSS_SITE__ACCOUNTS": "shared"})
    (home / "hospital").mkdir()
    (home / "hospital" / "registry.sqlite").touch()
    for config in (shared, real):  # a demo home now, whatever its settings say
        assert "AIRFLOW__CORE__AUTH_MANAGER" not in airflow.environment(config)
        assert not lacks_administrator(home, config)


ASK = """
import json, sys
from mpss_airflow.accounts.__main__ import answer
from mpss_airflow.accounts.roles import keep_roles
from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager
from airflow.utils.session import create_session

def drift():
    with create_session() as session:
        manager = ApplessAirflowSecurityManager(session)
        role = manager.find_role("MPSS reviewer")
        manager.add_permission_to_role(role, manager.create_permission("can_create", "DAG Runs"))
        held = {(p.action.name, p.resource.name): p for p in role.permissions}
        manager.remove_permission_from_role(role, held["can_read", "DAGs"])
    with create_session() as session:
        return [keep_roles(session), keep_roles(session)]

told = [drift() if one == "drift" else answer(one) for one in json.load(sys.stdin)]
sys.stderr.write("ANSWERS" + json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.airflow
def test_airflow_keeps_accounts_and_roles_as_they_are_told(home, tmp_path):
    """One database, one process for the questions: a start of Airflow costs seconds."""
    airflow = prepared(home)
    account = dict(vars(BOSS), password=GOOD, roles=["Admin"], do="add")
    reader = account | {"name": "reader", "mail": "r@x.example", "roles": ["MPSS reviewer"]}
    both = [name_of("reviewer"), name_of("researcher")]
    questions = [
        account,
        reader,
        account,
        {"do": "role", "name": "reader", "roles": both},
        {"do": "role", "name": "boss", "roles": both},
        {"do": "active", "name": "boss", "active": False},
        {"do": "password", "name": "reader", "password": "other words stand apart"},
        {"do": "active", "name": "reader", "active": False},
        {"do": "role", "name": "nobody", "roles": both},
        {"do": "ls"},
        "drift",
    ]
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=airflow.environment(load(home)),
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stderr.partition("ANSWERS")[2])
    assert [one.get("problem", "") for one in told[:9]] == [
        *("", "", "an account has the name 'boss' or the mail 'boss@x.example' already", ""),
        *("boss is the only administrator", "boss is the only administrator", "", ""),
        "there is no account 'nobody'",
    ]
    known = {one["name"]: (one["roles"], one["active"]) for one in told[9]["accounts"]}
    assert known == {"boss": (["Admin"], True), "reader": (sorted(both), False)}
    assert told[10] == [
        [
            "MPSS reviewer: can_read on DAGs was missing",
            "MPSS reviewer: can_create on DAG Runs was added",
        ],
        [],
    ]
    assert not lacks_administrator(home, load(home))
    stored = (home / "airflow" / "airflow.db").read_bytes()
    assert GOOD.encode() not in stored
    assert b"scrypt:" in stored


def test_every_role_has_rights_or_is_the_administrators():
    from mpss_airflow.accounts.roles import RIGHTS

    assert set(RIGHTS) | {"admin"} == set(ROLES)
    starts = ("can_create", "DAG Runs")
    assert {name for name, rights in RIGHTS.items() if starts in rights} == {"operator"}
    assert {name for name, rights in RIGHTS.items() if ("can_edit", "HITL Detail") in rights} == {
        "reviewer"
    }
