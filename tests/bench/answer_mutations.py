"""Mutated C-FIND answers: none may raise anything but our own errors, or cost much.

Answers of the three levels are encoded as an archive would send them, changed at random (seeded),
decoded as pynetdicom does, and read by everything that ``find`` and the manifest of a study do with
them; every ``FULL``-th goes through ``find`` to the vault and the lake.

    python tests/bench/answer_mutations.py --answers 50000 [--seed 1]
    python tests/bench/fuzz_objects.py --answers 50000
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.presentation import PresentationContext

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peak_memory import forget_peak, peak_mb

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Config, Sites
from mpss_lib.errors import MpssError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.dialogue import Dialogue
from mpss_lib.pull.archive.messages import Message
from mpss_lib.pull.archive.session import ArchiveSession
from mpss_lib.pull.manifest import announced_by
from mpss_lib.pull.person import settle
from mpss_lib.pull.vault import Vault
from mpss_lib.pull.window import identity_of, study_row
from mpss_lib.tables import Lake

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))
FULL = 500
LONGEST_S, MOST_BYTES = 5.0, 2**30
UID = "1.2.826.0.1.3680043.10.99"


@dataclass
class Report:
    """What became of the answers.

    Parameters
    ----------
    outcomes : Counter
        Level and outcome: ``read``, ``unusable``, or the name of our own error.
    foreign : Counter
        Foreign exceptions by type and place: there should be none.
    slowest_s : float
        CPU time of the costliest answer.
    peak_bytes : int
        Largest resident size of the process.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    peak_bytes: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing foreign was raised and every answer was cheap."""
        cheap = self.slowest_s < LONGEST_S and self.peak_bytes < MOST_BYTES
        return not self.foreign and cheap


# ------------------------------------------------------------------------ sound answers


def sound(level: str, number: int) -> Dataset:
    """An answer of a level as a good archive gives it."""
    answer = Dataset()
    answer.SpecificCharacterSet = "ISO_IR 192" if number % 2 else "ISO_IR 100"
    answer.QueryRetrieveLevel = level
    answer.StudyInstanceUID = f"{UID}.1.{number}"
    if level == "STUDY":
        answer.StudyDate, answer.StudyTime = "20260302", f"{number % 24:02d}1500.250"
        answer.PatientID, answer.IssuerOfPatientID = f"HOSP-{number:05d}", "NORTH"
        answer.PatientName, answer.PatientBirthDate = "Erfunden^Jürg", "19500615"
        answer.AccessionNumber, answer.ModalitiesInStudy = f"ACC{number}", ["CT", "NM"]
        answer.NumberOfStudyRelatedSeries = "2"
        answer.NumberOfStudyRelatedInstances = "2"
        return answer
    answer.SeriesInstanceUID = f"{UID}.2.{number}"
    if level == "SERIES":
        answer.Modality, answer.NumberOfSeriesRelatedInstances = "NM", "3"
        return answer
    answer.SOPInstanceUID = f"{UID}.3.{number}"
    answer.SOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
    return answer


@cache
def sound_bytes(level: str, number: int, *, is_implicit: bool) -> bytes:
    """Encode a sound answer."""
    return encoded(sound(level, number), is_implicit=is_implicit)


def encoded(answer: Dataset, *, is_implicit: bool) -> bytes:
    """Encode an answer in little endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, is_implicit
    write_dataset(buffer, answer)
    return buffer.getvalue()


# ---------------------------------------------------------------------------- mutations

INTERESTING = (
    b"",
    b"\0",
    b"\\",
    b"\\\\\\\\",
    b"*",
    b"?",
    b"\xff" * 8,
    b"\x1b$B\x1b(J\x1b",
    b"\xef\xbf\xbd",
    "患者".encode("gb18030"),
    b"99991231",
    b"00010101",
    b"20260230",
    b"20260302-20260303",
    b"-",
    b"250000",
    b"1E400",
    b"NaN",
    b"-1",
    b"9" * 400,
    b"1." * 40,
    b"../../etc/passwd",
    b"A" * 70000,
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"ISO_IR 999",
    b"ISO 2022 IR 87\\ISO 2022 IR 13",
    b"nm/ct",
)


