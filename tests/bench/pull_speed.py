"""How many studies a second come from Orthanc, beside DCMTK's ``getscu`` in the same run.

``PYTHONPATH=.:tests python tests/bench/pull_speed.py``: 200 NM studies of one object (64 x 64 x 40,
0.33 MB) in an Orthanc on loopback. Our figure is the whole stage ``pull``: lists, fetch, checks,
de-identification, vault and lake, each on the disk. With ``--profile`` it says where the time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import os
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import orthanc
import real_archives
from pacs_objects import make_nm, study_uid
from peer import free_port

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.batch import run_stage
from mpss_lib.config import Config, Sites
from mpss_lib.dicom import to_bytes
from mpss_lib.pull import stage
from mpss_lib.pull.receiver.arrivals import arrivals_of
from mpss_lib.pull.receiver.service import Receiver
from mpss_lib.tables import Lake

SHAPE = (40, 64, 64)
WINDOW = (date(2026, 3, 2), date(2026, 3, 2))


def main() -> int:
    """Measure each way, and getscu."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="speed") as name:
        folder, port = Path(name), free_port()
        (folder / "sent").mkdir()
        for number in range(given.studies):
            path = folder / "sent" / f"{number}.dcm"
            path.write_bytes(to_bytes(make_nm(number, shape=SHAPE)))
        program = _installed("Orthanc")
        with orthanc.running(program, folder / "orthanc", sends_to=port, web=True) as server:
            real_archives.store(_installed, server.aet, server.port, folder / "sent")
            rates = {"getscu": _getscu(server, folder, given.studies)}
            for way in ("c-get", "c-move", "dicomweb"):
                settings = ArchiveSettings(
                    port=server.port, called_aet=server.aet, retrieve=way, web_url=server.web
                )
                sites = Sites(
                    folder / way / "vault.sqlite",
                    folder / way / "staging",
                    settings,
                    receiver=ReceiverSettings(port=port, min_free_gb=0),
                )
                rates |= _ours(way, sites, given.studies, profiles=given.profile)
            rates["getscu again"] = _getscu(server, folder, given.studies)
    sys.stdout.write(json.dumps(rates) + "\n")
    return 0


def _ours(way: str, sites: Sites, n: int, *, profiles: bool) -> dict[str, float]:
    lake, config = Lake(sites.vault.parent / "lake"), Config()
    moves = way == "c-move"
    receiver = Receiver(sites.archive, sites.receiver, arrivals_of(sites))
    with receiver if moves else nullcontext():
        keys = stage.find(WINDOW, lake, config, sites)
        profile = cProfile.Profile()
        with profile if profiles else nullcontext():
            began, cpu = time.monotonic(), time.process_time()
            result = run_stage("pull", keys, lake, config, sites)
            wall, cpu = time.monotonic() - began, time.process_time() - cpu
        if result.done != n:
            raise RuntimeError(f"{result.done} of {n} studies")
        began, again = time.monotonic(), time.process_time()
        run_stage("pull", keys, lake, config, sites)
        unchanged, again = time.monotonic() - began, time.process_time() - again
    if profiles:
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(25)
    return {
        way: round(n / wall, 1),
        f"{way}, ms of CPU a study": round(1000 * cpu / n, 1),
        f"{way}, unchanged: ms a study": round(1000 * unchanged / n, 1),
        f"{way}, unchanged: ms of CPU a study": round(1000 * again / n, 1),
    }


def _getscu(server: orthanc.Orthanc, folder: Path, n: int) -> float:
    """Studies a second of one request of DCMTK's getscu for all of them."""
    into = folder / "got"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    uids = "\\".join(study_uid(number) for number in range(n))
    command = [
        *(_installed("getscu"), "-S", "-aet", "MPSS", "-aec", server.aet, "-od", str(into)),
        *("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uids}"),
        *("127.0.0.1", str(server.port)),
    ]
    began = time.monotonic()
    subprocess.run(command, check=True, env=os.environ | {"TCP_NODELAY": "1"}, capture_output=True)
    wall = time.monotonic() - began
    if len(list(into.iterdir())) != n:
        raise RuntimeError("getscu did not get all")
    return round(n / wall, 1)


def _installed(program: str) -> str:
    found = shutil.which(program) or shutil.which(f"/usr/sbin/{program}")
    if found is None:
        raise FileNotFoundError(program)
    return found


if __name__ == "__main__":
    sys.exit(main())
