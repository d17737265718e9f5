"""Faults planted in a real home: is each named, and does the command that is given mend it?

A hospital of 14 synthetic patients whose chain was run, with Airflow's own database. For each
fault: it is planted, `mpss doctor --json` is asked, its command is run, and it is asked
again.
The dead services are planted together in a home that runs, and mended by one `mpss up`.
``--alone`` asks `mpss doctor` before everything else that runs (SCHED_RR, which takes root): the
stand-in for an idle machine, where the time of the clock counts.

    PYTHONPATH=.:plugins:tests python tests/bench/doctor_faults.py [--alone] [NAME ...]
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from alarm_channels import Hook, webhook_server
from certificates import Issuer
from walked_home import hospital, keep, put_back

from mpss_lib.alarms import check
from mpss_lib.alarms.facts import Facts
from mpss_lib.alarms.store import read_ledger
from mpss_lib.doctor import examine
from mpss_lib.maintenance.vault_copy import copy_vault
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.home import Home
from mpss_lib.runtime.services import Services, free_port
from mpss_lib.runtime.start import connections
from mpss_lib.upstream import Difference, note

BIN = Path(sys.executable).parent
OLD = datetime.now(UTC) - timedelta(days=20)


@dataclass
class Bench:
    """The home, and what the faults need."""

    root: Path
    names: dict[str, str]
    variables: dict[str, str]
    address: str
    hook: Hook
    before: str = ""

    @property
    def home(self):
        return Home.open(self.root)

    @property
    def settings(self):
        return self.root / "mpss.toml"

    @property
    def airflow_db(self):
        return self.root / "airflow" / "airflow.db"

    def shell(self, command):
        environ = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        environ |= {"MPSS_HOME": str(self.root), "PATH": f"{BIN}:{os.environ['PATH']}"}
        return subprocess.run(
            ["/bin/sh", "-c", command], env=environ | self.variables, capture_output=True, text=True
        )

    def doctor(self, *, whole=True):
        """Ask: by the command, or in this process without Airflow's program and the archive."""
        if not whole:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in self.variables.items():
                    patch.setenv(name, value)
                return examine(self.root, asks_outside=False).as_json()
        told = self.shell(f"{self.before}mpss doctor --json")
        if told.returncode not in (0, 1):
            raise AssertionError(told.stderr[-2000:])
        return json.loads(told.stdout)

    def add(self, text):
        self.settings.write_text(self.settings.read_text() + text)

    def ask_airflow(self, sql, *values):
        with closing(sqlite3.connect(self.airflow_db)) as database, database:
            database.execute(sql, values)

    def change_snapshot(self, sql):
        path = self.home.lake.snapshot
        copy = path.with_suffix(".copy")
        shutil.copy(path, copy)  # what was kept is linked to the file
        with duckdb.connect(str(copy)) as database:
            database.execute(sql)
        copy.replace(path)


def mode(name, how=0o755):
    def plant(bench):
        path = bench.root / name
        if not path.exists():
            path.touch()
        path.chmod(how)

    return plant


def line(text):
    return lambda bench: bench.add(text)


def in_section(section, text):
    def plant(bench):
        told = bench.settings.read_text()
        bench.settings.write_text(told.replace(f"[{section}]\n", f"[{section}]\n{text}\n", 1))

    return plant


def readable_password(bench):
    in_section("site", "results_url = 'postgresql://me:s3cret@db.example/x'")(bench)
    bench.settings.chmod(0o644)


def variable(name, value):
    return lambda bench: bench.variables.update({name: value})


def tls_key(bench):
    ours = Issuer(bench.root.parent, "ca").sign("us", days=400)
    pems = f"tls = true\ntls_certificate = '{ours.certificate}'\ntls_key = '{ours.key}'\n"
    in_section("archive", f"{pems}tls_issuers = '{bench.root.parent / 'ca.pem'}'")(bench)
    Path(ours.key).chmod(0o644)


def rubbish(bench):
    path = bench.root / "lake" / "landing" / ".tmp-killed"
    path.write_bytes(b"x" * 1000)
    os.utime(path, (OLD.timestamp(), OLD.timestamp()))


def no_target(bench):
    line(f"[maintenance]\nbackup_target = '{bench.root.parent / 'elsewhere'}'\n")(bench)


