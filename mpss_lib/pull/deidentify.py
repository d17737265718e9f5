"""De-identification of a DICOM object: deny by default, at every depth (PS3.15 Annex E).

Nothing of the object as received is copied unless ``attributes.KEPT`` (NM) or
``contour_attributes.KEPT_OF`` (RTSTRUCT, SEG) names it; text keeps only
allow-listed words; dates are shifted by the patient's own number of days, times of day become
times since the study's start; UIDs, PatientID and PatientName are pseudonyms; file meta
information and preamble are written anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import BytesIO

import pydicom
from pydicom import dcmwrite
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, RTStructureSetStorage

from mpss_lib.dicom.region_names import region_of
from mpss_lib.dicom.values import stand_in
from mpss_lib.pull import attributes as table
from mpss_lib.pull import contour_attributes as contours

IMPLEMENTATION_UID = UID("2.25.143264291832310973266146342843711327931")
IMPLEMENTATION_NAME = "MPSS_PULL_1"

UNKNOWN_REGION = "UNKNOWN"
_DICOM_ROOT = "1.2.840.10008."
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"([^\W_]+)")
_DECIDING = frozenset({table.NUMBER, table.ITEMS})
"""Actions whose values later stages decide by: unreadable ones stay, as such."""
_VERSIONED = frozenset({"SoftwareVersions", "ManufacturerModelName"})
_DATE_OF = {
    "StudyTime": "StudyDate",
    "SeriesTime": "SeriesDate",
    "AcquisitionTime": "AcquisitionDate",
    "ContentTime": "ContentDate",
    "StructureSetTime": "StructureSetDate",
    "InterventionDrugStartTime": "InterventionDrugStartDate",
}
_TIME_OF = {day: clock for clock, day in _DATE_OF.items()}


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
    """

    patient_key: str
    shift_days: int
    study_date: str
    study_time: str
    birth_date: str
    method: str


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
        self._words = table.WORDS | {word.upper() for word in extra_words}
        day, clock = parse_date(subject.study_date), parse_time(subject.study_time)
        self._start = datetime.combine(day, clock) if day and clock else None

    def file_bytes(self, received: FileDataset) -> bytes:
        """Make the bytes of the de-identified DICOM file (explicit VR little endian).

        Parameters
        ----------
        received : FileDataset
            An NM or SEG object with uncompressed pixel data, or an RTSTRUCT; it is not changed.
        """
        with pydicom.config.disable_value_validation():
            sop_class = received.SOPClassUID
            self._kept = contours.KEPT_OF.get(sop_class, table.KEPT)
            source = self._known_regions(received)
            kept = self._dataset(source)
            self._sign(kept, received)
            contours.complete(kept, sop_class)
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = kept.SOPClassUID
            meta.MediaStorageSOPInstanceUID = kept.SOPInstanceUID
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            meta.ImplementationClassUID = IMPLEMENTATION_UID
            meta.ImplementationVersionName = IMPLEMENTATION_NAME
            whole = FileDataset("", kept, preamble=b"\0" * 128, file_meta=meta)
            buffer = BytesIO()
            dcmwrite(buffer, whole, enforce_file_format=True)
        return buffer.getvalue()

    def _sign(self, kept: Dataset, received: Dataset) -> None:
        """Write what stands in for the identity, and what was done."""
        kept.PatientID = self.subject.patient_key
        kept.PatientName = self.subject.patient_key
        for keyword in ("PatientBirthDate", "ReferringPhysicianName", "AccessionNumber", "StudyID"):
            setattr(kept, keyword, "")  # type 2: present and empty
        if "PatientAge" not in kept:
            age = _age_between(self.subject.birth_date, self.subject.study_date)
            _put(kept, "PatientAge", age, "AS")
        if "PixelData" in kept:
            kept.BurnedInAnnotation = "NO"
        kept.PatientIdentityRemoved = "YES"
        kept.LongitudinalTemporalInformationModified = "MODIFIED"
        kept.DeidentificationMethod = self.subject.method
        kept.DeidentificationMethodCodeSequence = [
            _code_item(code, "DCM", meaning) for code, meaning in table.OPTION_CODES
        ]

    def _dataset(self, source: Dataset) -> Dataset:
        kept = Dataset()
        for tag in source.keys():  # noqa: SIM118 - iterating a Dataset would decode every value
            keyword = keyword_for_tag(tag)
            action = self._kept.get(keyword)
            if action is None or tag.is_private:
                continue
            try:
                element = source[tag]
                value = self._value(source, element, keyword, action)
            except Exception:  # pydicom raises many kinds
                element, value = None, None  # a value that cannot be read cannot be judged
            if value is None and action in _DECIDING and tag in source and not _says_no(element):
                kept[tag] = stand_in(source, keyword)  # nor does it pass for absent
            elif element is not None:
                _put(kept, keyword, value, element.VR)
        return kept

    def _value(self, source: Dataset, element: DataElement, keyword: str, action: str) -> object:
        vr = dictionary_VR(element.tag)
        if vr != element.VR and element.VR not in vr.split(" or "):
            return None
        value = element.value
        simple: dict[str, Callable[[], object]] = {
            table.NUMBER: lambda: _numbers(value),
            table.CLEAN: lambda: self._clean(value, keyword),
            table.INSTANCE_UID: lambda: self._uids(value),
            table.CLASS_UID: lambda: value if str(value).startswith(_DICOM_ROOT) else None,
            table.DATE: lambda: self._date(source, keyword, value),
            table.TIME: lambda: self._time(source, keyword, value),
            table.DATETIME: lambda: self._datetime(str(value)),
            table.AGE: lambda: _age(str(value)),
            table.SEX: lambda: value if value in ("M", "F", "O") else None,
            table.ITEMS: lambda: [self._dataset(item) for item in value] or None,
            table.CODES: lambda: self._codes(value),
            table.PIXELS: lambda: value,
            contours.NAME: lambda: region_of(str(value), self._region_names) or UNKNOWN_REGION,
            contours.TERM: lambda: _terms(value, keyword),
        }
        return simple[action]()

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

    # ---------------------------------------------------------------- text

    def _clean(self, value: object, keyword: str) -> object:
        texts = value if isinstance(value, MultiValue | list) else [value]
        cleaned = [self.clean_text(str(text), keyword) for text in texts]
        if not any(cleaned):
            return None
        return cleaned if len(cleaned) > 1 else cleaned[0]

    def clean_text(self, text: str, keyword: str = "") -> str:
        """Keep the allow-listed words of a text, with plain separators between them."""
        parts = _WORD.split(text)
        kept: list[str] = []
        for index, part in enumerate(parts):
            if index % 2:
                after = parts[index + 2].upper() if index + 2 < len(parts) else ""
                is_axis = part in "HVhv" and after.startswith("LONG")  # H Long Ax
                kept.append(part if is_axis or self._is_allowed(part, keyword) else "")
            else:
                kept.append("".join(char if char in " _-/.,+:%" else " " for char in part))
        return re.sub(
            r"\s+", " ", re.sub(r"([_\-/.,+:])[\s_\-/.,+:]*\1", r"\1", "".join(kept))
        ).strip(" _-/.,+:")

    def _is_allowed(self, word: str, keyword: str) -> bool:
        if not word.isascii():
            return False
        upper = word.upper()
        if upper in self._words or re.fullmatch(table.NUMBER_WORD, upper):
            return True
        if keyword in _VERSIONED and re.fullmatch(table.VERSION_WORD, upper):
            return True
        pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", word)  # StressAC, OSEM8
        return len(pieces) > 1 and all(
            piece.upper() in self._words or re.fullmatch(table.NUMBER_WORD, piece)
            for piece in pieces
        )

    def _uids(self, value: object) -> object:
        if isinstance(value, MultiValue | list):
            return [self._new_uid(str(uid)) for uid in value]
        return self._new_uid(str(value)) if value else None

    def _codes(self, items: list[Dataset]) -> list[Dataset] | None:
        kept = []
        for item in items:
            scheme, code = str(item.CodingSchemeDesignator), str(item.CodeValue)
            form = table.CODE_FORMS.get(scheme)
            if form is None or not re.fullmatch(form, code):
                continue
            meaning = self.clean_text(str(item.get("CodeMeaning", "")))
            kept.append(_code_item(code, scheme, meaning or "code"))
            kept[-1].update(self._dataset(item))  # modifiers
        return kept or None

    # --------------------------------------------------------------- times

    def _moved(self, day: date, clock: time) -> datetime | None:
        """Move a true moment: the study's start goes to midnight of its shifted date."""
        if self._start is None:
            return None
        midnight = datetime.combine(self._start.date(), time()) + self._shift
        return midnight + (datetime.combine(day, clock) - self._start)

    @property
    def _shift(self) -> timedelta:
        return timedelta(days=self.subject.shift_days)

    def _date(self, source: Dataset, keyword: str, value: object) -> str | None:
        day = parse_date(str(value))
        if day is None:
            return None
        clock = parse_time(str(source.get(_TIME_OF.get(keyword, ""), "")))
        moved = self._moved(day, clock) if clock and keyword != "StudyDate" else None
        return f"{(moved or datetime.combine(day, time()) + self._shift):%Y%m%d}"

    def _time(self, source: Dataset, keyword: str, value: object) -> str | None:
        clock = parse_time(str(value))
        if clock is None or self._start is None:
            return None
        if keyword == "StudyTime":
            return "000000"
        day = parse_date(str(source.get(_DATE_OF.get(keyword, ""), ""))) or self._start.date()
        moved = self._moved(day, clock)
        return None if moved is None else f"{moved:%H%M%S}"

    def _datetime(self, text: str) -> str | None:
        day, clock = parse_date(text[:8]), parse_time(text[8:14])
        moved = self._moved(day, clock) if day and clock else None
        return None if moved is None else f"{moved:%Y%m%d%H%M%S}"


