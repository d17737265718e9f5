"""Write the tables of the papers anew: ``python -m mpss_lib.papers FOLDER``.

Exit status: 0 nothing was outdated, 1 the papers that are named were (and are written now).
"""

from __future__ import annotations

import sys
from pathlib import Path

from mpss_lib.papers.catalogue import TABLES
from mpss_lib.papers.tables import outdated

if __name__ == "__main__":
    found = outdated(Path(sys.argv[1]), TABLES, rewrites=True)
    sys.stdout.write("".join(f"{name}\n" for name in found))
    sys.exit(1 if found else 0)
