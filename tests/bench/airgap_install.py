"""Install from a wheelhouse in a network namespace that has a loopback and nothing else.

    make wheelhouse && python tests/bench/airgap_install.py build/wheelhouse

Then the engine's self-check and, with ``--patients N``, an invented hospital through Airflow. Needs
``unshare`` and ``ip`` and the right to use them. Exit status 1: a step failed; its output is
printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALONE = ("unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""Runs a command where no network is."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheelhouse", type=Path)
    parser.add_argument("--patients", type=int, default=0)
    given = parser.parse_args()
    wheels = given.wheelhouse.resolve()
    size = sum(path.stat().st_size for path in wheels.iterdir())
    say(f"wheelhouse: {len(list(wheels.glob('*.whl')))} wheels, {size / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory(prefix="airgap-") as folder:
        return install(wheels, Path(folder), given.patients)


def install(wheels: Path, place: Path, patients: int) -> int:
    venv, home = place / "venv", place / "home"
    python, mpss = str(venv / "bin" / "python"), str(venv / "bin" / "mpss")
    pip = (python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile")
    own = sorted(wheels.glob("mpss_platform-*.whl"))[-1]
    lock = str(wheels / "requirements.lock")
    found = ("--find-links", str(wheels), "--require-hashes", "-r", lock)
    steps: dict[str, tuple[str, ...]] = {
        "no network is there": ("sh", "-c", "! ip route get 192.0.2.1"),
        "environment": (sys.executable, "-m", "venv", str(venv)),
        "packages": (*pip, *found),
        "platform": (*pip, str(own)),
        "self-check": (mpss, "verify"),
    }
    if patients:
        steps["demo"] = (mpss, "demo", "--patients", str(patients))
    environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environ |= {"MPSS_HOME": str(home), "CI": "1"}
    for name, command in steps.items():
        began = time.perf_counter()
        done = subprocess.run(
            [*ALONE, *command], env=environ, cwd=place, capture_output=True, text=True
        )
        say(f"{name}: exit {done.returncode}, {time.perf_counter() - began:.0f} s")
        if done.returncode:
            say(f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
            return 1
    return 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
