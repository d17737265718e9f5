"""Mutated DICOM objects: none may raise anything but our own errors, or cost much.

Sound NM objects (plain, implicit, big-endian, deflated, RLE, JPEG lossless, JPEG-LS, JPEG 2000),
structure sets, segmentations and the poisons of the tests are changed at random (seeded) and go
through what a night does with them: verify, decompress, de-identify, intake's gate, contours on a
volume. Each chunk runs in a process of its own: a crash is seen and counted.

    PYTHONPATH=.:tests python tests/bench/fuzz_objects.py --count 50000 [--seed 1] [--workers 2]
    PYTHONPATH=.:tests python tests/bench/fuzz_objects.py --answers 50000
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peak_memory import forget_peak, peak_mb

CHUNK = 2500
LONGEST_S, MOST_BYTES = 5.0, 2**30
STANDSTILL_S = 300.0
"""An input that is at work for so long by the clock is ended: it counts as too slow."""


@dataclass
class Report:
    """What became of the inputs.

    Parameters
    ----------
    outcomes : Counter
        Kind of source, what was done with it and how it ended.
    foreign : Counter
        Foreign exceptions and crashes, by type and place: there should be none.
    slow, large : list of int
        Inputs over the limits of time and memory.
    longest_s, most_bytes : float, int
        Of one input.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    slow: list[int] = field(default_factory=list)
    large: list[int] = field(default_factory=list)
    longest_s: float = 0.0
    most_bytes: int = 0

    @property
    def is_sound(self) -> bool:
        return not (self.foreign or self.slow or self.large)

    def add(self, other: Report) -> None:
        self.outcomes += other.outcomes
        self.foreign += other.foreign
        self.slow += other.slow
        self.large += other.large
        self.longest_s = max(self.longest_s, other.longest_s)
        self.most_bytes = max(self.most_bytes, other.most_bytes)


# ------------------------------------------------------------------------ sources


@cache
def sources() -> dict[str, bytes]:
    """Kind -> bytes of a sound (or already poisonous) file."""
    from poison_objects import POISONS, compressed, file_bytes
    from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

    made = {"nm": file_bytes(_image())}
    for name, syntax in (
        ("nm rle", RLELossless),
        ("nm jpeg", JPEGLosslessSV1),
        ("nm jpeg-ls", JPEGLSLossless),
        ("nm jpeg 2000", JPEG2000Lossless),
    ):
        made[name] = file_bytes(compressed(_image(), syntax))
    made["nm implicit"] = _implicit(_image())
    made["nm deflated"] = _deflated(made["nm"])
    for kind, spoil in POISONS.items():
        dataset = _image()
        spoil(dataset)
        made[f"poison {kind}"] = file_bytes(dataset)
    made |= _contours()
    return made


def _image():
    from pacs_objects import make_nm

    return make_nm(1, shape=(4, 32, 32))


def _implicit(dataset) -> bytes:
    from pydicom import dcmwrite
    from pydicom.uid import ImplicitVRLittleEndian

    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _deflated(plain: bytes) -> bytes:
    start = 144 + int.from_bytes(plain[140:144], "little")
    meta = plain[132:start].replace(
        b"\x14\x001.2.840.10008.1.2.1\0", b"\x16\x001.2.840.10008.1.2.1.99"
    )
    length = len(meta) - 12
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = packer.compress(plain[start:]) + packer.flush()
    return plain[:132] + meta[:8] + length.to_bytes(4, "little") + meta[12:] + body


def _contours() -> dict[str, bytes]:
    import numpy as np
    from contour_objects import contours_of, make_segmentation, make_structures
    from pacs_objects import ROOT, study_uid
    from poison_objects import compressed, file_bytes
    from pydicom.uid import RLELossless

    from mpss_lib.volume import Mask

    volume = _volume()
    z, y, x = np.indices(volume.array.shape)
    away = np.sqrt((z - 2) ** 2 + (y - 16) ** 2 + (x - 16) ** 2)
    masks = {"EPI": Mask(away < 3.4, volume.affine), "ENDO": Mask(away < 2.2, volume.affine)}
    drawn = {name: contours_of(mask) for name, mask in masks.items()}
    structures = make_structures(drawn, frame=f"{ROOT}.4.1", study=study_uid(1))
    image = _image()
    binary = make_segmentation(masks, image, volume)
    fractional = make_segmentation(masks, image, volume, fractional=True)
    packed = make_segmentation(masks, image, volume, fractional=True)
    return {
        "rtstruct": file_bytes(structures),
        "seg": file_bytes(binary),
        "seg fractional": file_bytes(fractional),
        "seg rle": file_bytes(compressed(packed, RLELossless)),
    }


