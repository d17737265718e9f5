"""Objects that come again under the same SOP Instance UID: what follows the archive, what waits.

==========================================  ====================================================
an object came again with                   what is done
==========================================  ====================================================
the same bytes                              nothing
other bytes, the same de-identified object  a new version of the rows, which names the same file
other demographics, dates or texts          they follow the archive: a new version, same numbers
other pixels, another number, code or       ``pull.corrections = "ask"``: the study waits for
protocol word                               `mpss accept`, the stored version stays;
                                            ``"accept"``: a new version
==========================================  ====================================================

No object on the lake is overwritten: a new version is a file of its own, named by its content, and
the study's rows name exactly one version of each object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from mpss_lib.dicom.said import Said
from mpss_lib.errors import SameUidOtherBytesError
from mpss_lib.pull.deidentification.stored_bits import without_unused_bits
from mpss_lib.pull.received import Correction, Received, ReceivedLedger
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake
from mpss_lib.upstream import CORRECTED, Difference, note

_METHOD = "DeidentificationMethod"
_PATIENT_GROUP = 0x0010
_FOLLOWING_VRS = frozenset({"DA", "TM", "DT", "LO", "SH", "ST", "LT", "UT", "UC", "PN"})
"""Dates and texts: what they decide is compared by the answers of the word rules."""

_DECIDING_TEXTS = frozenset(
    {"CodeValue", "LongCodeValue", "CodingSchemeDesignator", "RescaleType"}
    | {"ROIName", "SegmentLabel"}  # which region a contour is of
)
"""Texts that are codes or names: they say what an object, its numbers or its parts are."""

_FOLLOWING_NUMBERS = frozenset(
    {"WindowCenter", "WindowWidth", "SmallestImagePixelValue", "LargestImagePixelValue"}
)
"""Numbers that say how an object is shown, or that follow from its pixels."""


def differences(old: Dataset, new: Dataset) -> set[str]:
    """Name what two de-identified versions of an object say otherwise, texts and dates apart.

    Parameters
    ----------
    old, new : Dataset
        Made with other settings of de-identification, only what both hold is compared.

    Returns
    -------
    set of str
        Keywords of pixels, numbers, codes and UIDs that differ; empty where only demographics
        (group 0010), dates or texts do.
    """
    is_same_making = old.get(_METHOD) == new.get(_METHOD)
    changed = set(_differing(old, new, is_same_making=is_same_making))
    if not is_same_making and "PixelData" in changed and _pixels(old) == _pixels(new):
        changed.remove("PixelData")
    return changed


def _pixels(dataset: Dataset) -> bytes:
    """Pixel data as they are compared: an earlier version stored bits that hold no pixel."""
    return without_unused_bits(dataset) if "PixelData" in dataset else b""


def _differing(old: Dataset, new: Dataset, *, is_same_making: bool) -> Iterator[str]:
    before, now = _deciding(old), _deciding(new)
    for tag in sorted(before.keys() | now.keys()):
        if tag not in before or tag not in now:
            if is_same_making:
                yield _name(before[tag] if tag in before else now[tag])
        elif before[tag].VR == "SQ" == now[tag].VR:
            yield from _in_items(before[tag], now[tag], is_same_making=is_same_making)
        elif before[tag].value != now[tag].value:
            yield _name(before[tag])


def _in_items(old: DataElement, new: DataElement, *, is_same_making: bool) -> Iterator[str]:
    if len(old.value) != len(new.value):
        yield _name(old)
        return
    for before, now in zip(old.value, new.value, strict=True):
        yield from _differing(before, now, is_same_making=is_same_making)


def _deciding(dataset: Dataset) -> dict[int, DataElement]:
    return {int(element.tag): element for element in dataset if not _follows(element)}


def _follows(element: DataElement) -> bool:
    """Whether an element follows the archive by itself."""
    if element.tag.group == _PATIENT_GROUP or element.keyword in _FOLLOWING_NUMBERS:
        return True
    return element.VR in _FOLLOWING_VRS and element.keyword not in _DECIDING_TEXTS


def _name(element: DataElement) -> str:
    return element.keyword or f"({element.tag.group:04X},{element.tag.element:04X})"


def other_answers(before: str, now: str) -> set[str]:
    """Name what an object says of itself otherwise, as ``attenuation AC -> NAC``.

    Parameters
    ----------
    before, now : str
        Column ``said`` of ``instance``; "" where nothing was asked.
    """
    if not before or not now:
        return set()
    old, new = Said.from_json(before), Said.from_json(now)
    changed = {
        f"{question} {old.answers[question].answer} -> {new.answers[question].answer}"
        for question in old.answers.keys() & new.answers.keys()
        if old.answers[question].answer != new.answers[question].answer
    }
    if old.why_no_volume != new.why_no_volume:
        changed.add("ImageType")
    return changed | {
        f"{keyword} (unreadable)" for keyword in {*old.unreadable} ^ {*new.unreadable}
    }


_NOT_THERE = "nothing to compare with, its stored file is gone"


class Corrections:
    """Judges the objects of one study that is being stored.

    Parameters
    ----------
    study_key : str
    lake, vault
    rows : callable
        Answers object key to its row of the study's current version; empty where there is none.
    takes_all : bool
        ``pull.corrections`` is ``"accept"``.
    takes_seen : bool
        Somebody accepts what waits, and nothing else.
    """

    def __init__(
        self,
        study_key: str,
        lake: Lake,
        vault: Vault,
        rows: Callable[[], Mapping[str, Mapping[str, object]]],
        *,
        takes_all: bool = False,
        takes_seen: bool = False,
    ) -> None:
        self._study_key, self._lake = study_key, lake
        self._ledger = ReceivedLedger(vault)
        self._read_rows, self._takes_all = rows, takes_all
        self._before = self._ledger.of_study(study_key)
        self._seen = self._ledger.waiting(study_key) if takes_seen else {}
        self._taken: dict[str, Received] = {}
        self._waiting: dict[str, Correction] = {}

    @cached_property
    def _rows(self) -> Mapping[str, Mapping[str, object]]:
        return self._read_rows()

    def version(self, object_key: str) -> str:
        """Version of an object that the study's rows are to name, "" for the first."""
        known = self._taken.get(object_key) or self._before.get(object_key)
        return known.version if known else ""

    def judge(self, object_key: str, received: str, made: Path, said: str = "") -> bool:
        """Look at one object before it is written.

        Parameters
        ----------
        object_key : str
        received : str
            SHA-256 of its data set as received.
        made : Path
            Its de-identified file.
        said : str
            What the word rules answered for it as received (JSON).

        Returns
        -------
        bool
            Whether it is taken; else the study waits (``check``).
        """
        mark = self._ledger.mark_of(received)
        known = self._before.get(object_key)
        version = known.version if known else ""
        if known is None or known.mark != mark:
            changes = self._changes(object_key, made, said)
            if changes and not self._may_take(object_key, mark):
                what = ", ".join(sorted(changes))
                self._waiting[object_key] = Correction(object_key, self._study_key, mark, what)
                return False
            is_first = known is None and not self._is_another(object_key, made)
            version = "" if is_first else mark
        self._taken[object_key] = Received(object_key, self._study_key, mark, version, "")
        return True

    def taken(self, paths: Mapping[str, str]) -> tuple[Received, ...]:
        """Give what was taken, by object key and path of its file below the lake."""
        return tuple(
            replace(one, path=paths[one.object_key])
            for one in self._taken.values()
            if one.object_key in paths
        )

    def check(self) -> None:
        """Keep the study as it is where something waits.

        Raises
        ------
        SameUidOtherBytesError
            Names what differs and the command that takes it.
        """
        if not self._waiting:
            return
        self._ledger.wait(self._study_key, self._waiting.values())
        counts = Counter(one.what for one in self._waiting.values())
        what = "; ".join(f"{n} of: {words}" for words, n in sorted(counts.items()))
        way_out = (
            f"ask the PACS team whether it is right, then `mpss accept {self._study_key}` takes it"
            " as a new version; the stored one stays until then (cohort.corrected)"
        )
        note(self._lake, Difference(self._study_key, CORRECTED, what, way_out))
        raise SameUidOtherBytesError(
            f"{len(self._waiting)} objects came again under the same SOP Instance UID with other"
            f" content ({what})",
            way_out=way_out,
        )

    def _may_take(self, object_key: str, mark: str) -> bool:
        seen = self._seen.get(object_key)
        return self._takes_all or (seen is not None and seen.mark == mark)

    def _stored(self, object_key: str) -> bytes | None:
        """Content of the version that the lake stands on, None where there is none to compare."""
        path = str(self._rows.get(object_key, {}).get("path", ""))
        if not path and object_key in self._before:
            path = self._before[object_key].path
        file = self._lake.root / path if path else self._first(object_key)
        return file.read_bytes() if file.is_file() else None

    def _first(self, object_key: str) -> Path:
        return self._lake.dicom_folder(self._study_key) / f"{object_key}.dcm"

    def _is_another(self, object_key: str, made: Path) -> bool:
        """Whether the study's rows name other content of an object that the vault forgot."""
        return object_key in self._rows and self._stored(object_key) != made.read_bytes()

    def _changes(self, object_key: str, made: Path, said: str) -> set[str]:
        stored = self._stored(object_key)
        if stored is None:
            return {_NOT_THERE} if object_key in self._before else set()
        changes = other_answers(str(self._rows.get(object_key, {}).get("said", "")), said)
        content = made.read_bytes()
        if stored != content:
            with pydicom.config.disable_value_validation():
                old, new = dcmread(BytesIO(stored)), dcmread(BytesIO(content))
                changes |= differences(old, new)
            if object_key not in self._before and old.get(_METHOD) != new.get(_METHOD):
                changes &= {"PixelData"}  # whether the rest changed at the archive cannot be told
        return changes
