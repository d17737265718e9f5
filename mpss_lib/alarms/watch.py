"""Looking: gather, judge, tell; once (``mpss alarm check``) or for ever (a service of the home).

The watch is a process of its own, beside the scheduler and not below it: a dead scheduler is one
of the things that it tells. Nobody watches the watch but ``mpss doctor`` and a line of cron with
``mpss alarm check``, which does the same work and tells of a dead watch too.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from mpss_lib.alarms.delivery import DeliveryError, channels, send
from mpss_lib.alarms.facts import Facts, gather
from mpss_lib.alarms.messages import TEST, VERSION, Message
from mpss_lib.alarms.rules import judge, unknown_rules
from mpss_lib.alarms.store import (
    Ledger,
    message_of,
    only_one_teller,
    read_ledger,
    write_ledger,
)
from mpss_lib.errors import MpssError
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.home import Home
from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.whole_files import read_json_there, write_json

log = logging.getLogger(__name__)

HEARTBEAT = "watch.json"


def check(
    home: Home,
    now: datetime | None = None,
    look: Callable[[Home, datetime], Facts] = gather,
    *,
    at_once: bool = False,
) -> Ledger:
    """Look once, tell what is new or has ended, and try again what was not delivered.

    Parameters
    ----------
    home : Home
    now : datetime, optional
        UTC; the clock's by default.
    look : callable, optional
        Gives the facts.
    at_once : bool
        Try what was not delivered now, and not when its pause is over.

    Returns
    -------
    Ledger
        What is open now, and what waits for delivery.
    """
    now = now or datetime.now(UTC)
    settings = home.config.alarm
    found = look(home, now)
    with only_one_teller(home.root):
        ledger = read_ledger(home.root)
        alarms = {alarm.key: alarm for alarm in judge(found, home.config)}
        site, base = settings.name or home.root.name, base_of(home)
        for kind, one in ledger.take(alarms, unknown_rules(found), now):
            message = message_of(kind, one, site, base, now)
            log.warning("alarm %s: %s (%s)", kind, message["what"], message["cause"])
            ledger.enqueue(message, channels(settings))
        write_ledger(home.root, ledger)
        _deliver(home, ledger, now, at_once=at_once)
    return ledger


def _deliver(home: Home, ledger: Ledger, now: datetime, *, at_once: bool) -> None:
    """Send what is due; what a channel that is gone should have taken is dropped."""
    settings = home.config.alarm
    is_quiet = settings.is_quiet(now.astimezone(ZoneInfo(home.config.site.timezone)).time())
    known, away = channels(settings), set()
    for one in list(ledger.waiting):
        is_held = is_quiet and one.message["urgency"] != "urgent"
        if one.channel not in known:
            ledger.waiting.remove(one)
        elif is_held or one.channel in away or not (at_once or one.due is None or one.due <= now):
            continue
        else:
            try:
                send(one.channel, one.message, settings)
                ledger.waiting.remove(one)
            except DeliveryError as error:
                away.add(one.channel)  # the others of this channel keep their order
                ledger.failed(one, error.problem, now)
                log.warning("%s", error)
        write_ledger(home.root, ledger)


def try_channels(home: Home) -> dict[str, str]:
    """Send a test message by every channel now; gives the problem of each, or ""."""
    settings, now = home.config.alarm, datetime.now(UTC)
    message: Message = {
        "version": VERSION,
        "id": uuid.uuid4().hex,
        "kind": TEST,
        "rule": "test",
        "subject": "",
        "urgency": "normal",
        "what": "this is a test of the alarms",
        "cause": "somebody ran `mpss alarm test`",
        "way_out": "nothing is to be done",
        "link": base_of(home),
        "site": settings.name or home.root.name,
        "since": now.isoformat(timespec="seconds"),
        "time": now.isoformat(timespec="seconds"),
    }
    answered = {}
    for channel in channels(settings):
        try:
            send(channel, message, settings)
            answered[channel] = ""
        except DeliveryError as error:
            answered[channel] = str(error)
    return answered


def base_of(home: Home) -> str:
    """Address of the UI in messages: as the settings say, else the one on this machine."""
    if home.config.alarm.link:
        return home.config.alarm.link.rstrip("/")
    airflow = AirflowHome.load(home.root)
    return "" if airflow is None else airflow.address


def watch(root: Path) -> None:
    """Look for ever. Settings are read anew each time: a corrected file needs no restart."""
    while True:
        pause = 60.0
        try:
            home = Home.open(root)
            pause = home.config.alarm.every_s
            check(home)
            state = ""
        except MpssError as error:
            state = str(error)
            log.error("the watch cannot look: %s", error)
        except Exception as error:
            state = type(error).__name__  # its text may quote an address with its password
            log.exception("the watch cannot look")
        told = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "problem": state}
        write_json(root / HEARTBEAT, told, mode=PRIVATE_FILE)
        time.sleep(pause)


def heartbeat(root: Path) -> tuple[datetime, str] | None:
    """When the watch last looked, and what kept it from looking; None where it never did."""
    kept = read_json_there(root / HEARTBEAT)
    return None if kept is None else (datetime.fromisoformat(kept["at"]), kept["problem"])
