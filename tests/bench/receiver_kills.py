"""Kills the receiver in mid-transfer: nothing that it answered with success is lost or torn.

``PYTHONPATH=.:tests python tests/bench/receiver_kills.py --kills 1000``: a receiver in a process of
its own is sent objects over two associations without a pause and killed (SIGKILL) at a random
moment; then every object that was answered with 0x0000 must lie in the ledger with the bytes that
were sent, and nothing else may lie there under a name but what was sent whole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from pacs_objects import make_nm, study_uid
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage
from pynetdicom import AE, evt

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.pull.receiver.arrivals import Arrivals
from mpss_lib.pull.receiver.service import Receiver

N_SENDERS = 2
SHAPE = (40, 64, 64)


def kill_receivers(n_kills: int, seed: int, folder: Path, *, longest_s: float = 0.4) -> Counter:
    """Kill a receiver so often.

    Returns
    -------
    Counter
        ``kills``, ``answered`` (objects with success), ``in_transfer`` (senders that were cut off
        between request and answer), ``lost``, ``torn`` (a name with other bytes), ``parts``
        (files without a name that a kill left).
    """
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    rng = random.Random(seed)
    total: Counter[str] = Counter()
    for n in range(n_kills):
        arrivals = Arrivals(folder / f"{n:05d}")
        with ExitStack() as stack:
            for sender in range(N_SENDERS):
                stack.enter_context(arrivals.announced(study_uid(sender)))
            answered, cut = _one_kill(arrivals, rng.uniform(0.02, longest_s))
            total += _judge(arrivals, answered)
        total += Counter(kills=1, answered=len(answered), in_transfer=cut)
    return total


def _one_kill(arrivals: Arrivals, after_s: float) -> tuple[dict[str, str], int]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_receive, args=(arrivals.folder, theirs))
    process.start()
    port = ours.recv()
    answered: dict[str, str] = {}
    cut: list[int] = []
    threads = [
        threading.Thread(target=_send, args=(port, sender, answered, cut))
        for sender in range(N_SENDERS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    for thread in threads:
        thread.join()
    return answered, len(cut)


def _receive(folder: Path, pipe) -> None:
    archive = ArchiveSettings(called_aet="HOSPITAL", dimse_timeout_s=5)
    settings = ReceiverSettings(min_free_gb=0)
    with Receiver(archive, settings, Arrivals(folder)) as receiver:
        pipe.send(receiver.port)
        threading.Event().wait()


def _send(port: int, sender: int, answered: dict[str, str], cut: list[int]) -> None:
    entity = AE("HOSPITAL")
    entity.acse_timeout = entity.dimse_timeout = entity.connection_timeout = 1
    entity.add_requested_context(NuclearMedicineImageStorage, ExplicitVRLittleEndian)
    sockets: list[socket.socket] = []
    opened = (evt.EVT_CONN_OPEN, lambda event: sockets.append(event.assoc.dul.socket.socket))
    association = entity.associate("127.0.0.1", port, ae_title="MPSS", evt_handlers=[opened])
    dataset = make_nm(sender, shape=SHAPE)
    pixels = bytearray(dataset.PixelData)
    number = 0
    while association.is_established:
        number += 1
        pixels[:8] = number.to_bytes(8, "little")
        dataset.PixelData = bytes(pixels)
        dataset.SOPInstanceUID = f"{study_uid(sender)}.{number}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        try:
            status = association.send_c_store(dataset)
        except (RuntimeError, OSError):
            break
        if status.get("Status", 1) == 0x0000:
            answered[str(dataset.SOPInstanceUID)] = _digest(dataset.PixelData)
        else:
            cut.append(number)
            break
    association.abort()
    for one in sockets:  # pynetdicom leaves that of a broken connection open
        one.close()


def _judge(arrivals: Arrivals, answered: dict[str, str]) -> Counter[str]:
    found: dict[str, Path] = {}
    for sender in range(N_SENDERS):
        kept = arrivals.of_study(study_uid(sender))
        found |= {uid: arrival.path for uid, arrival in kept.items()}
    torn = sum(not _is_whole(uid, path, answered) for uid, path in found.items())
    parts = sum(len(list(folder.glob(".part-*"))) for folder in arrivals.studies())
    return Counter(lost=len(answered.keys() - found.keys()), torn=torn, parts=parts)


def _is_whole(uid: str, path: Path, answered: dict[str, str]) -> bool:
    dataset = dcmread(path)
    frames, rows, columns = SHAPE
    if dataset.SOPInstanceUID != uid or len(dataset.PixelData) != 2 * frames * rows * columns:
        return False
    number = int.from_bytes(dataset.PixelData[:8], "little")
    is_its_own = uid.endswith(f".{number}")
    return is_its_own and answered.get(uid, _digest(dataset.PixelData)) == _digest(
        dataset.PixelData
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> int:
    """Kill, count, say; exit status 1 where anything was lost or torn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills") as folder:
        total = kill_receivers(given.kills, given.seed, Path(folder))
    sys.stdout.write(json.dumps(dict(total), sort_keys=True) + "\n")
    return 1 if total["lost"] or total["torn"] or not total["in_transfer"] else 0


if __name__ == "__main__":
    sys.exit(main())
