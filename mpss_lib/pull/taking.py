"""One object from the staging folder to its de-identified bytes, or the reason why it is left.

Whatever one object does stops that object alone. The study goes on with the others; what that
means for the study is decided in ``objects``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import NuclearMedicineImageStorage

from mpss_lib.dicom.agreement import Announced
from mpss_lib.dicom.faults import (
    LOSSY,
    NOT_DELIVERED,
    TRANSFER_SYNTAX,
    UNREADABLE,
    object_fault,
)
from mpss_lib.dicom.region_names import check_aliases
from mpss_lib.dicom.rules import site_rules
from mpss_lib.dicom.said import read_said, series_number
from mpss_lib.dicom.syntaxes import LOSSY_NAMES, name_of
from mpss_lib.dicom.values import quiet
from mpss_lib.errors import DicomFileError, UndecodedError, UnreadableValueError
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject
from mpss_lib.pull.deidentification.pictures import BURNED_IN, burned_in, why_picture
from mpss_lib.pull.person import Named, named_in, named_of
from mpss_lib.pull.received import sha256_as_received
from mpss_lib.pull.verify import class_received, read_received
from mpss_lib.sections import PullSettings

NOT_NM_OBJECT = "sop_class"
TWIN = "same_uid_other_bytes"
"""Reasons for which an object is left; more of them in ``dicom.faults``."""


MADE = ".made"


def made_of(path: Path) -> Path:
    """File of the de-identified object, beside that of the received one."""
    return path.with_suffix(MADE)


@dataclass(frozen=True)
class Taken:
    """An object that the lake keeps.

    Parameters
    ----------
    made : Path
        Its de-identified file, beside the received one in the staging folder: what goes from one
        process to another is its name.
    n_bytes : int
        Of that file.
    sha256 : str
        Of that file.
    received : str
        SHA-256 of its data set as received.
    said : str
        What the word rules answered for it, as JSON; "" for what is no image.
    """

    sop_class: str
    made: Path
    n_bytes: int
    sha256: str
    received: str
    said: str = ""

    @property
    def content(self) -> bytes:
        """De-identified file, until it is on the lake."""
        return self.made.read_bytes()


@dataclass(frozen=True)
class Left:
    """An object that is left.

    Parameters
    ----------
    reason : str
        As table ``instance`` names it.
    detail : str
        The same with figures or names, without identifiers; "" where the reason says it all.
    sop_class : str
        What was learnt of it.
    way_out : str
        What a person can do, where it is a fault.
    """

    reason: str
    detail: str = ""
    sop_class: str = ""
    way_out: str = ""


def not_delivered(one: ObjectAnswer, problem: str, syntax: str) -> Left:
    """Describe an object that does not come, by its transfer syntax where that is known."""
    name = syntax or (name_of(one.syntax) if one.syntax else "")
    stored = f", stored as {name}" if name else ""
    reason = NOT_DELIVERED
    if syntax:
        reason = LOSSY if syntax in LOSSY_NAMES else TRANSFER_SYNTAX
    return Left(
        reason,
        f"the archive does not send an object{stored}: {problem}",
        one.sop_class,
        "look at this study in the archive; then `mpss quarantine retry`",
    )


@dataclass(frozen=True)
class Piece:
    """One object to take.

    Parameters
    ----------
    path : Path
        Its file in the staging folder.
    announced : ObjectAnswer
    expected : str
        The SOP class that is taken from its series; another one is left without a look.
    modality : str
        Of its series, as the archive says.
    """

    path: Path
    announced: ObjectAnswer
    expected: str
    modality: str


@dataclass(frozen=True)
class TakingOrder:
    """The objects of one study that came, and who they become.

    Parameters
    ----------
    others : tuple of Path
        Files of objects that came and are not taken: whom they name counts all the same.
    """

    study_uid: str
    subject: Subject
    pieces: tuple[Piece, ...]
    others: tuple[Path, ...] = ()


@dataclass(frozen=True)
class TakenStudy:
    """What became of them, by SOP Instance UID.

    Parameters
    ----------
    numbers : mapping of SOP Instance UID to int
        SeriesNumber of each image as received.
    named : tuple of Named, or None
        Whom each object that came names; None where one names somebody who cannot be read.
    """

    found: Mapping[str, Taken | Left]
    numbers: Mapping[str, int]
    named: tuple[Named, ...] | None


class Taker:
    """Reads, verifies, decompresses and de-identifies objects. Knows no lake and no archive.

    Parameters
    ----------
    settings : PullSettings
    new_uid : callable
        Pseudonym of a UID.

    Raises
    ------
    SettingsError
        If a rule or a name of regions of the site cannot be.
    """

    def __init__(self, settings: PullSettings, new_uid: Callable[[str], str]) -> None:
        check_aliases(settings.contour_names)
        self._settings, self._new_uid = settings, new_uid
        self._rules = site_rules(settings)
        self._max_bytes = int(settings.max_object_mb * 2**20)

    def take_all(self, order: TakingOrder) -> TakenStudy:
        """Take the objects of a study."""
        work = _Work(self, order)
        with pydicom.config.disable_value_validation(), quiet():
            found = {one.announced.sop_uid: work.take(one) for one in order.pieces}
            named = work.named_in_all()
        return TakenStudy(found, work.numbers, named)

    def deidentifier(self, subject: Subject) -> Deidentifier:
        """Make what de-identifies the objects of a study."""
        settings = self._settings
        return Deidentifier(subject, self._new_uid, settings.extra_words, settings.contour_names)

    def read(self, content: bytes, one: Piece, study_uid: str) -> FileDataset:
        """Read and verify an object as received."""
        return read_received(content, one.announced, study_uid, self._max_bytes)

    def said(self, received: FileDataset, modality: str, study_date: str) -> str:
        """Give what an image says of itself, as JSON, before its texts are cleaned."""
        return read_said(received, self._rules, Announced(modality, study_date)).as_json()

    @property
    def leaves_pictures(self) -> bool:
        """Whether objects of NM class that are no volumes to compute with are left."""
        return self._settings.pictures == "leave"


@dataclass(frozen=True)
class _Made:
    sop_class: str
    content: bytes
    said: str


def _write_soon(path: Path, content: bytes) -> None:
    """Write a file and let the disk begin with it: who waits for it later waits for less."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # Linux writes what is dirty