def old_copy(bench):
    copy = copy_vault(bench.home.sites.vault)
    shutil.rmtree(bench.root.parent / "home-backup", ignore_errors=True)
    old = copy.with_name(f"vault-{OLD:%Y%m%dT%H%M%S%f}.sqlite")
    for path in copy.parent.glob("vault-*"):
        if path.suffix == ".sqlite" and path != copy:
            path.unlink()
    copy.rename(old)
    copy.with_name(copy.name + ".key").rename(old.with_name(old.name + ".key"))


def old_backup(bench):
    target = bench.root.parent / "copies"
    bench.shell(f"mpss backup create {target}")
    line(f"[maintenance]\nbackup_target = '{target}'\n")(bench)
    for folder in target.iterdir():
        if folder.is_dir():
            folder.rename(folder.with_name(f"{OLD:%Y%m%dT%H%M%S%f}"))


def lost_vault(bench):
    copy_vault(bench.home.sites.vault)
    for name in ("vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm"):
        (bench.root / name).unlink(missing_ok=True)


def lost_key(bench):
    copy_vault(bench.home.sites.vault)
    (bench.root / "vault.sqlite.key").unlink()


def damaged_vault(bench):
    copy_vault(bench.home.sites.vault)
    with closing(sqlite3.connect(bench.root / "vault.sqlite")) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    path = bench.root / "vault.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:12288] = bytes(8192)
    path.write_bytes(content)


def orphan(bench):
    subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env=os.environ | {"AIRFLOW_HOME": str(bench.root / "airflow")},
        start_new_session=True,
    )


def no_tables(bench):
    bench.airflow_db.unlink()


def pending(bench):
    told = bench.shell("mpss airflow db downgrade --to-version 3.2.0 --yes")
    assert told.returncode == 0, told.stderr[-1500:]


def pool(sql):
    return lambda bench: bench.ask_airflow(sql)


def run_of(bench, dag, state, days, kind="scheduled"):
    due = datetime.now(UTC) - timedelta(days=days)
    told = f"{due:%Y-%m-%d %H:%M:%S.%f}"
    bench.ask_airflow(
        "insert into dag_run (dag_id, run_id, run_type, state, run_after, start_date, queued_at,"
        " logical_date, end_date, conf, clear_number, log_template_id, span_status,"
        " context_carrier, updated_at, created_at) values"
        " (?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', 0, 1, 'not_started', '{}', ?, ?)",
        *(dag, f"{kind}__{told}", kind, state, told, told, told, told),
        *(told if state in ("success", "failed") else None, told, told),
    )


def paused(bench):
    bench.ask_airflow("update dag set is_paused = 1 where dag_id = 'mpss_clinical'")
    run_of(bench, "mpss_clinical", "success", 0.2)


def broken(bench):
    bench.ask_airflow(
        "insert into import_error (timestamp, filename, bundle_name, stacktrace)"
        " values (?, 'gone.py', 'dags-folder', 'SyntaxError')",
        f"{OLD:%Y-%m-%d %H:%M:%S.%f}",
    )


def no_snapshot(bench):
    bench.home.lake.snapshot.unlink()


def damaged_snapshot(bench):
    path = bench.home.lake.snapshot
    path.unlink()
    path.write_bytes(b"no database")


def moved(bench):
    bench.change_snapshot("update meta.snapshot set lake_root = '/somewhere/else/lake'")


def older(bench):
    bench.change_snapshot("delete from meta.relation where relation_name = 'prediction_term'")


def unpublished(bench):
    bench.change_snapshot("update meta.snapshot set published_at = published_at - interval 3 day")


def stands_still(bench):
    bench.home.lake.quarantine(
        "quality", bench.names["study"], error="TryAgainError", problem="p", way_out="try again"
    )


def deleted(bench):
    note(bench.home.lake, Difference(bench.names["study"], "deleted", "", "`mpss accept`"))


def untaken(bench):
    told = f"[alarm]\nwebhooks = ['{bench.address}']\nmin_free_gb = 1e9\n"
    bench.add(told)
    bench.settings.chmod(0o600)
    bench.hook.status = 503
    check(bench.home, look=lambda h, now: Facts(now=now, free_gb={"/srv": 1.0}))
    assert read_ledger(bench.root).waiting
    bench.hook.status = 200


def other_settings(bench):
    line("[quality]\nlimits_version = 'site-9'\n")(bench)