@cache
def _volume():
    from mpss_lib.dicom import read_volume

    return read_volume(_image())


# ---------------------------------------------------------------------- mutations

TOKENS = (
    *(b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"),
    *(b"SQ\0\0", b"UN\0\0", b"OB\0\0", b"OW\0\0", b"DS", b"IS", b"US", b"FD", b"AT"),
    *(b"\\\\\\\\", b"-4,8", b"NaN ", b"1e999", b"\x1b$B", b"\xc3\x28", b"\0\0", b"65535"),
    *(b"\xff\xd8", b"\xff\xc3", b"\xff\x4f\xff\x51", b"\x7f\xff\xff\xff", b"\xe0\x7f\x10\x00"),
)


def _flip(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _overwrite(content: bytearray, rng: random.Random) -> None:
    at, length = rng.randrange(len(content)), rng.choice((1, 2, 4, 16, 200))
    content[at : at + length] = rng.randbytes(length)


def _token(content: bytearray, rng: random.Random) -> None:
    token, at = rng.choice(TOKENS), rng.randrange(len(content))
    content[at : at + (len(token) if rng.random() < 0.7 else 0)] = token


def _delete(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice((1, 2, 8, 100, 5000))]


def _insert(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at:at] = rng.choice((b"\0", b"\0\0", b"\xff" * 4, rng.randbytes(9), bytes(600)))


def _cut(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(132, len(content)) :]


def _repeat(content: bytearray, rng: random.Random) -> None:
    at, length = rng.randrange(len(content)), rng.choice((8, 60, 2000))
    content[at:at] = content[at : at + length] * rng.choice((1, 2, 20))


def _number(content: bytearray, rng: random.Random) -> None:
    """A 16- or 32-bit number somewhere becomes another: lengths, sizes, offsets."""
    width = rng.choice((2, 4))
    at = rng.randrange(132, max(len(content) - width, 133))
    value = rng.choice((0, 1, 2, 7, 255, 256, 32767, 65535, 2**31 - 1, 2**32 - 2))
    content[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")


def _header(content: bytearray, rng: random.Random) -> None:
    """Anything in the first kilobytes: where the attributes stand."""
    at = rng.randrange(132, min(len(content), 3000))
    content[at : at + 1] = rng.randbytes(rng.choice((1, 2)))


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _overwrite, _token, _delete, _insert, _cut, _repeat, _number, _header),
)


def mutated(number: int, seed: int) -> tuple[str, bytes]:
    """Input of a number: its kind and its bytes."""
    rng = random.Random(f"{seed}.{number}")
    kinds = sorted(sources())
    group = rng.choice(("nm", "nm", "nm", "poison", "rtstruct", "seg"))
    kind = rng.choice([one for one in kinds if one.startswith(group)])
    content = bytearray(sources()[kind])
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 6))):
        if len(content) > 200:
            rng.choice(MUTATIONS)(content, rng)
    return kind, bytes(content)


# --------------------------------------------------------------------- what is done


def process(kind: str, path: Path) -> list[str]:
    """Do with a file what a night does; every answer that is ours, in words."""
    from mpss_lib.errors import MpssError

    done = []
    for name, step in (("pull", _pull), ("intake", _inspect), ("contours", _examine)):
        try:
            done.append(f"{name}: {step(kind, path)}")
        except MpssError as error:
            done.append(f"{name}: {type(error).__name__}")
    return done


