"""Processes of a home: recorded ones that are gone, unrecorded ones that go on, ports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psutil

from mpss_lib.alarms import heartbeat
from mpss_lib.alarms.facts import has_receiver
from mpss_lib.doctor.finding import Finding, Subject, mpss
from mpss_lib.runtime.services import Services, running_in

PATIENCE = timedelta(minutes=3)


def services(subject: Subject) -> Iterator[Finding]:
    """Find services that ended by themselves, and a watch that does not look."""
    found = Services(subject.root)
    recorded = found.recorded()
    up = mpss(subject, "up")
    for name in recorded:
        if not found.is_alive(name):
            yield Finding("services", f"{name} ended by itself: logs/{name}.log says why", up)
    if recorded and has_wanted_receiver(subject) and "receiver" not in recorded:
        yield Finding("services", "the receiver of C-MOVE was not started", up)
    if "watch" not in recorded or not found.is_alive("watch"):
        return
    beat = heartbeat(subject.root)
    started = datetime.fromtimestamp(recorded["watch"]["started"], UTC)
    last = max(beat[0], started) if beat else started
    pause = timedelta(seconds=subject.config.alarm.every_s)
    if datetime.now(UTC) - last > PATIENCE + pause:
        yield Finding("services", f"the watch has not looked since {last:%Y-%m-%d %H:%M} UTC", up)
    elif beat and beat[1]:
        yield Finding(
            "services", f"the watch cannot look: {beat[1]}", mpss(subject, "alarm", "check")
        )


def has_wanted_receiver(subject: Subject) -> bool:
    """Whether the home should have a receiver, as far as its settings can be read."""
    return subject.home is not None and has_receiver(subject.home)


def orphans(subject: Subject) -> Iterator[Finding]:
    """Find processes of this home that no record names: nobody would end them."""
    sessions = {int(entry["pid"]) for entry in Services(subject.root).recorded().values()}
    found = [
        process
        for process in running_in(subject.root)
        if process.pid != os.getpid() and os.getsid(process.pid) not in sessions
    ]
    if found:
        told = ", ".join(f"{process.pid} ({process.name()})" for process in found[:8])
        yield Finding(
            "services",
            f"{len(found)} processes of this home that `mpss down` does not know: {told}",
            "kill " + " ".join(str(process.pid) for process in found),
            level="warning",
        )


def ports(subject: Subject) -> Iterator[Finding]:
    """Find a foreign process where the receiver should listen."""
    if not has_wanted_receiver(subject):
        return
    port = subject.config.receiver.port
    recorded = Services(subject.root).recorded().get("receiver", {})
    for connection in psutil.net_connections("tcp"):
        is_there = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
        if is_there and connection.pid and connection.pid != recorded.get("pid"):
            name = psutil.Process(connection.pid).name()
            yield Finding(
                "ports",
                f"port {port} of the receiver is taken by process {connection.pid} ({name})",
                f"kill {connection.pid} && {mpss(subject, 'up')}",
                advice="or give the receiver another port (receiver.port), and tell the PACS",
            )
