"""An audit message (DICOM PS3.15 A.5): as JSON in the log, as XML for syslog."""

from __future__ import annotations

import base64
import os
import pwd
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from mpss_lib.audit.vocabulary import (
    APPLICATION_ROLE,
    DESTINATION_ROLE,
    KINDS,
    OTHER_OBJECT,
    OURS,
    SOURCE_ROLE,
    STUDY_KEY,
    Code,
)

Message = dict[str, Any]

_ACTOR: ContextVar[str] = ContextVar("actor", default="")


def act_for(name: str) -> None:
    """Say who asks for what this process does from now on, where it is not its account."""
    _ACTOR.set(name)


@dataclass(frozen=True)
class Event:
    """What happened.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    outcome : str
        EventOutcomeIndicator: ``SUCCESS``, ``MINOR``, ``SERIOUS`` or ``MAJOR``.
    studies : sequence of str
        Study keys.
    things : sequence of str
        Other objects: a file, a database, a window's key.
    details : mapping of str to str
        Counts and the like.
    peer : str
        Address of the other side, ``PACS@pacs.example:104``.
    requester : str
        Who asked; the account, or whom ``act_for`` named, by default.
    problem : str
        EventOutcomeDescription; names no patient.
    """

    kind: str
    outcome: str
    studies: Sequence[str] = ()
    things: Sequence[str] = ()
    details: Mapping[str, str] | None = None
    peer: str = ""
    requester: str = ""
    problem: str = ""


def message_of(event: Event, site: str, now: datetime | None = None) -> Message:
    """Make the message of an event.

    Parameters
    ----------
    event : Event
    site : str
        AuditEnterpriseSiteID, "" for none.
    now : datetime, optional
        With its zone.
    """
    kind = KINDS[event.kind]
    identification: Message = {
        "EventActionCode": kind.action,
        "EventDateTime": (now or datetime.now(UTC)).isoformat(timespec="milliseconds"),
        "EventOutcomeIndicator": event.outcome,
        "EventID": kind.event.as_dict(),
        "EventTypeCode": Code(event.kind, kind.means, OURS).as_dict(),
    }
    if event.problem:
        identification["EventOutcomeDescription"] = event.problem
    source: Message = {"AuditSourceID": socket.gethostname()}
    if site:
        source["AuditEnterpriseSiteID"] = site
    source["AuditSourceTypeCode"] = {"csd-code": "4"}  # application server
    return {
        "EventIdentification": identification,
        "ActiveParticipant": _participants(event),
        "AuditSourceIdentification": source,
        "ParticipantObjectIdentification": [*_objects(event)],
    }


def account() -> str:
    """Name of the account that runs this process."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # an account without an entry, as in some containers
        return str(os.geteuid())


def _participants(event: Event) -> list[Message]:
    asked = event.requester or _ACTOR.get() or account()
    here = {"NetworkAccessPointID": socket.gethostname(), "NetworkAccessPointTypeCode": "1"}
    found: list[Message] = [
        {"UserID": asked, "UserIsRequestor": "true", **here},
        {
            "UserID": "mpss",
            "AlternativeUserID": f"{account()}:{os.getpid()}",
            "UserIsRequestor": "false",
            "RoleIDCode": APPLICATION_ROLE.as_dict(),
            **here,
        },
    ]
    if event.peer:
        name, _, place = event.peer.rpartition("@")
        inward = KINDS[event.kind].action == "C"
        role = SOURCE_ROLE if inward else DESTINATION_ROLE
        found.append(
            {
                "UserID": name or place,
                "UserIsRequestor": "false",
                "RoleIDCode": role.as_dict(),
                "NetworkAccessPointID": place,
                "NetworkAccessPointTypeCode": "1",
            }
        )
    return found


def _objects(event: Event) -> Iterable[Message]:
    for key in event.studies:
        yield _object(key, STUDY_KEY, "3")  # a report: what studies are (table A.5.3-7)
    for thing in event.things:
        yield _object(thing, OTHER_OBJECT, "13")  # a security resource
    if event.details:
        counts = [{"type": name, "value": text} for name, text in sorted(event.details.items())]
        yield _object(event.kind, OTHER_OBJECT, "20") | {"ParticipantObjectDetail": counts}  # a job


def _object(name: str, code: Code, role: str) -> Message:
    return {
        "ParticipantObjectID": name,
        "ParticipantObjectTypeCode": "2",  # a system object
        "ParticipantObjectTypeCodeRole": role,
        "ParticipantObjectIDTypeCode": code.as_dict(),
    }


_PARTS = (
    *("EventIdentification", "ActiveParticipant"),
    *("AuditSourceIdentification", "ParticipantObjectIdentification"),
)
_ORDER = (
    *("EventID", "EventTypeCode", "EventOutcomeDescription"),
    *("RoleIDCode", "AuditSourceTypeCode"),
    *("ParticipantObjectIDTypeCode", "ParticipantObjectName", "ParticipantObjectDetail"),
)
"""What stands in an element of its own, in the order of the schema; all else is an attribute."""


def as_xml(message: Message) -> str:
    """Give the message as the XML of PS3.15 A.5.1, in one line; values of details are base64.

    An object that has no name is given its ID as one: the schema wants a name or a query.
    """
    root = ElementTree.Element("AuditMessage")
    for name in _PARTS:
        parts = message[name]
        for part in parts if isinstance(parts, list) else [parts]:
            is_object = name == "ParticipantObjectIdentification"
            named = part | (
                {"ParticipantObjectName": part["ParticipantObjectID"]} if is_object else {}
            )
            _add(root, name, named)
    return ElementTree.tostring(root, encoding="unicode")


def _add(parent: ElementTree.Element, name: str, content: object) -> None:
    element = ElementTree.SubElement(parent, name)
    if not isinstance(content, Mapping):
        element.text = str(content)
        return
    for key, value in content.items():
        if key not in _ORDER:
            element.set(key, str(value))
    for key in _ORDER:
        if key == "ParticipantObjectDetail":
            for detail in content.get(key, ()):
                coded = base64.b64encode(detail["value"].encode()).decode()
                _add(element, key, {"type": detail["type"], "value": coded})
        elif key in content:
            _add(element, key, content[key])
