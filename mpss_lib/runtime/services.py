"""Processes of a home: started in sessions of their own, recorded, ended whole.

A killed scheduler leaves children alive. Each service is started as the leader of a session, and
``processes.json`` records its pid and start time; ``end_all`` ends every process of the session,
also after the leader is gone. A record also names its home: a copy of a home never ends the
processes of the first one.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from mpss_lib.errors import PlatformFaultError
from mpss_lib.secrecy import LAKE_UMASK, OPEN_HOME, PRIVATE_FILE, PRIVATE_FOLDER
from mpss_lib.whole_files import read_json_there, write_json

GRACE_S = 30.0
QUICK_S = 3.0
QUICK = frozenset({"api-server", "triggerer", "dag-processor", "watch", "archive"})
"""Services that hold nothing a kill could tear: what they write is one transaction each. An open
page of the UI would keep the API server for as long as it is open."""
SUPERVISOR = "supervisor"
"""It starts again what ends: so it is the first that is ended."""
SERVERS = ("redis", "postgres")
"""What the others write to: ended after them, in this order."""
POLITE: Mapping[str, signal.Signals] = {"postgres": signal.SIGINT}
"""How a service is asked to end, where not by SIGTERM: PostgreSQL would wait for its clients."""

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Program:
    """What a service runs.

    Parameters
    ----------
    command : sequence of str
    environ : mapping
    account : str
        Whose process it is, where not the starter's own.
    needs : tuple of str
        Services without which it would only end again.
    """

    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    account: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Services:
    """The recorded processes of one home."""

    root: Path

    @property
    def _file(self) -> Path:
        return self.root / "processes.json"

    def recorded(self) -> dict[str, dict[str, Any]]:
        """Map service name to ``pid``, ``started`` (seconds since 1970) and ``home``."""
        found = read_json_there(self._file) or {}
        return {name: entry for name, entry in found.items() if self._is_ours(entry)}

    def _is_ours(self, entry: Mapping[str, Any]) -> bool:
        """Whether a record was made in this home, or before it was moved here."""
        home = Path(str(entry.get("home", self.root)))
        try:
            return not home.is_dir() or home.samefile(self.root)
        except PermissionError:  # the first home is another account's
            return False

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Start a service in a session of its own; its output goes to ``logs/<name>.log``."""
        return self.launch(name, Program(command, environ))

    def launch(self, name: str, program: Program) -> int:
        """Start a program as a service, as ``start`` does; gives its pid."""
        with open_log(self.root, name) as output:
            process = subprocess.Popen(
                list(program.command),
                env=dict(program.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=LAKE_UMASK,
                **as_account(program.account),
            )
        started = psutil.Process(process.pid).create_time()
        entry = {"pid": process.pid, "started": started, "home": str(self.root.resolve())}
        write_json(self._file, self.recorded() | {name: entry}, mode=PRIVATE_FILE)
        return process.pid

    def is_alive(self, name: str) -> bool:
        """Whether the leader of a recorded service is the process that was started, and runs."""
        entry = self.recorded().get(name)
        return entry is not None and _leader(entry) is not None

    def end_all(self) -> list[str]:
        """End every recorded service with all its children; returns the names that were alive.

        The supervisor first, what the others write to last. SIGTERM (``POLITE``) to the whole
        session, SIGKILL after a grace period: a short one for ``QUICK``.
        """
        recorded = self.recorded()
        alive = [name for name, entry in recorded.items() if _members(entry)]
        between = recorded.keys() - {SUPERVISOR, *SERVERS}
        for wave in ({SUPERVISOR}, between, *({name} for name in SERVERS)):
            self.end(wave & recorded.keys())
        self._file.unlink(missing_ok=True)
        return alive

    def end(self, names: Collection[str]) -> None:
        """End some recorded services with all their children; their records stay."""
        recorded = self.recorded()
        groups = {name: _members(recorded[name]) for name in names if name in recorded}
        quick = [process for name in QUICK & groups.keys() for process in groups[name]]
        others = [process for name in groups.keys() - QUICK for process in groups[name]]
        for name, members in groups.items():
            _signal(members, POLITE.get(name, signal.SIGTERM))
        _, late = psutil.wait_procs(quick, timeout=QUICK_S)
        _signal(late, signal.SIGKILL)
        _, left = psutil.wait_procs([*late, *others], timeout=GRACE_S)
        # A process may have been forked while the others were ending: look again.
        left += [process for name in groups for process in _members(recorded[name])]
        _signal(left, signal.SIGKILL)
        psutil.wait_procs(left, timeout=GRACE_S)


def as_account(name: str) -> dict[str, Any]:
    """Give the arguments of ``subprocess`` that run a program as another account; "" is one's own.

    Its working directory is then the root of the file system: the starter's may be closed to it.

    Raises
    ------
    PlatformFaultError
        There is no such account.
    """
    if not name:
        return {}
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise PlatformFaultError(
            f"there is no account {name!r} on this machine",
            way_out="install the server's Debian package, or run as another account than root",
        ) from error
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}


