"""The audit log as people read it: the newest entries, by kind, study or account."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpss_lib.audit.chain import Line, files_of, lines_of


@dataclass(frozen=True)
class Wanted:
    """Which entries; an empty field asks for all.

    Parameters
    ----------
    kind : str
        One of ``vocabulary.KINDS``.
    study : str
        A study key, or another thing that an entry is about.
    who : str
        Who asked.
    """

    kind: str = ""
    study: str = ""
    who: str = ""

    def has(self, line: Line) -> bool:
        """Whether a line is one of them."""
        return (
            self.kind in ("", kind_of(line))
            and self.who in ("", who_asked(line))
            and (not self.study or self.study in about(line))
        )


def newest(folder: Path, wanted: Wanted, most: int) -> list[Line]:
    """Give the newest entries of a log, newest last."""
    return list(deque(_found(folder, wanted), maxlen=most))


def _found(folder: Path, wanted: Wanted) -> Iterator[Line]:
    for path in files_of(folder):
        for line in lines_of(path):
            if line is not None and wanted.has(line):
                yield line


def kind_of(line: Line) -> str:
    """Give the kind of an entry, one of ``vocabulary.KINDS``."""
    return str(line.message["EventIdentification"]["EventTypeCode"]["csd-code"])


def who_asked(line: Line) -> str:
    """Give the account that asked."""
    return str(line.message["ActiveParticipant"][0]["UserID"])


def about(line: Line) -> list[str]:
    """Give what an entry is about: study keys, files, accounts."""
    objects = line.message["ParticipantObjectIdentification"]
    return [str(one["ParticipantObjectID"]) for one in objects]


def as_row(line: Line) -> dict[str, object]:
    """Give an entry as a table has it: ``seq when who what outcome about``."""
    event = line.message["EventIdentification"]
    parts = line.message["ParticipantObjectIdentification"]
    told = [one["ParticipantObjectID"] for one in parts if "ParticipantObjectDetail" not in one]
    shown = told[:3] + ([f"{len(told) - 3} more"] if len(told) > 3 else [])
    for one in parts:
        details = one.get("ParticipantObjectDetail", ())
        shown += [f"{detail['type']} {detail['value']}" for detail in details]
    return {
        "seq": line.seq,
        "when": str(event["EventDateTime"])[:19],
        "who": who_asked(line),
        "what": kind_of(line),
        "outcome": str(event["EventOutcomeIndicator"]),
        "about": ", ".join(shown),
    }
