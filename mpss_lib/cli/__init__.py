"""The ``mpss`` command: a thin face over the stages' doors.

Exit status: 0 done, 1 the work found a fault, 2 wrong use.
"""

from __future__ import annotations

import os
import sys

from rich.text import Text

from mpss_lib.cli import (
    account,
    alarm,
    archive,
    audit,
    backup,
    calcium_export,
    cluster,
    doctor,
    home,
    model,
    pacs,
    purge,
    quality,
    receiver,
    recompute,
    results,
    segmentation,
    stability,
    stages,
    upgrade,
    upstream,
    validation,
    warehouse,
)
from mpss_lib.cli.application import app, console, errors
from mpss_lib.errors import MpssError, SettingsError, WrongArgumentError
from mpss_lib.secrecy import LAKE_UMASK

__all__ = [
    "account",
    "alarm",
    "app",
    "archive",
    "audit",
    "backup",
    "calcium_export",
    "cluster",
    "console",
    "doctor",
    "home",
    "main",
    "model",
    "pacs",
    "purge",
    "quality",
    "receiver",
    "recompute",
    "results",
    "segmentation",
    "stability",
    "stages",
    "upgrade",
    "upstream",
    "validation",
    "warehouse",
]


def main() -> None:
    """Run the command; errors of this package become one line and an exit status."""
    os.umask(LAKE_UMASK)
    try:
        app(prog_name="mpss")
    except (SettingsError, WrongArgumentError) as error:
        _tell(error)
        sys.exit(2)
    except MpssError as error:
        _tell(error)
        sys.exit(1)


def _tell(error: MpssError) -> None:
    """Print an error as it is: what it quotes is no markup."""
    told = Text.assemble(("mpss:", "bold red"), f" {error}")
    errors.print(told, soft_wrap=True, highlight=False)
