"""One object from the staging folder to its de-identified bytes, or the reason why it is left.

Whatever one object does stops that object alone. The study goes on with the others; what that
means for the study is decided in ``objects``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import NuclearMedicineImageStorage

from mpss_lib.dicom.faults import (
    LOSSY,
    NOT_DELIVERED,
    TRANSFER_SYNTAX,
    UNREADABLE,
    object_fault,
)
from mpss_lib.dicom.syntaxes import LOSSY_NAMES, name_of
from mpss_lib.errors import DicomFileError, UndecodedError
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.deidentification.deidentifier import Deidentifier
from mpss_lib.pull.deidentification.pictures import BURNED_IN, burned_in, why_picture
from mpss_lib.pull.verify import class_received, read_received

NOT_NM_OBJECT = "sop_class"
TWIN = "same_uid_other_bytes"
"""Reasons for which an object is left; more of them in ``dicom.faults``."""


@dataclass(frozen=True)
class Taken:
    """An object that the lake keeps: its SOP class, its de-identified file, what it said."""

    sop_class: str
    content: bytes
    said: str = ""


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
class Taker:
    """How the objects of a study are taken.

    Parameters
    ----------
    study_uid : str
    deidentifier : Deidentifier
    max_bytes : int
        Limit of an object, as received and decoded.
    read_said : callable
        What an image (and the modality of its series) says of itself, as JSON, before its
        texts are cleaned.
    leaves_pictures : bool
        Whether objects of NM class that are no volumes to compute with are left.
    """

    study_uid: str
    deidentifier: Deidentifier
    max_bytes: int
    read_said: Callable[[FileDataset, str], str]
    leaves_pictures: bool = True

    def take(
        self, path: Path, announced: ObjectAnswer, expected: str, modality: str
    ) -> Taken | Left:
        """Read, verify, decompress and de-identify one object.

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
        sop_class = announced.sop_class
        try:
            sop_class = sop_class or class_received(path)
            if sop_class not in ("", expected):
                return Left(NOT_NM_OBJECT, sop_class=sop_class)
            received = read_received(path, announced, self.study_uid, self.max_bytes)
            with object_fault("an object cannot be judged or de-identified"):
                return self._judged(received, expected, modality)
        except DicomFileError as error:
            reason = error.reason if isinstance(error, UndecodedError) else UNREADABLE
            return Left(reason, error.problem, sop_class, error.way_out)

    def _judged(self, received: FileDataset, expected: str, modality: str) -> Taken | Left:
        sop_class = str(received.SOPClassUID)
        if sop_class != expected:
            return Left(NOT_NM_OBJECT, sop_class=sop_class)
        why_left = BURNED_IN if burned_in(received) == "YES" else ""
        if sop_class == NuclearMedicineImageStorage and self.leaves_pictures:
            why_left = why_left or why_picture(received)
        if why_left:
            return Left(why_left, sop_class=sop_class)
        with pydicom.config.disable_value_validation():
            is_image = sop_class == NuclearMedicineImageStorage
            said = self.read_said(received, modality) if is_image else ""
            return Taken(sop_class, self.deidentifier.file_bytes(received), said)
