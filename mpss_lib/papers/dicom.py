"""Tables of the DICOM conformance statement, each from what the code itself uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.presentation import PresentationContext

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.calcium.export import SOP_CLASSES
from mpss_lib.dicom.syntaxes import DECODERS, LOSSLESS, NAMED, PLAIN
from mpss_lib.papers.tables import markdown
from mpss_lib.pull.archive.association import (
    FETCHED_CLASSES,
    MAXIMUM_PDU,
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    SUCCESS,
    requesting_entity,
)
from mpss_lib.pull.archive.companion_classes import COMPANION_CLASSES
from mpss_lib.pull.archive.dialogue import NOT_SUPPORTED, PENDING
from mpss_lib.pull.archive.queries import MATCHING_KEYS, OBJECT_KEYS, SERIES_KEYS, STUDY_KEYS
from mpss_lib.pull.archive.questions import CUT_SHORT
from mpss_lib.pull.archive.tls import SUITES
from mpss_lib.pull.receiver.service import CANNOT_UNDERSTAND, NOT_ASKED, receiving_entity
from mpss_lib.pull.retrieve.study import CANNOT_SEND
from mpss_lib.segmentation import export

WAYS: tuple[Literal["auto", "c-get", "c-move"], ...] = ("auto", "c-get", "c-move")
"""Values of ``archive.retrieve`` with which associations are opened."""


def requested_contexts() -> str:
    """Presentation contexts that we propose, and for which ways of retrieval."""
    return _requested(FETCHED_CLASSES)


def companion_contexts() -> str:
    """Those that are proposed for CTs and reports too, in the associations of ``companions``."""
    return _requested(COMPANION_CLASSES, is_beside=True)


def _requested(classes: Sequence[UID], *, is_beside: bool = False) -> str:
    by_way = {
        way: _told(
            requesting_entity(
                ArchiveSettings(retrieve=way), classes=classes if is_beside else None
            ).requested_contexts
        )
        for way in WAYS
    }
    fetched = {str(uid) for uid in classes}
    if is_beside:
        by_way = {way: [one for one in by_way[way] if one[0] in fetched] for way in WAYS}
    rows = []
    for uid in dict.fromkeys(uid for told in by_way.values() for uid, _ in told):
        ways = [way for way in WAYS if any(uid == one for one, _ in by_way[way])]
        contexts = [_names(syntaxes) for one, syntaxes in by_way[ways[0]] if one == uid]
        role = "SCU and, by role negotiation, SCP" if uid in fetched else "SCU"
        rows.append((UID(uid).name, uid, " / ".join(contexts), role, ", ".join(ways)))
    columns = ("SOP class", "UID", "transfer syntaxes (/ between contexts)", "role")
    return markdown((*columns, "archive.retrieve"), rows)


def written_classes() -> str:
    """Objects that commands write for others."""
    written = [("mpss segmentation export", export.SOP_CLASS)]
    written += [("mpss calcium export", uid) for uid in SOP_CLASSES.values()]
    rows = [
        (UID(uid).name, uid, UID(ExplicitVRLittleEndian).name, f"`{command}`")
        for command, uid in written
    ]
    return markdown(("SOP class", "UID", "transfer syntax", "command"), rows)


def accepted_contexts() -> str:
    """Presentation contexts that the receiver of C-MOVE accepts."""
    entity = receiving_entity(ArchiveSettings(), ReceiverSettings())
    rows = [
        (UID(uid).name, uid, _names(syntaxes), "SCP")
        for uid, syntaxes in _told(entity.supported_contexts)
    ]
    return markdown(("SOP class", "UID", "transfer syntaxes", "role"), rows)


def _told(contexts: Iterable[PresentationContext]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (str(one.abstract_syntax), tuple(str(uid) for uid in one.transfer_syntax))
        for one in contexts
    ]


def _names(syntaxes: Sequence[str]) -> str:
    return "; ".join(UID(uid).name for uid in syntaxes)


def transfer_syntaxes() -> str:
    """Transfer syntaxes, and what becomes of objects in them."""
    kept = dict.fromkeys(PLAIN, "kept as it is") | dict.fromkeys(LOSSLESS, "decoded, kept plain")
    rows = [
        (uid.name, uid, f"{what} ({DECODERS[uid]})" if uid in DECODERS else what)
        for uid, what in kept.items()
    ]
    rows += [(uid.name, uid, "named, not kept: offered only to learn of it") for uid in NAMED]
    return markdown(("transfer syntax", "UID", "an object in it is"), rows)


LEVELS = (("STUDY", STUDY_KEYS), ("SERIES", SERIES_KEYS), ("IMAGE", OBJECT_KEYS))
"""Levels of C-FIND and QIDO-RS, and what is asked for at each."""
_MATCHED = {
    "single value, list of UID": {"StudyInstanceUID"},
    "single value": {"SeriesInstanceUID"},
    "single value; wild card where a list is cut": {"PatientID"},
    "single value, range": {"StudyDate"},
    "range, where a list is cut": {"StudyTime"},
    "single value; wild card for characters that have a meaning": {"AccessionNumber"},
    "single value, or empty": {"ModalitiesInStudy"},
}


def find_keys() -> str:
    """Attributes of C-FIND by level: matching keys, and what is asked to be returned."""
    rows = []
    for level, keys in LEVELS:
        for keyword in dict.fromkeys((*MATCHING_KEYS[level], *keys)):
            tag = tag_for_keyword(keyword) or 0
            matched = keyword in MATCHING_KEYS[level]
            how = next((how for how, names in _MATCHED.items() if keyword in names), "")
            asked = "universal" if not matched else how
            told = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
            returned = "yes" if keyword in keys else "key only"
            rows.append((level, dictionary_description(tag), told, asked, returned))
    return markdown(("level", "attribute", "tag", "matching", "return key"), rows)


def _codes(codes: Iterable[int]) -> str:
    return ", ".join(f"0x{code:04X}" for code in sorted(codes))


def statuses() -> str:
    """Statuses that are told apart as a client, and what follows from each."""
    rows = [
        ("C-ECHO, C-FIND, C-GET, C-MOVE", _codes([SUCCESS]), "done; a list counts only then"),
        ("C-FIND, C-GET, C-MOVE", _codes(PENDING), "goes on"),
        ("C-FIND", ", ".join(f"0x{code >> 8:02X}xx" for code in sorted(CUT_SHORT)),
         "the list was cut: asked for again in smaller parts (dates, times, PatientID)"),
        ("all", _codes(NOT_AUTHORISED), "refused: the task fails at once, the message says which"),
        ("C-GET, C-MOVE of one object", f"{_codes(CANNOT_SEND[:2])}, 0xCxxx",
         "the archive cannot send this object: asked for in other syntaxes, then left and named"),
        ("C-GET, C-MOVE that bring nothing", "0xA700, 0xA701, 0xFE00", "busy: waited for"),
        ("C-MOVE that brings nothing", "0xA702, 0xB000, 0xCxxx",
         "busy where our receiver was full, its line broke off, or it was not called: waited for"),
        ("C-MOVE that brings nothing", "0xA801, 0xA9xx, 0xAAxx",
         "refused: stops at once; 0xA801 of an archive that our receiver has just turned away, or"
         " whose line to it broke off, is busy"),
        ("C-FIND with a range", "0xAxxx, 0xCxxx", "asked for day by day, or minute by minute"),
        ("all", "any other", "tried again, then object by object; then the study is quarantined"),
        ("all", "none (association lost, no byte for the time-out)",
         "tried again on a new association; an archive that is away is waited for"),
    ]  # fmt: skip
    return markdown(("service", "status", "what follows"), rows)


def store_statuses() -> str:
    """Statuses with which we answer C-STORE."""
    rows = [
        ("C-GET", _codes([SUCCESS]), "taken (an object that nobody waits for is dropped)"),
        ("C-GET", _codes([OUT_OF_RESOURCES]), "the disk refused it"),
        ("C-GET", _codes([NOT_SUPPORTED]), "no accepted context for its class as SCP"),
        ("receiver", _codes([SUCCESS]), "on the disk, whole and under its name"),
        ("receiver", _codes([NOT_ASKED]), "no task has announced its study"),
        ("receiver", _codes([OUT_OF_RESOURCES]), "less room than `receiver.min_free_gb`"),
        ("receiver", _codes([CANNOT_UNDERSTAND]), "its Study Instance UID cannot be read"),
    ]
    return markdown(("in", "status", "when"), rows)


def limits() -> str:
    """Give what an association is opened with, and how long anything is waited for."""
    to, ours = ArchiveSettings(), ReceiverSettings()
    rows = [
        ("maximum PDU that we take", f"{MAXIMUM_PDU} bytes", "fixed"),
        ("largest PDU that we send", "what the peer takes", "-"),
        ("Application Context Name", "1.2.840.10008.3.1.1.1", "fixed"),
        ("Implementation Class UID", PYNETDICOM_IMPLEMENTATION_UID, "of pynetdicom"),
        ("Implementation Version Name", PYNETDICOM_IMPLEMENTATION_VERSION, "of pynetdicom"),
        ("calling AE title", to.calling_aet, "archive.calling_aet"),
        ("called AE title", to.called_aet, "archive.called_aet"),
        ("associations at the same time", to.max_associations, "archive.max_associations"),
        ("associations to the receiver", ours.max_associations, "receiver.max_associations"),
        ("requests outstanding on one association", 1, "fixed (no asynchronous operations)"),
        ("to connect", f"{to.connection_timeout_s:g} s", "archive.connection_timeout_s"),
        ("to negotiate (ARTIM)", f"{to.acse_timeout_s:g} s", "archive.acse_timeout_s"),
        ("without a byte (DIMSE)", f"{to.dimse_timeout_s:g} s", "archive.dimse_timeout_s"),
        ("UIDs in one C-GET or C-MOVE", to.uids_per_request, "archive.uids_per_request"),
        ("studies fetched in a minute", to.max_studies_per_minute or "no limit",
         "archive.max_studies_per_minute"),
    ]  # fmt: skip
    return markdown(("what", "default", "setting"), rows)


def tls() -> str:
    """Give what a secure connection is negotiated with."""
    rows = [
        ("versions", "TLS 1.2, TLS 1.3", "older ones are refused"),
        ("suites of TLS 1.2", f"`{SUITES}`", "OpenSSL's words: forward secrecy and AEAD only"),
        ("certificates", "both sides show one", "archive.tls_certificate, archive.tls_issuers"),
        ("name", "the peer's certificate names it", "archive.tls_name, else archive.host"),
    ]
    return markdown(("what", "value", "more"), rows)
