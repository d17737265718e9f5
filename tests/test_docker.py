"""What lies in docker/: secrets without defaults, nothing open to the network, a linted image."""

import json
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from mpss_airflow.vocabulary import QUEUES

FOLDER = Path(__file__).resolve().parents[1] / "docker"
SECRET = re.compile(r"password|secret|fernet|token", re.I)


@pytest.fixture(scope="module")
def text():
    return (FOLDER / "compose.yaml").read_text()


@pytest.fixture(scope="module")
def services(text):
    return yaml.safe_load(text)["services"]


def airflow_services(services):
    return {name: body for name, body in services.items() if "build" in body}


def test_every_value_from_outside_is_demanded(text):
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = re.findall(r"\$\{[^}]*\}", code)
    assert found
    for value in found:
        assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]*\}", value), value
    assert not re.search(r"\$[A-Za-z_]", code)


def test_every_secret_is_a_file_that_lies_outside(text, services):
    """No secret, no address with one, stands in the environment, which `docker inspect` shows."""
    whole = yaml.safe_load(text)
    assert {Path(one["file"]).parent.name for one in whole["secrets"].values()} == {"secrets"}
    assert "docker/secrets/" in (FOLDER.parent / ".gitignore").read_text().splitlines()
    seen = set()
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            used = set(re.findall(r"/run/secrets/(\w+)", str(value)))
            if used:
                assert variable.endswith(("_CMD", "_FILE")), variable
                assert used <= set(service["secrets"]), (name, variable)
            elif SECRET.search(variable) or ("://" in str(value) and "@" in str(value)):
                raise AssertionError(f"{name}: {variable} holds a secret")
            seen |= used
    seen |= set(re.findall(r"/run/secrets/(\w+)", " ".join(services["redis"]["command"])))
    assert seen == set(whole["secrets"])


def test_airflow_reads_each_secret_from_its_file(services, tmp_path, monkeypatch):
    from airflow.configuration import conf

    values = {
        "postgres_password": "post-17",
        "redis_password": "redis-4",
        "fernet_key": "fernet-2",
        "api_secret_key": "api-9",
        "jwt_secret": "jwt-3",
    }
    for name, value in values.items():
        (tmp_path / name).write_text(value + "\n")  # as an editor leaves it
    wanted = {
        ("database", "sql_alchemy_conn"): "postgresql+psycopg://airflow:post-17@postgres/airflow",
        ("core", "fernet_key"): "fernet-2",
        ("api", "secret_key"): "api-9",
        ("api_auth", "jwt_secret"): "jwt-3",
    }
    commands = {
        name: str(value).replace("$$", "$").replace("/run/secrets", str(tmp_path))
        for name, value in services["scheduler"]["environment"].items()
        if name.endswith("_CMD")
    }
    for (section, key), value in wanted.items():
        variable = f"AIRFLOW__{section}__{key}".upper()
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(f"{variable}_CMD", commands.pop(f"{variable}_CMD"))
        assert conf.get(section, key) == value
    told = {
        name: subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout
        for name, line in commands.items()  # of the Celery provider, which is not installed here
    }
    assert told == {
        "AIRFLOW__CELERY__BROKER_URL_CMD": "redis://:redis-4@redis:6379/0",
        "AIRFLOW__CELERY__RESULT_BACKEND_CMD": (
            "db+postgresql+psycopg://airflow:post-17@postgres/airflow"
        ),
    }


def test_no_task_is_for_a_worker_that_nobody_starts(services):
    command = services["worker"]["command"]
    assert set(command[command.index("--queues") + 1].split(",")) == set(QUEUES)
    environment = services["worker"]["environment"]
    slots = environment["AIRFLOW__CELERY__WORKER_CONCURRENCY"]
    assert environment["AIRFLOW__CORE__PARALLELISM"] == slots


def test_what_runs_can_change_neither_itself_nor_its_rights(services):
    for name, service in services.items():
        if name == "postgres":  # its entry point gives its rights up itself
            continue
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name


