"""Export, and be killed at a phase: ``python export_child.py <home> <url> <phase>``."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from mpss_lib.config import load, sites_of
from mpss_lib.publication.export import export_results
from mpss_lib.tables import Lake


def main(home, url, phase):
    root = Path(home)
    config = load(root, environ={})

    def show(found):
        if found == phase:
            os.kill(os.getpid(), signal.SIGKILL)

    sites = replace(sites_of(config, root), results_url=url)
    export_results(Lake(root / "lake"), config, sites, progress=show)


if __name__ == "__main__":
    main(*sys.argv[1:])