def running_in(root: Path) -> list[psutil.Process]:
    """List processes that serve a home, recorded or not: of its Airflow, receiver, watch, archive.

    What somebody runs at a terminal, and what this process started, is none.
    """
    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.terminal() is None and _serves(process, root):
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def _serves(process: psutil.Process, root: Path) -> bool:
    environ = process.environ()
    if environ.get("AIRFLOW_HOME") == str(root / "airflow"):
        return True
    words = process.cmdline()
    is_ours = environ.get("MPSS_HOME") == str(root) and "mpss_lib.cli" in words
    return is_ours and bool({"receiver", "watch", "serve"} & {*words})


@contextmanager
def only_one(root: Path) -> Iterator[IO[str]]:
    """Hold the home's lock: two demos in one home would end each other's services."""
    import fcntl

    if not root.is_dir():
        root.mkdir(parents=True)
        root.chmod(OPEN_HOME)
    with _open_private(root / "home.lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PlatformFaultError(
                f"another `mpss demo`, `up` or `down` works in {root.name}",
                way_out="wait for it, or set MPSS_HOME to another folder",
            ) from error
        yield handle


def open_log(root: Path, name: str) -> IO[bytes]:
    """Open ``logs/<name>.log`` of a home to append to it; nobody else may read it."""
    logs = root / "logs"
    logs.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    return _open_private(logs / f"{name}.log", "ab")


def _open_private(path: Path, how: str) -> IO[Any]:
    """Open a file to write; if it is made, nobody else may read it from its first byte on."""
    return open(path, how, opener=lambda name, flags: os.open(name, flags, PRIVATE_FILE))


def free_port(preferred: int | None = None) -> int:
    """Give a TCP port of the loopback interface that nobody uses now."""
    [port] = free_ports(preferred)
    return port


def free_ports(*preferred: int | None) -> list[int]:
    """Give TCP ports of the loopback interface that nobody uses now, no two the same.

    Parameters
    ----------
    preferred : int or None
        Of each port: the number that it gets if that is free.

    Raises
    ------
    PlatformFaultError
        No port is free.
    """
    found: list[int] = []
    with ExitStack() as held:  # a port that was given stays bound until all are
        for wanted in preferred:
            choices = (wanted, 0) if wanted and wanted not in found else (0,)
            bound = (_bound(held.enter_context(socket.socket()), port) for port in choices)
            port = next((one for one in bound if one), 0)
            if not port:
                raise PlatformFaultError(
                    "no free TCP port on 127.0.0.1", way_out="end other servers"
                )
            found.append(port)
    return found


def _bound(probe: socket.socket, port: int) -> int:
    """Bind a socket; gives its port, 0 where the wanted one is in use."""
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((LOOPBACK, port))
    except OSError:
        return 0
    return int(probe.getsockname()[1])


def wait_for_file(path: Path, services: Services, name: str, seconds: float) -> str:
    """Wait until a service has written its ready file; returns the file's text."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text(encoding="utf-8").strip()):
            return text
        if not services.is_alive(name):
            break
        time.sleep(0.05)
    raise PlatformFaultError(
        f"service {name} did not become ready",
        way_out=f"read logs/{name}.log in the home",
    )


def _leader(entry: Mapping[str, Any]) -> psutil.Process | None:
    try:
        process = psutil.Process(int(entry["pid"]))
        if abs(process.create_time() - entry["started"]) > 1.0:
            return None
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def _members(entry: Mapping[str, Any]) -> list[psutil.Process]:
    """List the processes of the leader's session; none if the pid was used again.

    A service leads a session of its own, so a record that names the asker's session is wrong: its
    members are the operator's shell, or the job that runs the tests. A session whose leader is
    outside the container is number 0.
    """
    session = int(entry["pid"])
    if session in (0, os.getsid(0)):
        return []
    if psutil.pid_exists(session) and _leader(entry) is None and not _is_zombie(session):
        return []
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != session:
                continue
            if process.create_time() >= entry["started"] - 1.0:
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return [process for process in found if not _is_zombie(process.pid)]


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
