"""De-identification of a DICOM object: deny by default, at every depth (PS3.15 Annex E).

Nothing of the object as received is copied unless ``attributes.KEPT`` (NM),
``contour_attributes.KEPT_OF`` (RTSTRUCT, SEG) or ``companion_attributes.KEPT_OF`` (CT, SR) names
it; text keeps only allow-listed words that are nobody's name (``free_text``), numbers what they can
mean (``plausible``), codes and UIDs what a public registry has (``coded``); dates are shifted by
the patient's own number of days, times of day become times since the study's start; other UIDs,
PatientID and PatientName are pseudonyms; file meta information and preamble are written anew. What
goes of an attribute of type 2 leaves an empty value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property, partial
from typing import Any

import pydicom
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, RTStructureSetStorage

from mpss_lib.dicom.region_names import region_of
from mpss_lib.dicom.values import parse_date, parse_time, plain_texts
from mpss_lib.dicom.writing import file_bytes, written_element, written_sequence
from mpss_lib.pull.deidentification import attributes as table
from mpss_lib.pull.deidentification import companion_attributes as companions
from mpss_lib.pull.deidentification import contour_attributes as contours
from mpss_lib.pull.deidentification.coded import class_uid, code_item, kept_code
from mpss_lib.pull.deidentification.equipment import clean_maker, clean_model, clean_version
from mpss_lib.pull.deidentification.free_text import TextCleaner
from mpss_lib.pull.deidentification.moments import Moments
from mpss_lib.pull.deidentification.names import UNREADABLE, Named, named_by, named_in
from mpss_lib.pull.deidentification.pictures import burned_in, is_phantom
from mpss_lib.pull.deidentification.plausible import kept_number
from mpss_lib.pull.deidentification.stored_bits import without_unused_bits

IMPLEMENTATION = (UID("2.25.143264291832310973266146342843711327931"), "MPSS_PULL_1")
"""Class UID and version name of what wrote an object."""

KEPT_OF: Mapping[UID, Mapping[str, str]] = {**contours.KEPT_OF, **companions.KEPT_OF}
"""SOP class -> keyword -> what is done with it; ``attributes.KEPT`` for every other one."""
NO_TERMS: frozenset[str] = frozenset()
UNKNOWN_REGION = "UNKNOWN"
_PLAIN = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UI", "UT"})
"""VRs of which one text is its own value."""
NOTHING = "nothing"
"""What is done with an attribute of type 2 that no table keeps."""


@dataclass(frozen=True)
class Subject:
    """Who the object becomes.

    Parameters
    ----------
    patient_key : str
        The new PatientID and PatientName.
    shift_days : int
        Added to every date.
    study_date, study_time : str
        The true ones, as the archive announces them; "" where unknown.
    birth_date : str
        For the age where the object does not state it.
    method : str
        DeidentificationMethod: names the settings and the site's secret (at most 64 characters).
    names, identifiers : tuple of str
        What the vault knows beside the object: no text keeps them.
    """

    patient_key: str
    shift_days: int
    study_date: str
    study_time: str
    birth_date: str
    method: str
    names: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()


class Deidentifier:
    """Makes the de-identified bytes of the objects of one study.

    Parameters
    ----------
    subject : Subject
    new_uid : callable
        Pseudonym of a UID.
    extra_words : tuple of str
        A site's own words that may stay in descriptions.
    region_names : mapping of our name to the site's names, optional
        Of the regions of structure sets and segmentations.
    """

    def __init__(
        self,
        subject: Subject,
        new_uid: Callable[[str], str],
        extra_words: tuple[str, ...] = (),
        region_names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.subject = subject
        self._region_names = region_names or {}
        self._kept: Mapping[str, str] = table.KEPT
        self._new_uid = new_uid
        self._top: Dataset | None = None  # pixel data of any other dataset are no pixels of ours
        self._extra_words = extra_words
        self._learn(named_by(subject.names, subject.identifiers))
        day, clock = parse_date(subject.study_date), parse_time(subject.study_time)
        self._moments = Moments(
            timedelta(days=subject.shift_days),
            datetime.combine(day, clock) if day and clock else None,
        )

    def _learn(self, named: Named) -> None:
        """Take over whose names and identifiers go."""
        self._named = named
        self._cleaner = TextCleaner(named, self._extra_words)

    def file_bytes(self, received: FileDataset) -> bytes:
        """Make the bytes of the de-identified DICOM file (explicit VR little endian).

        Parameters
        ----------
        received : FileDataset
            An NM, SEG or CT object with uncompressed pixel data, an RTSTRUCT or a report; it is not
            changed.
        """
        with pydicom.config.disable_value_validation():
            sop_class = received.SOPClassUID
            self._kept = KEPT_OF.get(sop_class, table.KEPT)
            known = {"names": self.subject.names, "ids": self.subject.identifiers}
            self._learn(named_in(received, **known))
            source = self._known_regions(received)
            self._top = source
            kept = self._dataset(source)
            self._sign(kept, received)
            contours.complete(kept, sop_class)
            return file_bytes(kept, IMPLEMENTATION)

    def _sign(self, kept: Dataset, received: Dataset) -> None:
        """Write what stands in for the identity, and what was done."""
        for keyword in ("PatientID", "PatientName"):
            _put(kept, keyword, self.subject.patient_key, _known(_tag(keyword))[1])
        for keyword in ("PatientBirthDate", "ReferringPhysicianName", "AccessionNumber", "StudyID"):
            _put(kept, keyword, "", _known(_tag(keyword))[1])  # type 2: present and empty
        if not kept.get("PatientAge"):
            age = _age_between(self.subject.birth_date, self.subject.study_date)
            _put(kept, "PatientAge", age, "AS")
        if burned_in(received) == "NO" and "PixelData" in kept:
            kept.BurnedInAnnotation = "NO"
        if "PixelData" in kept and is_phantom(received):
            kept.QualityControlImage = "YES"
        _put(kept, "PatientIdentityRemoved", "YES", "CS")
        _put(kept, "LongitudinalTemporalInformationModified", "MODIFIED", "CS")
        _put(kept, "DeidentificationMethod", self.subject.method, "LO")
        options = _options()
        kept[options.tag] = options

    def _dataset(self, source: Dataset) -> Dataset:
        kept = Dataset()
        for tag in source.keys():  # noqa: SIM118 - iterating a Dataset would decode every value
            keyword, _ = _known(tag)
            if self._kept.get(keyword) == table.NUMBER:
                kept[tag] = kept_number(source, keyword, self._named)
            elif keyword in self._kept or keyword in table.TYPE_2:
                self._keep(kept, source, tag)
        return kept

    def _keep(self, kept: Dataset, source: Dataset, tag: BaseTag) -> None:
        """Write what stays of an attribute: its value, an empty one, or nothing."""
        keyword, vr = _known(tag)
        try:
            read, is_empty, found = _found(source, keyword)
            value = None if is_empty else self._value(source, found, read, keyword, vr)
        except UNREADABLE:  # a value that cannot be read cannot be judged
            is_empty, read, value = False, "", None
        if value is not None:
            _put(kept, keyword, value, read)
        elif self._kept.get(keyword) == table.ITEMS and read != "SQ":
            kept[tag] = DataElement(tag, vr, [Dataset()])  # present and unreadable, not absent
        elif is_empty or keyword in table.TYPE_2:
            _put(kept, keyword, [] if vr == "SQ" else "", vr.split(" or ")[0])

    def _value(self, source: Dataset, found: Any, read: str, keyword: str, vr: str) -> object:
        if vr != read and read not in vr.split(" or "):
            return None
        return self._ways[self._kept.get(keyword, NOTHING)](found, keyword, source)

    @cached_property
    def _ways(self) -> Mapping[str, Callable[[Any, str, Dataset], object]]:
        """What is done with an attribute: value, keyword and the dataset around it."""
        return {
            table.CLEAN: lambda value, *_: _all_of(value, self._cleaner.clean_all),
            table.TERM: lambda value, keyword, _: _all_of(value, partial(self._terms, keyword)),
            table.MAKER: lambda value, *_: _all_of(
                value, partial(clean_maker, cleaner=self._cleaner)
            ),
            table.MODEL: lambda value, *_: _all_of(
                value, partial(clean_model, cleaner=self._cleaner)
            ),
            table.VERSION: lambda value, *_: _all_of(
                value, partial(clean_version, cleaner=self._cleaner)
            ),
            table.INSTANCE_UID: lambda value, *_: _all_of(value, self._new_uids),
            table.CLASS_UID: lambda value, *_: _all_of(value, self._class_uids),
            table.DATE: lambda value, key, source: self._moments.shifted(source, key, value),
            table.TIME: lambda value, key, source: self._moments.since_start(source, key, value),
            table.DATETIME: lambda value, *_: self._moments.moved(str(value)),
            table.AGE: lambda value, *_: _age(str(value)),
            table.SEX: lambda value, *_: _sex(str(value)),
            table.ITEMS: lambda value, *_: self._items(value),
            table.CODES: lambda value, *_: self._codes(value),
            table.PIXELS: lambda _value, _key, source: (
                without_unused_bits(source) if source is self._top else None
            ),
            contours.NAME: lambda value, *_: (
                region_of(str(value), self._region_names) or UNKNOWN_REGION
            ),
            contours.CLOSED: lambda value, keyword, _: _closed(value, keyword),
            NOTHING: lambda *_: None,
        }

    def _items(self, items: Sequence[Dataset]) -> list[Dataset]:
        """Clean the items; a question or an answer that goes takes its item along."""
        pairs = [(item, self._dataset(item)) for item in items]
        return [
            kept
            for item, kept in pairs
            if all(kept.get(code) or not item.get(code) for code in table.CONTENT)
        ]

    def _terms(self, keyword: str, texts: Sequence[str]) -> list[str]:
        """Keep defined terms; what is none is a text."""
        terms = table.TERMS[keyword]
        texts = [text.strip() for text in texts]
        cleaned = self._cleaner.clean_all(["" if text in terms else text for text in texts])
        return [text if text in terms else left for text, left in zip(texts, cleaned, strict=True)]

    def _new_uids(self, uids: Sequence[str]) -> list[str]:
        return [self._new_uid(uid) if uid else "" for uid in uids]

    def _class_uids(self, uids: Sequence[str]) -> list[str]:
        return [class_uid(uid, self._new_uid) if uid else "" for uid in uids]

    def _known_regions(self, received: FileDataset) -> Dataset:
        """Leave the regions of a structure set out whose names nobody knows, contours and all."""
        if received.SOPClassUID != RTStructureSetStorage:
            return received
        known = {
            str(item.get("ROINumber"))
            for item in received.get("StructureSetROISequence") or []
            if region_of(str(item.get("ROIName", "")), self._region_names)
        }
        source = Dataset()
        source.update({tag: received.get_item(tag) for tag in received.keys()})  # noqa: SIM118
        for keyword, number in (
            ("StructureSetROISequence", "ROINumber"),
            ("ROIContourSequence", "ReferencedROINumber"),
            ("RTROIObservationsSequence", "ReferencedROINumber"),
        ):
            items = received.get(keyword) or []
            kept = [one for one in items if str(one.get(number)) in known]
            source[Tag(keyword)] = DataElement(Tag(keyword), "SQ", kept)  # not that of received
        return source

    def _codes(self, items: Sequence[Dataset]) -> list[Dataset] | None:
        kept = []
        for item in items:
            scheme = str(item.get("CodingSchemeDesignator", "")).strip()
            code = kept_code(scheme, str(item.get("CodeValue", "")).strip(), self._named)
            if not code:
                continue
            meaning = self._cleaner.clean(str(item.get("CodeMeaning", "")))
            kept.append(code_item(code, scheme, meaning or "code"))
            kept[-1].update(self._dataset(item))  # modifiers
        return kept or None


def _found(source: Dataset, keyword: str) -> tuple[str, bool, Any]:
    """VR of an attribute as received, whether it is empty, and its value or list of values."""
    plain = plain_texts(source, keyword)
    if plain is not None:
        values = plain.values
        return plain.vr, values == [""], values[0] if len(values) == 1 else values
    element = source[_tag(keyword)]
    return element.VR, element.is_empty, element.value


@cache
def _known(tag: BaseTag) -> tuple[str, str]:
    """Keyword and VR of an attribute; "" of a private one, or one that nobody knows."""
    keyword = "" if tag.is_private else keyword_for_tag(tag)
    return keyword, dictionary_VR(tag) if keyword else ""


@cache
def _options() -> RawDataElement:
    items = [code_item(code, "DCM", meaning) for code, meaning in table.OPTION_CODES]
    return written_sequence("DeidentificationMethodCodeSequence", items)


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _put(target: Dataset, keyword: str, value: object, vr: str) -> None:
    if value is None:
        return
    tag = _tag(keyword)
    if type(value) is str and vr in _PLAIN and "\\" not in value:
        target[tag] = _plain_element(tag, vr, value)
    else:
        target[tag] = DataElement(tag, vr, value, validation_mode=IGNORE)


def _plain_element(tag: BaseTag, vr: str, text: str) -> DataElement | RawDataElement:
    """Make the element of one text, by its bytes where they are the same in every alphabet."""
    if not text or not text.isascii() or "\x1b" in text:
        return DataElement(tag, vr, text, already_converted=True, validation_mode=IGNORE)
    return written_element(tag, vr, text.encode())


def _all_of(value: object, judge: Callable[[Sequence[str]], list[str]]) -> object:
    """Judge the values as texts; None where nothing of any of them stays."""
    many = value if isinstance(value, MultiValue | list) else [value]
    judged = judge(["" if one is None else str(one) for one in many])
    if not any(judged):
        return None
    return judged if len(judged) > 1 else judged[0]


def _closed(value: object, keyword: str) -> object:
    """Keep a value (or all of several) if each is one that the attribute may have."""
    many = value if isinstance(value, MultiValue | list) else [value]
    terms = contours.TERMS.get(keyword, NO_TERMS) | companions.TERMS.get(keyword, NO_TERMS)
    return value if all(str(one) in terms for one in many) else None


def _sex(text: str) -> str | None:
    code = text.strip().upper()
    return code if code in ("M", "F", "O") else None


def _age(text: str) -> str | None:
    if not re.fullmatch(r"[0-9]{3}[DWMY]", text):
        return None
    return "090Y" if text.endswith("Y") and int(text[:3]) > 89 else text


def _age_between(birth: str, study: str) -> str | None:
    born, day = parse_date(birth), parse_date(study)
    if born is None or day is None or day < born:
        return None
    years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return _age(f"{years:03d}Y") if years < 150 else None
