"""How many studies a second come from Orthanc, beside DCMTK's ``getscu`` in the same run.

``PYTHONPATH=.:tests python tests/bench/pull_speed.py``: 200 NM studies of one object (64 x 64 x 40,
0.33 MB) in an Orthanc on loopback. Our figure is the whole stage ``pull``: lists, fetch, checks,
de-identification, vault and lake, each on the disk. CPU is told by process: the task, what takes
objects apart beside it, the receiver (of C-MOVE), the archive. Then the same night again, of 40
studies, the list of its window with it. With ``--profile`` it says where the time of the task goes.
``--runs`` repeats that; nothing is deleted before the last run has ended, because a file system may
be slow to make files where many were deleted (ext4 without a journal, for some minutes).
``--alone`` puts what is measured before everything else that runs (nice -20, which takes root): the
figures are then nearly those of an idle machine. It is meant for seconds, not for a busy site.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orthanc
import real_archives
from pacs_objects import make_nm, study_uid
from peer import free_port
from real_programs import installed_program

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.batch import run_stage
from mpss_lib.config import Config, Sites
from mpss_lib.dicom import to_bytes
from mpss_lib.pull import stage
from mpss_lib.pull.receiver.service import serve_forever
from mpss_lib.tables import Lake

SHAPE = (40, 64, 64)
WINDOW = (date(2026, 3, 2), date(2026, 3, 2))


def main() -> int:
    """Measure each way, and getscu."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--ways", nargs="+", default=["c-get", "c-move", "dicomweb"])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--alone", action="store_true")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="speed") as name:
        folder, port = Path(name), free_port()
        (folder / "sent").mkdir()
        for number in range(given.studies):
            path = folder / "sent" / f"{number}.dcm"
            clock = f"{number % 24:02d}{number // 24:02d}00"
            path.write_bytes(to_bytes(make_nm(number, shape=SHAPE, study_time=clock)))
        program = installed_program("Orthanc")
        with orthanc.running(program, folder / "orthanc", sends_to=port, web=True) as server:
            real_archives.store(installed_program, server.aet, server.port, folder / "sent")
            archive = _pid_of(folder / "orthanc")
            for run, way in [(run, way) for run in range(given.runs) for way in given.ways]:
                home = folder / f"{way}.{run}"
                settings = ArchiveSettings(
                    port=server.port, called_aet=server.aet, retrieve=way, web_url=server.web
                )
                sites = Sites(
                    home / "vault.sqlite",
                    home / "staging",
                    settings,
                    receiver=ReceiverSettings(port=port, min_free_gb=0),
                )
                with _before_all([archive] if given.alone else []):
                    before = _getscu(server, home / "before", given.studies)
                rates = _ours(sites, given, archive)
                with _before_all([archive] if given.alone else []):
                    after = _getscu(server, home / "after", given.studies)
                rates = {"getscu before and after": [before, after], **rates}
                rates["share of getscu"] = round(2 * rates["studies/s"] / (before + after), 3)
                sys.stdout.write(json.dumps({way: rates}) + "\n")
                sys.stdout.flush()
    return 0


def _ours(sites: Sites, given: argparse.Namespace, archive: int) -> dict[str, Any]:
    n, profiles = given.studies, given.profile
    lake, config = Lake(sites.vault.parent / "lake"), Config()
    keys = stage.find(WINDOW, lake, config, sites)
    profile = cProfile.Profile()
    with (
        _receiving(sites) as receiver,
        _before_all([pid for pid in (archive, receiver) if pid] if given.alone else []),
    ):
        before = _cpu(archive, receiver)
        began = time.monotonic()
        with profile if profiles else nullcontext():
            result = run_stage("pull", keys, lake, config, sites)
        wall = time.monotonic() - began
        after = _cpu(archive, receiver)
        if result.done != n:
            raise RuntimeError(f"{result.done} of {n} studies")
    night = _unchanged(lake, config, sites)
    if profiles:
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(25)
    spent = {name: round(1000 * (after[name] - before[name]) / n, 1) for name in after}
    return {"studies/s": round(n / wall, 1), "ms of CPU a study": spent, **night}


@contextmanager
def _before_all(others: list[int]) -> Iterator[None]:
    """Put this process, and others if there are any, before everything else that runs."""
    pids = [os.getpid(), *others] if others else []
    _be_nice(pids, -20)
    try:
        yield
    finally:
        _be_nice(pids, 0)


def _be_nice(pids: list[int], nice: int) -> None:
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(task.name), nice)


def _unchanged(lake: Lake, config: Config, sites: Sites) -> dict[str, float]:
    """Do a night of 40 studies in which nothing is new."""
    began, cpu = time.monotonic(), time.process_time()
    keys = stage.find(WINDOW, lake, config, sites)[:40]
    if run_stage("pull", keys, lake, config, sites).skipped != len(keys):
        raise RuntimeError("something is new")
    spent = {"s": time.monotonic() - began, "s of CPU": time.process_time() - cpu}
    return {f"unchanged night of 40, {unit}": round(value, 2) for unit, value in spent.items()}


def _cpu(archive: int, receiver: int) -> dict[str, float]:
    """Seconds of CPU of each process; of helpers that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "task": time.process_time(),
        "beside": ended.ru_utime + ended.ru_stime,
        "archive": _cpu_of(archive),
    }
    return found | ({"receiver": _cpu_of(receiver)} if receiver else {})


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pid_of(folder: Path) -> int:
    """Process whose command line names the settings of a folder."""
    wanted = os.fsencode(folder / "orthanc.json")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if wanted in path.read_bytes():
                return int(path.parent.name)
    raise RuntimeError("Orthanc is not there")


@contextmanager
def _receiving(sites: Sites) -> Iterator[int]:
    """Run the receiver where objects come by C-MOVE, in a process of its own; gives its id."""
    if sites.archive.retrieve != "c-move":
        yield 0
        return
    context = get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_receive, args=(sites, ready))
    process.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("the receiver does not start")
        yield int(process.pid or 0)
    finally:
        process.terminate()
        process.join()


def _receive(sites: Sites, ready: Any) -> None:
    serve_forever(sites, ready=lambda _port: ready.set())


def _getscu(server: orthanc.Orthanc, into: Path, n: int) -> float:
    """Studies a second of one request of DCMTK's getscu for all of them."""
    into.mkdir(parents=True)
    uids = "\\".join(study_uid(number) for number in range(n))
    command = [
        *(installed_program("getscu"), "-S", "-aet", "MPSS", "-aec", server.aet, "-od", str(into)),
        *("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uids}"),
        *("127.0.0.1", str(server.port)),
    ]
    began = time.monotonic()
    subprocess.run(command, check=True, env=os.environ | {"TCP_NODELAY": "1"}, capture_output=True)
    wall = time.monotonic() - began
    if len(list(into.iterdir())) != n:
        raise RuntimeError("getscu did not get all")
    return round(n / wall, 1)


if __name__ == "__main__":
    sys.exit(main())
