"""Who may read what of a home: the lake for whoever the home lets in, all else for nobody else."""

import json
import os
import shutil
import stat
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import psutil
import pytest
from fabricated_lake import Builder, fabricate
from other_account import NOBODY, in_nobodys_name, is_root

import mpss_lib
from mpss_lib import cli
from mpss_lib import config as settings
from mpss_lib.config import load
from mpss_lib.errors import SettingsError
from mpss_lib.papers.network import LISTENING, listeners
from mpss_lib.runtime.airflow_home import COMPONENTS, AirflowHome
from mpss_lib.runtime.orchestrator import Airflow
from mpss_lib.runtime.services import Services, free_port, only_one, wait_for_file
from mpss_lib.runtime.start import connections, start_receiver, watch_program
from mpss_lib.secrecy import has_password, seal, without_passwords
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.reader import query

HIDDEN = "Qz7pass"
REGISTRY = f"postgresql+psycopg2://mpss:{HIDDEN}@db.example/registry"
RESULTS = f"postgresql://out:{HIDDEN}@db.example/results"

# A service outlives the object that started it: that is the point of processes.json.
pytestmark = pytest.mark.filterwarnings(
    "ignore:subprocess .* is still running:ResourceWarning",
    "ignore:Exception ignored in.*Popen:pytest.PytestUnraisableExceptionWarning",
)


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def open_to_others(root):
    """What of a home others could read or enter if they reached it, but for lake and home."""
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.relative_to(root).parts[0] != "lake" and mode(path) & 0o077
    }


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (REGISTRY, True),
        ("postgresql://out@db/results", False),
        ("postgresql://db/results?user=out&password=Qz7pass", True),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3DQz7pass", True),
        ("postgresql://u:p%40ss:w/rd@h/d", True),
        ("sqlite:////srv/registry.sqlite", False),
        ("csv:////srv/registry.csv", False),
        ("postgresql://[::1]:5432/results", False),
        ({"deep": [{"url": REGISTRY}]}, True),
        ({"archive_password": "x"}, True),
        ({"archive_password": ""}, False),
        ({"wado_token": "abc"}, True),
        ({"timezone": "Europe/Zurich", "archive_port": 11112}, False),
    ],
)
def test_what_a_password_is(value, is_one):
    assert has_password(value) is is_one
    assert "Qz7pass" not in without_passwords(str(value))


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_a_settings_file_with_a_password_is_refused_where_others_read_it(tmp_path, bits):
    path = tmp_path / "mpss.toml"
    path.write_text(f'[site]\nregistry_url = "{REGISTRY}"\n')
    path.chmod(bits)
    with pytest.raises(SettingsError, match=rf"mode {bits:04o}.*chmod 600") as caught:
        load(tmp_path, environ={})
    assert HIDDEN not in str(caught.value)
    path.chmod(0o600)
    assert load(tmp_path, environ={}).site.registry_url == REGISTRY
    path.chmod(0o400)
    load(tmp_path, environ={})


def test_a_settings_file_without_a_password_may_be_read_by_all(tmp_path):
    path = tmp_path / "mpss.toml"
    path.write_text('[site]\nregistry_url = "csv:////srv/registry.csv"\n')
    path.chmod(0o644)
    load(tmp_path, environ={})


@pytest.mark.parametrize(
    "text",
    [
        f'[site]\nregistry_uri = "{REGISTRY}"\n',
        f'[sites]\nregistry_url = "{REGISTRY}"\n',
        f'[site]\ntimezone = "{REGISTRY}"\n',
        f'[site]\narchive_password = "{HIDDEN}"\n',
        f'[pull]\nregistry_table = ["{REGISTRY}"]\n',
        f'[site]\nregistry_url = "{REGISTRY}\n',
    ],
)
def test_no_message_about_a_wrong_setting_quotes_a_password(text, tmp_path):
    path = tmp_path / "mpss.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, environ={})
    assert HIDDEN not in str(caught.value)
    assert caught.value.__suppress_context__ or HIDDEN not in str(caught.value.__cause__)