def _pull(kind: str, path: Path) -> str:
    from pacs_objects import ROOT, series_uid, sop_uid, study_uid

    from mpss_lib.pull.archive.answers import ObjectAnswer
    from mpss_lib.pull.deidentification.deidentifier import Subject
    from mpss_lib.pull.person import named_in
    from mpss_lib.pull.taking import Left, Piece, Taker, TakingOrder
    from mpss_lib.sections import PullSettings

    expected, uids = "1.2.840.10008.5.1.4.1.1.20", (series_uid(1), sop_uid(1))
    if kind == "rtstruct":
        expected = "1.2.840.10008.5.1.4.1.1.481.3"
        uids = (f"{ROOT}.2.1.50", f"{ROOT}.3.1.50.1")
    elif kind.startswith("seg"):
        expected = "1.2.840.10008.5.1.4.1.1.66.4"
        uids = (f"{ROOT}.2.1.60", f"{ROOT}.3.1.60.1")
    subject = Subject("P1", -10, "20260302", "101500", "19500615", "MPSS")
    taker = Taker(PullSettings(max_object_mb=128), lambda uid: uid)
    named_in([path])
    piece = Piece(path, ObjectAnswer(*uids, expected), expected, "NM")
    [found] = taker.take_all(TakingOrder(study_uid(1), subject, (piece,))).found.values()
    if isinstance(found, Left):
        return found.reason + (" (no memory)" if "MemoryError" in found.detail else "")
    path.with_name("kept.dcm").write_bytes(found.content)
    return "taken, then " + ", ".join(
        (_inspect(kind, path.with_name("kept.dcm")), _examine(kind, path.with_name("kept.dcm")))
    )


def _inspect(kind: str, path: Path) -> str:
    from mpss_lib.intake.series import inspect
    from mpss_lib.sections import IntakeSettings

    if not kind.startswith(("nm", "poison")):
        return "not asked"
    found = inspect(path, IntakeSettings())
    return found.reasons[0] if found.reasons else "eligible"


def _examine(kind: str, path: Path) -> str:
    from pacs_objects import sop_uid

    from mpss_lib.segmentation.contour_objects import ContourFile, examine

    if kind.startswith(("nm", "poison")):
        return "no contours"
    offer = examine(ContourFile("c1", path, "archive"), _volume(), sop_uid(1))
    return offer.reasons[0] if offer.reasons else "usable"


# --------------------------------------------------------------------- chunks


def work(start: int, stop: int, seed: int, folder: Path) -> Report:
    """Inputs of one chunk, in this process."""
    report = Report()
    path = folder / "00000.dcm"
    warnings.simplefilter("ignore")
    process("nm", _written(path, sources()["nm"]))  # what is compiled or imported once
    _limit_memory()
    for number in range(start, stop):
        kind, content = mutated(number, seed)
        _written(path, content)
        _note(folder / "at", number)
        before, began = forget_peak(), _cpu_s()
        try:
            outcomes = process(kind, path)
        except Exception as error:  # what the bench is for: it must not happen
            outcomes = []
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            report.foreign[f"{type(error).__name__} at {where} (input {number})"] += 1
        took, grown = _cpu_s() - began, int((peak_mb() - before) * 2**20)
        group = kind.split(" ", 1)[0]
        report.outcomes.update(f"{group:9}{outcome}" for outcome in outcomes)
        report.longest_s = max(report.longest_s, took)
        report.most_bytes = max(report.most_bytes, grown)
        if took > LONGEST_S:
            report.slow.append(number)
        if grown > MOST_BYTES or any("no memory" in outcome for outcome in outcomes):
            report.large.append(number)
    return report


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _cpu_s() -> float:
    """CPU of this process and its decoders: on a busy machine the clock says nothing."""
    return sum(os.times()[:4])


