"""Orthanc, a real archive, on free ports of the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peer import free_port

PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
"""DICOMweb, of the package orthanc-dicomweb."""


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc: its DICOM port and its own HTTP interface."""

    port: int
    http: int
    aet: str = "ORTHANC"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    def ask(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return answer.read()

    def instances(self) -> list[str]:
        return json.loads(self.ask("/instances"))

    def file(self, instance: str) -> bytes:
        return self.ask(f"/instances/{instance}/file")


@contextmanager
def running(
    program: str,
    folder: Path,
    *,
    sends_to: int | None = None,
    gets: bool = True,
    web: bool = False,
    **more: object,
) -> Iterator[Orthanc]:
    """Start Orthanc for callers named MPSS; it is ended with the block.

    ``sends_to`` is the port of MPSS's receiver, ``gets`` whether MPSS may C-GET, ``web`` whether
    it speaks DICOMweb, ``more`` are
    settings of Orthanc.
    """
    server = Orthanc(free_port(), free_port())
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "Name": "test",
        "DicomAet": server.aet,
        "DicomPort": server.port,
        "HttpPort": server.http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True,
        "UnknownSopClassAccepted": False,
        "OverwriteInstances": False,
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "Plugins": [PLUGIN] if web else [],
        "DicomWeb": {"Enable": web, "Root": "/dicom-web/"},
        "DicomModalities": {
            "mpss": {
                "AET": "MPSS", "Host": "127.0.0.1", "Port": sends_to or free_port(),
                "AllowEcho": True, "AllowFind": True, "AllowGet": gets, "AllowMove": True,
                "AllowStore": True,
            }
        },
        **more,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(folder / "orthanc.json")],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TCP_NODELAY": "1"},
        )
        try:
            _wait(process, server, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], server: Orthanc, log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"Orthanc ended: {log.read_text()[-2000:]}")
        try:
            server.ask("/system")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"Orthanc does not answer: {log.read_text()[-2000:]}")