def test_settings_and_sites_do_not_show_passwords_when_they_are_printed(tmp_path):
    environ = {"MPSS_SITE__REGISTRY_URL": REGISTRY, "MPSS_SITE__RESULTS_URL": RESULTS}
    config = load(tmp_path, environ=environ)
    for shown in (config, config.site, settings.sites_of(config, tmp_path)):
        assert HIDDEN not in repr(shown) + str(shown)


# ------------------------------------------------------------------ folders


@pytest.fixture
def old_home(tmp_path):
    """A home as it was made before: everything can be read by all."""
    root = tmp_path / "home"
    for name in ("airflow/logs/dag_id=x", "logs", "staging", "backup", "hospital", "lake/landing"):
        (root / name).mkdir(parents=True)
    for name in ("airflow/airflow.db", "airflow/airflow.cfg", "logs/scheduler.log"):
        (root / name).write_text("x")
    for name in ("processes.json", "hospital.json", "lake/active.json", "backups.json"):
        (root / name).write_text("{}")
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return root


def test_a_start_closes_all_but_the_lake(old_home):
    AirflowHome.open(old_home)
    assert [mode(old_home / name) for name in ("airflow", "logs", "staging", "backup")] == [
        0o700
    ] * 4
    assert mode(old_home / "airflow" / "airflow.db") == 0o600
    assert open_to_others(old_home) == {"airflow/logs/dag_id=x"}  # behind two closed doors
    assert mode(old_home / "lake" / "active.json") == 0o644
    assert [mode(old_home), mode(old_home / "lake")] == [0o755, 0o755]


def test_the_settings_file_is_the_operators(old_home):
    (old_home / "mpss.toml").write_text("")
    (old_home / "mpss.toml").chmod(0o640)
    seal(old_home)
    assert mode(old_home / "mpss.toml") == 0o640


def test_what_a_link_leads_to_stays_as_it_is(old_home, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o755)
    (old_home / "elsewhere").symlink_to(outside)
    (old_home / "dangling").symlink_to(tmp_path / "nowhere")
    seal(old_home)
    assert mode(outside) == 0o755


def test_a_home_that_we_make_lets_others_pass_and_not_look(tmp_path):
    with only_one(tmp_path / "new"):
        pass
    assert mode(tmp_path / "new") == 0o711
    assert mode(tmp_path / "new" / "home.lock") == 0o600


def test_a_service_opens_its_log_for_nobody_else_and_the_lake_for_readers(tmp_path):
    before = os.umask(0o077)
    try:
        services = Services(tmp_path)
        pid = services.start("one", ["/bin/sh", "-c", "umask; sleep 60"], os.environ)
        wait_for_file(tmp_path / "logs" / "one.log", services, "one", 20.0)
        kept = mode(tmp_path / "processes.json")
    finally:
        os.umask(before)
        services.end_all()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert (tmp_path / "logs" / "one.log").read_text() == "0022\n"
    assert mode(tmp_path / "logs") == 0o700
    assert mode(tmp_path / "logs" / "one.log") == kept == 0o600


