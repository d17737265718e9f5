"""Homes of versions before are brought to this one, killed and repeated, and taken back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.errors import LakeCorruptError, PlatformFaultError, WrongArgumentError
from mpss_lib.maintenance import upgrade
from mpss_lib.maintenance.copies import share_tombstones
from mpss_lib.maintenance.rollback import FOLDER as PLACE
from mpss_lib.maintenance.rollback import roll_back
from mpss_lib.maintenance.upgrade import PHASES, Journal, check, run
from mpss_lib.maintenance.upgrade_parts import results_url
from mpss_lib.pull.vault import Vault
from mpss_lib.runtime.airflow_database import DATABASE
from mpss_lib.runtime.home import Home
from mpss_lib.snapshot_file import attach
from mpss_lib.tables import Lake
from mpss_lib.warehouse.layout import VERSION

KEPT = sorted((Path(__file__).parents[1] / "reference" / "homes").glob("*.tar.xz"))
OLDEST = KEPT[0]
KILLED = 9
VAULT = ("identity", "object", "query_window", "tombstone", "withdrawal")
"""Its tables that hold people; the audit log, which goes on, keeps an anchor of its own in it."""


@pytest.fixture(autouse=True)
def no_airflow(monkeypatch):
    monkeypatch.delenv(DATABASE, raising=False)
    monkeypatch.delenv(f"{DATABASE}_CMD", raising=False)


def unpacked(archive, folder):
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    root = folder / archive.name.partition(".")[0]
    (root / "vault.sqlite.key").chmod(0o600)
    return root


@pytest.fixture
def root(tmp_path):
    return unpacked(OLDEST, tmp_path)


@pytest.fixture(scope="module")
def upgraded_once(tmp_path_factory):
    """The oldest home, upgraded, with its digests before."""
    folder = tmp_path_factory.mktemp("upgraded")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(DATABASE, raising=False)
        root = unpacked(OLDEST, folder)
        patch.setenv("MPSS_HOME", str(root))
        before = state(root)
        told = json.loads(asked("--check", "--json", status=1))
        assert {p["name"]: p["found"] for p in told["parts"] if p["is_due"]}["lake"] == "layout 1"
        assert state(root) == before
        assert "lake: layout 1 -> layout 2" in asked("--run", str(folder / "copies"))
        asked("--check")
    return folder, before


def asked(*words, status=0):
    """What `mpss upgrade` says."""
    found = CliRunner().invoke(cli.app, ["upgrade", *words])
    assert found.exit_code == status, found.output
    return found.stdout


@pytest.fixture
def upgraded(upgraded_once, tmp_path):
    """A copy of it whose journal names a copy of its backup."""
    folder, before = upgraded_once
    shutil.copytree(folder, tmp_path / "there")
    root = tmp_path / "there" / OLDEST.name.partition(".")[0]
    journal = Journal.of(root)
    journal.note(backup=str(tmp_path / "there" / "copies" / journal.backup.name))
    (root / "backups.json").write_text(json.dumps({"targets": [str(tmp_path / "there/copies")]}))
    return root, before


def state(root):
    """Digest of each file of a home that a backup holds, and the rows of the vault's own tables."""
    files = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*(root / "lake").rglob("*"), root / "mpss.toml"]
        if path.is_file() and not path.name.endswith((".lock", ".duckdb", "x.parquet"))
    }
    with closing(sqlite3.connect(root / "vault.sqlite")) as db:
        vault = {name: sorted(db.execute(f"select * from {name}")) for name in VAULT}
    return files | vault


