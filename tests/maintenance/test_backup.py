"""A home is copied, destroyed and brought back elsewhere; who withdrew meanwhile stays away."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from invented_home import Invented, grep, settings

from mpss_lib import clock
from mpss_lib.config import Sites, load, sites_of
from mpss_lib.errors import LakeCorruptError, PlatformFaultError, WrongArgumentError
from mpss_lib.maintenance import backup as backup_module
from mpss_lib.maintenance.backup import create, verify
from mpss_lib.maintenance.copies import TOMBSTONES, every_copy, expire, read_tombstones
from mpss_lib.maintenance.database import copy_sqlite
from mpss_lib.maintenance.restore import MARKER, newest, restore
from mpss_lib.pull.vault import Vault
from mpss_lib.purge.phases import purge
from mpss_lib.purge.reapply import reapply
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.warehouse.reader import rows

LEFT_OUT = (
    *("warehouse.duckdb", "warehouse.lock", "work.lock", "layout.lock", "layout.json"),
    ".tmp-x.parquet",
)


def digests(root):
    """Digest of every lake file that a backup holds."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (root / "lake").rglob("*")
        if path.is_file() and path.name not in LEFT_OUT
    }


def counts(lake):
    """Rows of every relation of the snapshot."""
    names = rows(
        lake,
        "select table_schema || '.' || table_name as t from information_schema.tables"
        " where table_catalog = 'mpss' and table_schema not in ('meta')",
    )
    return {row["t"]: rows(lake, f"select count(*) as n from {row['t']}")[0]["n"] for row in names}


def opened(root):
    config = load(root, environ={})
    return Home(root, Lake(root / "lake"), config, sites_of(config, root))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "elsewhere"


def test_a_destroyed_home_comes_back_whole_elsewhere(invented, home, target, tmp_path):
    made = create(home, target)
    assert verify(made) == []
    before, n_rows = digests(invented.root), counts(invented.lake)
    identities = [invented.vault.identity(one.study_key) for one in invented.identities]
    shutil.rmtree(invented.root)
    root = tmp_path / "new" / "home"
    restored = restore(newest(target), root)
    home = opened(root)
    warehouse.rebuild(home.lake, home.config)
    assert restored.n_files > 60
    assert digests(root) == before
    assert counts(home.lake) == n_rows
    vault = Vault(root / "vault.sqlite")
    assert [vault.identity(one.study_key) for one in identities] == identities
    assert {p.stat().st_mode & 0o777 for p in root.glob("vault.sqlite*")} == {0o600}
    assert not (root / MARKER).exists()


def test_the_second_backup_takes_only_what_is_new(invented, home, target):
    first = create(home, target)
    new = invented.lake.root / "landing" / "new.parquet"
    new.write_bytes(b"PAR1")
    second = create(home, target)
    shared = [p for p in first.rglob("*") if p.is_file() and p.stat().st_nlink == 2]
    assert len(shared) > 60
    assert (second / "lake" / "landing" / "new.parquet").stat().st_nlink == 1
    assert verify(first) == verify(second) == []
    shutil.rmtree(first)
    assert verify(second) == []


def test_a_backup_may_be_made_while_a_night_writes(invented, home, target, monkeypatch):
    from fabricated_lake import Builder

    copy = backup_module._copy
    seen = []

    def slow(path, *given):
        if not seen and path.suffix == ".parquet":
            build = Builder(invented.lake, invented.config)
            build.catalogue()
            build.through("Snew", "Pnew", seed=9, day=9)
            build.flush()
        seen.append(path)
        return copy(path, *given)

    monkeypatch.setattr(backup_module, "_copy", slow)
    made = create(home, target)
    assert verify(made) == []
    # What the night wrote after the manifest was copied may be in the copy; no record names it.
    records = "".join(p.read_text() for p in (made / "lake" / "manifest").rglob("*.json"))
    assert "Snew" not in records


def test_a_file_that_vanished_and_is_named_stops_the_backup(invented, home, target):
    [first, *_] = sorted((invented.lake.root / "landing" / "clinical").rglob("*.parquet"))
    first.unlink()
    with pytest.raises(LakeCorruptError, match="the copy is not whole"):
        create(home, target)
    assert list(every_copy(invented.home)) == []


def test_a_target_in_the_home_is_refused(home):
    with pytest.raises(WrongArgumentError, match="lies in the home"):
        create(home, home.root / "copies")


def test_no_vault_is_said(home, target):
    home.sites.vault.unlink()
    with pytest.raises(PlatformFaultError, match="no vault"):
        create(home, target)


@pytest.mark.parametrize("damage", ["byte", "gone", "more", "vault"])
def test_a_damaged_backup_is_named_and_not_restored(damage, home, target, tmp_path):
    made = create(home, target)
    victim = next(p for p in sorted((made / "lake").rglob("*.parquet")))
    if damage == "byte":
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    elif damage == "gone":
        victim.unlink()
    elif damage == "vault":
        victim = made / "vault.sqlite"
        victim.write_bytes(b"\0" * 4096)
    else:
        victim = made / "lake" / "stranger.txt"
        victim.write_text("x")
    wrong = verify(made)
    assert any(line.startswith(victim.relative_to(made).as_posix()) for line in wrong)
    with pytest.raises(LakeCorruptError, match="not sound"):
        restore(made, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_place_that_is_taken_is_refused(home, target, tmp_path):
    made = create(home, target)
    with pytest.raises(WrongArgumentError, match="not empty"):
        restore(made, home.root)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / MARKER).write_text("")
    (tmp_path / "begun" / "half").write_text("")
    assert restore(made, tmp_path / "begun").n_files > 60