def test_secrets_are_closed_from_the_first_byte(tmp_path, monkeypatch):
    seen = []
    original = Path.replace

    def watch(self, target):
        seen.append((Path(target).name, mode(self)))
        return original(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    AirflowHome.open(tmp_path)
    assert dict(seen) == {"secrets.json": 0o600, "passwords.json": 0o600}


# ------------------------------------------------------------------ Airflow


def test_airflow_listens_on_loopback_and_shows_no_settings(tmp_path):
    environment = AirflowHome.open(tmp_path).environment(load(tmp_path, environ={}))
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__API__EXPOSE_CONFIG"] == "False"
    assert environment["AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES"] == "url"
    for name in ("scheduler", "triggerer"):
        assert COMPONENTS[name] == ("--skip-serve-logs",)


def test_every_place_that_airflow_writes_follows_the_home(tmp_path):
    """Its own airflow.cfg keeps the absolute paths of the first start."""
    first, second = tmp_path / "first", tmp_path / "second"
    config = load(tmp_path, environ={})
    AirflowHome.open(first)
    shutil.copytree(first, second)
    environment = AirflowHome.open(second).environment(config)
    ours = {name: value for name, value in environment.items() if str(tmp_path) in value}
    assert all(str(second) in value and str(first) not in value for value in ours.values())
    assert {
        "AIRFLOW_HOME",
        "MPSS_HOME",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    } <= set(ours)


@pytest.mark.airflow
def test_airflow_itself_writes_in_the_copy_whatever_its_file_says(tmp_path):
    """The purge looks for logs and database where Airflow says that they are."""
    first, second = tmp_path / "first", tmp_path / "second"
    AirflowHome.open(first)
    old = first / "airflow"
    (old / "airflow.cfg").write_text(
        f"[logging]\nbase_log_folder = {old}/logs\n"
        f"[database]\nsql_alchemy_conn = sqlite:///{old}/airflow.db\n"
        f"[core]\nsimple_auth_manager_passwords_file = {old}/passwords.json\n"
    )
    shutil.copytree(first, second)
    environment = AirflowHome.open(second).environment(load(second, environ={}))
    places = Airflow(environment).places()
    assert places.home == second / "airflow"
    assert places.logs == second / "airflow" / "logs"
    assert places.sqlite == second / "airflow" / "airflow.db"


def test_no_path_of_airflows_own_settings_is_left_to_its_file(tmp_path):
    """Whatever Airflow keeps below its home by default, the environment names anew."""
    import airflow
    import yaml

    text = (Path(airflow.__file__).parent / "config_templates" / "config.yml").read_text()
    environment = AirflowHome.open(tmp_path).environment(load(tmp_path, environ={}))
    kept = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, spec in yaml.safe_load(text).items()
        for option, told in (spec.get("options") or {}).items()
        if "{AIRFLOW_HOME}" in str(told.get("default"))
    }
    assert len(kept) >= 5
    assert kept <= set(environment)


# ------------------------------------------------------------------ a running home


def call(address, path, token="", body=None):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 -- the address is ours, on loopback
        address + path, data=data, headers=headers
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


@pytest.fixture(scope="module")
def running():
    """A real home, not in a folder of pytest's: other accounts can reach its door."""
    root = Path(tempfile.mkdtemp(prefix="mpss-home-"))
    root.chmod(0o711)
    text = f'[site]\nregistry_url = "{REGISTRY}"\nresults_url = "{RESULTS}"\naccounts = "shared"\n'
    text += f"[receiver]\nport = {free_port()}\nmin_free_gb = 0\n"
    (root / "mpss.toml").write_text(text + '[cohort]\naccept = "pass"\n')
    (root / "mpss.toml").chmod(0o600)
    config = load(root, environ={})
    build = Builder(Lake(root / "lake"), config)
    fabricate(build)
    stage.run(build.lake, config)
    services = Services(root)
    try:
        home = AirflowHome.open(root)
        bootstrap = home.prepare(config, connections(config), overwrite=False)
        assert bootstrap.wait(timeout=300) == 0, (root / "logs" / "bootstrap.log").read_text()
        start_receiver(root, config, services)
        home.start(config, services)
        home.wait_until_healthy(config, services)
        services.launch("watch", watch_program(root))
        yield home
    finally:
        services.end_all()
        shutil.rmtree(root)


