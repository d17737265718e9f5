"""Answers to the items: yes, partly, no with what is missing, or for the author to give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpss_lib.evaluation.checklists.facts import Facts

YES, PARTLY, NO, AUTHOR, NOT_APPLICABLE = "yes", "partly", "no", "author", "not applicable"


@dataclass(frozen=True)
class Answer:
    """One answer.

    Parameters
    ----------
    state : str
        ``yes``, ``partly``, ``no``, ``author`` or ``not applicable``.
    text : str
        What can be said, or why it does not apply.
    missing : str
        What is missing where it is ``partly`` or ``no``.
    """

    state: str
    text: str = ""
    missing: str = ""


Rule = Callable[[Facts], Answer]


def yes(text: str) -> Answer:
    """Answer with yes."""
    return Answer(YES, text)


def partly(text: str, missing: str) -> Answer:
    """Answer with a part, and name what is missing."""
    return Answer(PARTLY, text, missing)


def no(missing: str, text: str = "") -> Answer:
    """Answer with no, and name what is missing."""
    return Answer(NO, text, missing)


def author(text: str = "") -> Answer:
    """Leave it to the author, with what the platform knows of it."""
    return Answer(AUTHOR, text)
