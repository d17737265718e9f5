"""A lake that several hosts see: what its file system must do, looked at and tried.

Writers of the lake are kept apart by ``flock`` (``locks``, ``warehouse.publisher``), and a task
finds what the task before it has written, perhaps on another host, by listing folders. A network
file system may keep either to the host itself. What its mount says is read from Linux; whether a
lock really holds is tried by two hosts.
"""

from __future__ import annotations

import fcntl
import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mpss_lib.errors import PlatformFaultError, WrongArgumentError

MOUNTS = Path("/proc/self/mountinfo")
BOOT = Path("/proc/sys/kernel/random/boot_id")
TRIAL = ".lock-trial"
"""File of a lake that a trial locks."""
_NOT_TRIED = re.compile(
    r"cifs|smb3?|9p|afs|ceph|gfs2|ocfs2|lustre|gpfs|beegfs|virtiofs|fuse(\..+)?"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """Where a path is mounted.

    Parameters
    ----------
    point : Path
    kind : str
        As Linux names it: ``ext4``, ``nfs4`` ...
    options : frozenset of str
        Of the mount and of its file system.
    """

    point: Path
    kind: str
    options: frozenset[str]


def mount_of(path: Path, table: Path = MOUNTS) -> Mount:
    """Give the mount of a path.

    Parameters
    ----------
    path : Path
    table : Path
        In the form of ``/proc/self/mountinfo`` (proc(5)).

    Raises
    ------
    PlatformFaultError
        The table names no mount of the path.
    """
    where, found = path.resolve(), None
    for line in table.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        own, _, system = line.partition(" - ")
        point = Path(_plain(own.split()[4]))
        is_nearer = found is None or len(point.parts) >= len(found.point.parts)
        if is_nearer and where.is_relative_to(point):  # of two at one place the later one counts
            kind, _, options = system.split(" ", 2)
            told = {*own.split()[5].split(","), *options.split(",")}
            found = Mount(point, kind, frozenset(told))
    if found is None:
        raise PlatformFaultError(
            f"{table} names no mount of {where}", way_out="look at it by `findmnt -T`"
        )
    return found


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), text)


def faults_of(mount: Mount) -> list[str]:
    """Say why several hosts may not share what is mounted so; empty where nothing is known.

    A file system of one host has no faults: whether others see it is not its question.
    """
    if mount.kind in ("nfs", "nfs4"):
        return _nfs_faults(mount.options)
    if _NOT_TRIED.fullmatch(mount.kind):
        return [f"{mount.kind} was never tried with several hosts"]
    return []


def _nfs_faults(options: frozenset[str]) -> list[str]:
    faults = []
    version = next((one[5:] for one in options if one.startswith("vers=")), "")
    if not version.startswith("4"):
        faults.append(f"NFS {version or '3'}: locks need version 4")
    if options & {"nolock", "local_lock=all", "local_lock=flock"}:
        faults.append("locks stay within each host: mount it without nolock and local_lock")
    if "soft" in options or "softerr" in options:
        faults.append("a write may be given up without a word to its writer: mount it hard")
    if "noac" not in options and not {"acdirmin=0", "acdirmax=0"} <= options:
        faults.append(
            "a host may not see for a minute what another one has written: mount it with actimeo=0"
        )
    return faults


# ------------------------------------------------------------------------- trial


@dataclass(frozen=True)
class Trial:
    """What a host saw of the lock that another one holds.

    Parameters
    ----------
    host : str
        Which holds it, by its own word.
    is_other : bool
        Whether that is another host than this one.
    holds : bool
        Whether the lock was refused here.
    """

    host: str
    is_other: bool
    holds: bool


def hold(lake_root: Path, seconds: float, tell: Callable[[str], None]) -> None:
    """Hold the lock of a trial, and say by the file who does.

    Raises
    ------
    WrongArgumentError
        Another trial holds it.
    """
    lake_root.mkdir(parents=True, exist_ok=True)
    path = lake_root / TRIAL
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongArgumentError(
                "another trial holds the lock", way_out="end that one, or wait for its end"
            ) from error
        told = {"host": socket.gethostname(), "boot": _boot(), "at": datetime.now(UTC).isoformat()}
        file.truncate(0)
        file.write(json.dumps(told).encode())
        file.flush()
        try:
            tell(f"{told['host']} holds the lock for {seconds:.0f} s: try it on another host now")
            time.sleep(seconds)
        finally:
            path.unlink(missing_ok=True)


def tried(lake_root: Path) -> Trial:
    """Ask for the lock that another host holds.

    Raises
    ------
    WrongArgumentError
        No host holds it.
    """
    path = lake_root / TRIAL
    try:
        with path.open("r+b") as file:
            told = json.loads(file.read())
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                holds = False
            except BlockingIOError:
                holds = True
    except (FileNotFoundError, ValueError) as error:
        raise WrongArgumentError(
            "no host holds the lock of a trial",
            way_out="`mpss cluster lock-trial --hold 60` on another host, then this here",
        ) from error
    return Trial(str(told["host"]), told["boot"] != _boot(), holds)


def _boot() -> str:
    return BOOT.read_text(encoding="ascii").strip()
