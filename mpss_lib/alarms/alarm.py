"""One alarm: what is wrong, why, and the way out; without any identifier of a patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Urgency = Literal["urgent", "normal"]
"""What is urgent goes out in quiet hours too."""


@dataclass(frozen=True)
class Alarm:
    """Something that is wrong now.

    Parameters
    ----------
    rule : str
        Name of the rule that found it.
    subject : str
        What it is about where a rule can find several: a DAG, a folder, a file, a service.
    what : str
        One line: what is wrong.
    cause : str
        What was seen.
    way_out : str
        What a person does, with a command.
    urgency : {"urgent", "normal"}
    episode : str
        Tells one occurrence from the next of the same cause: the night that was red. A new episode
        is told anew.
    page : str
        Path of the page of the UI that shows it; "" where there is none.
    """

    rule: str
    subject: str
    what: str
    cause: str
    way_out: str
    urgency: Urgency = "normal"
    episode: str = ""
    page: str = ""

    @property
    def key(self) -> str:
        """One cause: what is open or resolved."""
        return f"{self.rule}:{self.subject}" if self.subject else self.rule