FAULTS = {
    "unknown setting": (in_section("archive", "calld_aet = 'X'"), r"calld_aet"),
    "unknown section": (line("[archives]\nx = 1\n"), r"archives"),
    "value out of range": (in_section("cohort", "cac_max_days = -1"), r"cac_max_days"),
    "no TOML": (line("[alarm]\nquiet = 22\n= 3\n"), r"is not TOML"),
    "password that others may read": (readable_password, r"holds a password"),
    "unknown variable": (variable("MPSS_PULL__MODALTY", "NM"), r"MPSS_PULL__MODALTY"),
    "bad variable": (variable("MPSS_ARCHIVE__CALLING_AET", ""), r"archive\.calling_aet"),
    "old name of a setting": (in_section("site", "dimse_timeout_s = 60"), r"old names"),
    "vault open": (mode("vault.sqlite", 0o644), r"read vault\.sqlite "),
    "key of the vault open": (mode("vault.sqlite.key", 0o644), r"read vault\.sqlite\.key"),
    "airflow folder open": (mode("airflow"), r"read airflow "),
    "secrets open": (mode("airflow/secrets.json", 0o640), r"secrets\.json"),
    "logs open": (mode("logs"), r"read logs "),
    "a log open": (mode("logs/bootstrap.log", 0o644), r"bootstrap\.log"),
    "staging open": (mode("staging"), r"read staging "),
    "alarms open": (mode("alarms.json", 0o644), r"alarms\.json"),
    "TLS key open": (tls_key, r"us\.key"),
    "home listed": (mode("", 0o755), r"list the home"),
    "killed writer": (rubbish, r"temporary files"),
    "backup target gone": (no_target, r"is no folder"),
    "old copy of the vault": (old_copy, r"no backup for more than 8"),
    "old backup": (old_backup, r"no backup for more than 8"),
    "vault gone": (lost_vault, r"vault\.sqlite is gone"),
    "key of the vault gone": (lost_key, r"key is gone"),
    "vault damaged": (damaged_vault, r"damaged"),
    "orphan process": (orphan, r"does not know"),
    "database empty": (no_tables, r"database is empty"),
    "migration pending": (pending, r"are pending"),
    "pool of the PACS missing": (
        pool("delete from slot_pool where pool = 'mpss_pacs'"),
        r"pool mpss_pacs is missing",
    ),
    "pool of the snapshot missing": (
        pool("delete from slot_pool where pool = 'mpss_snapshot'"),
        r"pool mpss_snapshot is missing",
    ),
    "pool without a slot": (
        pool("update slot_pool set slots = 0 where pool = 'mpss_snapshot'"),
        r"mpss_snapshot has no slot",
    ),
    "DAG paused": (paused, r"mpss_clinical is paused"),
    "nothing published": (no_snapshot, r"nothing is published"),
    "snapshot damaged": (damaged_snapshot, r"cannot be opened"),
    "home moved": (moved, r"copied or moved"),
    "snapshot of another version": (older, r"another version"),
    "not published since": (unpublished, r"is not in the snapshot"),
    "study stands still": (stands_still, r"stand still at quality"),
    "study that the PACS lost": (deleted, r"otherwise: deleted"),
    "message not taken": (untaken, r"were not taken"),
    "settings changed": (other_settings, r"other settings"),
}
"""Name -> what plants it, and how the finding must begin to tell it."""

OF_AIRFLOW = {
    *("database empty", "migration pending", "pool of the PACS missing", "DAG paused"),
    *("pool of the snapshot missing", "pool without a slot"),
}
"""Faults that only Airflow's program sees: the whole command is asked and timed."""

SERVICES = ("scheduler", "dag-processor", "triggerer", "api-server", "receiver", "watch")


