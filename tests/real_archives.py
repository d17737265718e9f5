"""Archives that others wrote, for tests: Orthanc, and DCMTK's dcmqrscp; objects sent to them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orthanc
from peer import free_port

DCMQRSCP = """\
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
mpss = (MPSS, 127.0.0.1, {other})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
DCMQRSCP {folder} RW (500, 1024mb) ANY
AETable END
"""


Installed = Callable[[str], str]


@contextmanager
def running(
    name: str, installed: Installed, folder: Path, *options: str, sends_to: int | None = None
) -> Iterator[tuple[int, str]]:
    """Start ``orthanc`` or ``dcmqrscp`` for callers named MPSS; gives port and AE title.

    ``options`` are dcmqrscp's: it accepts one compressed syntax, and none without being told.
    ``sends_to`` is the port of MPSS's receiver.
    """
    if name == "orthanc":
        with orthanc.running(installed("Orthanc"), folder, sends_to=sends_to) as server:
            yield server.port, server.aet
        return
    with _dcmqrscp(installed, folder, *options, sends_to=sends_to) as found:
        yield found


@contextmanager
def _dcmqrscp(
    installed: Installed, folder: Path, *options: str, sends_to: int | None
) -> Iterator[tuple[int, str]]:
    port = free_port()
    (folder / "db").mkdir(exist_ok=True)
    settings = DCMQRSCP.format(port=port, other=sends_to or free_port(), folder=folder / "db")
    (folder / "dcmqrscp.cfg").write_text(settings)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [installed("dcmqrscp"), "-c", str(folder / "dcmqrscp.cfg"), *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TCP_NODELAY": "1"},
        )
        try:
            _wait(installed("echoscu"), "DCMQRSCP", port)
            yield port, "DCMQRSCP"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait(echoscu: str, aet: str, port: int) -> None:
    for _ in range(100):
        command = [echoscu, "-aec", aet, "127.0.0.1", str(port)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("dcmqrscp does not answer")


def store(installed: Installed, aet: str, port: int, folder: Path, *options: str) -> None:
    """Send a folder of objects; ``options`` of storescu, ``-R`` proposes only what is needed."""
    command = [installed("storescu"), *(options or ("-R",)), "-aet", "MPSS", "-aec", aet]
    done = subprocess.run(
        [*command, "+sd", "+r", "127.0.0.1", str(port), str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"TCP_NODELAY": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
