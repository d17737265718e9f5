"""Programs of real peers (``tests/install_servers.sh``), wherever they lie."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def program_of(name: str) -> str | None:
    """Find a program of a real peer; pynetdicom's, beside Python, have the names of DCMTK's."""
    own = {Path(sys.executable).parent, Path(sys.prefix) / "bin"}
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if Path(folder) not in own)
    return shutil.which(name, path=path) or shutil.which(f"/usr/sbin/{name}")


def installed_program(name: str) -> str:
    """Find a program of a real peer.

    Raises
    ------
    FileNotFoundError
        It is not installed.
    """
    found = program_of(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: run tests/install_servers.sh as root")
    return found
