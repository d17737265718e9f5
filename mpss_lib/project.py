"""What belongs to the platform and is no module: the folders ``dags/`` and ``sql/``."""

from __future__ import annotations

from pathlib import Path

from mpss_lib.errors import PlatformFaultError


def project_folder() -> Path:
    """Folder that holds ``dags/`` and ``sql/``: the checkout, or what an installed wheel brought.

    Raises
    ------
    PlatformFaultError
        Where neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "installed", package.parent):
        if (folder / "dags").is_dir() and (folder / "sql").is_dir():
            return folder
    raise PlatformFaultError(
        f"no folders dags/ and sql/ in or beside {package}",
        way_out="install the package again, or run from a whole checkout",
    )
