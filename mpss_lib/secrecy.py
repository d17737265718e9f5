"""Who may read what: passwords in settings, and the folders of a home.

A home has one open door, ``lake/``, for whoever the mode of the home's own folder lets in; the
other folders are for the account that runs the platform (0700), the files beside them too (0600).
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from mpss_lib.errors import PlatformFaultError, SettingsError

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
OPEN_FOLDER = "lake"
SERVERS_FOLDER = "cluster"
"""Of a cluster: PostgreSQL refuses to run as root, and then as its own account passes through here
to its data; what lies inside is closed."""
SETTINGS_FILE = "mpss.toml"
"""It is the operator's: its mode is checked where it holds a password, never changed."""

OPEN_HOME = 0o711
"""Mode of a home that we make: others pass through to ``lake/`` and cannot list it."""

LAKE_UMASK = 0o022
"""Of services and of the command line: what they write below ``lake/`` can be read by whoever the
home lets in, whatever the umask of the shell; all else is closed by the folders' own modes."""

MASK = "***"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_IN_URL = re.compile(r"(?<=://)([^\s:/?#@]*):[^\s]+@")
_NAMED = re.compile(
    r"(?i)(?:\b|(?<=%3B)|(?<=%26))(password|passwd|pwd|sslpassword)(=|%3D)"
    r"(?!\s|&|;|%3B|$)[^\s&;'\"]+"
)
_SECRET_NAME = re.compile(r"(?i)passw|secret|token|api_?key|private_?key|webhook")


def has_password(value: object, name: str = "") -> bool:
    """Whether a value of the settings, or a part of it, is or holds a password.

    Parameters
    ----------
    value : object
        As TOML gives it.
    name : str
        Key that it stands under: whatever is named a password or secret is one.
    """
    if isinstance(value, Mapping):
        return any(has_password(part, str(key)) for key, part in value.items())
    if isinstance(value, str):
        is_named = bool(value) and bool(_SECRET_NAME.search(name))
        return is_named or bool(_IN_URL.search(value) or _NAMED.search(value))
    return isinstance(value, Sequence) and any(has_password(part, name) for part in value)


def without_passwords(text: str) -> str:
    """Give a text in which the passwords of addresses are three stars."""
    return _NAMED.sub(rf"\1\2{MASK}", _IN_URL.sub(rf"\1:{MASK}@", text))


def check_settings_file(path: Path, values: Mapping[str, object]) -> None:
    """Refuse a settings file with a password that another account can read.

    Raises
    ------
    SettingsError
        Names the file and its mode, never the password.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS and has_password(values):
        raise SettingsError(
            f"{path.name} holds a password and other accounts may read it (mode {mode:04o})",
            way_out=f"`chmod 600 {path}`, and change the password if somebody has read it",
        )


def seal(root: Path) -> None:
    """Close everything of a home but the lake to other accounts.

    Parameters
    ----------
    root : Path
        The home. The modes of its own folder, of ``lake/`` and of ``mpss.toml`` stay.

    Raises
    ------
    PlatformFaultError
        Something belongs to another account; it is named.
    """
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path.name in {OPEN_FOLDER, SETTINGS_FILE} or path.is_symlink():
            continue
        if path.name != SERVERS_FOLDER:
            _close(path)
        if path.is_dir():
            for inside in sorted(path.iterdir()):
                if not inside.is_symlink():
                    _close(inside)


def _close(path: Path) -> None:
    wanted = PRIVATE_FOLDER if path.is_dir() else PRIVATE_FILE
    try:
        if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
            path.chmod(wanted)
    except FileNotFoundError:  # its process has just ended
        return
    except PermissionError as error:
        raise PlatformFaultError(
            f"{path.name} of the home belongs to another account and others may read it",
            way_out=f"give the home to the account that runs the platform: `chown -R ... {path}`",
        ) from error
