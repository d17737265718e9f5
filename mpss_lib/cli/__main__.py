"""``python -m mpss_lib.cli`` is the ``mpss`` command."""

import os

from mpss_lib.cli import main

if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    main()
