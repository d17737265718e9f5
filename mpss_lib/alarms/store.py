"""Which alarms are open, and which messages are still to be delivered: one file of the home.

``alarms.json`` (mode 0600) is changed under a lock and written whole, after each message: a kill
between a delivery and its note sends that message twice, with the same id, and loses none.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mpss_lib.alarms.alarm import Alarm
from mpss_lib.alarms.messages import RAISED, RESOLVED, VERSION, Message
from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.whole_files import read_json_there, write_json

FILE, LOCK = "alarms.json", "alarms.lock"
CALM = timedelta(minutes=5)
"""What has ended for less is not resolved yet: it may come back."""

SETTLE: Mapping[str, timedelta] = dict.fromkeys(
    ("receiver_away", "service_dead", "scheduler_silent", "dag_broken"), timedelta(seconds=20)
) | {"blind": timedelta(minutes=1)}
"""What may pass by itself is told when it has stood for so long, and was seen twice."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


@dataclass
class Open:
    """An alarm that is open.

    Parameters
    ----------
    alarm : Alarm
    since, seen : datetime
        First and last time that it was found, UTC.
    is_told : bool
        Messages were made for it; before, it settles.
    """

    alarm: Alarm
    since: datetime
    seen: datetime
    is_told: bool = False


@dataclass
class Waiting:
    """A message that a channel has not taken yet."""

    channel: str
    message: Message
    tries: int = 0
    due: datetime | None = None
    problem: str = ""


@dataclass
class Ledger:
    """Open alarms by key, and the messages to be delivered, oldest first."""

    open: dict[str, Open] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)

    def take(
        self, found: Mapping[str, Alarm], still: frozenset[str], now: datetime
    ) -> list[tuple[str, Open]]:
        """Bring what is open to what was found.

        Parameters
        ----------
        found : mapping of key to Alarm
        still : frozenset of str
            Rules that could not be judged: their alarms stay as they are.
        now : datetime

        Returns
        -------
        list of (kind, Open)
            What has to be told now.
        """
        told: list[tuple[str, Open]] = []
        for key, alarm in found.items():
            before = self.open.get(key)
            if before is None or before.alarm.episode != alarm.episode:
                before = self.open[key] = Open(alarm, now, now)
                is_settled = alarm.rule not in SETTLE
            else:
                before.alarm, before.seen = alarm, now
                is_settled = now - before.since >= SETTLE.get(alarm.rule, timedelta())
            if is_settled and not before.is_told:
                before.is_told = True
                told.append((RAISED, before))
        for key in sorted(self.open.keys() - found.keys()):
            one = self.open[key]
            if one.alarm.rule in still:
                one.seen = now
            elif not one.is_told:
                del self.open[key]
            elif now - one.seen >= CALM:
                told.append((RESOLVED, self.open.pop(key)))
        return told

    def enqueue(self, message: Message, channels: Mapping[str, str]) -> None:
        """Give a message to every channel.

        A channel that never tried to tell of an alarm (quiet hours) need not tell that it ended.
        """
        cause = (message["rule"], message["subject"])
        for channel in channels:
            untold = [
                one
                for one in self.waiting
                if one.channel == channel
                and not one.tries
                and one.message["kind"] == RAISED
                and (one.message["rule"], one.message["subject"]) == cause
            ]
            self.waiting = [one for one in self.waiting if one not in untold]
            if not (message["kind"] == RESOLVED and untold):
                self.waiting.append(Waiting(channel, message))

    def failed(self, one: Waiting, problem: str, now: datetime) -> None:
        """Note that a channel did not take a message; it is tried again later."""
        one.tries += 1
        one.problem = problem
        one.due = now + min(FIRST_PAUSE * 2 ** (one.tries - 1), LONGEST_PAUSE)


def message_of(kind: str, one: Open, site: str, base: str, now: datetime) -> Message:
    """Make the message of an alarm that is raised or resolved."""
    alarm = one.alarm
    return {
        "version": VERSION,
        "id": uuid.uuid4().hex,
        "kind": kind,
        "rule": alarm.rule,
        "subject": alarm.subject,
        "urgency": alarm.urgency,
        "what": alarm.what,
        "cause": alarm.cause,
        "way_out": alarm.way_out,
        "link": base + alarm.page if base and alarm.page else base,
        "site": site,
        "since": one.since.isoformat(timespec="seconds"),
        "time": now.isoformat(timespec="seconds"),
    }


def read_ledger(root: Path) -> Ledger:
    """Read what is open and waits; empty in a home that was never looked at."""
    kept = read_json_there(root / FILE) or {"open": {}, "waiting": []}
    return Ledger(
        {key: _open(one) for key, one in kept["open"].items()},
        [_waiting(one) for one in kept["waiting"]],
    )


def write_ledger(root: Path, ledger: Ledger) -> None:
    """Keep it, whole."""
    content: dict[str, Any] = {
        "open": {key: asdict(one) for key, one in ledger.open.items()},
        "waiting": [asdict(one) for one in ledger.waiting],
    }
    for one in content["open"].values():
        one["since"], one["seen"] = one["since"].isoformat(), one["seen"].isoformat()
    for one in content["waiting"]:
        one["due"] = one["due"] and one["due"].isoformat()
    write_json(root / FILE, content, mode=PRIVATE_FILE)


@contextmanager
def only_one_teller(root: Path) -> Iterator[None]:
    """Wait for, and hold, the lock of whoever evaluates and delivers."""
    handle = os.open(root / LOCK, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _open(one: Mapping[str, Any]) -> Open:
    since, seen = (datetime.fromisoformat(one[name]) for name in ("since", "seen"))
    return Open(Alarm(**one["alarm"]), since, seen, one["is_told"])


def _waiting(one: Mapping[str, Any]) -> Waiting:
    due = one["due"] and datetime.fromisoformat(one["due"])
    return Waiting(one["channel"], one["message"], one["tries"], due, one["problem"])
