"""The supervisor, with services that are nothing but a process."""

import os
import signal
import sys
import time

import psutil
import pytest

from mpss_lib.runtime.cluster import supervisor as module
from mpss_lib.runtime.cluster.supervisor import Supervisor, cut_log, reap, state_of
from mpss_lib.runtime.services import SERVERS, SUPERVISOR, Program, Services

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

NAP = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(60)"
SLEEPS = [sys.executable, "-S", "-c", NAP]  # a shell's background job inherits that it is ignored


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def home(tmp_path):
    services = Services(tmp_path)
    (tmp_path / "cluster").mkdir()
    yield tmp_path
    services.end_all()
    reap()


@pytest.fixture
def watched(home):
    """Two services that run, one of which needs the other; their supervisor and its clock."""
    programs = {
        "postgres": Program(SLEEPS, os.environ),
        "scheduler": Program(SLEEPS, os.environ, needs=("postgres",)),
    }
    for name, program in programs.items():
        Services(home).launch(name, program)
    clock = Clock()
    return Supervisor(home, programs, clock), clock


def kill(home, name):
    pid = Services(home).recorded()[name]["pid"]
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while Services(home).is_alive(name):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_ends_is_started_again_after_a_pause(home, watched):
    supervisor, clock = watched
    before = Services(home).recorded()
    kill(home, "scheduler")
    supervisor.look()
    assert not Services(home).is_alive("scheduler")
    clock.now = module.FIRST_PAUSE_S
    supervisor.look()
    after = Services(home).recorded()
    assert Services(home).is_alive("scheduler")
    assert after["scheduler"]["pid"] != before["scheduler"]["pid"]
    assert after["postgres"] == before["postgres"]
    told = state_of(home)
    assert (told["scheduler"]["starts"], told["postgres"]["starts"]) == (1, 0)
    assert told["scheduler"]["ended_at"]


def test_pauses_grow_and_begin_anew_for_what_had_run_well(home, watched):
    supervisor, clock = watched
    seen = []
    for _ in range(8):
        kill(home, "postgres")
        died = clock.now
        while not Services(home).is_alive("postgres"):
            supervisor.look()
            clock.now += 0.5
        seen.append(clock.now - 0.5 - died)
    assert seen == [1, 2, 4, 8, 16, 32, 60, 60]
    clock.now += module.STEADY_S + 1
    kill(home, "postgres")
    supervisor.look()
    clock.now += module.FIRST_PAUSE_S
    supervisor.look()
    assert Services(home).is_alive("postgres")


def test_what_needs_a_dead_server_waits_for_it_without_longer_pauses(home, watched):
    supervisor, clock = watched
    kill(home, "scheduler")
    kill(home, "postgres")
    supervisor.programs = {"scheduler": supervisor.programs["scheduler"], **supervisor.programs}
    supervisor.look()
    supervisor.past["postgres"].due = 100.0
    for clock.now in (1.0, 10.0, 99.0):
        supervisor.look()
        assert not Services(home).is_alive("scheduler")
    clock.now = 100.0
    supervisor.look()
    supervisor.look()
    assert Services(home).is_alive("postgres")
    assert Services(home).is_alive("scheduler")
    assert state_of(home)["scheduler"]["starts"] == 1


def test_what_a_killed_service_left_behind_ends_before_the_next_one(home):
    script = (
        "import subprocess, sys, time;"
        "print(subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)']).pid,"
        " flush=True); time.sleep(60)"
    )
    program = Program([sys.executable, "-S", "-c", script], os.environ)
    Services(home).launch("worker", program)
    log, end = home / "logs" / "worker.log", time.monotonic() + 10
    while not log.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    child = psutil.Process(int(log.read_text()))
    clock = Clock()
    supervisor = Supervisor(home, {"worker": program}, clock)
    kill(home, "worker")
    assert child.is_running()
    for clock.now in (0.0, 2.0):
        supervisor.look()
    assert Services(home).is_alive("worker")
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_the_supervisor_ends_first_and_the_servers_last(home, monkeypatch):
    for name in (*SERVERS, "scheduler", SUPERVISOR, "watch"):
        Services(home).start(name, SLEEPS, os.environ)
    seen, original = [], Services.end

    def end(self, names):
        assert SUPERVISOR in names or not self.is_alive(SUPERVISOR)
        seen.append(set(names))
        original(self, names)
        reap()

    monkeypatch.setattr(Services, "end", end)
    assert len(Services(home).end_all()) == 5
    assert seen == [{SUPERVISOR}, {"scheduler", "watch"}, {"redis"}, {"postgres"}]


DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, lambda *_: sys.exit(print("asked by SIGINT")))
print("ready", flush=True)
time.sleep(60)
"""


def test_postgresql_is_asked_for_a_fast_end(home):
    Services(home).start("postgres", [sys.executable, "-S", "-c", DEAF], os.environ)
    log, end = home / "logs" / "postgres.log", time.monotonic() + 10
    while not log.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert Services(home).end_all() == ["postgres"]
    assert log.read_text() == "ready\nasked by SIGINT\n"


def test_a_log_that_is_too_long_is_put_aside_and_goes_on(tmp_path):
    path = tmp_path / "x.log"
    with path.open("a") as handle:  # as its process has it
        for number in range(7):
            handle.write(f"{number} " + "x" * 100)
            handle.flush()
            cut_log(path, 100)
        handle.write("after")
    assert path.read_text() == "after"
    kept = sorted(tmp_path.glob("x.log.*"))
    assert [one.read_text()[0] for one in kept] == ["6", "5", "4", "3"]
    cut_log(tmp_path / "absent.log")