@pytest.fixture
def health_page():
    """A health page as Airflow's API server shows it, with its scheduler away."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = {name: {"status": "healthy"} for name in ("metadatabase", "triggerer")}
            body = json.dumps(parts | {"scheduler": {"status": "unhealthy"}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v2/monitor/health"
        server.shutdown()


def test_a_health_check_fails_where_the_component_is_not_healthy(health_page, monkeypatch):
    module = runpy.run_path(str(FOLDER / "healthy.py"), {"__name__": "healthy"})["main"]
    monkeypatch.setitem(module.__globals__, "PAGE", health_page)
    assert module("metadatabase") == 0
    assert module("scheduler") == 1
    assert module("dag_processor") == 1  # not named
    monkeypatch.setitem(module.__globals__, "PAGE", "http://127.0.0.1:9/")
    assert module("metadatabase") == 1


def test_a_watch_is_healthy_that_has_looked_lately_and_well(tmp_path, monkeypatch):
    main = runpy.run_path(str(FOLDER / "healthy.py"), {"__name__": "healthy"})["main"]
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    assert main("watch") == 1  # it never looked
    now = datetime.now(UTC)
    for age, problem, status in ((10, "", 0), (10, "KeyError", 1), (5000, "", 1)):
        told = {"at": (now - timedelta(seconds=age)).isoformat(), "problem": problem}
        (tmp_path / "watch.json").write_text(json.dumps(told))
        assert main("watch") == status, told


def test_a_receiver_is_healthy_whose_port_is_open(monkeypatch):
    main = runpy.run_path(str(FOLDER / "healthy.py"), {"__name__": "healthy"})["main"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setitem(main.__globals__, "RECEIVER", server.getsockname())
        assert main("receiver") == 0
    assert main("receiver") == 1


def test_every_service_tells_whether_it_is_healthy(services):
    parts = set(services) - {"bootstrap"}  # which ends
    assert all("healthcheck" in services[name] for name in parts)
    for name in ("scheduler", "dag-processor", "triggerer", "watch", "receiver"):
        assert services[name]["healthcheck"]["test"][-1] == name.replace("-", "_")


def test_the_image_takes_what_it_copies_and_no_home():
    lines = (FOLDER.parent / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    steps = (FOLDER / "Dockerfile").read_text()
    copied = {n for names in re.findall(r"^COPY (.+) \S+$", steps, re.M) for n in names.split()}
    assert copied == {line[1:] for line in lines if line.startswith("!")}


def test_ports_are_open_to_this_machine_only(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(isinstance(port, str) and port.startswith("127.0.0.1:") for port in ports)
    assert not any("network_mode" in service for service in services.values())


def test_every_part_of_airflow_waits_for_the_bootstrap(services):
    parts = airflow_services(services)
    assert {"api-server", "scheduler", "dag-processor", "triggerer", "worker"} < set(parts)
    for name, service in parts.items():
        waits = service["depends_on"]
        if name == "bootstrap":
            assert waits == {"postgres": {"condition": "service_healthy"}}
            assert service["restart"] == "no"
        else:
            assert waits["bootstrap"] == {"condition": "service_completed_successfully"}, name
            assert waits["redis"] == {"condition": "service_healthy"}, name
        assert "mpss-home:/var/lib/mpss" in service["volumes"], name


def test_the_receiver_runs_only_where_it_is_asked_for(services):
    receiver = services["receiver"]
    assert receiver["profiles"] == ["receiver"]
    assert receiver["command"] == ["mpss", "receiver"]


UNITS = {
    "mpss.service": ["mpss up", "mpss down"],
    "mpss-cluster.service": ["mpss cluster run"],
    "mpss-receiver.service": ["mpss receiver"],
}


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_its_units(name, tmp_path):
    text = (FOLDER / name).read_text()
    assert re.findall(r"^Exec(?:Start|Stop)=\S+/(mpss .+)$", text, re.M) == UNITS[name]
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "UMask=0077"} < set(text.splitlines())
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    (tmp_path / name).write_text(text.replace("/opt/mpss/.venv/bin/mpss", "/bin/true"))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, name in told.stderr) == (0, False), told.stderr


def test_the_values_for_helm_are_those_of_compose_and_say_that_nothing_ran_them(services):
    text = (FOLDER / "helm-values.yaml").read_text()
    assert "REVIEWED BY READING ONLY" in text
    values = yaml.safe_load(text)
    told = services["scheduler"]["environment"]
    given = {one["name"]: one["value"] for one in values["env"]}
    own = {"AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"}  # the chart's
    assert set(told) - set(given) == own | {name for name in told if name.endswith("_CMD")}
    zone = "AIRFLOW__CORE__DEFAULT_TIMEZONE"
    assert {n: v for n, v in given.items() if n != zone} == {
        n: str(told[n]) for n in given if n != zone
    }
    assert not any(SECRET.search(name) for name in given if "SENSITIVE" not in name)
    assert values["workers"]["args"][-1].split("--queues ")[1] == ",".join(QUEUES)
    assert values["securityContexts"]["pod"]["runAsUser"] == values["uid"] == 10001


def test_images_are_pinned_to_a_release(services):
    images = [service["image"] for service in services.values() if "image" in service]
    assert images
    for image in set(images):
        assert re.search(r":(\d|\$\{MPSS_TAG:\?)", image), image


def test_the_image_runs_as_nobody_special_and_installs_by_hash():
    steps = (FOLDER / "Dockerfile").read_text()
    assert re.search(r"^FROM debian:\w+-slim$", steps, re.M)
    assert re.search(r" python3=3\.1[12]\.", steps)
    assert re.findall(r"^USER (\w+)", steps, re.M)[-1] != "root"
    assert "--require-hashes" in steps
    for source in re.findall(r"^COPY (.+) \S+$", steps, re.M):
        for name in source.split():
            assert (FOLDER.parent / name).exists(), name


def test_the_test_archive_listens_to_known_callers_only():
    archive = json.loads((FOLDER / "archive.json").read_text())
    assert archive["DicomCheckCalledAet"]
    assert not archive["RemoteAccessAllowed"]
    for service in ("Store", "Find", "Get", "Move"):
        assert not archive[f"DicomAlwaysAllow{service}"]


def test_hadolint_has_no_finding():
    beside = Path(sys.executable).parent / "hadolint"
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed")
    answer = subprocess.run(
        [program, "--failure-threshold", "warning", str(FOLDER / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


OF_THE_SHAPE = {"CORE__PARALLELISM", "CORE__MAX_ACTIVE_TASKS_PER_DAG", "CELERY__SYNC_PARALLELISM"}
"""Follow from the number of slots; those of compose are few."""


def test_its_settings_are_those_of_the_cluster_that_is_tested_by_kills(services):
    from mpss_lib.runtime.cluster.shape import Shape

    told = services["scheduler"]["environment"]
    for name, value in Shape().settings(2).items():
        variable = f"AIRFLOW__{name}"
        if name not in OF_THE_SHAPE and f"{variable}_CMD" not in told:
            assert told[variable] == str(value), variable
    slots = [
        told[f"AIRFLOW__{name}"] for name in ("CORE__PARALLELISM", "CELERY__WORKER_CONCURRENCY")
    ]
    assert len(set(slots)) == 1
