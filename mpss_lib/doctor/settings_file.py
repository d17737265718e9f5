"""Settings that cannot be read, or carry an old name; each with the command that mends the file."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from mpss_lib import config as settings
from mpss_lib.config import MOVED, RENAMED
from mpss_lib.doctor.finding import Finding, Subject, mpss, quoted
from mpss_lib.errors import SettingsError
from mpss_lib.secrecy import SETTINGS_FILE

_SETTING = re.compile(r"setting ([a-z_]+)\.([a-z_]+)")
_SECTION = re.compile(r"setting ([a-z_]+) =")
_VARIABLE = re.compile(r"environment variable (MPSS_\w+)")


def problem_of(root: Path) -> Finding | None:
    """Find what keeps the settings from being read; None where they can be."""
    try:
        settings.load(root)
    except SettingsError as error:
        path = root / SETTINGS_FILE
        return Finding("settings", error.problem, _mends(error, path), advice=error.way_out)
    return None


def _mends(error: SettingsError, path: Path) -> str:
    problem = error.problem
    if found := _VARIABLE.search(problem):
        return f"unset {found[1]}"
    if "other accounts may read it" in problem:
        return f"chmod 600 {quoted(path)}"
    if "is not TOML" in problem:
        return _without_line(path, _bad_line(path))
    if (found := _SETTING.search(problem)) and (name := _variable(found[1], found[2])):
        return f"unset {name}"
    if found:
        return _without_line(path, _line_of(path, found[1], found[2]))
    if found := _SECTION.search(problem):
        return _without_section(path, found[1])
    return ""


def _variable(section: str, field: str) -> str:
    name = f"MPSS_{section}__{field}".upper()
    return name if name in os.environ else ""


def _without_line(path: Path, number: int) -> str:
    """Give the command that makes a line of the file a comment, and keeps the file of before."""
    return f"sed -i.before '{number}s/^/# /' {quoted(path)}" if number else ""


def _without_section(path: Path, name: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    begin = _line(lines, 0, re.compile(rf"\s*\[{re.escape(name)}\]"))
    if not begin:
        return ""
    end = _line(lines, begin, re.compile(r"\s*\["))
    last = f"{end - 1}" if end else "$"
    return f"sed -i.before '{begin},{last}s/^/# /' {quoted(path)}"


def _bad_line(path: Path) -> int:
    try:
        tomllib.loads(path.read_text(encoding="utf-8", errors="replace"))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        return int(found[1]) if found else 0
    return 0


def _line_of(path: Path, section: str, field: str) -> int:
    """Find the number of the line that sets a field; 0 where it cannot be found."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    begin = _line(lines, 0, re.compile(rf"\s*\[+{re.escape(section)}[\].]"))
    return _line(lines, begin, re.compile(rf"\s*{re.escape(field)}\s*[=.]")) if begin else 0


def _line(lines: list[str], after: int, pattern: re.Pattern[str]) -> int:
    for number, line in enumerate(lines[after:], start=after + 1):
        if pattern.match(line):
            return number
    return 0


def old_names(subject: Subject) -> Iterator[Finding]:
    """Names of settings that were changed: still read, with a warning at each start."""
    path = subject.root / SETTINGS_FILE
    found = [f"{old} is {new} now" for old, new in old_names_in(path).items()]
    if found:
        yield Finding(
            "settings",
            f"{path.name} has old names: {'; '.join(found)}",
            mpss(subject, "settings", "move"),
            level="warning",
            is_safe=True,
        )


def old_names_in(path: Path) -> dict[str, str]:
    """Map each old name in a settings file to the new one."""
    if not path.exists():
        return {}
    try:
        values: Mapping[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, PermissionError):
        return {}  # ``problem_of`` names it
    found = {f"[{old}]": f"[{new}]" for old, new in RENAMED.items() if old in values}
    for (section, name), (new, called) in MOVED.items():
        there = values.get(section)
        if isinstance(there, Mapping) and name in there:
            found[f"{section}.{name}"] = f"{new}.{called}"
    return found


def move_old_names(path: Path) -> dict[str, str]:
    """Rewrite a settings file with the new names, line by line; what else it says stays.

    Returns
    -------
    dict
        Old name to new name.
    """
    found = old_names_in(path)
    if not found:
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = path.with_name(f"{path.name}.before")
    kept.touch(mode=0o600)
    kept.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for old, new in found.items():
        _move(lines, old, new)
    mode = stat.S_IMODE(path.stat().st_mode)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(mode)
    return found


def _move(lines: list[str], old: str, new: str) -> None:
    if old.startswith("["):
        at = _line(lines, 0, re.compile(rf"\s*{re.escape(old)}"))
        lines[at - 1] = lines[at - 1].replace(old, new, 1)
        return
    (section, field), (target, called) = old.split("."), new.split(".")
    begin = _line(lines, 0, re.compile(rf"\s*\[{re.escape(section)}\]"))
    at = _line(lines, begin, re.compile(rf"\s*{re.escape(field)}\s*="))
    moved = re.sub(rf"^\s*{re.escape(field)}", called, lines.pop(at - 1))
    there = _line(lines, 0, re.compile(rf"\s*\[{re.escape(target)}\]"))
    if there:
        lines.insert(there, moved)
    else:
        lines += ["", f"[{target}]", moved]