@pytest.mark.slow
@pytest.mark.airflow
def test_a_running_home_listens_where_the_paper_and_the_settings_say(running):
    """Every process of each service's session: exactly the ports of ``docs/papers/network.md``."""
    sessions = {entry["pid"] for entry in Services(running.root).recorded().values()}
    listening = [
        connection.laddr
        for process in psutil.process_iter()
        if _session(process.pid) in sessions
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    told = listeners(load(running.root, environ={}), running.secrets)
    assert {(address.ip, address.port) for address in listening} == set(told)
    assert set(told.values()) == {"api-server", "receiver"} < {one.who for one in LISTENING}
    assert {place for place, _ in told} == {"127.0.0.1"}  # of receiver.host, and of the UI
    shown = subprocess.run(["ss", "-ltn"], capture_output=True, text=True, check=False).stdout
    assert all(f"{host}:{port} " in shown for host, port in told) or not shown


def _session(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


@pytest.mark.slow
@pytest.mark.airflow
def test_no_password_is_in_an_answer_a_log_or_a_file(running):
    login = {"username": "admin", "password": running.secrets["password"]}
    token = json.loads(call(running.address, "/auth/token", body=login))["access_token"]
    made = {"connection_id": "other", "conn_type": "generic", "password": HIDDEN}
    made["extra"] = json.dumps({"url": RESULTS})
    told = call(running.address, "/api/v2/connections", token, made)
    assert '"other"' in told
    for path in ("connections", "config", "eventLogs", "variables", "jobs", "plugins", "dags"):
        told += call(running.address, f"/api/v2/{path}?limit=100", token)
    assert "mpss_registry" in told
    assert "mpss_results" in told
    assert HIDDEN not in told
    secret = HIDDEN.encode()
    files = [path for path in running.root.rglob("*") if path.is_file()]
    assert [p.name for p in files if secret in p.read_bytes()] == ["mpss.toml"]
    assert all(
        HIDDEN not in " ".join(process.info["cmdline"] or ())
        for process in psutil.process_iter(["cmdline"])
    )


@pytest.mark.slow
@pytest.mark.airflow
@is_root
def test_a_researchers_account_reads_the_lake_and_nothing_else(running):
    root = running.root
    assert {name for name in open_to_others(root) if not name.startswith("airflow/logs/")} == set()
    readable = _as_nobody(["find", f"{root}/lake", "-type", "f", "-readable"]).splitlines()
    assert sorted(readable) == sorted(str(p) for p in (root / "lake").rglob("*") if p.is_file())
    assert _as_nobody(["find", str(root), "-mindepth", "1"]) == ""  # not even a list of names
    for name in ("airflow/airflow.db", "logs/scheduler.log", "mpss.toml", "processes.json"):
        assert (root / name).is_file()
        assert _as_nobody(["cat", str(root / name)]) == ""


@is_root
def test_a_researcher_asks_the_lake_without_settings(reachable, monkeypatch):
    root, _ = reachable
    monkeypatch.setenv("MPSS_HOME", str(root))
    answer = "select count(*) as n from core.study"
    assert in_nobodys_name(lambda: query(answer, "csv")) == "n\n20\n"
    assert in_nobodys_name(lambda: len(mpss_lib.feature_matrix(segment="MYO", bins=64))) == "11"
    assert "cannot be read by this account" in in_nobodys_name(lambda: load(root))
    told = in_nobodys_name(lambda: (root / "lake" / "new").write_text("x"))
    assert told.startswith("PermissionError")
    root.chmod(0o700)
    assert "is closed to this account" in in_nobodys_name(lambda: query(answer, "csv"))


@is_root
def test_the_command_asks_without_settings_too(reachable, monkeypatch, capsys):
    root, _ = reachable
    monkeypatch.setenv("MPSS_HOME", str(root))
    (root / "mpss.toml").write_text("[no settings")
    monkeypatch.setattr("sys.argv", ["mpss", "sql", "select 1 as x", "--format", "csv"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().out == "x\n1\n"


@pytest.fixture
def reachable():
    """A published lake in a home that others can reach, settings with a password."""
    root = Path(tempfile.mkdtemp(prefix="mpss-home-"))
    root.chmod(0o711)
    (root / "mpss.toml").write_text(f'[site]\nregistry_url = "{REGISTRY}"\n')
    (root / "mpss.toml").chmod(0o600)
    config = load(root, environ={"MPSS_COHORT__ACCEPT": "pass"})
    before = os.umask(0o022)
    build = Builder(Lake(root / "lake"), config)
    fabricate(build)
    stage.run(build.lake, config)
    os.umask(before)
    yield root, config
    root.chmod(0o711)
    shutil.rmtree(root)


def _as_nobody(command):
    done = subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True,
        check=False, cwd="/",
    )  # fmt: skip
    return done.stdout
