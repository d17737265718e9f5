"""What lies in docker/: secrets without defaults, nothing open to the network, a linted image."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


def test_every_secret_comes_from_outside(services):
    seen = 0
    for service in services.values():
        for name, value in (service.get("environment") or {}).items():
            if SECRET.search(name) or ("://" in str(value) and "@" in str(value)):
                seen += 1
                assert "${" in value, name
    assert seen > 5
    command = services["redis"]["command"]
    assert re.fullmatch(r"\$\{REDIS_PASSWORD:\?\}", command[command.index("--requirepass") + 1])


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
        assert "mpss-home:/var/lib/mpss" in service["volumes"], name


def test_the_receiver_runs_only_where_it_is_asked_for(services):
    receiver = services["receiver"]
    assert receiver["profiles"] == ["receiver"]
    assert receiver["command"] == ["mpss", "receiver"]
    unit = (FOLDER / "mpss-receiver.service").read_text()
    assert re.search(r"^ExecStart=\S+/mpss receiver$", unit, re.M)
    assert re.search(r"^Restart=always$", unit, re.M)


def test_images_are_pinned_to_a_release(services):
    images = [service["image"] for service in services.values() if "image" in service]
    assert images
    assert all(re.search(r":\d+", image) and ":latest" not in image for image in images)


def test_the_image_runs_as_nobody_special_and_installs_by_hash():
    steps = (FOLDER / "Dockerfile").read_text()
    assert re.search(r"^FROM python:3\.1[12]", steps, re.M)
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
