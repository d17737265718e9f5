"""Alarms of a home that is watched: thirty quiet nights, then faults planted one after another.

The home has Airflow's own database, a published snapshot with backdated records, certificates, a
backup, and processes that stand for its services. Quiet nights are looked at by a simulated clock:
nothing may be told. Then `mpss alarm watch` runs as a process of its own, and each fault must
arrive once by mail (a real SMTP server) and once by webhook, within two minutes.

    PYTHONPATH=.:plugins:tests python tests/bench/alarm_faults.py
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from alarm_channels import PERSON, SENDER, mail_server, webhook_server
from certificates import Issuer
from fabricated_lake import Builder

from mpss_lib import records
from mpss_lib.alarms import check, gather
from mpss_lib.maintenance.copies import TIME, remember_target
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.home import Home
from mpss_lib.runtime.services import free_port
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.whole_files import write_json

NOW = datetime.now(UTC)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
LATEST_S = 120.0
A_NIGHT, OLD_NIGHTS, QUIET = 4, 40, 30
SERVICES = ("scheduler", "dag-processor", "triggerer", "api-server")


class Home30:
    """The home that is watched; days count back from today."""

    def __init__(self, folder, channels):
        self.root = folder / "home"
        self.root.mkdir()
        self.folder, self.n = folder, 0
        issuer = Issuer(folder, "ca")
        self.ours = issuer.sign("us", days=500)
        self.port = free_port()
        target = folder / "copies"
        target.mkdir()
        free = shutil.disk_usage(folder).free / 2**30
        self.write_settings = lambda: (self.root / "mpss.toml").write_text(
            f"[archive]\ntls = true\ntls_certificate = '{self.ours.certificate}'\n"
            f"tls_key = '{self.ours.key}'\ntls_issuers = '{issuer.path}'\n"
            f"[receiver]\nport = {self.port}\n[maintenance]\nbackup_target = '{target}'\n"
            f"[warehouse]\nthreads = 1\n[alarm]\nevery_s = 5\ndeadline = '00:00'\n"
            f"min_free_gb = {free - 1.0:.3f}\n{channels}"
        )
        self.issuer, self.target = issuer, target
        self.write_settings()
        remember_target(self.root, target)
        (self.root / "mpss.toml").chmod(0o600)
        self.airflow = AirflowHome.open(self.root)
        prepared = self.airflow.prepare(self.home.config, {}, overwrite=False)
        assert prepared.wait() == 0
        self.build = Builder(self.home.lake, self.home.config)
        self.build.catalogue()
        self.processes = {}

    @property
    def home(self):
        return Home.open(self.root)

    def ask(self, sql, *values):
        with closing(sqlite3.connect(self.root / "airflow" / "airflow.db")) as database, database:
            database.execute(sql, values)

    def run(self, dag, state, days, *, hours=1.0):
        """A scheduled run that was due some days ago; gives its name."""
        due = MIDNIGHT - timedelta(days=days)
        run_id = f"scheduled__{due.isoformat()}"
        end = due + timedelta(hours=hours) if state in ("success", "failed") else None
        told = [f"{t:%Y-%m-%d %H:%M:%S.%f}" if t else None for t in (due, end)]
        self.ask("delete from dag_run where dag_id = ? and run_id = ?", dag, run_id)
        self.ask(
            "insert into dag_run (dag_id, run_id, run_type, state, run_after, start_date,"
            " queued_at, logical_date, end_date, conf, clear_number, log_template_id, span_status,"
            " context_carrier, updated_at, created_at) values (?, ?, 'scheduled', ?, ?, ?, ?, ?, ?,"
            " '{}', 0, 1, 'not_started', '{}', ?, ?)",
            *(dag, run_id, state, told[0], told[0], told[0], told[0], told[1], told[0], told[0]),
        )
        return run_id

    def night(self, days, n, *, verdicts=(), n_bad=0):
        """A green night with so many new studies, with verdicts, some of them set aside."""
        run_id = self.run("mpss_ingest", "success", days)
        with backdated(MIDNIGHT - timedelta(days=days) + timedelta(hours=1)):
            for k in range(n):
                self.n += 1
                key = f"S{self.n:016x}"
                self.build.pull(key, f"P{self.n:016x}")
                if k < n_bad:
                    self.build.set_aside("intake", key)
                    continue
                self.build.intake(key)
                self.build.segmentation(key)
                self.build.quality(key, verdicts[k] if k < len(verdicts) else "pass")
            self.build.flush(run_id)

    def publish(self):
        warehouse.run(self.home.lake, self.home.config)

    def copy_of(self, days):
        made = MIDNIGHT - timedelta(days=days)
        folder = self.target / f"{made:{TIME}}"
        folder.mkdir()
        (folder / "manifest.json").write_text("{}")

    def start(self, name, *command):
        process = subprocess.Popen(command, start_new_session=True, stdout=-1, stderr=-1)
        self.processes[name] = process
        entries = {
            key: {
                "pid": one.pid,
                "started": psutil.Process(one.pid).create_time(),
                "home": str(self.root),
            }
            for key, one in self.processes.items()
            if one.poll() is None
        }
        write_json(self.root / "processes.json", entries)

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()


@contextmanager
def backdated(moment):
    """Records are written at a moment of the past."""

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return moment.astimezone(tz)

    records.datetime, kept = Clock, records.datetime
    try:
        yield
    finally:
        records.datetime = kept


def quiet_nights(home):
    """Look at thirty nights three times each, by a simulated clock; gives what was told."""
    told = []
    home.copy_of(QUIET + 2)
    for days in range(OLD_NIGHTS + QUIET, QUIET, -1):
        home.night(days, A_NIGHT if days % 7 not in (0, 6) else 0)
    for days in range(QUIET, 0, -1):
        home.night(days, A_NIGHT if days % 7 not in (0, 6) else 0)
    home.publish()
    home.ask("delete from dag_run where run_after > ?", f"{MIDNIGHT - timedelta(days=QUIET):%F}")
    for days in range(QUIET, 0, -1):
        home.run("mpss_ingest", "success", days)
        for hour in (7.5, 23.5):
            now = MIDNIGHT - timedelta(days=days) + timedelta(hours=hour)
            if days % 7 == 3 and hour == 7.5:
                home.copy_of(days)
            ledger = check(home.home, now, lambda h, moment: gather(h, moment))
            told += [*ledger.open]
    home.copy_of(0)
    return told


def few(home):
    for k, n in enumerate((1, 0, 0, 1, 0, 0, 0)):  # seven more nights before the last one
        home.night(0.95 - 0.1 * k, n)
    home.publish()


def none(home):
    for k in range(3):
        home.night(0.2 - 0.05 * k, 0)


def fill_disk(home):
    with (home.folder / "filler").open("wb") as handle:
        os.posix_fallocate(handle.fileno(), 0, int(1.5 * 2**30))


def certificate(home, days):
    shutil.copy(home.issuer.sign("next", days=days).certificate, home.ours.certificate)


def old_backup(home):
    for folder in home.target.iterdir():
        shutil.rmtree(folder)
    home.copy_of(12)


def stale_beat(home):
    old = f"{NOW - timedelta(minutes=30):%Y-%m-%d %H:%M:%S.%f}"
    home.ask(
        "insert into job (state, job_type, start_date, latest_heartbeat, hostname, unixname)"
        " values ('running', 'SchedulerJob', ?, ?, 'h', 'u')",
        *(old, old),
    )


def broken(home):
    home.ask(
        "insert into import_error (timestamp, filename, bundle_name, stacktrace)"
        " values (?, '/x/mpss_ingest.py', 'dags-folder', 'SyntaxError')",
        f"{NOW:%Y-%m-%d %H:%M:%S.%f}",
    )


def many_held(home, verdict):
    home.night(2 if verdict == "hold" else 1, 26, verdicts=[verdict] * 20)
    home.publish()


def many_bad(home):
    home.night(-0.01, 8, n_bad=6)
    home.publish()


FAULTS = (
    ("few_studies", few),
    ("no_study", none),
    ("night_late", lambda h: h.run("mpss_ingest", "running", 0)),
    ("run_red:mpss_ingest", lambda h: h.run("mpss_ingest", "failed", 0, hours=0.01)),
    ("run_red:mpss_clinical", lambda h: h.run("mpss_clinical", "failed", 0)),
    ("run_red:mpss_evaluate", lambda h: h.run("mpss_evaluate", "failed", 1)),
    ("run_red:mpss_maintain", lambda h: h.run("mpss_maintain", "failed", 1)),
    ("certificate:us", lambda h: certificate(h, 12.5)),
    ("backup_old", old_backup),
    ("disk_low:home", fill_disk),
    ("disk_low:copies", None),
    ("scheduler_silent", stale_beat),
    ("dag_broken:mpss_ingest.py", broken),
    ("receiver_away", lambda h: h.kill("receiver")),
    *((f"service_dead:{name}", lambda h, name=name: h.kill(name)) for name in SERVICES),
    ("verdict_drift:hold", lambda h: many_held(h, "hold")),
    ("verdict_drift:review", lambda h: many_held(h, "review")),
    ("quarantine", many_bad),
    ("blind:studies", lambda h: h.home.lake.snapshot.write_bytes(b"no database")),
)
"""Key of the alarm -> what plants it; without one it comes with the fault before."""


def name_of(post):
    rule, subject = post["rule"], Path(post["subject"]).name
    subject = subject.removesuffix(".crt")
    return f"{rule}:{subject}" if subject else rule


def wait_for(name, begun, hook, box):
    while time.monotonic() - begun < LATEST_S + 60:
        posted = [p for p in hook.posts if p["kind"] == "raised" and name_of(p) == name]
        if posted and any(posted[0]["id"] in mail["Message-ID"] for mail in box.mails):
            return time.monotonic() - begun
        time.sleep(0.25)
    return float("inf")


def tell(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        mail_server() as (box, port),
        webhook_server() as (hook, address),
    ):
        channels = f"mail_to = ['{PERSON}']\nmail_from = '{SENDER}'\nwebhooks = ['{address}']\n"
        home = Home30(Path(folder), f"{channels}smtp_url = 'smtp://127.0.0.1:{port}'\n")
        listens = "import socket, sys, time; s = socket.create_server(('127.0.0.1', %d)); "
        home.start("receiver", sys.executable, "-c", listens % home.port + "time.sleep(9999)")
        for name in SERVICES:
            home.start(name, "sleep", "9999")
        while socket.socket().connect_ex(("127.0.0.1", home.port)):
            time.sleep(0.1)
        told = quiet_nights(home)
        tell(f"quiet nights: {QUIET}, alarms {sorted(set(told))}, messages {len(hook.posts)}")
        home.run("mpss_ingest", "success", 0, hours=0.01)
        watch = subprocess.Popen(
            [sys.executable, "-m", "mpss_lib.cli", "alarm", "watch"],
            env=os.environ | {"MPSS_HOME": str(home.root)},
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(30)
            tell("before the faults:", [name_of(p) for p in hook.posts])
            seconds = {}
            for name, plant in FAULTS:
                begun = time.monotonic()
                if plant is not None:
                    plant(home)
                seconds[name] = wait_for(name, begun, hook, box)
                tell(f"{name}: {seconds[name]:.0f} s")
            time.sleep(20)
        finally:
            watch.kill()
            watch.wait()
            for name in home.processes:
                home.kill(name)
        counts = Counter(name_of(p) for p in hook.posts if p["kind"] == "raised")
        n_mails = Counter(s for s in box.subjects if " alarm: " in s)
        once = [name for name, _ in FAULTS if counts[name] == 1]
        others = {name: n for name, n in counts.items() if name not in once}
        tell(f"{len(once)} of {len(FAULTS)} arrived once; others: {others}")
        tell(
            f"mails {sum(n_mails.values())}, posts {sum(counts.values())},"
            f" longest {max(seconds.values()):.0f} s"
        )
        is_right = len(once) == len(FAULTS) == sum(counts.values()) == sum(n_mails.values())
        return 0 if is_right and not told and max(seconds.values()) <= LATEST_S else 1


if __name__ == "__main__":
    sys.exit(main())
