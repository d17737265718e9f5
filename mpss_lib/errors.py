"""Errors, named by what the caller must do next.

========================  =====================================================================
class                     what the caller does
========================  =====================================================================
``StudyRejectedError``    record the reasons, go on with the next study (not a fault)
``StudyFaultError``       quarantine this study with the reason, go on with the next study
``TryAgainError``         wait and try the same again (``ArchiveBusyError``: the PACS;
                          ``WritersAtWorkError``; ``ResultsBusyError``)
``PlatformFaultError``    stop the batch at once: every study would fail in the same way
``SettingsError``         refuse to start: a person must correct the settings
``WrongArgumentError``    a mistake of the calling code: the argument is named
========================  =====================================================================
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path


class MpssError(Exception):
    """Base of every error that this package raises on purpose.

    Parameters
    ----------
    problem : str
        What is wrong, with the name of the thing and its value.
    way_out : str
        What a person can do about it.
    """

    def __init__(self, problem: str, *, way_out: str) -> None:
        super().__init__(problem, way_out)
        self.problem = problem
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.problem} | way out: {self.way_out}"


def place_of(error: BaseException) -> str:
    """Where an exception was raised, and by which line of this package: file names and lines.

    The text of a foreign error may quote patient data: its type and its place do not.
    """
    trace = error.__traceback__
    last, ours = "", ""
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        last = f"{path.name}:{trace.tb_lineno}"
        if "mpss_lib" in path.parts:
            ours = last
        trace = trace.tb_next
    if not last:
        return "unknown place"
    return last if ours in ("", last) else f"{last}, from {ours}"


class StudyRejectedError(MpssError):
    """The study is sound but cannot be used; ``reasons`` are the rule ids that refused it."""

    def __init__(self, problem: str, *, way_out: str, reasons: tuple[str, ...]) -> None:
        super().__init__(problem, way_out=way_out)
        self.reasons = reasons


class StudyWithdrawnError(StudyRejectedError):
    """The patient withdrew: nothing of the study may be written, its key not even in a record."""

    def __init__(self) -> None:
        super().__init__(
            "the study was withdrawn",
            way_out="nothing: a tombstone keeps it out",
            reasons=("withdrawn",),
        )


class StudyFaultError(MpssError):
    """The data of one study are broken: quarantine it, the others go on."""


class GeometryError(StudyFaultError):
    """Geometry is missing, contradictory or does not match between objects."""


class FrameOfReferenceError(GeometryError):
    """Two objects do not share a frame of reference: one cannot be laid over the other."""


class DicomFileError(StudyFaultError):
    """A DICOM object is truncated, unreadable or inconsistent with its own header."""


class UndecodedError(DicomFileError):
    """The object is in a form that is not decoded: ``reason`` says which rule left it."""

    def __init__(self, problem: str, *, way_out: str, reason: str) -> None:
        super().__init__(problem, way_out=way_out)
        self.reason = reason


class CtSeriesError(GeometryError):
    """The slices of a CT make no volume that can be scored: ``reason`` says why."""

    def __init__(self, problem: str, *, way_out: str, reason: str) -> None:
        super().__init__(problem, way_out=way_out)
        self.reason = reason


class CalciumReportError(DicomFileError):
    """A structured report speaks of calcium and no score can be believed: ``reason`` says why."""

    def __init__(self, problem: str, *, way_out: str, reason: str) -> None:
        super().__init__(problem, way_out=way_out)
        self.reason = reason


class UnreadableValueError(DicomFileError):
    """A value that a rule decides by is there, in an object or an answer, and cannot be read."""

    def __init__(self, keyword: str, what: str) -> None:
        super().__init__(
            f"{keyword} is present and cannot be read: {what}",
            way_out="have it corrected in the archive or written again by its station, then"
            " `mpss quarantine retry`: a value that cannot be read never passes for an absent one",
        )
        self.keyword = keyword
        self.what = what


class IncompleteStudyError(StudyFaultError):
    """The archive did not deliver every object that it had announced."""


class StudyGoneError(IncompleteStudyError):
    """The archive lists no series of a study that it had named."""


class TwoPatientsError(StudyFaultError):
    """The answers or the objects of one study name more than one person."""


class SameUidOtherBytesError(StudyFaultError):
    """Two objects carry the same SOP Instance UID and differ in content."""


class TryAgainError(MpssError):
    """Somebody else is busy or away: the same may succeed later."""


class ArchiveBusyError(TryAgainError):
    """The archive broke off or answered that it is busy: the same request may succeed later."""


class OneArchiveAwayError(ArchiveBusyError):
    """One of several archives is away: the studies of the others can go on."""


class ReceiverDownError(ArchiveBusyError):
    """No receiver runs: what the archive moves by C-MOVE has nowhere to go."""


class PlatformFaultError(MpssError):
    """The fault is the platform's (disk full, archive down, vault locked): stop at once."""


class WritersAtWorkError(PlatformFaultError):
    """Something that must be alone found a writer at work: the same may succeed later."""


class ArchiveDownError(PlatformFaultError):
    """Nobody answers at the archive's address."""


class ArchiveClosedError(PlatformFaultError):
    """Nobody may talk with the archive now: it was stopped, or it is not the hour (``until``)."""

    def __init__(self, problem: str, *, way_out: str, until: datetime | None = None) -> None:
        super().__init__(problem, way_out=way_out)
        self.until = until


class ArchiveRefusedError(PlatformFaultError):
    """The archive answered and refused us (AE title, user rights, presentation context)."""


class ResultsBusyError(TryAgainError):
    """The results database does not answer, is busy or broke off: nothing of it was changed."""


class ResultsRefusedError(PlatformFaultError):
    """The results database answered and refused us (user, password, database, rights)."""


class ResultsSchemaError(PlatformFaultError):
    """The tables of the results database are not those that this version writes."""


class LakeCorruptError(PlatformFaultError):
    """A file on the lake does not have the schema or the grain of its table."""


class MovedHomeError(PlatformFaultError):
    """The home was copied or moved: what it says of itself names the files of another place."""


class SettingsError(PlatformFaultError):
    """A setting is unknown, missing or out of range."""


class WrongArgumentError(MpssError, ValueError):
    """A function was called with an argument that it cannot accept."""


class DegenerateStartError(MpssError):
    """A start model has no residual degrees of freedom or is rank deficient."""
