"""Faults of lines, archives and the receiver against each way of retrieval, on real archives.

``PYTHONPATH=.:tests python tests/bench/fault_matrix.py`` writes one line a cell. Each cell is a
night of its own: a hospital with three studies, a fault, as many tries as Airflow would make while
it lasts and after it. In the end all studies are there, none twice, nothing stands in quarantine,
nothing is left in staging or ledger, and the lake has the same bytes as one that was filled without
a fault by C-GET from the same archive; of two archives the objects are the same too, the rows are
not (one announces SOP classes, the other does not).

``--finished FILE`` keeps the cells that are as they must be, each with the code's commit, and
leaves out what stands there with the present one: a matrix that was broken off goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import orthanc
import real_archives
from bad_line import BadLine, bad_line
from certificates import Issuer
from pacs_objects import make_nm
from peer import free_port
from real_programs import installed_program
from tls_front import client_side, front, server_side

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.batch import TooManyFaultsError, run_stage
from mpss_lib.config import Config, Sites
from mpss_lib.dicom import to_bytes
from mpss_lib.errors import ArchiveBusyError, PlatformFaultError
from mpss_lib.pull import stage
from mpss_lib.pull.fetched import Fetched, Fetcher
from mpss_lib.pull.receiver.arrivals import arrivals_of
from mpss_lib.pull.receiver.service import Receiver
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake, Outcome

WINDOW = (date(2026, 3, 2), date(2026, 3, 2))
STUDIES = {1: (4, 48, 48), 2: (12, 64, 64), 3: (4, 48, 48)}
"""Number and shape of what each study holds: 18, 98 and 18 kB."""
TIMEOUT_S = 1.5
MOST_TRIES = 8
HEALED_AFTER = 3
"""Tries after which a fault that lasts is mended, as an outage ends."""

WAYS = (
    *("c-get orthanc", "c-get dcmqrscp", "c-move orthanc", "c-move dcmqrscp"),
    *("dicomweb orthanc", "c-get orthanc-tls", "c-move orthanc-tls", "dicomweb orthanc-tls"),
    *("c-get dcmqrscp-tls", "c-move dcmqrscp-tls"),
)


@dataclass(frozen=True)
class Row:
    """One fault.

    Parameters
    ----------
    name : str
    where : str
        ``archive`` or ``receiver``: whose line is bad; ``""``: none.
    line : dict
        Faults of that line, see ``BadLine``.
    event : str
        What happens beside it, by the name of a method of ``Night``.
    """

    name: str
    where: str = ""
    line: dict[str, object] = field(default_factory=dict)
    event: str = ""


def rows() -> list[Row]:
    """List every fault."""
    found = []
    for where in ("archive", "receiver"):
        found += [
            Row(f"{where}: connections are closed at once", where, {"refuses": True}),
            Row(f"{where}: the first two connections are closed", where,
                {"refuses": True, "n_bad": 2}),
            Row(f"{where}: garbage for a request", where, {"spoil_after": 0, "n_bad": 3}),
        ]  # fmt: skip
        for n_bytes in (100, 1_500, 20_000, 60_000):
            for how, fault in (("cut", "cut_after"), ("stalls", "stall_after")):
                text = f"{where}: {how} after {n_bytes} bytes"
                found.append(Row(f"{text}, always", where, {fault: n_bytes}))
                if n_bytes > 100:
                    found.append(Row(f"{text}, twice", where, {fault: n_bytes, "n_bad": 2}))
        found += [
            Row(f"{where}: reset after 5000 bytes", where, {"cut_after": 5_000, "resets": True}),
            Row(f"{where}: 16 kB a second", where, {"rate": 16_000.0}),
        ]
    found += [
        Row("archive: killed in mid-transfer, back later", event="kill_archive"),
        Row("archive: started anew between list and fetch", event="restart_archive"),
        Row("archive: away at the first tries", event="archive_comes_late"),
        Row("archive: does not know our AE title at first", event="wrong_title_at_first"),
        Row("receiver: not there at first", event="receiver_comes_late"),
        Row("receiver: ended and started in mid-transfer", event="restart_receiver"),
        Row("receiver: no room at first", event="full_at_first"),
        Row("receiver: does not know the archive's AE title at first", event="strange_at_first"),
        Row("receiver: takes one association at a time", event="one_at_a_time"),
        Row("task: broken off in mid-batch, done again", event="broken_off"),
    ]
    return found


class BrokenOffError(BaseException):
    """A task that was ended from outside."""


@contextmanager
def _between_studies(happen: Callable[[], None]) -> Iterator[None]:
    """Let something happen before each study but the first: they are fetched ahead."""
    fetch, keys = Fetcher.fetch, []

    def fetch_then(self: Fetcher, study_key: str) -> Outcome | Fetched:
        if keys:
            happen()
        keys.append(study_key)
        return fetch(self, study_key)

    Fetcher.fetch = fetch_then
    try:
        yield
    finally:
        Fetcher.fetch = fetch


class Night:
    """One cell: an archive with its lines, a receiver, a lake."""

    def __init__(self, way: str, row: Row, folder: Path, key: Path, objects: Path) -> None:
        self.retrieve, self.archive = way.split()
        self.row, self.folder, self.objects = row, folder, objects
        self.lake = Lake(folder / "lake")
        self.config = Config()
        self.listens = free_port()
        self.sent_to = free_port()
        self.stack, self.archive_stack = ExitStack(), ExitStack()
        self.receiver_stack = ExitStack()
        self.lines: dict[str, BadLine] = {}
        self.settings = ReceiverSettings(port=self.listens, min_free_gb=0)
        self.called = ""
        self.n_done = 0
        shutil.copy(key, folder / "vault.sqlite.key")
        self.is_secure = self.archive.endswith("-tls")
        self.issuer = Issuer(folder, "Hospital")
        self.signed = {name: self.issuer.sign(name) for name in ("us", "archive")}

    # ---------------------------------------------------------------- parts

    def __enter__(self) -> Night:
        self.stack.enter_context(self.archive_stack)
        self.stack.enter_context(_trusting(self.issuer))
        self.start_archive(store=True)
        faults = self.row.line
        for where, target, port in (
            ("archive", self.port, 0),
            ("receiver", self.listens, self.sent_to),
        ):
            bad = faults if self.row.where == where else {}
            self.lines[where] = self.stack.enter_context(bad_line(target, port=port, **bad))
        self.stack.enter_context(self.receiver_stack)
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def start_archive(self, *, store: bool = False) -> None:
        self.archive_stack = ExitStack()
        folder = self.folder / "archive"
        folder.mkdir(exist_ok=True)
        if self.archive.startswith("orthanc"):
            secure = self.secure_archive() if self.is_secure else {}
            server = self.archive_stack.enter_context(
                orthanc.running(
                    installed_program("Orthanc"), folder, sends_to=self.sent_to, web=True, **secure
                )
            )
            port, self.title, http = server.port, server.aet, server.http
        else:
            sends_to, http = self.sent_to, 0
            if self.is_secure:  # this one knows no TLS: it stands behind what does
                said = client_side(self.signed["archive"], self.issuer)
                sends_to = self.archive_stack.enter_context(front(self.sent_to, said=said))
            port, self.title = self.archive_stack.enter_context(
                real_archives.running("dcmqrscp", installed_program, folder, sends_to=sends_to)
            )
        self.stack.push(self.archive_stack)
        if store:
            self.fill(port)
        self.port = self.fronted(http if self.retrieve == "dicomweb" else port)
        if self.lines:
            self.lines["archive"].target = self.port

    def fill(self, port: int) -> None:
        signed = self.signed["us"]
        files = ("+tls", signed.key, signed.certificate, "+cf", self.issuer.path, "-R")
        options = files if self.archive == "orthanc-tls" else ()
        real_archives.store(installed_program, self.title, port, self.objects, *options)

    def fronted(self, port: int) -> int:
        """Port of the archive, behind what speaks TLS for it where it does not itself."""
        is_web = self.retrieve == "dicomweb"
        if not self.is_secure or (self.archive == "orthanc-tls" and not is_web):
            return port
        heard = server_side(self.signed["archive"], None if is_web else self.issuer)
        return self.archive_stack.enter_context(front(port, heard=heard))

    def secure_archive(self) -> dict[str, object]:
        rights = ("AllowFind", "AllowGet", "AllowMove", "AllowEcho")
        us = {"AET": "MPSS", "Host": "127.0.0.1", "Port": self.sent_to, "UseDicomTls": True}
        return {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": self.signed["archive"].certificate,
            "DicomTlsPrivateKey": self.signed["archive"].key,
            "DicomTlsTrustedCertificates": self.issuer.path,
            "DicomTlsRemoteCertificateRequired": True,
            "DicomModalities": {"mpss": us | dict.fromkeys(rights, True)},
        }

    def start_receiver(self) -> None:
        if self.retrieve == "c-move":
            self.receiver_stack.enter_context(_attended(self.sites, self.settings))

    @property
    def sites(self) -> Sites:
        port, scheme = self.lines["archive"].port, "https" if self.is_secure else "http"
        archive = ArchiveSettings(
            port=port,
            web_url=f"{scheme}://127.0.0.1:{port}/dicom-web" if self.retrieve == "dicomweb" else "",
            called_aet=self.called or self.title,
            dimse_timeout_s=TIMEOUT_S,
            acse_timeout_s=TIMEOUT_S,
            connection_timeout_s=TIMEOUT_S,
            retrieve=self.retrieve,
            tls=self.is_secure,
            tls_certificate=self.signed["us"].certificate,
            tls_key=self.signed["us"].key,
            tls_issuers=self.issuer.path,
        )
        return Sites(
            self.folder / "vault.sqlite",
            self.folder / "staging",
            archive,
            receiver=self.settings,
        )

    # ---------------------------------------------------------------- tries

    def try_again(self, number: int) -> bool:
        """Do what a task does; whether the night is done."""
        event: Callable[[int], None] = getattr(self, self.row.event or "nothing")
        try:
            event(number)
            keys = stage.find(WINDOW, self.lake, self.config, self.sites)
            with _between_studies(lambda: self.between(number)):
                result = run_stage("pull", keys, self.lake, self.config, self.sites)
        except (ArchiveBusyError, PlatformFaultError, TooManyFaultsError, BrokenOffError):
            return False
        return result.done + result.skipped == len(STUDIES)

    def between(self, number: int) -> None:
        """Happen when a study was fetched: the events in mid-batch."""
        self.n_done += 1
        if number or self.n_done > 1:
            return
        if self.row.event == "kill_archive":
            self.archive_stack.close()
        if self.row.event == "restart_archive":
            self.archive_stack.close()
            self.start_archive()
        if self.row.event == "restart_receiver":
            self.receiver_stack.close()
            self.start_receiver()
        if self.row.event == "broken_off":
            raise BrokenOffError

    def heal(self) -> None:
        for line in self.lines.values():
            line.heal()

    # --------------------------------------------------------------- events

    def nothing(self, number: int) -> None:
        if not number:
            self.start_receiver()

    broken_off = restart_receiver = restart_archive = nothing

    def kill_archive(self, number: int) -> None:
        if not number:
            self.start_receiver()
        if number == 1:
            self.start_archive()

    def archive_comes_late(self, number: int) -> None:
        if not number:
            self.start_receiver()
            self.archive_stack.close()
        if number == 2:
            self.start_archive()

    def wrong_title_at_first(self, number: int) -> None:
        """Correct the settings, and start the receiver anew with them: who may send hangs on it."""
        self.called = "" if number else "NOBODY"
        if number < 2:
            self.receiver_stack.close()
            self.start_receiver()

    def receiver_comes_late(self, number: int) -> None:
        if number == 1:
            self.start_receiver()

    def _other_receiver(self, number: int, **first: object) -> None:
        plain = ReceiverSettings(port=self.listens, min_free_gb=0)
        self.settings = plain if number else plain.model_copy(update=first)
        if number < 2:
            self.receiver_stack.close()
            self.start_receiver()

    def full_at_first(self, number: int) -> None:
        self._other_receiver(number, min_free_gb=1e9)

    def strange_at_first(self, number: int) -> None:
        self._other_receiver(number, callers=("SOMEBODY",))

    def one_at_a_time(self, number: int) -> None:
        self._other_receiver(number, max_associations=1)


@contextmanager
def _trusting(issuer: Issuer) -> Iterator[None]:
    """Trust an issuer as a hospital does whose system store holds it: HTTPS asks that store."""
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = issuer.path
    try:
        yield
    finally:
        del os.environ["SSL_CERT_FILE"]
        if before is not None:
            os.environ["SSL_CERT_FILE"] = before


@contextmanager
def _attended(sites: Sites, settings: ReceiverSettings) -> Iterator[None]:
    """Run a receiver that looks after its associations, as the service does."""
    ended = threading.Event()
    with Receiver(sites.archive, settings, arrivals_of(sites)) as receiver:

        def look() -> None:
            while not ended.wait(0.1):
                receiver.look_after()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def contents(lake: Lake) -> dict[str, bytes]:
    """Objects and rows of a lake, by path: everything but what carries the time."""
    found = {}
    for path in sorted(lake.root.rglob("*")):
        name = path.relative_to(lake.root).as_posix()
        if path.is_file() and name.startswith(("dicom/", "landing/instance")):
            found[name] = path.read_bytes()
    return found


def cell(way: str, row: Row, key: Path, objects: Path, wanted: dict[str, bytes]) -> str:
    """Go through one night: "" where it ended as it must, else what is wrong."""
    if row.name.startswith("receiver") and not way.startswith("c-move"):
        return "-"
    with tempfile.TemporaryDirectory(prefix="matrix") as name:
        folder = Path(name)
        with Night(way, row, folder, key, objects) as night:
            is_done = False
            for number in range(MOST_TRIES):
                if number == HEALED_AFTER:
                    night.heal()
                is_done = night.try_again(number)
                if is_done:
                    break
            sites = night.sites
        if not is_done:
            return f"not done after {MOST_TRIES} tries"
        return _judged(night.lake, sites, wanted)


def _judged(lake: Lake, sites: Sites, wanted: dict[str, bytes]) -> str:
    if lake.quarantined():
        return "studies stand in quarantine"
    if list(sites.staging.iterdir()) or arrivals_of(sites).studies():
        return "something is left in staging or ledger"
    found = contents(lake)
    if found != wanted:
        return f"other bytes: {sorted(set(found) ^ set(wanted)) or 'same names'}"
    return ""


def _archive_of(way: str) -> str:
    return way.split()[1].removesuffix("-tls")


def _objects_of(found: dict[str, bytes]) -> list[tuple[str, bytes]]:
    return [(name, content) for name, content in found.items() if name.startswith("dicom/")]


def make_objects(folder: Path) -> None:
    """Write what the archive holds."""
    for number, shape in STUDIES.items():
        for series in (1, 2):
            (folder / f"{number}-{series}.dcm").write_bytes(
                to_bytes(make_nm(number, series=series, shape=shape))
            )


def reference(archive: str, key: Path, objects: Path) -> dict[str, bytes]:
    """Fill a lake by C-GET, without a fault."""
    with tempfile.TemporaryDirectory(prefix="matrix") as name:
        with Night(f"c-get {archive}", Row("plain"), Path(name), key, objects) as night:
            if not night.try_again(0):
                raise RuntimeError("the plain night did not end")
        return contents(night.lake)


class Finished:
    """Cells that need not be done again, in a file of JSON lines; none where it is None."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._commit = path, ""
        self.answers: dict[tuple[str, str], str] = {}
        if path is None:
            return
        self._commit = _commit()
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for one in map(json.loads, lines):
            if one["commit"] == self._commit:
                self.answers[one["row"], one["way"]] = one["answer"]

    def add(self, row: str, way: str, answer: str) -> None:
        """Keep a cell, unless it is not as it must be."""
        if self._path is not None and answer in ("", "-"):
            one = {"commit": self._commit, "row": row, "way": way, "answer": answer}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(one) + "\n")


