"""An installed wheel is whole: away from the checkout it starts a home, which runs a night."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.airflow, pytest.mark.pacs]

PROJECT = Path(__file__).resolve().parents[2]
PLACES = {
    "mpss_lib": "mpss_lib",
    "plugins/mpss_airflow": "mpss_airflow",
    "dags": "mpss_lib/installed/dags",
    "sql": "mpss_lib/installed/sql",
}
FOREIGN = ("AIRFLOW", "MPSS", "PYTHON", "NUMBA_CACHE")
"""Begin of the variables that would lead back to the checkout."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*command, str(folder)], cwd=PROJECT, check=True, capture_output=True)
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with the wheel in it; what it depends on is read from the running one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = ["--python", str(python), "install", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, *install, str(wheel)], check=True)
    [packages] = folder.glob("lib/python3.*/site-packages")
    (packages / "running.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_wheel_holds_every_file_that_the_platform_needs(wheel):
    there = set(zipfile.ZipFile(wheel).namelist())
    for folder, place in PLACES.items():
        files = [p for p in (PROJECT / folder).rglob("*") if p.is_file()]
        ours = [p.relative_to(PROJECT / folder) for p in files if "__pycache__" not in p.parts]
        assert ours
        names = {f"{place}/{path.as_posix()}" for path in ours}
        assert names <= there, sorted(names - there)


@pytest.fixture
def mpss(environment, tmp_path):
    """The installed command, called from a folder that is neither the home nor the checkout."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith(FOREIGN)}
    away = tmp_path / "away"
    away.mkdir()

    def call(*arguments):
        done = subprocess.run(
            [environment / "bin" / "mpss", *arguments],
            cwd=away,
            env=kept | {"MPSS_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_an_installed_wheel_starts_a_home_and_runs_a_night(environment, mpss, tmp_path):
    """The night is the rest scan of the smallest hospital: every task runs, no kernel but those
    of the engine's self-test is compiled."""
    from mpss_lib.demo.archive import Archive
    from mpss_lib.demo.cohort import make_hospital
    from mpss_lib.runtime.airflow_client import AirflowClient
    from mpss_lib.runtime.airflow_home import AirflowHome
    from mpss_lib.runtime.start import DAGS
    from mpss_lib.tables import Lake
    from mpss_lib.warehouse.reader import rows

    home = tmp_path / "home"
    hospital = make_hospital(home / "hospital", patients=1)
    Archive(home / "archive").add(*sorted(hospital.objects.glob("*.dcm")))
    [day] = [one["study_date"] for one in hospital.truth["studies"] if one["role"] == "rest"]
    try:
        mpss("up")
        airflow = AirflowHome.load(home)
        client = AirflowClient(airflow.address, airflow.secrets["password"])
        client.log_in()
        files = {dag["dag_id"]: Path(dag["fileloc"]) for dag in client.dags()}
        assert set(files) == set(DAGS)
        assert all(path.is_relative_to(environment) for path in files.values())
        run = client.trigger("mpss_ingest", {"from": day, "to": day})
        state = client.wait_for_run("mpss_ingest", run, 400, lambda tasks: None)
        assert state == "success", client.tasks("mpss_ingest", run)
    finally:
        ended = mpss("down")
    assert "scheduler" in ended
    flow = rows(Lake(home / "lake"), "select reason, detail from core.cohort_flow")
    assert flow == [{"reason": "intake_rejected", "detail": "rest"}]