def parse_date(text: str) -> date | None:
    """Read a DICOM date, also the old form with dots; None where it is none."""
    digits = text.strip().replace(".", "")
    if not re.fullmatch(r"[0-9]{8}", digits):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def parse_time(text: str) -> time | None:
    """Read a DICOM time to the second, also the old form with colons; None where it is none."""
    digits = text.strip().split(".")[0].replace(":", "")
    if not re.fullmatch(r"([0-9]{2}){1,3}", digits):
        return None
    padded = digits.ljust(6, "0")
    try:
        return time(int(padded[:2]), int(padded[2:4]), int(padded[4:]))
    except ValueError:
        return None


def _put(target: Dataset, keyword: str, value: object, vr: str) -> None:
    if value is not None:
        target.add(DataElement(Tag(keyword), vr, value, validation_mode=IGNORE))


def _says_no(element: DataElement | None) -> bool:
    """Whether an element is a sequence that was read and holds no item."""
    return element is not None and element.VR == "SQ"


def _numbers(value: object) -> object:
    many = value if isinstance(value, MultiValue | list) else [value]
    for part in many:
        if isinstance(part, BaseTag) or (isinstance(part, int) and not isinstance(part, bool)):
            continue
        text = str(getattr(part, "original_string", part)).strip()
        if not _NUMBER.fullmatch(text):
            return None
    return value


def _terms(value: object, keyword: str) -> object:
    """Keep a value (or all of several) if each is one that the attribute may have."""
    many = value if isinstance(value, MultiValue | list) else [value]
    return value if all(str(one) in contours.TERMS[keyword] for one in many) else None


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


def _code_item(code: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = code
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item