def killed(work, *given):
    """Exit status of some work in a process of its own; 0 where it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            work(*given)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("archive", KEPT, ids=lambda path: path.name)
def test_a_home_of_before_is_brought_to_this_version(archive, tmp_path, request):
    if archive == OLDEST:  # upgraded once for all tests
        root = request.getfixturevalue("upgraded")[0]
        packed = unpacked(archive, tmp_path)
    else:
        packed = root = unpacked(archive, tmp_path)
    with closing(sqlite3.connect(packed / "vault.sqlite")) as db:
        people = db.execute("select * from identity order by study_key").fetchall()
    if archive != OLDEST:
        due = {part.name for part in check(root) if part.is_due}
        told = []
        done = run(root, tmp_path / "copies", told.append)
        assert {part.name for part in done.parts} == due >= {"snapshot"}  # of another code version
        assert told == list(PHASES)
        assert run(root, tmp_path / "copies").backup is None  # nothing is due any more
    assert not any(part.is_due for part in check(root))
    vault = Vault(root / "vault.sqlite")
    assert [tuple(vars(one).values()) for one in vault.everybody()] == people
    with closing(attach(Lake(root / "lake").snapshot, of_any_place=True)) as connection:
        [(n_studies,)] = connection.execute(
            "select count(distinct study_key) from core.study"
        ).fetchall()
    assert n_studies == len(people)


def test_killed_before_each_phase_and_repeated(root, tmp_path):
    def until(phase):
        def tell(name):
            if name == phase:
                os._exit(KILLED)

        run(root, tmp_path / "copies", tell)

    for phase in PHASES:
        assert killed(until, phase) == KILLED
        assert Journal.of(root).is_open
    assert killed(run, root, tmp_path / "copies") == 0
    assert not any(part.is_due for part in check(root))
    assert len([p for p in (tmp_path / "copies").iterdir() if p.is_dir()]) == 1


def test_taken_back_the_home_is_as_it_was(upgraded):
    root, before = upgraded
    assert state(root) != before
    done = roll_back(root)
    assert state(root) == before
    assert done.n_discarded == 0
    assert not (root / PLACE).exists()
    assert "rollback" in (root / "audit" / "000001.jsonl").read_text()
    with pytest.raises(WrongArgumentError, match="no upgrade"):
        roll_back(root)


def test_a_rollback_is_killed_after_each_renaming_and_repeated(upgraded, monkeypatch):
    root, before = upgraded
    rename, n_kills = Path.rename, 0

    def renamed(self, to):
        found = rename(self, to)
        if PLACE in f"{self}{to}":
            os._exit(KILLED)
        return found

    monkeypatch.setattr(Path, "rename", renamed)
    while (status := killed(roll_back, root)) == KILLED:
        n_kills += 1
    assert status == 0
    assert n_kills == 8  # two for each of mpss.toml, vault, key and lake
    assert state(root) == before


def test_a_night_since_is_not_lost_without_a_word(upgraded):
    from fabricated_lake import Builder

    root, before = upgraded
    home = Home.as_it_is(root)
    build = Builder(home.lake, home.config)
    build.catalogue()
    build.through("Snew", "Pnew", seed=9, day=9)
    build.flush()
    with pytest.raises(WrongArgumentError, match="would be lost"):
        roll_back(root)
    assert roll_back(root, discard=True).n_discarded > 0
    assert state(root) == before


def test_who_withdrew_since_does_not_come_back(upgraded):
    root, _ = upgraded
    share_tombstones(root, ["X0123456789abcdef"])
    with pytest.raises(WrongArgumentError, match="withdrawals are newer"):
        roll_back(root, discard=True)


def test_an_unsound_backup_is_not_brought_back(upgraded):
    root, _ = upgraded
    after = state(root)
    next(Journal.of(root).backup.rglob("*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(LakeCorruptError, match="not sound"):
        roll_back(root)
    assert state(root) == after


def test_what_the_upgrade_changed_is_found(root, tmp_path, monkeypatch):
    """A phase that loses a file, or a person, is found by the last one."""

    def lossy(home, *_):
        next((home.lake.root / "landing").rglob("*/*/*/*/*.parquet")).unlink()
        with closing(sqlite3.connect(home.sites.vault)) as db:
            db.execute("delete from identity where rowid = 1")
            db.commit()

    monkeypatch.setattr(upgrade, "PHASES", {**PHASES, "snapshot": lossy})
    monkeypatch.setattr(upgrade, "check_all_done", lambda home: None)
    with pytest.raises(PlatformFaultError, match="2 things are not as they were"):
        run(root, tmp_path / "copies")


def test_a_home_at_work_and_a_later_one_are_left_alone(root, tmp_path, monkeypatch):
    monkeypatch.setattr(upgrade.Services, "recorded", lambda self: {"scheduler": {}, "redis": {}})
    monkeypatch.setattr(upgrade.Services, "is_alive", lambda self, name: True)
    with pytest.raises(PlatformFaultError, match=r"runs: scheduler$|runs: scheduler \|"):
        run(root, tmp_path / "copies")
    monkeypatch.undo()
    monkeypatch.delenv(DATABASE, raising=False)
    (root / "lake" / "layout.json").write_text(json.dumps({"version": VERSION + 1}))
    with pytest.raises(LakeCorruptError, match="later one"):
        check(root)


def test_the_command_takes_back_and_refuses_what_it_cannot_understand(upgraded, monkeypatch):
    root, before = upgraded
    monkeypatch.setenv("MPSS_HOME", str(root))
    assert "Install 0.1.0" in asked("--rollback")
    assert state(root) == before
    wrong = CliRunner().invoke(cli.app, ["upgrade", "--check", "--rollback"])
    assert isinstance(wrong.exception, WrongArgumentError)


def test_where_the_results_are_is_asked_of_airflow_too(root):
    class Told:
        def results_url(self):
            return "postgresql://there/results"

    home = Home.as_it_is(root)
    assert results_url(home) == ""
    assert results_url(Home(root, home.lake, home.config, home.sites, Told())) == (
        "postgresql://there/results"
    )


class Asked:
    """Airflow of a cluster's containers, as the environment names it."""

    def __init__(self, revision):
        self.revision, self.commands, self.asked = revision, [], []

    def run(self, command, *_, asks=""):
        self.commands += command
        self.asked.append(asks)
        return json.dumps({"revision": self.revision, "head": "new"})

    def working(self):
        return ["mpss_ingest"]

    def results_url(self):
        return ""


@pytest.mark.parametrize(("revision", "is_due"), [("old", True), ("new", False), ("", True)])
def test_airflows_own_migrations_are_asked_for(root, tmp_path, revision, is_due):
    known = Home.as_it_is(root)
    home = Home(root, known.lake, known.config, known.sites, Asked(revision))
    [part] = [part for part in upgrade.parts_of(home) if part.name == "airflow"]
    assert part.is_due == is_due
    PHASES["airflow"](home, Journal(root), tmp_path)
    assert home.airflow.commands == ["mpss_airflow.examine", "mpss_airflow.bootstrap"]
    assert json.loads(home.airflow.asked[-1]) == {"is_alone": True}
    with pytest.raises(PlatformFaultError, match="runs: mpss_ingest"):
        upgrade.check_at_rest(home)