class _Work:
    """The objects of one study, one after the other."""

    def __init__(self, taker: Taker, order: TakingOrder) -> None:
        self._taker, self._order = taker, order
        self._deidentifier = taker.deidentifier(order.subject)
        self.numbers: dict[str, int] = {}
        self._named: dict[Path, Named] = {}

    def named_in_all(self) -> tuple[Named, ...] | None:
        """Tell whom the objects name; those that were not read whole are looked at for it."""
        paths = [*(one.path for one in self._order.pieces), *self._order.others]
        try:
            left = named_in(path for path in paths if path not in self._named)
        except UnreadableValueError:
            return None
        return (*self._named.values(), *left)

    def take(self, one: Piece) -> Taken | Left:
        """Take one object; whatever it does stops that object alone."""
        content = one.path.read_bytes()  # a refusal of the system is not the object's fault
        found = self._found(one, content)
        if isinstance(found, Left):
            return found
        made = made_of(one.path)
        _write_soon(made, found.content)
        return Taken(
            found.sop_class,
            made,
            len(found.content),
            hashlib.sha256(found.content).hexdigest(),
            sha256_as_received(content),
            found.said,
        )

    def _found(self, one: Piece, content: bytes) -> _Made | Left:
        sop_class = one.announced.sop_class
        try:
            sop_class = sop_class or class_received(content)
            if sop_class not in ("", one.expected):
                return Left(NOT_NM_OBJECT, sop_class=sop_class)
            received = self._taker.read(content, one, self._order.study_uid)
            with suppress(UnreadableValueError):  # looked at again, and named, with the others
                self._named[one.path] = named_of(received)
            with object_fault("an object cannot be judged or de-identified"):
                return self._judged(received, one)
        except DicomFileError as error:
            reason = error.reason if isinstance(error, UndecodedError) else UNREADABLE
            return Left(reason, error.problem, sop_class, error.way_out)

    def _judged(self, received: FileDataset, one: Piece) -> _Made | Left:
        sop_class = str(received.SOPClassUID)
        if sop_class != one.expected:
            return Left(NOT_NM_OBJECT, sop_class=sop_class)
        is_image = sop_class == NuclearMedicineImageStorage
        why_left = BURNED_IN if burned_in(received) == "YES" else ""
        if is_image and self._taker.leaves_pictures:
            why_left = why_left or why_picture(received)
        if why_left:
            return Left(why_left, sop_class=sop_class)
        said = ""
        if is_image:
            self.numbers[one.announced.sop_uid] = series_number(received)
            said = self._taker.said(received, one.modality, self._order.subject.study_date)
        return _Made(sop_class, self._deidentifier.file_bytes(received), said)
