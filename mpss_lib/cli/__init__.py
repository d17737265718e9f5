"""The ``mpss`` command: a thin face over the stages' doors.

Exit status: 0 done, 1 the work found a fault, 2 wrong use.
"""

from __future__ import annotations

import sys

from mpss_lib.cli import archive, home, results, segmentation, stages, warehouse
from mpss_lib.cli.application import app, console, errors
from mpss_lib.errors import MpssError, SettingsError, WrongArgumentError

__all__ = [
    "app",
    "archive",
    "console",
    "home",
    "main",
    "results",
    "segmentation",
    "stages",
    "warehouse",
]


def main() -> None:
    """Run the command; errors of this package become one line and an exit status."""
    try:
        app(prog_name="mpss")
    except (SettingsError, WrongArgumentError) as error:
        errors.print(f"[bold red]mpss:[/] {error}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except MpssError as error:
        errors.print(f"[bold red]mpss:[/] {error}", soft_wrap=True, highlight=False)
        sys.exit(1)
