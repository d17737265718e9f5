"""Cheap faults: each is named with the command that mends it, and the command is run.

The others (Airflow's database, services, the snapshot): tests/bench/doctor_faults.py.
"""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from fabricated_lake import Builder, settings
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.config import Config, load
from mpss_lib.doctor import Finding, examine, mend
from mpss_lib.doctor.mending import run
from mpss_lib.doctor.settings_file import move_old_names, old_names_in
from mpss_lib.doctor.shown_settings import shown
from mpss_lib.runtime.airflow_database import DATABASE
from mpss_lib.tables import Lake
from mpss_lib.upstream import Difference, note
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.whole_files import write_json

SOUND = '[site]\ntimezone = "UTC"\n\n[archive]\nhost = "127.0.0.1"\n\n[cohort]\naccept = "pass"\n'


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Give a home without Airflow: the tests' own has nights of other tests."""
    monkeypatch.delenv(DATABASE, raising=False)
    home = tmp_path / "home"
    home.mkdir(mode=0o711)
    home.chmod(0o711)
    (home / "mpss.toml").write_text(SOUND)
    (home / "mpss.toml").chmod(0o600)
    (home / "logs").mkdir(mode=0o700)
    return home


def told_of(root):
    return [finding.what for finding in examine(root, asks_outside=False).findings]


def with_line(section, text):
    def plant(root):
        path = root / "mpss.toml"
        path.write_text(path.read_text().replace(f"[{section}]", f"[{section}]\n{text}"))

    return plant


def open_file(name):
    def plant(root):
        (root / name).touch()
        (root / name).chmod(0o644)

    return plant


def open_logs(root):
    (root / "logs").chmod(0o755)


def readable_password(root):
    with_line("site", "results_url = 'postgresql://me:s3cret@db.example/x'")(root)
    (root / "mpss.toml").chmod(0o644)


def no_target(root):
    with_line("cohort", "")(root)
    path = root / "mpss.toml"
    path.write_text(
        f"{path.read_text()}[maintenance]\nbackup_target = '{root.parent / 'copies'}'\n"
    )


def cut_section(root):
    path = root / "mpss.toml"
    path.write_text(
        path.read_text() + "[archives]\nhost = 'x'\n\n[quality]\nlimits_version = 'a'\n"
    )


CHEAP = {
    "calld_aet": with_line("archive", 'calld_aet = "X"'),
    "archives": cut_section,
    "setting archive.port": with_line("archive", "port = 700000"),
    "is not TOML": with_line("cohort", "accept = = 1"),
    "holds a password": readable_password,
    "vault.sqlite.key": open_file("vault.sqlite.key"),
    "alarms.json": open_file("alarms.json"),
    "read logs": open_logs,
    "a.log": open_file("logs/a.log"),
    "list the home": lambda root: root.chmod(0o755),
    "is no folder": no_target,
}


@pytest.mark.parametrize("told", CHEAP)
def test_a_cheap_fault_is_named_and_mended(root, told):
    assert not [what for what in told_of(root) if told in what]
    CHEAP[told](root)
    report = examine(root, asks_outside=False)
    [finding] = [one for one in report.findings if told in one.what]
    assert not report.is_healthy
    assert "s3cret" not in json.dumps(report.as_json())
    assert run(finding.command) == ""
    assert not [what for what in told_of(root) if told in what]


def test_an_unknown_variable_is_unset(root, monkeypatch):
    monkeypatch.setenv("MPSS_PULL__MODALTY", "NM")
    [finding, *_] = examine(root, asks_outside=False).findings
    assert finding.command == "unset MPSS_PULL__MODALTY"
    monkeypatch.delenv("MPSS_PULL__MODALTY")
    monkeypatch.setenv("MPSS_ARCHIVE__PORT", "0")
    [finding, *_] = examine(root, asks_outside=False).findings
    assert finding.command == "unset MPSS_ARCHIVE__PORT"


def test_a_home_that_is_not_there_is_named(tmp_path):
    [finding] = examine(tmp_path / "none").findings
    assert "there is no home" in finding.what


