"""Whose study is it: the one person whom its answers and its objects name.

A person is (PatientID, issuer). An issuer that is not stated contradicts none; two that are stated
are two persons, also under one PatientID. The archive is asked for the study by its UID each time
before it is fetched, whatever window or night it came up in:

========================  ==========================  ==============================================
the archive's rows name   the objects name            then
========================  ==========================  ==============================================
two persons               (not fetched)               quarantine
a value that is no text   (not fetched)               quarantine
nobody                    nobody                      a patient of this study alone
nobody                    one                         that one
one                       nobody, or the same one     that one
one                       one other, all of them      the archive's: it was merged or corrected
                                                      there (``pull.other_patient_id``)
one                       several, and an object      the archive's
                          says that they are the
                          same patient
                          (OtherPatientIDs)
any                       several otherwise           quarantine: two patients, or a merge that
                                                      only the PACS team can tell from that
========================  ==========================  ==============================================

In quarantine nothing of the study changes: neither its identity in the vault nor its row nor its
objects on the lake. What an archive keeps in series that are not fetched it does not tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag

from mpss_lib.errors import TwoPatientsError, UnreadableValueError
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.texts import normal_text, whole_text

Person = tuple[str, str]
"""PatientID and IssuerOfPatientID as stated, "" where not."""

_NAMES_A_PERSON = ("PatientID", "IssuerOfPatientID")
_LAST = 0x00101003
_WAY_OUT = (
    "look at this study in the archive and have the PACS team separate or merge it; then"
    " `mpss quarantine retry`"
)


@dataclass(frozen=True)
class Named:
    """Whom one object names, and under which other identifiers it says that this patient is known.

    Parameters
    ----------
    person : (str, str)
    others : frozenset of str
        OtherPatientIDs and the PatientIDs of OtherPatientIDsSequence.
    """

    person: Person
    others: frozenset[str] = frozenset()


def distinct(persons: Iterable[Person]) -> tuple[Person, ...]:
    """Count everybody once: who is named without an issuer is whoever has the PatientID."""
    issuers: dict[str, set[str]] = {}
    for patient_id, issuer in persons:
        if patient_id:
            issuers.setdefault(patient_id, set()).add(issuer)
    return tuple(
        (patient_id, issuer)
        for patient_id in sorted(issuers)
        for issuer in sorted(issuers[patient_id] - {""}) or [""]
    )


def check_rows(announced: StudyAnswer) -> None:
    """Refuse a study whose rows in the archive name two persons, or one that cannot be read.

    Raises
    ------
    TwoPatientsError, UnreadableValueError
    """
    for keyword in _NAMES_A_PERSON:
        if keyword in announced.unreadable:
            raise UnreadableValueError(keyword, "in the archive's answer")
    n_named = len(distinct(announced.persons))
    if n_named > 1:
        raise TwoPatientsError(
            f"the archive names {n_named} patients for this study", way_out=_WAY_OUT
        )


def settle(announced: StudyAnswer, objects: Sequence[Named], *, follows_archive: bool) -> Person:
    """Decide whose study it is (table at the head of this module).

    Parameters
    ----------
    announced : StudyAnswer
        The archive's present answer for the study.
    objects : sequence of Named
        Every object that was received.
    follows_archive : bool
        Whether the archive's PatientID counts where all objects carry another one.

    Raises
    ------
    TwoPatientsError, UnreadableValueError
    """
    check_rows(announced)
    theirs = distinct(one.person for one in objects)
    [archive] = distinct(announced.persons) or [("", "")]
    if not archive[0]:
        if len(theirs) > 1:
            raise _two(len(theirs))
        return theirs[0] if theirs else archive
    together = distinct([archive, *theirs])
    if len(together) == 1 or _are_one(archive[0], theirs, objects):
        return archive
    if len(theirs) > 1:
        raise _two(len(theirs))
    if not follows_archive:
        raise TwoPatientsError(
            "the archive names another patient than every object of this study does, and"
            " pull.other_patient_id is `refuse`",
            way_out=_WAY_OUT,
        )
    return archive


def _two(n_named: int) -> TwoPatientsError:
    return TwoPatientsError(f"the objects of this study name {n_named} patients", way_out=_WAY_OUT)


def _are_one(archive_id: str, theirs: Sequence[Person], objects: Sequence[Named]) -> bool:
    """Whether objects state that every PatientID they carry is this patient's."""
    said: dict[str, set[str]] = {}
    for one in objects:
        for other in one.others:
            said.setdefault(one.person[0], set()).add(other)
            said.setdefault(other, set()).add(one.person[0])
    reached, waiting = {archive_id}, [archive_id]
    while waiting:
        for other in said.get(waiting.pop(), set()) - reached:
            reached.add(other)
            waiting.append(other)
    ids = [patient_id for patient_id, _ in theirs]
    return len(set(ids)) == len(ids) and reached.issuperset(ids)


def named_in(paths: Iterable[Path]) -> list[Named]:
    """Read whom received objects name; one whose header breaks off before that names nobody.

    Raises
    ------
    UnreadableValueError
        If a PatientID or its issuer is there and is no text.
    """
    found = []
    for path in paths:
        with pydicom.config.disable_value_validation():
            header = _header(path)
        if header is not None:
            found.append(named_of(header))
    return found


def _header(path: Path) -> Dataset | None:
    with path.open("rb") as handle:
        try:
            return read_partial(handle, stop_when=_is_behind)
        except Exception:  # the object is judged, with its reason, where it is read whole
            return None


def _is_behind(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) > _LAST


def named_of(header: Dataset) -> Named:
    """Read whom an object names, before anything of it is decoded.

    Raises
    ------
    UnreadableValueError
        If its PatientID or the issuer is there and is no text.
    """
    patient_id, issuer = (whole_text(header, keyword) for keyword in _NAMES_A_PERSON)
    return Named((patient_id, issuer), frozenset(_others(header)) - {""})


def _others(header: Dataset) -> list[str]:
    """Other identifiers of the patient; what cannot be read states nothing."""
    try:
        plain = whole_text(header, "OtherPatientIDs").split("\\")
        items = header.get("OtherPatientIDsSequence") or []
        return [normal_text(text) for text in plain] + [
            whole_text(item, "PatientID") for item in items
        ]
    except Exception:  # a statement that nobody can read is none: the study is refused then
        return []
