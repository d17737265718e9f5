"""A home of invented people as this version writes it, kept for the upgrades of later versions.

``python tests/reference/make_homes.py layout_2``: writes ``homes/layout_2.tar.xz``. Run it with the
version that is released; ``layout_1`` was written so by the last version before shelves (9b8abfa).
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from invented_home import make_home

from mpss_lib.warehouse.layout import bring_up_to_date

FOLDER = Path(__file__).with_name("homes")


def main(name):
    """Make the home, leave out what no upgrade reads, pack it."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / name
        bring_up_to_date(make_home(root).lake)
        for part in ("airflow", "logs", "staging"):
            shutil.rmtree(root / part)
        target = FOLDER / f"{name}.tar.xz"
        subprocess.run(["tar", "-C", folder, "-cJf", str(target), name], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