def test_old_names_are_moved_and_mean_the_same(root):
    path = root / "mpss.toml"
    path.write_text(
        '[site]\ntimezone = "UTC"\narchive_host = "pacs.example"  # ours\ncalled_aet = "A"\n'
        "[upkeep]\nlogs_days = 9\n[pull]\nmin_batch = 7\n"
    )
    before = load(root, {})
    assert "old names" in " ".join(told_of(root))
    assert set(move_old_names(path)) == {
        *("[upkeep]", "site.archive_host", "site.called_aet", "pull.min_batch"),
    }
    assert old_names_in(path) == {}
    assert load(root, {}) == before
    assert 'host = "pacs.example"  # ours' in path.read_text()
    assert path.with_name("mpss.toml.before").stat().st_mode & 0o777 == 0o600
    assert move_old_names(path) == {}


def test_what_stands_still_and_what_differs_is_named(root):
    lake = Lake(root / "lake")
    for key in ("S1", "S2"):
        lake.quarantine("intake", key, error="GeometryError", problem="p", way_out="look at it")
    note(lake, Difference("S3", "deleted", "", "accept it"))
    note(lake, Difference("S4", "missing", "", "find it"))
    note(lake, Difference("S5", "deleted", "", "", is_accepted=True))
    told = {f.what: f for f in examine(root, asks_outside=False).findings}
    still = told["2 studies stand still at intake (GeometryError)"]
    assert still.command.endswith("mpss quarantine retry")
    assert still.advice == "look at it"
    lost = told["1 studies that the PACS has otherwise: deleted"]
    assert lost.command.endswith("mpss accept S3")
    assert told["1 studies that the PACS has otherwise: missing"].command.endswith("reconcile")


def test_a_snapshot_that_is_gone_or_stale_is_named(root):
    lake, config = Lake(root / "lake"), settings()
    build = Builder(lake, config)
    build.catalogue()
    build.through("s1", "p1")
    build.flush()
    assert "nothing is published yet" in told_of(root)
    warehouse.run(lake, config)
    assert not [what for what in told_of(root) if "snapshot" in what or "published yet" in what]
    ahead = f"{datetime.now(UTC) + timedelta(days=2):%Y%m%dT%H%M%S%f}"
    write_json(lake.record_path("pull", f"0000000099-{ahead}-abcdefab"), {"units": []})
    told = " ".join(told_of(root))
    assert "the clock says" in told
    assert "is not in the snapshot" in told


def test_safe_commands_are_run_once_and_a_failure_is_told(tmp_path):
    mark = tmp_path / "mark"
    safe = Finding("x", "a", f"echo x >> {mark}", is_safe=True)
    left = Finding("x", "b", f"echo y >> {mark}")
    broken = Finding("x", "c", "echo no >&2; false", is_safe=True)
    assert [problem for _, problem in mend([safe, left, safe, broken])] == ["", "no"]
    assert mark.read_text() == "x\n"


def test_the_command_shows_one_screen_and_json(root, mpss, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(root))
    (root / "logs").chmod(0o755)
    with_line("archive", "port = 1")(root)
    status, out, _ = mpss("doctor", "--fix")
    assert "mended: other accounts may read logs" in out
    assert (root / "logs").stat().st_mode & 0o777 == 0o700
    assert status == 1  # no archive answers here
    assert "nobody answers at 127.0.0.1:1" in out
    status, out, _ = mpss("doctor", "--json")
    found = json.loads(out)
    assert found["facts"]["archive"]["called_aet"] == "ARCHIVE"
    assert found["seconds"] < 60
    assert {"check", "what", "command", "level", "advice", "is_safe"} == set(found["findings"][0])


def test_shown_settings_hide_what_is_secret():
    config = Config(
        site={"registry_url": "postgresql://me:s3cret@db/x"},
        alarm={"webhooks": ["https://hooks.slack.com/services/t0ken"]},
    )
    told = json.dumps(shown(config))
    assert "s3cret" not in told
    assert "t0ken" not in told
    assert shown(config)["pull"]["modality"] == ("NM", True)


def test_settings_are_explained(root, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(root))
    told = CliRunner().invoke(cli.app, ["settings", "show", "--explain"])
    assert told.exit_code == 0
    assert "pull.modality = 'NM'\n    Studies that hold this modality\n" in told.output


def test_orphans_are_found_by_their_home(root):
    environ = {**os.environ, "AIRFLOW_HOME": str(root / "airflow")}
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!"], env=environ, stdout=-1) as leader:
        pid = int(leader.stdout.readline())
        leader.wait()
        [finding] = [f for f in examine(root, asks_outside=False).findings if "down" in f.what]
        assert finding.command == f"kill {pid}"
        run(finding.command)
