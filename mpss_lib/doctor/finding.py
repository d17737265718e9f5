"""One finding of the doctor: what is wrong, why, and the command that mends it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpss_lib.config import Config
from mpss_lib.runtime.home import Home

Level = Literal["fault", "warning"]
"""A fault stops work or loses something; a warning will, or may."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Parameters
    ----------
    check : str
        Name of what was looked at.
    what : str
        What is wrong, with the value.
    command : str
        Shell command that mends it; "" where only a person can, as ``advice`` says.
    level : {"fault", "warning"}
    advice : str
        What no command does.
    is_safe : bool
        ``mpss doctor --fix`` may run the command: it loses nothing and stops nothing.
    """

    check: str
    what: str
    command: str = ""
    level: Level = "fault"
    advice: str = ""
    is_safe: bool = False


@dataclass(frozen=True)
class Subject:
    """The home that is looked at, as far as it could be opened.

    Parameters
    ----------
    root : Path
    config : Config
        The defaults where the settings cannot be read.
    home : Home or None
        None where it cannot be opened.
    """

    root: Path
    config: Config
    home: Home | None


def mpss(subject: Subject | None, *words: str) -> str:
    """Give an ``mpss`` command as a shell takes it, for this home."""
    told = "mpss " + shlex.join(words)
    return told if subject is None else f"MPSS_HOME={quoted(subject.root)} {told}"


def quoted(path: Path | str) -> str:
    """Give a path as a shell takes it."""
    return shlex.quote(str(path))
