"""Running the commands of findings that are safe to be mended without a person."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from mpss_lib.doctor.finding import Finding

LONGEST_S = 600.0


def mend(findings: Iterable[Finding]) -> Iterator[tuple[Finding, str]]:
    """Run the command of each safe finding, each command once.

    Yields
    ------
    (Finding, str)
        What was mended, and what its command said if it failed ("" where it did not).
    """
    done: set[str] = set()
    for finding in findings:
        if finding.is_safe and finding.command and finding.command not in done:
            done.add(finding.command)
            yield finding, run(finding.command)


def run(command: str) -> str:
    """Run a command of a finding by the shell; gives its last line if it failed, else ""."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    ended = subprocess.run(
        ["/bin/sh", "-c", command],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )
    if not ended.returncode:
        return ""
    said = (ended.stderr.strip() or ended.stdout.strip() or "no word").splitlines()
    return said[-1][:300]