def _limit_memory() -> None:
    """Nothing may take 1 GB more than what is there now: a MemoryError is counted as too large."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MOST_BYTES, size + MOST_BYTES))


def _note(path: Path, number: int) -> None:
    """Write at which input a chunk is: whole, or the one before."""
    beside = path.with_suffix(".new")
    beside.write_text(str(number))
    beside.replace(path)


def _ended(command: list[str], folder: Path) -> tuple[int | None, str]:
    """Exit code (None: an input stood still and was ended) and the end of what was said.

    A chunk may take as long as the machine lets it: what is bounded is one input.
    """
    at, moved = "", time.monotonic()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        while process.poll() is None and time.monotonic() - moved < STANDSTILL_S:
            time.sleep(0.2)
            now = (folder / "at").read_text() if (folder / "at").exists() else ""
            if now != at:
                at, moved = now, time.monotonic()
        code = process.poll()
        process.kill()
        process.wait()
    return code, (folder / "said").read_bytes()[-2000:].decode(errors="replace")


def _chunk(start: int, stop: int, seed: int) -> Report:
    """A chunk in a process of its own; a crash or a standstill costs the rest of it nothing."""
    report = Report()
    while start < stop:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [sys.executable, __file__, "--chunk", str(start), str(stop), str(seed), name]
            code, said = _ended(command, folder)
            if code == 0:
                found = json.loads((folder / "report.json").read_text())
                report.add(_from_plain(found))
                return report
            if not (folder / "at").exists():
                raise RuntimeError(said)
            at = int((folder / "at").read_text())
            if code is None:
                report.slow.append(at)
            else:
                report.foreign[f"process ended with {code} (input {at})"] += 1
                sys.stderr.write(said)
            if at > start:
                report.add(_chunk(start, at, seed))
            start = at + 1
    return report


def _from_plain(found: dict) -> Report:
    outcomes, foreign = Counter(found.pop("outcomes")), Counter(found.pop("foreign"))
    return Report(outcomes, foreign, **found)


def run(count: int, seed: int = 1, workers: int = 1, first: int = 0) -> Report:
    """Do so many inputs in chunks, each in a process of its own."""
    report = Report()
    starts = range(first, first + count, CHUNK)
    with ThreadPoolExecutor(workers) as pool:
        chunks = pool.map(
            lambda start: _chunk(start, min(start + CHUNK, first + count), seed), starts
        )
        for number, found in enumerate(chunks, start=1):
            report.add(found)
            if number % 10 == 0:
                sys.stderr.write(f"{min(number * CHUNK, count)} of {count}\n")
    return report


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def tell(report: Report, count: int) -> None:
    for outcome, n in sorted(report.outcomes.items()):
        _say(f"{n:8} {outcome}")
    for place, n in report.foreign.most_common():
        _say(f"{n:8} FOREIGN {place}")
    _say(
        f"{count} inputs: {sum(report.foreign.values())} foreign exceptions,"
        f" {len(report.slow)} over {LONGEST_S:g} s {report.slow[:5]},"
        f" {len(report.large)} over {MOST_BYTES / 2**20:g} MB {report.large[:5]};"
        f" longest {report.longest_s:.2f} s of CPU, most {report.most_bytes / 2**20:.0f} MB"
    )


def _answers(count: int, seed: int) -> bool:
    """Mutated C-FIND answers: the module beside this one."""
    path = Path(__file__).with_name("answer_mutations.py")
    spec = importlib.util.spec_from_file_location("answer_mutations", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["answer_mutations"] = module
    spec.loader.exec_module(module)
    report = module.run(count, seed=seed)
    module.tell(report)
    return bool(report.is_sound)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=0, help="mutated objects")
    parser.add_argument("--answers", type=int, default=0, help="mutated C-FIND answers")
    parser.add_argument("--first", type=int, default=0, help="number of the first object")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--chunk", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.chunk:
        start, stop, seed, folder = arguments.chunk
        report = work(int(start), int(stop), int(seed), Path(folder))
        (Path(folder) / "report.json").write_text(json.dumps(report.__dict__))
        return
    is_sound = True
    if arguments.count:
        report = run(arguments.count, arguments.seed, arguments.workers, arguments.first)
        tell(report, arguments.count)
        is_sound = report.is_sound
    if arguments.answers:
        is_sound = _answers(arguments.answers, arguments.seed) and is_sound
    sys.exit(0 if is_sound else 1)


if __name__ == "__main__":
    main()