def test_who_was_withdrawn_after_the_backup_does_not_come_back(invented, home, target, tmp_path):
    create(home, target)
    patient = invented.of(0)[0]
    home = Home(invented.root, invented.lake, invented.config, invented.sites)
    report = purge(patient.patient_key, home)
    [copy] = report.copies
    assert copy.path.parent == target
    assert set(read_tombstones(target / TOMBSTONES)) == set(invented.vault.tombstones())
    assert grep(target, invented.secrets(0))
    shutil.rmtree(invented.root)
    root = tmp_path / "new"
    restored = restore(newest(target), root)
    again = opened(root)
    warehouse.rebuild(again.lake, again.config)
    assert grep(root, invented.secrets(0))
    [applied] = reapply(restored.tombstones, again)
    assert applied.is_clean
    assert grep(root, invented.secrets(0)) == {}
    assert grep(root, invented.secrets(1))
    assert reapply(restored.tombstones, again) == []


def test_a_tombstone_file_that_is_no_list_stops_a_restore(home, target, tmp_path):
    made = create(home, target)
    (target / TOMBSTONES).write_text(json.dumps({"marks": ["somebody"]}))
    with pytest.raises(LakeCorruptError, match="no list of tombstones"):
        restore(made, tmp_path / "new")


def test_backups_expire_and_the_newest_stays(invented, home, target):
    first, second = create(home, target), create(home, target)
    days = invented.config.maintenance.backups_days
    before = datetime.now(UTC) + timedelta(days=days - 1)
    assert expire(invented.home, before) == {"vaults": 0, "homes": 0}
    after = datetime.now(UTC) + timedelta(days=days + 1)
    assert expire(invented.home, after) == {"vaults": 0, "homes": 1}
    assert (first.exists(), second.exists()) == (False, True)


@pytest.mark.parametrize("days", [-400, 400])
def test_the_backup_made_last_is_the_newest_though_the_clock_was_set(
    invented, home, target, monkeypatch, days
):
    class Clock(datetime):
        at = datetime(2026, 11, 20, tzinfo=UTC)

        @classmethod
        def now(cls, tz=None):
            return cls.at.astimezone(tz)

    monkeypatch.setattr(clock, "datetime", Clock)
    for _ in range(3):
        made = create(home, target)
        assert newest(target) == made
        Clock.at += timedelta(days=days)
    assert len(list(every_copy(invented.home))) == 3


def test_sqlite_is_copied_whole_while_it_is_written(tmp_path):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table t (a integer)")
        db.execute("insert into t values (1)")
        db.execute("begin")
        db.execute("insert into t values (2)")
        copy_sqlite(path, tmp_path / "copy.db")
        db.execute("commit")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("select a from t").fetchall() == [(1,)]


# ------------------------------------------------------------------ command line


@pytest.fixture
def at_home(invented, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(invented.root))
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    return invented


def test_the_commands_of_a_backup(at_home, target, tmp_path, mpss):
    assert mpss("backup", "create", target)[0] == 0
    status, out, _ = mpss("backup", "ls")
    assert status == 0
    assert str(target) in out
    status, out, _ = mpss("backup", "verify", target)
    assert (status, out.split(":")[1].endswith(" 0 faults\n")) == (0, True)
    status, out, _ = mpss("backup", "restore", target, "--home", tmp_path / "new")
    assert status == 0
    assert "4 studies, withdrawn again: 0" in out
    next(newest(target).rglob("*.parquet")).unlink()
    status, _, err = mpss("backup", "verify", target)
    assert (status, ": gone" in err) == (1, True)


def test_the_commands_of_a_purge(at_home: Invented, mpss, monkeypatch):
    import io

    key = at_home.of(0)[0].patient_key
    status, out, _ = mpss("purge", key, "--dry-run")
    assert status == 0
    assert "rewritten" in out
    found = json.loads(mpss("purge", key, "--dry-run", "--json")[1])
    assert (found["request"], "rewritten" in str(found["goes"])) == (key, True)
    assert grep(at_home.root, at_home.secrets(0))
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    status, _, err = mpss("purge", key)
    assert (status, "nobody is there to confirm" in err) == (2, True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("PatientID=QZ-770431-X\n"))
    status, out, _ = mpss("purge", "--yes")
    assert status == 0
    assert "nothing found" in out
    assert "QZ-770431-X" not in out
    assert grep(at_home.root, at_home.secrets(0)) == {}
    monkeypatch.setattr(sys, "stdin", io.StringIO("PatientID=nobody\n"))
    status, _, err = mpss("purge", "--yes")
    assert (status, "knows nobody" in err) == (2, True)


def test_a_purge_that_leaves_something_says_so(at_home, mpss):
    (at_home.root / "lake" / "x.gz").write_bytes(b"\x1f\x8b\x08no")
    status, out, err = mpss("purge", at_home.of(0)[0].patient_key, "--yes")
    assert status == 1
    assert "cannot be read" in out
    assert "traces are left in 1 places" in err
    assert "stands at 'search': run the same purge again" in mpss("status")[1]


def test_the_settings_of_the_invented_home_are_those_of_its_file(invented):
    assert load(invented.root, environ={}).warehouse == settings().warehouse
    assert isinstance(invented.sites, Sites)