def _commit() -> str:
    """Name the commit of the code; with changes it is none that could be named again."""
    command = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
    found = subprocess.run(
        command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True
    ).stdout.strip()
    if found.endswith("-dirty"):
        raise SystemExit(
            "--finished takes code that is committed: commit your changes, or leave it"
        )
    return found


def matrix(
    chosen: Sequence[Row],
    ways: Sequence[str],
    tell: Callable[[str], None],
    finished: Path | None = None,
) -> dict[tuple[str, str], str]:
    """Go through rows and ways; the answer of each cell."""
    logging.disable(logging.CRITICAL)
    known = Finished(finished)
    answers = {}
    with tempfile.TemporaryDirectory(prefix="matrix") as name:
        key, objects = Path(name) / "vault.sqlite.key", Path(name) / "objects"
        objects.mkdir()
        make_objects(objects)
        Vault(Path(name) / "vault.sqlite")
        archives = sorted({_archive_of(way) for way in ways})
        wanted = {name: reference(name, key, objects) for name in archives}
        if len({tuple(_objects_of(found)) for found in wanted.values()}) > 1:
            raise RuntimeError("the archives' objects differ on the lake")
        for row in chosen:
            for way in ways:
                if (row.name, way) in known.answers:
                    answers[row.name, way] = known.answers[row.name, way]
                    continue
                began = time.monotonic()
                answers[row.name, way] = cell(way, row, key, objects, wanted[_archive_of(way)])
                known.add(row.name, way, answers[row.name, way])
                told = answers[row.name, way] or "ok"
                tell(f"{row.name} | {way} | {told} | {time.monotonic() - began:.1f} s")
    logging.disable(logging.NOTSET)
    return answers


def main() -> int:
    """Write the matrix; exit status 1 where a cell is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--finished", type=Path, help="file of cells that are done; see above")
    given = parser.parse_args()
    chosen = [row for row in rows() if given.only in row.name]

    def tell(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    answers = matrix(chosen, given.ways, tell, given.finished)
    good = sum(answer == "" for answer in answers.values())
    asked = sum(answer != "-" for answer in answers.values())
    tell(f"{len(chosen)} rows, {good} of {asked} cells as they must be")
    return 0 if good == asked else 1


if __name__ == "__main__":
    sys.exit(main())
