"""What people and programs are told: one JSON, a mail, and what Slack and Teams take.

A message names what is wrong and the way out. No rule puts a study key, a patient or the text of a
foreign error into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

VERSION = 1
RAISED, RESOLVED, TEST = "raised", "resolved", "test"

Message = dict[str, Any]
"""``version id kind rule subject urgency what cause way_out link site since time``."""


def title_of(message: Mapping[str, Any]) -> str:
    """One line: the subject of a mail."""
    word = {RAISED: "alarm", RESOLVED: "resolved", TEST: "test"}[message["kind"]]
    return f"[MPSS {message['site']}] {word}: {message['what']}"


def text_of(message: Mapping[str, Any]) -> str:
    """Give the whole as plain text."""
    lines = [message["what"], ""]
    if message["cause"]:
        lines.append(f"Why: {message['cause']}")
    if message["way_out"] and message["kind"] != RESOLVED:
        lines.append(f"Way out: {message['way_out']}")
    if message["link"]:
        lines.append(f"Page: {message['link']}")
    lines += [f"Since: {message['since']}", f"Rule: {message['rule']}", "", RESEARCH]
    return "\n".join(lines)


RESEARCH = "MPSS platform. Research use only, not a medical device."


def mail_of(message: Mapping[str, Any], sender: str, to: tuple[str, ...]) -> EmailMessage:
    """Make the mail; one that is sent again after a broken connection has the same Message-ID."""
    mail = EmailMessage()
    mail["Subject"] = title_of(message)
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Date"] = format_datetime(datetime.fromisoformat(message["time"]))
    mail["Message-ID"] = f"<{message['id']}@{sender.rpartition('@')[2].strip('> ')}>"
    mail["Auto-Submitted"] = "auto-generated"
    if message["urgency"] == "urgent" and message["kind"] == RAISED:
        mail["X-Priority"] = "1"
    mail.set_content(text_of(message))
    return mail


def body_for(address: str, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the JSON that the receiver of an address takes: Slack's, Teams', else ours."""
    scheme, host = urlsplit(address).scheme, urlsplit(address).hostname or ""
    if scheme.startswith("slack+") or host == "hooks.slack.com":
        return {"text": f"*{_escaped(title_of(message))}*\n{_escaped(text_of(message))}"}
    if scheme.startswith("teams+") or host.endswith(TEAMS):
        return _card(message)
    return message


TEAMS = (".webhook.office.com", ".logic.azure.com", ".api.powerplatform.com")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _card(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Adaptive card, as workflows of Teams take it."""
    blocks: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": title_of(message), "weight": "Bolder", "wrap": True},
        *(
            {"type": "TextBlock", "text": line, "wrap": True}
            for line in text_of(message).splitlines()[2:]
            if line
        ),
    ]
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    if message["link"]:
        content["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": message["link"]}]
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    return {"type": "message", "attachments": [card]}