def _flip(content: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _overwrite(content: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    new = rng.randbytes(rng.randint(1, 12))
    return bytes(content[:at] + new + content[at + len(new) :])


def _delete(content: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return bytes(content[:at] + content[at + rng.randint(1, 40) :])


def _insert(content: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return bytes(content[:at] + rng.choice(INTERESTING)[:300] + content[at:])


def _cut(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[: rng.randrange(len(content))])


def _repeat(content: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return bytes(content[: at + rng.randint(1, 80)] + content[at:])


def _lengths(content: bytearray, rng: random.Random) -> bytes:
    """Put an odd length where one may stand."""
    at = rng.randrange(0, max(len(content) - 4, 1))
    length = rng.choice((0, 1, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, len(content)))
    size = rng.choice((2, 4))
    new = (length & (2 ** (8 * size) - 1)).to_bytes(size, "little")
    return bytes(content[:at] + new + content[at + size :])


def _representations(content: bytearray, rng: random.Random) -> bytes:
    """Change two letters: where they are a VR, the value becomes something else."""
    names = (b"SQ", b"OB", b"UN", b"US", b"FD", b"AT", b"PN", b"UI", b"DA", b"TM", b"IS", b"DS")
    pairs = [n for n in range(len(content) - 1) if content[n : n + 2].isalpha()]
    at = rng.choice(pairs) if pairs else 0
    return bytes(content[:at] + rng.choice(names) + content[at + 2 :])


def _nest(content: bytearray, rng: random.Random) -> bytes:
    """Append sequences in sequences, not closed."""
    item = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return bytes(content) + item * rng.randint(1, 3000)


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    _flip,
    _overwrite,
    _delete,
    _insert,
    _cut,
    _repeat,
    _lengths,
    _representations,
    _nest,
)


def _valued(answer: Dataset, rng: random.Random, *, is_implicit: bool) -> bytes:
    """Encode an answer of which one element has an odd value or VR, or is missing."""
    chosen = rng.choice(list(answer)).tag
    parts = []
    for element in answer:
        one = Dataset()
        one.add(element)
        content = encoded(one, is_implicit=is_implicit)
        if element.tag == chosen:
            value = rng.choice(INTERESTING)[:60000]
            vr = rng.choice((element.VR, "UN", "LO", "OB", "SQ", "US")).encode()
            content = b"" if rng.random() < 0.1 else _element(content[:4], vr, value, is_implicit)
        parts.append(content)
    return b"".join(parts)


def _element(tag: bytes, vr: bytes, value: bytes, is_implicit: bool) -> bytes:
    """Encode an element with whatever value (PS3.5 section 7.1)."""
    if is_implicit:
        return tag + len(value).to_bytes(4, "little") + value
    if vr in (b"UN", b"OB", b"SQ"):
        return tag + vr + b"\0\0" + len(value).to_bytes(4, "little") + value
    return tag + vr + (len(value) & 0xFFFF).to_bytes(2, "little") + value


def mutated(level: str, number: int, rng: random.Random, *, is_implicit: bool) -> bytes:
    """One answer, changed in one to four ways."""
    answer = sound(level, number)
    is_valued = rng.random() < 0.4
    if is_valued:
        content = _valued(answer, rng, is_implicit=is_implicit)
    else:
        content = encoded(answer, is_implicit=is_implicit)
    for _ in range(rng.randint(0 if is_valued else 1, 3)):
        content = rng.choice(MUTATIONS)(bytearray(content), rng) or b"\0"
    return content


# -------------------------------------------------------------------------- the reading


class _Association(Dialogue):
    """Answers what it was given; everything behind the wire is the dialogue's own."""

    def __init__(self) -> None:
        self.lists: dict[str, list[tuple[bytes, bool]]] = {}
        self._by_id = {}
        for number, syntax in enumerate((ExplicitVRLittleEndian, ImplicitVRLittleEndian)):
            context = PresentationContext()
            context.transfer_syntax = [syntax]
            self._by_id[number] = context

    def _request(
        self, field: int, model: object, query: Dataset | None, destination: str = ""
    ) -> Iterator[tuple[int | None, Message | None]]:
        assert query is not None
        for content, is_implicit in self.lists.get(query.QueryRetrieveLevel, []):
            yield 0xFF00, Message(int(is_implicit), {}, content)
        yield 0x0000, None


class Session(ArchiveSession):
    """A session whose association is a list of answers."""

    def __init__(self) -> None:
        super().__init__(ArchiveSettings())
        self.peer = _Association()

    def association(self) -> _Association:  # type: ignore[override]
        return self.peer

    def drop(self) -> None:
        return

    def echo(self) -> None:
        return


def _read(level: str, session: Session, vault: Vault, config: Config) -> str:
    """Everything that a night does with answers, but for writing."""
    uid = f"{UID}.1.1"
    if level != "STUDY":
        announced_by(session, uid, "NM")
        return "read"
    answer = session.find_studies(*WINDOW, "NM")
    for study in answer.studies:
        study_row(identity_of(study, vault, config), study, config, vault)
    session.find_undated("NM")
    session.find_accession("ACC1")
    one = session.find_study(uid)
    if one is not None:
        settle(one, [], follows_archive=True)
    return "unusable" if answer.n_unusable else "read"


def _full(session: Session, folder: Path, config: Config) -> None:
    """Through ``find`` to a lake and a vault of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        root = Path(place)
        sites = Sites(root / "vault.sqlite", root / "staging", ArchiveSettings())
        stage.find(WINDOW, Lake(root / "lake"), config, sites, session=session)


def run(count: int, seed: int = 1) -> Report:
    """Read so many mutated answers.

    Parameters
    ----------
    count : int
    seed : int
        Of the mutations: the same seed, the same answers.
    """
    warnings.filterwarnings("ignore", module="pydicom")
    forget_peak()
    report, config, session = Report(), Config(), Session()
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(Path(folder) / "vault.sqlite")
        for number in range(count):
            _one(number, random.Random(f"{seed}-{number}"), session, vault, config, report)
    report.peak_bytes = int(peak_mb() * 2**20)
    return report


def _one(
    number: int,
    rng: random.Random,
    session: Session,
    vault: Vault,
    config: Config,
    report: Report,
) -> None:
    level = rng.choice(("STUDY", "STUDY", "STUDY", "SERIES", "IMAGE"))
    is_implicit = rng.random() < 0.5
    session.peer.lists = {
        name: [(sound_bytes(name, n, is_implicit=is_implicit), is_implicit) for n in (1, 2, 3)]
        for name in ("STUDY", "SERIES", "IMAGE")
    }
    content = mutated(level, rng.choice((1, 2)), rng, is_implicit=is_implicit)
    session.peer.lists[level][rng.randrange(3)] = (content, is_implicit)
    began = time.process_time()
    try:
        outcome = _read(level, session, vault, config)
        if number % FULL == 0:
            _full(session, vault.path.parent, config)
    except MpssError as error:
        outcome = type(error).__name__
    except Exception as error:  # what is counted
        place = traceback.extract_tb(error.__traceback__)[-1]
        report.foreign[f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"] += 1
        outcome = "foreign"
    report.slowest_s = max(report.slowest_s, time.process_time() - began)
    report.outcomes[f"{level} {outcome}"] += 1


def tell(report: Report) -> None:
    """Write the counts."""
    for outcome, number in sorted(report.outcomes.items()):
        sys.stdout.write(f"{number:8d}  {outcome}\n")
    for place, number in report.foreign.most_common():
        sys.stdout.write(f"{number:8d}  FOREIGN {place}\n")
    peak_mb = report.peak_bytes / 2**20
    sys.stdout.write(f"slowest {report.slowest_s:.3f} s of CPU, peak {peak_mb:.0f} MB\n")


def main() -> None:
    """Run from the command line; exit status 1 where an answer was not contained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    report = run(arguments.answers, arguments.seed)
    tell(report)
    raise SystemExit(0 if report.is_sound else 1)


if __name__ == "__main__":
    main()
