"""Services of a home, with real processes: nothing is left over, nothing foreign is touched."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime import services as module
from mpss_lib.runtime.services import Services, free_port, free_ports, only_one, wait_for_file
from mpss_lib.whole_files import read_json, write_json

# A service outlives the object that started it: that is the point of processes.json.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(60)"
WITH_CHILD = """
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    print(child.pid, flush=True)
    time.sleep(60)
"""
STUBBORN = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def services(tmp_path):
    made = Services(tmp_path)
    started = []
    original = made.start

    def start(name, program):
        command = [sys.executable, "-S", "-c", textwrap.dedent(program)]
        started.append(original(name, command, os.environ))
        return started[-1]

    object.__setattr__(made, "start", start)
    yield made
    for pid in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def first_line(services, name):
    path = services.root / "logs" / f"{name}.log"
    return wait_for_file(path, services, name, 20.0)


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(question, seconds=10.0):
    end = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < end:
        time.sleep(0.02)
    return answer


def test_a_service_is_recorded_alive_and_ended(services):
    pid = services.start("one", SLEEP)
    first_line(services, "one")
    entry = services.recorded()["one"]
    assert entry["pid"] == pid
    assert entry["started"] == psutil.Process(pid).create_time()
    assert services.is_alive("one")
    assert not services.is_alive("two")
    assert os.getsid(pid) == pid != os.getsid(0)
    assert services.end_all() == ["one"]
    assert not is_running(pid)
    assert services.recorded() == {}
    assert not services.is_alive("one")


def test_two_services_stand_beside_each_other(services):
    pids = [services.start(name, SLEEP) for name in ("one", "two")]
    assert sorted(services.recorded()) == ["one", "two"]
    assert sorted(services.end_all()) == ["one", "two"]
    assert not any(is_running(pid) for pid in pids)


def test_what_holds_nothing_is_not_waited_for(services, monkeypatch):
    """An open page keeps the API server: it is killed while a task may still end by itself."""
    monkeypatch.setattr(module, "QUICK_S", 0.2)
    monkeypatch.setattr(module, "GRACE_S", 3600.0)
    server = services.start("api-server", STUBBORN)
    first_line(services, "api-server")
    task = services.start("scheduler", SLEEP)
    assert sorted(services.end_all()) == ["api-server", "scheduler"]
    assert not is_running(server)
    assert not is_running(task)


def test_nothing_recorded_is_nothing_to_end(tmp_path):
    assert Services(tmp_path).end_all() == []


def test_the_orphan_of_a_killed_leader_is_ended(services):
    leader = services.start("scheduler", WITH_CHILD)
    child = int(first_line(services, "scheduler"))
    os.kill(leader, signal.SIGKILL)
    os.waitpid(leader, 0)
    assert not psutil.pid_exists(leader)
    assert is_running(child)
    assert not services.is_alive("scheduler")
    assert services.end_all() == ["scheduler"]
    assert eventually(lambda: not is_running(child))


def test_the_child_of_a_leader_that_nobody_buried_is_ended(services):
    leader = services.start("scheduler", WITH_CHILD)
    child = int(first_line(services, "scheduler"))
    os.kill(leader, signal.SIGKILL)
    assert eventually(lambda: psutil.Process(leader).status() == psutil.STATUS_ZOMBIE)
    assert not services.is_alive("scheduler")
    assert services.end_all() == ["scheduler"]
    assert eventually(lambda: not is_running(child))


def test_a_pid_that_was_used_again_is_never_touched(services):
    """The recorded start is another one: the process is somebody else's."""
    pid = services.start("one", SLEEP)
    first_line(services, "one")
    path = services.root / "processes.json"
    for shift in (-3600.0, 3600.0):
        entry = read_json(path) if path.exists() else {"one": {}}
        entry["one"] = {"pid": pid, "started": psutil.Process(pid).create_time() + shift}
        write_json(path, entry)
        assert not services.is_alive("one")
        assert services.end_all() == []
        assert is_running(pid)


def test_a_member_of_the_own_session_survives_a_forged_record(services):
    own = {"pid": os.getsid(0), "started": 0.0}
    write_json(services.root / "processes.json", {"forged": own})
    assert services.end_all() == []


def test_the_own_session_survives_when_its_leader_is_gone(tmp_path):
    """A job whose shell has ended: no process of the session's number guards the others."""
    program = textwrap.dedent(
        """
        import os, subprocess, sys, time
        from pathlib import Path
        os.setsid()
        if os.fork():
            os._exit(0)
        while os.getppid() == os.getsid(0):
            time.sleep(0.02)
        from mpss_lib.runtime.services import Services
        from mpss_lib.whole_files import write_json
        root = Path(sys.argv[1])
        other = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
        with other:
            own = {"pid": os.getsid(0), "started": 0.0}
            write_json(root / "processes.json", {"forged": own})
            ended = Services(root).end_all()
            (root / "answer.tmp").write_text(f"{ended} {other.poll()}")
            (root / "answer.tmp").rename(root / "answer")
        """
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as leader:
        assert leader.wait() == 0
    answer = tmp_path / "answer"
    assert eventually(answer.exists, 30.0)
    assert answer.read_text() == "[] None"


def test_a_copy_of_the_home_never_ends_the_services_of_the_first_one(services, tmp_path_factory):
    pid = services.start("one", SLEEP)
    first_line(services, "one")
    copied = tmp_path_factory.mktemp("copy") / "home"
    shutil.copytree(services.root, copied)
    other = Services(copied)
    assert other.recorded() == {}
    assert not other.is_alive("one")
    assert other.end_all() == []
    assert is_running(pid)


def test_a_home_that_was_moved_ends_its_services(services, tmp_path_factory):
    pid = services.start("one", SLEEP)
    first_line(services, "one")
    moved = tmp_path_factory.mktemp("moved") / "home"
    shutil.move(services.root, moved)
    assert Services(moved).end_all() == ["one"]
    assert not is_running(pid)
    services.root.mkdir()


def test_who_ignores_sigterm_is_killed_after_the_grace(services, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.3)
    pid = services.start("stubborn", STUBBORN)
    first_line(services, "stubborn")
    assert services.end_all() == ["stubborn"]
    assert eventually(lambda: not is_running(pid))


def test_a_service_that_ends_before_it_is_ready_is_named(services):
    services.start("archive", "raise SystemExit(3)")
    with pytest.raises(PlatformFaultError, match=r"service archive did not become ready.*log"):
        wait_for_file(services.root / "ready.json", services, "archive", 20.0)


def test_one_home_has_one_holder(tmp_path):
    root = tmp_path / "home"
    with (
        only_one(root),
        pytest.raises(PlatformFaultError, match=r"works in home.*MPSS_HOME"),
        only_one(root),
    ):
        pytest.fail("two hold the home")
    with only_one(root):
        pass


def test_a_killed_holder_leaves_the_home_free(tmp_path):
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from mpss_lib.runtime.services import only_one\n"
        "with only_one(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(PlatformFaultError), only_one(tmp_path):
                pytest.fail("two hold the home")
        finally:
            holder.kill()
    with only_one(tmp_path):
        pass


def test_free_port_is_usable_and_honours_the_preferred_one():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert free_port(port) != port
    assert free_port(port) == port


def test_ports_that_are_given_together_differ():
    with socket.create_server(("127.0.0.1", 0)) as used:
        taken, port = used.getsockname()[1], free_port()
        found = free_ports(port, port, taken, *[None] * 50)
    assert found[0] == port
    assert len({*found, taken}) == 54