def tell(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def found(report, pattern):
    return [f for f in report["findings"] if re.search(pattern, f["what"])]


def try_one(bench, name, seconds):
    plant, pattern = FAULTS[name]
    plant(bench)
    whole = name in OF_AIRFLOW or name == "orphan process"  # a child of this process is none
    report = bench.doctor(whole=whole)
    if whole:
        seconds.append(report["seconds"])
    named = found(report, pattern)
    if not named:
        return f"NOT NAMED: {[f['what'] for f in report['findings']]}"
    [first, *_] = [f for f in named if f["command"]] or named
    if not first["command"]:
        return "named, no command"
    if first["command"].startswith("unset "):
        bench.variables.pop(first["command"].split()[1])
    else:
        told = bench.shell(first["command"])
        if told.returncode and "alarm check" not in first["command"]:  # 1: another alarm is open
            return f"COMMAND FAILED: {first['command']}: {told.stderr[-300:]}"
    if left := found(bench.doctor(whole=whole), pattern):
        return f"NOT MENDED by {first['command']}: {left[0]['what']}"
    return "mended"


def try_services(bench, seconds):
    """Plant what `mpss up` mends, in a home that runs; gives the answer for each."""
    bench.add(f"[receiver]\nport = {free_port()}\n")
    told = bench.shell("mpss up")
    assert told.returncode == 0, told.stderr[-2000:]
    quiet = bench.doctor()
    answers = {
        "a home that runs: no fault": str(
            [f["what"] for f in quiet["findings"] if f["level"] == "fault"]
        )
    }
    recorded = Services(bench.root).recorded()
    for name in SERVICES:
        os.killpg(recorded[name]["pid"], signal.SIGKILL)
    time.sleep(1)
    bench.ask_airflow("delete from connection where conn_id = 'mpss_pacs'")
    run_of(bench, "mpss_maintain", "running", 2)
    broken(bench)
    port = bench.home.config.receiver.port
    taker = "import socket, time; s = socket.create_server(('127.0.0.1', %d)); time.sleep(999)"
    with subprocess.Popen([sys.executable, "-c", taker % port]) as foreign:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 0.1).close()
                break
            except OSError:
                time.sleep(0.1)
        patterns = {f"{name} dead": rf"^{name} ended" for name in SERVICES}
        patterns |= {"connection missing": "mpss_pacs is missing", "run stuck": "has been running"}
        patterns |= {"DAG file broken": r"gone\.py"}
        patterns |= {"port of the receiver taken": f"port {port} of the receiver"}
        report = bench.doctor()
        seconds.append(report["seconds"])
        [taken] = found(report, patterns["port of the receiver taken"])
        named = {name: found(report, pattern) for name, pattern in patterns.items()}
        told = bench.shell(taken["command"])
        foreign.kill()
    time.sleep(60)  # the scheduler ends what is over its time
    after = bench.doctor()
    for name, pattern in patterns.items():
        if not named[name]:
            answers[name] = "NOT NAMED"
        elif found(after, pattern):
            answers[name] = f"NOT MENDED by {named[name][0]['command']}"
        else:
            answers[name] = "mended"
    bench.shell("mpss down")
    return answers


def main() -> int:
    wanted = [name for name in sys.argv[1:] if name != "--alone"]
    before_all = "chrt --rr 1 " if "--alone" in sys.argv else ""
    seconds, answers = [], {}
    with (
        tempfile.TemporaryDirectory() as folder,
        webhook_server() as (hook, address),
        hospital(Path(folder)) as walked,
    ):
        bench = Bench(walked.root, walked.names, {}, address, hook, before_all)
        walked.root.chmod(0o711)
        airflow = AirflowHome.open(walked.root)
        prepared = airflow.prepare(walked.config, connections(walked.config), overwrite=False)
        assert prepared.wait() == 0
        copy_vault(bench.home.sites.vault)
        bench.shell("echo four words stand apart | mpss account add boss --role admin"
                    " --password-file -")  # fmt: skip
        bench.shell("mpss airflow dags reserialize")
        kept = keep(walked, Path(folder) / "kept")
        before = bench.doctor()
        tell("before:", [f["what"] for f in before["findings"]], before["seconds"], "s")
        for name in [one for one in FAULTS if not wanted or one in wanted]:
            answers[name] = try_one(bench, name, seconds)
            tell(f"{name}: {answers[name]}")
            bench.variables.clear()
            put_back(walked, kept)
            walked.root.chmod(0o711)
        if not wanted or "services" in wanted:
            more = try_services(bench, seconds)
            for name, told in more.items():
                tell(f"{name}: {told}")
            quiet = more.pop("a home that runs: no fault")
            answers |= more
            assert quiet == "[]", quiet
    mended = sum(told == "mended" for told in answers.values())
    tell(
        f"{mended} of {len(answers)} named with a command that mends them;"
        f" longest {max(seconds):.1f} s"
    )
    return 0 if mended >= 0.95 * len(answers) and max(seconds) <= 10 else 1


if __name__ == "__main__":
    sys.exit(main())
